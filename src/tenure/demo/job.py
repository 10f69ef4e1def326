"""What runs under a wrapper, ours or the hand-written one: `python -m tenure.demo.job ELECTION CANDIDATE BOOKS LEDGER`.

It books payments until it is told to end. Of tenure it knows two variables of the environment, which `tenure run` sets:
its token, and the file that says how long it may act.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tenure.audit import Ledger, Scribe
from tenure.audit.records import NO_TOKEN
from tenure.clock import BootClock
from tenure.demo import lifeline
from tenure.demo.books import Books
from tenure.errors import Reason
from tenure.supervise.deadline_file import holds

THINK_S = 0.06
"""How long a leader thinks about each payment: some sixteen payments a second."""


def main(election: str, candidate: str, books_path: str, ledger_path: str) -> None:
    """Book payments until SIGTERM."""
    books, ledger = Books(Path(books_path)), Ledger(ledger_path)
    scribe = Scribe(ledger, election, int(os.environ.get("TENURE_TOKEN", NO_TOKEN)), candidate)
    deadline_file = os.environ.get("TENURE_DEADLINE_FILE")
    lifeline.end_on_sigterm()
    try:
        scribe.opened()
        while True:
            draft = books.read()
            scribe.noted(f"thinks about payment {draft.number}")
            time.sleep(THINK_S)
            if deadline_file is not None and not holds(deadline_file, 0, BootClock().now_ns()):
                raise SystemExit(os.EX_TEMPFAIL)
            with scribe.act(f"payment {draft.number}"):
                books.write(draft, candidate)
    except SystemExit as end:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        scribe.told(Reason.RESIGNED)
        scribe.ended(Reason.RESIGNED)
        os._exit(int(end.code or 0))  # the next leader waits for this process, not for its interpreter's tidying up


if __name__ == "__main__":
    lifeline.hold()
    main(*sys.argv[1:])
