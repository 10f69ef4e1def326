"""The whole demonstration: introduction, both sides, strips, verdicts, and what to type next."""

from __future__ import annotations

import logging

import msgspec

from tenure.demo import picture
from tenure.demo.findings import Findings, failure_of, judge
from tenure.demo.house import ending_on_signals, open_stage
from tenure.demo.late_write import LateWrite
from tenure.demo.narrator import Narrator
from tenure.demo.script import Script
from tenure.demo.sides import LeasedSide, NaiveSide, Side, TenureSide
from tenure.demo.stage import ShowStopped
from tenure.errors import BackendRefused

_INTRODUCTION = (
    "Three processes stand ready to book payments into one SQLite ledger, and only one of them, the leader, may do so "
    "at a time. Whoever leads is killed, told to resign, killed in its wrapper, and frozen: first with tenure, once "
    "more with a lease, then with the time-out lock that people write by hand. These are real processes and real "
    "signals, and all ledgers are audited by the same rules."
)
_NEXT = ("tenure run nightly -- sh -c 'echo I lead; sleep 60'", "tenure status nightly")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All sides; `failure` says what did not happen as it should, or is empty."""

    ours: Findings | None
    leased: Findings | None
    theirs: Findings | None
    failure: str

    @property
    def is_success(self) -> bool:
        return not self.failure


def show(narrator: Narrator, *, unicode: bool) -> Outcome:
    """Play all sides and tell about it; nothing is left behind, however it ends. Takes about half a minute."""
    logging.getLogger("tenure").addHandler(logging.NullHandler())  # what is worth saying here, the narrator says
    narrator.line(narrator.styled("tenure demo: of many processes, exactly one leads", bold=True))
    narrator.line()
    narrator.paragraph(_INTRODUCTION)
    sides: list[Findings] = []
    try:
        with ending_on_signals():
            sides.append(_side("1  ", TenureSide, Script, narrator))
            sides.append(_side("2  ", LeasedSide, LateWrite, narrator))
            sides.append(_side("3  ", NaiveSide, Script, narrator))
    except BrokenPipeError:
        raise  # nobody reads any more: an affair of the command line, not of the demonstration
    except (ShowStopped, BackendRefused, OSError) as error:
        ours, leased, *_ = [*sides, None, None]
        failure = f"the demonstration could not be played to its end: {error}"
        return Outcome(ours=ours, leased=leased, theirs=None, failure=failure)
    ours, leased, theirs = sides
    _conclude(narrator, ours, leased, theirs, unicode=unicode)
    return Outcome(ours=ours, leased=leased, theirs=theirs, failure=failure_of(ours, leased, theirs))


def _side(
    number: str, make: type[TenureSide | NaiveSide], play: type[Script | LateWrite], narrator: Narrator
) -> Findings:
    with open_stage() as stage:
        side: Side = make(stage)
        narrator.heading(f"{number}{side.title}")
        script = play(side, narrator)
        try:
            script.play()
        finally:
            side.close()
        return judge(script)


def _conclude(narrator: Narrator, ours: Findings, leased: Findings, theirs: Findings, *, unicode: bool) -> None:
    narrator.heading("Tenures")
    for findings in (ours, leased, theirs):
        narrator.line()
        narrator.line(f"  {findings.title}")
        for line in picture.strip_of(findings, unicode=unicode):
            narrator.line(narrator.styled(line, fg="red") if line.startswith("both") else line)
    narrator.heading("Side by side")
    narrator.line()
    for line in picture.comparison(ours, leased, theirs):
        narrator.line(line)
    narrator.heading("The audit's verdict")
    for findings in (ours, leased, theirs):
        narrator.line()
        colour = "green" if findings.is_clean else "red"
        narrator.line(narrator.styled(f"{findings.title}: {'clean' if findings.is_clean else 'damaged'}", fg=colour))
        narrator.paragraph(" ".join([*findings.verdict.in_words(most=3), picture.books_in_words(findings)]))
    narrator.line()
    narrator.paragraph(
        "Truth to tell: a paused leader of file:// keeps the lock, so nobody replaces it until it goes on or dies. "
        "Nothing is damaged, and nothing is done meanwhile. lease:// replaces it; but a process that is paused between "
        "its last look and its write wakes with that write, and no lock can stop it: what is written to has to compare "
        "tokens."
    )
    narrator.heading("Now you, in two terminals")
    for command in _NEXT:
        narrator.line(f"  {command}")
