"""A candidate with a lease, whose ledger compares tokens: `... fenced_worker URL ELECTION CANDIDATE BOOKS LEDGER`.

It looks at its tenure, and then sends its payment on its way. In between nothing of its own can stop it: a process may
be paused there, and wake as a leader that has been replaced. What refuses the payment then is the ledger.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from signal import SIGTERM

from tenure import Election, Node, Reason, StaleToken, Tenure, resign_on
from tenure.audit import Ledger, Scribe
from tenure.demo import lifeline
from tenure.demo.books import Books, fence_of
from tenure.demo.job import THINK_S

SENDS = "sends payment"
REFUSED = "refused"


async def stand(at: str | Node, election: str, candidate: str, books_path: str, ledger_path: str) -> None:
    """Stand until SIGTERM, and book payments whenever elected."""
    fence = fence_of(Path(books_path))
    books, ledger = Books(Path(books_path), fence), Ledger(ledger_path)

    async def book(tenure: Tenure) -> None:
        scribe = Scribe(ledger, election, tenure.token, candidate)
        scribe.opened(deadline_ns=tenure.deadline_ns)
        try:
            while True:
                draft = books.read()
                await asyncio.sleep(THINK_S / 2)
                deadline_ns = tenure.deadline_ns
                tenure.check()
                scribe.noted(f"{SENDS} {draft.number}")
                time.sleep(THINK_S / 2)  # noqa: ASYNC251  it is on its way to the ledger, and cannot be called back
                with scribe.act(f"payment {draft.number}", deadline_ns=deadline_ns):
                    books.write(draft, candidate, tenure)
        except asyncio.CancelledError:
            scribe.told(tenure.reason or Reason.RESIGNED, deadline_ns=tenure.deadline_ns)
            raise
        except StaleToken as stale:
            scribe.noted(f"{REFUSED}: {stale}")
            raise
        finally:
            scribe.ended(tenure.reason, deadline_ns=tenure.deadline_ns)

    with resign_on(SIGTERM):
        await Election(election, at=at, candidate=candidate, fences=[fence]).run(book)


if __name__ == "__main__":
    lifeline.hold()
    asyncio.run(stand(*sys.argv[1:]))
