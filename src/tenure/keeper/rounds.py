"""Visits to seats, again and again: the looks at the clock, and the proofs that owners live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tenure.keeper.seat import Seat


class Rounds:
    """Visits seats again and again, as often as the most demanding of them wants it; sleeps while there are none."""

    def __init__(self, visit: Callable[[Seat], None], every_s: Callable[[Seat], float]) -> None:
        self._visit = visit
        self._every_s = every_s
        self._seats: dict[Seat, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._period_s = 0.0

    def set(self, seat: Seat, present: bool, loop: asyncio.AbstractEventLoop) -> None:
        if not present:
            self._seats.pop(seat, None)
        elif seat not in self._seats:
            self._seats[seat] = max(0.005, self._every_s(seat))
            if self._timer is None or self._seats[seat] < self._period_s:
                self._again(loop)

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._seats:
            self._period_s = min(self._seats.values())
            self._timer = loop.call_later(self._period_s, self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._again(loop)
        for seat in tuple(self._seats):
            self._visit(seat)
