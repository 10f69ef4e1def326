"""A campaign as the loop sees it: run a step on the worker, wait for news or for a while, run the next."""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable
from functools import partial

from tenure.backends.base import Candidate
from tenure.backends.file.contest import Contest
from tenure.backends.file.identity import death_watch
from tenure.backends.file.inotify import News
from tenure.backends.file.outcomes import ORPHAN_NS, Declined, Orphaned, Outcome, Victory, Wait
from tenure.backends.file.place import Place
from tenure.backends.file.tools import Bell, Tools
from tenure.errors import BackendUnreachable

BURST_S = (0.0005, 0.001, 0.002, 0.005, 0.012)
"""After a change at the lock its first candidate tries at once and then so much later each: the kernel tells that a
descriptor is being closed a hair before the lock behind it is gone."""
AGAIN_S = (0.005, 0.03)
"""The same for who only looks whether the one ahead has gone."""
BLIND_S = 0.1
"""How often to look where the kernel has no watch left for us."""
ORPHAN_LOOK_S = 0.1
"""How often to look meanwhile whether it has closed its tenure."""
WITHDRAW_S = 1.0
"""Leaving the queue is waited for as long as a healthy disk takes at the worst: whoever was cancelled must end."""

_chance = random.Random()


class Alarm:
    """When to take the next step of one campaign."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._bell = Bell(tools)
        self._plan: deque[float] = deque()
        self._front = False
        self._eager_at_s: float | None = None

    def news(self, about: str) -> News:
        """What to call on news about "lock", "self" or "ahead"."""
        return partial(self._stir, about)

    def hush(self) -> None:
        """What rang before the step that now begins is seen by that step."""
        self._bell.hush()

    async def pause(self, wait: Wait) -> bool:
        """Wait as long as `wait` says or until there is news; returns whether to be eager in the next step."""
        self._front = wait.front
        delay_s, eager = self._delay(wait)
        rang = await self._bell.wait(delay_s)
        if rang or not eager:
            return False
        self._eager_at_s = None
        return True

    def _delay(self, wait: Wait) -> tuple[float, bool]:
        if wait.eager_s is None:
            self._eager_at_s = None
        if wait.hold_s is not None:
            return wait.hold_s, False
        if wait.eager_s is not None:  # news that come meanwhile must not put it off for ever
            now_s = asyncio.get_running_loop().time()
            self._eager_at_s = self._eager_at_s or now_s + wait.eager_s
            return max(0.0, self._eager_at_s - now_s), True
        if self._plan:
            return self._plan.popleft(), False
        poll_s = min(BLIND_S, self._tools.poll_s) if wait.blind else self._tools.poll_s
        return poll_s * (0.75 + _chance.random() / 2), False

    def _stir(self, about: str, _mask: int) -> None:
        self._plan = deque(BURST_S if about == "self" or (about == "lock" and self._front) else AGAIN_S)
        self._bell.ring()


async def run(tools: Tools, place: Place, candidate: Candidate, *, once: bool) -> Victory | None:
    """Campaign until won; see Backend.campaign. Cancelled, it leaves nothing behind."""
    alarm = Alarm(tools)
    contest = Contest(place, candidate, clock=tools.clock, inotify=tools.inotify, seen=tools.seen, news=alarm.news)

    def lost(outcome: Outcome) -> None:
        contest.give_back(outcome)
        contest.withdraw()

    async def taken(step: Callable[[], Outcome]) -> Outcome:
        alarm.hush()
        return await tools.worker.run(partial(contest.perform, step), lost=lost)

    try:
        outcome = await taken(partial(contest.first, once=once))
        while True:
            match outcome:
                case Victory():
                    if contest.stands:  # not before the win is told: nobody is misled by a winner's presence
                        asyncio.get_running_loop().call_soon(tools.worker.post, contest.withdraw)
                    return outcome
                case Declined():
                    return None
                case Orphaned():
                    await _outlive(tools, contest, outcome)
                    outcome = await taken(contest.finish)
                case Wait():
                    eager = await alarm.pause(outcome)
                    step = contest.last if once else partial(contest.turn, eager=eager)
                    outcome = contest.sprung() or await taken(step)
    except BaseException as error:  # it goes on as it is, once what was begun is withdrawn
        if contest.begun or not isinstance(error, BackendUnreachable):  # else its first step was not even queued
            await tools.worker.finish(contest.withdraw, WITHDRAW_S)
        raise


async def _outlive(tools: Tools, contest: Contest, orphan: Orphaned) -> None:
    """Wait until the last leader's process is dead or its tenure closed, at most two seconds."""
    loop = asyncio.get_running_loop()
    until_ns = tools.clock.now_ns() + ORPHAN_NS
    bell = Bell(tools)

    def moved() -> None:
        loop.call_soon_threadsafe(bell.ring)

    stop = tools.clock.on_move(moved)
    pidfd: int | None = None
    dead = False

    def died() -> None:
        nonlocal dead
        dead = True
        bell.ring()
        if pidfd is not None:
            loop.remove_reader(pidfd)

    try:
        if orphan.process is not None:
            pidfd = await tools.worker.run(partial(death_watch, orphan.process), lost=_drop)
        if pidfd is not None:
            loop.add_reader(pidfd, died)
        while not dead and tools.clock.now_ns() < until_ns:
            await bell.wait(ORPHAN_LOOK_S)
            if orphan.process is not None and await tools.worker.run(contest.is_settled):
                return
    finally:
        stop()
        if pidfd is not None:
            loop.remove_reader(pidfd)
            os.close(pidfd)


def _drop(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)
