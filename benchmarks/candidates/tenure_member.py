"""tenure, as a member of its own group; it stands again after it resigned, until SIGTERM.

Its address is `{name: [where it listens, its directory]}` as JSON; the number of the election is that of the member, in
the order of their names.
"""

import asyncio
import json
import signal
import sys

from benchmarks.candidates import leading, waiting
from tenure import Election, Node, Tenure, resign_on


async def main() -> None:
    """Stand, lead, resign when told to, and so on."""
    members: dict[str, list[str]] = json.loads(sys.argv[1])
    name = sorted(members)[int(sys.argv[2])]
    listen, data = members[name]
    told = asyncio.Event()

    def read() -> None:
        sys.stdin.readline()
        told.set()

    async def job(tenure: Tenure) -> None:
        leading()
        told.clear()
        await told.wait()
        tenure.resign()

    asyncio.get_running_loop().add_reader(sys.stdin, read)
    with resign_on(signal.SIGTERM):
        peers = {other: address for other, (address, _) in members.items() if other != name}
        async with Node(name, listen=listen, peers=peers, data=data) as node:
            waiting()
            await Election("bench", at=node, candidate=name).run(job)


asyncio.run(main())
