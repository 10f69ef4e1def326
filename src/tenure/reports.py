"""What is said of work that goes wrong under a tenure, and the pauses before it is tried again."""

from __future__ import annotations

import asyncio
import logging
import os
from types import CoroutineType, FrameType

from tenure import announcer
from tenure.durations import NS_PER_S, seconds
from tenure.errors import ConfigurationError, LeadershipLost, Reason
from tenure.holding.notices import JobFailed
from tenure.keeper import Keeper
from tenure.options import Options

OVERRUN_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h, and what `tenure run` ends with after a loss."""
FLUSH_S = 0.2
"""How long a process that ends for an overrun waits for its log, and no longer than half its margin."""
SETTLED_S = 60.0
"""Work that ran for so long is tried again without memory of earlier failures."""
BRIEF_S = 1.0
"""A tenure that was lost sooner is followed by a rest."""
REST_S = (0.01, 1.0)
"""The first rest, doubled each time, and the longest."""


class Pauses:
    """How long to wait before work is tried again: doubling, and from the start after a run of SETTLED_S."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s

    @classmethod
    def of(cls, backoff: object) -> Pauses:
        """The pauses that `Election.run` was asked for. Raises ConfigurationError."""
        match backoff:
            case (first, longest):
                return cls(seconds(first), seconds(longest))  # type: ignore[arg-type]  # it refuses what is none
            case _:
                raise ConfigurationError(
                    f"backoff is the first pause and the longest, such as backoff=(1, 60), not {backoff!r}"
                )

    def after(self, ran_s: float) -> float:
        """The pause after a run of `ran_s` seconds, in seconds."""
        if ran_s >= SETTLED_S:
            self._next_s = self._first_s
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return pause_s


class Rests(Pauses):
    """How long to wait after a tenure that was lost: not at all, unless it was over as soon as it had begun.

    Work that resigns at once would otherwise be elected again and again, as fast as the disk allows.
    """

    def __init__(self) -> None:
        super().__init__(*REST_S)

    def after(self, ran_s: float) -> float:
        """The pause after a tenure of `ran_s` seconds, in seconds."""
        keeper = Keeper.existing()
        if keeper is not None and keeper.ending:
            return 0.0  # whoever stands again hears at once that the process ends
        if ran_s >= BRIEF_S:
            self._next_s = self._first_s
            return 0.0
        return super().after(ran_s)


def stack(frame: FrameType | None) -> str:
    """Where `frame` is, innermost last; without the source, for reading it may block and this must not."""
    lines: list[str] = []
    while frame is not None:
        lines.append(_line(frame))
        frame = frame.f_back
    return "".join(reversed(lines)) or "  nowhere: it has ended\n"


def awaiting(task: asyncio.Task[object]) -> str:
    """Where `task` waits, innermost last, from coroutine to coroutine: `get_stack` tells only the first."""
    lines: list[str] = []
    coroutine: object = task.get_coro()
    while isinstance(coroutine, CoroutineType) and coroutine.cr_frame is not None:
        lines.append(_line(coroutine.cr_frame))
        coroutine = coroutine.cr_await
    return "".join(lines) or "  nowhere: it has ended\n"


def _line(frame: FrameType) -> str:
    return f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}\n'


def report_overrun(options: Options, reason: Reason, stacks: str) -> None:
    """Say that work goes on without leadership, and where; with on_overrun="exit" end the process, and it with it."""
    text = f"{options.name}: work runs on after its tenure was lost ({reason.value})\n{stacks}"
    announcer.ANNOUNCER.say(logging.ERROR, text)  # this is the keeper's thread: it waits for no log handler
    if options.on_overrun == "exit":
        announcer.ANNOUNCER.flush(min(FLUSH_S, options.budget.margin_ns / 2 / NS_PER_S))
        os._exit(OVERRUN_EXIT_CODE)


def report_failure_at_loss(options: Options, lost: LeadershipLost, failure: BaseException) -> None:
    """The same of a job that failed as its tenure was lost, unless it said no more than that; no pause follows."""
    if not isinstance(failure, LeadershipLost):
        report_job_failure(options, lost.token, failure, 0)


def report_job_failure(options: Options, token: int, failure: BaseException, pause_s: float) -> None:
    """Say that a job raised, to the log with its traceback and to subscribers; it stands again after `pause_s`."""
    announcer.ANNOUNCER.tell(
        JobFailed(
            election=options.name,
            candidate=options.candidate,
            at_ns=options.backend.clock.now_ns(),
            token=token,
            error=f"{type(failure).__name__}: {failure}",
            retry_after_s=pause_s,
        ),
        cause=failure,
    )
