"""A campaign as the loop sees it: run a step on the worker, wait for news, a lease's end or a while, run the next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

from tenure.backends.base import Candidate
from tenure.backends.file.inotify import ATTRIB, CREATE, DELETE_SELF, MOVE_SELF, News
from tenure.backends.file.line import Line, Wanted
from tenure.backends.file.outcomes import Declined
from tenure.backends.file.tools import Bell, Tools
from tenure.backends.lease import ending
from tenure.backends.lease.contest import Contest, Outcome, Settling, Victory, Wait
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import Sightings
from tenure.clock import BootClock
from tenure.durations import NS_PER_S
from tenure.errors import BackendUnreachable

TENURES_MASK = CREATE | ATTRIB | DELETE_SELF | MOVE_SELF
"""The first two watch for a tenure that is made, and one that is poked because it was closed; renewals tell nobody."""
BLIND_S = 0.1
"""How often to look where the kernel has no watch left for us."""
LATER_S = 0.0005
"""A timer may fire a hair before its time; looking that much later saves one look in vain."""
PAUSE_S = 0.005
"""Who was overtaken looks again so much later, if no news come."""
WITHDRAW_S = 1.0
"""Leaving the queue is waited for as long as a healthy disk takes at the worst: whoever was cancelled must end."""

_ARRIVAL = BootClock()
"""What the order of arrival counts on, whatever leases count on: a clock that stands still makes no order."""

_chance = random.Random()


class Alarm:
    """When to take the next step of one campaign."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._loop = asyncio.get_running_loop()
        self._bell = Bell(tools)
        self._eager_at_s: float | None = None

    def news(self, _about: str) -> News:
        """What to call on news."""
        return lambda _mask: self._bell.ring()

    def moved(self) -> None:
        """The clock was moved; on any thread."""
        self._loop.call_soon_threadsafe(self._bell.ring)

    def hush(self) -> None:
        """What rang before the step that now begins is seen by that step."""
        self._bell.hush()

    async def settle(self, settling: Settling) -> None:
        """Wait until those before are over, or until it is time for a stamp."""
        await self._bell.wait(min(self._left_s(settling.until_ns), settling.again_s))

    async def pause(self, wait: Wait) -> bool:
        """Wait as long as `wait` says or until there is news; returns whether to be eager in the next step."""
        poll_s = (min(BLIND_S, self._tools.poll_s) if wait.blind else self._tools.poll_s) * (
            0.75 + _chance.random() / 2
        )
        if wait.hold_s is not None:
            self._eager_at_s = None
            await self._bell.wait(wait.hold_s)
            return False
        left_s = self._left_s(wait.until_ns)
        if left_s > 0:
            self._eager_at_s = None
            delay_s = left_s + wait.patience_s
        elif wait.patience_s > 0:  # news that come meanwhile must not put it off for ever
            now_s = self._loop.time()
            self._eager_at_s = self._eager_at_s or now_s + wait.patience_s
            delay_s = max(0.0, self._eager_at_s - now_s)
        else:  # the first, and nobody leads, and yet somebody else was faster
            delay_s = PAUSE_S
        rang = await self._bell.wait(min(delay_s, poll_s))
        if rang or delay_s > poll_s:
            return False
        self._eager_at_s = None
        return True

    def _left_s(self, until_ns: int) -> float:
        left_ns = until_ns - self._tools.clock.now_ns()
        return left_ns / NS_PER_S + LATER_S if left_ns > 0 else 0.0


async def run(
    tools: Tools, place: LeasePlace, candidate: Candidate, lease_ns: int, sightings: Sightings, *, once: bool
) -> Victory | None:
    """Campaign until won; see Backend.campaign. Cancelled, it leaves nothing behind."""
    alarm = Alarm(tools)

    def tenures(position: int) -> Wanted:
        return {place.tenures: (TENURES_MASK, alarm.news("tenures"))} if position <= 1 else {}

    line = Line(place, candidate, _ARRIVAL.now_ns(), inotify=tools.inotify, news=alarm.news, besides=tenures)
    contest = Contest(place, candidate, lease_ns, line=line, sightings=sightings, seen=tools.seen)

    def lost(outcome: Outcome) -> None:
        if isinstance(outcome, Victory):
            ending.give_back(outcome)
        contest.withdraw()

    step: Callable[[], Outcome] = partial(contest.first, once=once)
    stop = tools.clock.on_move(alarm.moved)
    try:
        while True:
            alarm.hush()
            outcome = await tools.worker.run(partial(contest.perform, step), lost=lost)
            match outcome:
                case Victory():
                    if line.stands:  # not before the win is told: nobody is misled by a winner's presence
                        tools.worker.post(line.withdraw)
                    return outcome
                case Declined():
                    return None
                case Settling():
                    await alarm.settle(outcome)
                    step = contest.settle
                case Wait():
                    eager = await alarm.pause(outcome)
                    step = contest.last if once else partial(contest.turn, eager=eager)
    except BaseException as error:  # it goes on as it is, once what was begun is withdrawn
        if contest.begun or not isinstance(error, BackendUnreachable):  # else its first step was not even queued
            await tools.worker.finish(contest.withdraw, WITHDRAW_S)
        raise
    finally:
        stop()
