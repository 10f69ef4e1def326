"""One of three applications that elect among themselves: FOLDER NAME. It leads, acts and writes it down.

A file `wedge-NAME` in the folder makes its loop hang for as long as it is there.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

from tenure import Election, Node, Tenure, resign_on
from tenure.audit import Ledger, Scribe

NAMES = ("a", "b", "c")
ACT_S = 0.005


async def main(folder: Path, name: str) -> None:
    """Stand until SIGTERM."""

    async def job(tenure: Tenure) -> None:
        scribe = Scribe(ledger, tenure.election, tenure.token, tenure.candidate)
        scribe.opened(deadline_ns=tenure.deadline_ns)
        try:
            while True:
                with scribe.act("act", deadline_ns=tenure.deadline_ns):
                    tenure.check()
                while (folder / f"wedge-{name}").exists():
                    time.sleep(0.01)  # noqa: ASYNC251  that the loop hangs is the point
                await asyncio.sleep(ACT_S)
        finally:
            if tenure.reason is not None:
                scribe.told(tenure.reason)
            scribe.ended(tenure.reason)

    peers = {other: f"unix:{folder}/{other}" for other in NAMES if other != name}
    with resign_on(signal.SIGTERM), Ledger(folder / "ledger") as ledger:
        async with Node(name, listen=f"unix:{folder}/{name}", peers=peers, data=folder / f"{name}.d") as node:
            await Election("orders", at=node, candidate=name).run(job)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
