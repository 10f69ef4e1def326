"""A service's alarms in the order in which they are due: one heap for all leases of all elections."""

from __future__ import annotations

import heapq
from collections.abc import Callable

_TIDY_ABOVE = 64
"""Cancelled alarms are swept out when they are more than this and more than half (asyncio does the same at 100)."""


class Alarm:
    """What runs at `when_ns`, unless it is cancelled before."""

    __slots__ = ("run", "when_ns", "_order")

    def __init__(self, when_ns: int, order: int, run: Callable[[], None]) -> None:
        self.when_ns = when_ns
        self.run: Callable[[], None] | None = run
        self._order = order

    def __lt__(self, other: Alarm) -> bool:
        return (self.when_ns, self._order) < (other.when_ns, other._order)


class Alarms:
    """Not thread-safe: the service's lock is around it."""

    def __init__(self, on_earlier: Callable[[], None]) -> None:
        self._on_earlier = on_earlier
        """Called when an alarm was set that is earlier than all others."""
        self._heap: list[Alarm] = []
        self._cancelled = 0
        self._set = 0

    def next_ns(self) -> int | None:
        return self._heap[0].when_ns if self._heap else None

    def set(self, when_ns: int, run: Callable[[], None]) -> Alarm:
        self._set += 1
        alarm = Alarm(when_ns, self._set, run)
        heapq.heappush(self._heap, alarm)
        if self._heap[0] is alarm:
            self._on_earlier()
        return alarm

    def cancel(self, alarm: Alarm | None) -> None:
        if alarm is None or alarm.run is None:
            return
        alarm.run = None
        self._cancelled += 1
        if self._cancelled > _TIDY_ABOVE and self._cancelled * 2 > len(self._heap):
            self._heap = [each for each in self._heap if each.run is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run_due(self, now_ns: int) -> None:
        while self._heap and self._heap[0].when_ns <= now_ns:
            run = heapq.heappop(self._heap).run
            if run is None:
                self._cancelled -= 1
            else:
                run()
