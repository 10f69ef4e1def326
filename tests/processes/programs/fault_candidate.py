"""A candidate that writes down all it does as leader, and dies or stops where it is told to; run by `fault_nursery`.

Its plan: `election`, `url`, `name`, `ledger`, `talk` (where its stderr goes), `armed`, and where wanted `rounds` (how
many times to lead; for ever), `hold_s` (how long each time; until told), `again` (try on where it is refused),
`wait_s`, `priority`, `wall_step_s` (its wall clock leaps by so much, forth and back), `counted` (say at the end how
often the lock was tried for), `faults` ([step, "before" or "after", at which call of it, signal]; only while the file
`armed` is there).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tenure import BackendRefused, Election, LeadershipLost, NotElected, Tenure, TenureError, resign_on
from tenure.audit import Ledger, Scribe
from tenure.backends.file import steps

ACT_S = 0.002
AGAIN_S = 0.02
REFUSED = 78
NOT_ELECTED = 124


def begin_body() -> None:
    """The first instruction of the body; a step like those of the backend, for faults to be put at."""


def main(plan: dict[str, Any]) -> int:
    """Stand, lead and resign as planned; returns the exit code."""
    talk = os.open(plan["talk"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(talk, sys.stderr.fileno())
    os.close(talk)
    logging.basicConfig(format=f"{plan['name']} {os.getpid()}: %(message)s")
    for step, when, count, number in plan.get("faults", ()):
        _put_fault(Fault(step, when, count, number, plan["armed"]))
    if "wall_step_s" in plan:
        _step_wall_clock(plan["wall_step_s"])
    tries = _count_tries() if "counted" in plan else None
    try:
        return asyncio.run(_stand(plan))
    except NotElected:
        return NOT_ELECTED
    except TenureError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201  the test reads it there
        return REFUSED
    finally:
        if tries is not None:
            print(f"tried {next(tries)} times", file=sys.stderr, flush=True)  # noqa: T201  the test reads it there


async def _stand(plan: dict[str, Any]) -> int:
    with resign_on(signal.SIGTERM), Ledger(plan["ledger"]) as ledger:
        election = Election(plan["election"], plan["url"], candidate=plan["name"], priority=plan.get("priority", 0))
        for _ in range(plan["rounds"]) if "rounds" in plan else itertools.count():
            try:
                async with election.lead(wait=plan.get("wait_s")) as tenure:
                    await _lead(tenure, Scribe(ledger, tenure.election, tenure.token, tenure.candidate), plan)
            except BackendRefused:
                if not plan.get("again"):
                    raise
                await asyncio.sleep(AGAIN_S)
            except LeadershipLost as lost:
                print(lost, file=sys.stderr, flush=True)  # noqa: T201  the test reads it there
    return 0


async def _lead(tenure: Tenure, scribe: Scribe, plan: dict[str, Any]) -> None:
    """Act once, and then until the time is over or the tenure lost; put down each act."""
    begin_body()
    scribe.opened()
    hold_s = plan.get("hold_s")
    end_s = None if hold_s is None else time.monotonic() + hold_s
    try:
        while True:
            with scribe.act("act"):
                tenure.check()
            if end_s is not None and time.monotonic() >= end_s:
                return
            await asyncio.sleep(ACT_S)
    finally:
        if tenure.reason is not None:
            scribe.told(tenure.reason)
        scribe.ended(tenure.reason)


class Fault:
    """A signal to this process itself, at one of the calls of a step that are made once the file `armed` is there."""

    def __init__(self, step: str, when: str, count: int, number: int, armed: str) -> None:
        self.step = step
        self._when = when
        self._left = count
        self._number = number
        self._armed = armed

    def comes(self, when: str) -> None:
        """Hit, if this is the call."""
        if when == self._when and self._left > 0 and os.path.exists(self._armed):  # noqa: PTH110  called at each step
            self._left -= 1
            if self._left == 0:
                # To this thread: a signal to the process may let it run on for some instructions.
                signal.pthread_kill(threading.get_ident(), self._number)


def _put_fault(fault: Fault) -> None:
    home: Any = sys.modules[__name__] if fault.step == "begin_body" else steps
    whole: Callable[..., Any] = getattr(home, fault.step)

    def wrapped(*arguments: Any) -> Any:
        fault.comes("before")
        result = whole(*arguments)
        if result is not False:  # another has the lock: this step was not made
            fault.comes("after")
        return result

    setattr(home, fault.step, wrapped)


def _count_tries() -> Iterator[int]:
    """Count how often the lock is tried for."""
    counter = itertools.count()
    whole = steps.take_lock

    def counted(fd: int) -> bool:
        next(counter)
        return whole(fd)

    steps.take_lock = counted
    return counter


def _step_wall_clock(by_s: float) -> None:
    """Let this process's wall clock leap forth and back at each second look at it; the machine's own is not touched."""
    looks = itertools.count()
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + (by_s if next(looks) % 2 else -by_s)
    time.time_ns = lambda: nanoseconds() + round((by_s if next(looks) % 2 else -by_s) * 1e9)
