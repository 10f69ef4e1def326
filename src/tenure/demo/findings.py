"""What came out on one side: the audit of its tenures, the state of its books, and what the accidents cost."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tenure.audit import Verdict, audit
from tenure.demo.books import Books, BooksState
from tenure.demo.script import Pause, Refusal, TakeOver
from tenure.demo.stage import Stage


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Data for the picture and for `-o json`. Both sides are judged by the same two audits."""

    title: str
    verdict: Verdict
    books: BooksState
    take_overs: tuple[TakeOver, ...]
    pause: Pause | None
    killed_pids: tuple[int, ...]
    refusal: Refusal | None = None
    """The late write of a paused leader, where the ledger compares tokens."""

    @property
    def is_clean(self) -> bool:
        """One leader at a time, and every payment booked once."""
        return self.verdict.is_clean and self.books.is_right

    @property
    def is_damaged(self) -> bool:
        """Two leaders at once for certain, and it shows in the books."""
        return bool(self.verdict.overlaps) and not self.books.is_right


class Played(Protocol):
    """A script that was played to its end."""

    side: Any
    """Has a title, and a stage."""
    take_overs: list[TakeOver]
    pause: Pause | None
    killed_pids: set[int]
    refusal: Refusal | None


def judge(script: Played) -> Findings:
    """Audit one side after its script was played."""
    stage: Stage = script.side.stage
    books = Books(stage.books_path)
    try:
        state = books.state()
    finally:
        books.close()
    return Findings(
        title=script.side.title,
        verdict=audit(stage.look()),
        books=state,
        take_overs=tuple(script.take_overs),
        pause=script.pause,
        killed_pids=tuple(sorted(script.killed_pids)),
        refusal=script.refusal,
    )


def failure_of(ours: Findings, leased: Findings, theirs: Findings) -> str:
    """What the demonstration failed to show, or an empty text."""
    if not ours.is_clean or not leased.is_clean:
        return "tenure's own ledger is not clean: this is a defect, please report it with the text above"
    if leased.refusal is None:
        return "no late write was refused: this is a defect, please report it with the text above"
    if not theirs.is_damaged:
        return "the hand-written lock survived this time; that is luck, and not what this demonstration claims"
    return ""
