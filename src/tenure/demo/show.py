"""The whole demonstration: introduction, both sides, strips, verdicts, and what to type next."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec

from tenure.backends.file import filesystems
from tenure.demo import picture
from tenure.demo.findings import Findings, failure_of, judge
from tenure.demo.late_write import LateWrite
from tenure.demo.narrator import Narrator
from tenure.demo.script import Script
from tenure.demo.sides import LeasedSide, NaiveSide, Side, TenureSide
from tenure.demo.stage import ShowStopped, Stage
from tenure.errors import BackendRefused
from tenure.supervise.processes import Process, become_subreaper, children_of, identify

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
        with _ending_on_signals():
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
    become_subreaper()  # a wrapper that was killed leaves its orphans to us, so that we can see them end
    before = frozenset(filter(None, map(identify, children_of(os.getpid()))))
    directory = Path(tempfile.mkdtemp(prefix="tenure-demo-", dir=_place()))
    try:
        with _stage(directory, before) as stage:
            side: Side = make(stage)
            narrator.heading(f"{number}{side.title}")
            script = play(side, narrator)
            try:
                script.play()
            finally:
                side.close()
            return judge(script)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _stage(directory: Path, before: frozenset[Process]) -> Iterator[Stage]:
    run_time = directory / "run"
    run_time.mkdir(0o700)
    # Nothing of the user's own settings, and no place of the user's, is used.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
    stage = Stage(directory, environment | {"XDG_RUNTIME_DIR": str(run_time)})
    try:
        yield stage
    finally:
        # An impatient second Ctrl-C must not leave processes behind; this takes seconds at most.
        impatience = signal.signal(signal.SIGINT, signal.SIG_IGN)
        stage.close(before)
        signal.signal(signal.SIGINT, impatience)


def _place() -> Path:
    """A directory on a file system whose locks hold: that for temporary files, or, where it is none, the user's own."""
    places = [Path(tempfile.gettempdir()), Path.home(), Path.cwd()]
    for place in places:
        try:
            filesystems.footing(str(place))
        except BackendRefused:
            continue
        if os.access(place, os.W_OK):
            return place
    return places[0]


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
        narrator.paragraph(" ".join([*findings.verdict.in_words(most=3), _books_in_words(findings)]))
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


def _books_in_words(findings: Findings) -> str:
    state = findings.books
    if state.is_right:
        return f"The books are right: {state.bookings} payments, each booked once; the balance is their sum."
    return (
        f"The books are wrong: {state.booked_twice} of {state.bookings} payments were booked a second time, and "
        f"{state.lost} of {state.paid} paid is missing from the balance."
    )


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demonstration in good order, as Ctrl-C does."""

    def end(number: int, frame: object) -> NoReturn:
        del frame
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
