"""A candidate that uses the library: `python -m tenure.demo.worker URL ELECTION CANDIDATE BOOKS LEDGER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from signal import SIGTERM

from tenure import Election, Reason, Tenure, resign_on
from tenure.audit import Ledger, Scribe
from tenure.demo import lifeline
from tenure.demo.books import Books
from tenure.demo.job import THINK_S


async def main(url: str, election: str, candidate: str, books_path: str, ledger_path: str) -> None:
    """Stand, and book payments whenever elected."""
    books, ledger = Books(Path(books_path)), Ledger(ledger_path)

    async def book(tenure: Tenure) -> None:
        scribe = Scribe(ledger, election, tenure.token, candidate)
        scribe.opened()
        try:
            while True:
                draft = books.read()
                scribe.noted(f"thinks about payment {draft.number}")
                await asyncio.sleep(THINK_S)
                tenure.check()
                with scribe.act(f"payment {draft.number}"):
                    books.write(draft, candidate)
        except asyncio.CancelledError:
            scribe.told(tenure.reason or Reason.RESIGNED)
            raise
        finally:
            scribe.ended(tenure.reason)

    with resign_on(SIGTERM):
        await Election(election, at=url, candidate=candidate).run(book)


if __name__ == "__main__":
    lifeline.hold()
    asyncio.run(main(*sys.argv[1:]))
