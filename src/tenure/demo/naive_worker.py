"""A candidate that uses the hand-written lock: `python -m tenure.demo.naive_worker LOCK ELECTION CANDIDATE ...`.

It looks whether it still leads before each payment, as everybody does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tenure.audit import Ledger, Scribe
from tenure.audit.records import NO_TOKEN
from tenure.demo import lifeline
from tenure.demo.books import Books
from tenure.demo.job import THINK_S
from tenure.demo.naive import TimeoutLock
from tenure.errors import Reason


def main(lock_path: str, election: str, candidate: str, books_path: str, ledger_path: str) -> None:
    """Stand, book payments while the lock is held, and stand again."""
    books, ledger = Books(Path(books_path)), Ledger(ledger_path)
    scribe = Scribe(ledger, election, NO_TOKEN, candidate)
    lifeline.end_on_sigterm()
    Path(f"{lock_path}.{candidate}.{os.getpid()}").touch()  # it stands from here on
    while True:
        lock = TimeoutLock(Path(lock_path), f"{candidate}-{os.getpid()}")
        lock.acquire()
        scribe.opened()
        try:
            while lock.is_held:
                draft = books.read()
                scribe.noted(f"thinks about payment {draft.number}")
                time.sleep(THINK_S)
                with scribe.act(f"payment {draft.number}"):
                    books.write(draft, candidate)
        except SystemExit:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
            scribe.told(Reason.RESIGNED)
            scribe.ended(Reason.RESIGNED)
            lock.release()
            raise
        scribe.told(Reason.DEPOSED)
        scribe.ended(Reason.DEPOSED)


if __name__ == "__main__":
    lifeline.hold()
    main(*sys.argv[1:])
