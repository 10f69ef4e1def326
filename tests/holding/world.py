"""Virtual time: one queue of what happens next, clocks that drift, and chance from one seed.

Everything is in whole nanoseconds of *true* time, which nobody inside the world can read: a process and the service
each read a clock of their own. Happenings at one instant come in the order in which they were asked for, so that one
seed gives one run, on every machine and every Python.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tenure.durations import PPM

T = TypeVar("T")

MOST_HAPPENINGS = 30_000
"""More than this in one run means that something turns round and round."""


class Chance:
    """One seed's chance, drawn only through `random()`, whose values Python promises across versions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def yes(self, probability: float) -> bool:
        return self._random.random() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.random() * len(choices))]


class DriftingClock:
    """A clock that starts at `offset_ns` and runs too fast by `rate_ppm`, exactly: no rounding adds up."""

    def __init__(self, offset_ns: int, rate_ppm: int) -> None:
        self.offset_ns = offset_ns
        self.rate_ppm = rate_ppm

    def at(self, true_ns: int) -> int:
        """What it shows at `true_ns`."""
        return self.offset_ns + true_ns * (PPM + self.rate_ppm) // PPM

    def when(self, reading_ns: int) -> int:
        """The first true instant at which it shows `reading_ns` or more."""
        return -(-(reading_ns - self.offset_ns) * PPM // (PPM + self.rate_ppm))


class World:
    """The queue of happenings, and a count of what happened."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.now_ns = 0
        self.counts: Counter[str] = Counter()
        self.happened = 0
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0

    def at(self, true_ns: int, happening: Callable[..., None], *args: Any) -> None:
        """Let `happening(*args)` be at `true_ns`, or now if that has passed."""
        self._order += 1
        heapq.heappush(self._queue, (max(true_ns, self.now_ns), self._order, happening, args))

    def run(self) -> bool:
        """Let everything happen; False if it does not come to rest."""
        queue = self._queue
        while queue:
            if self.happened >= MOST_HAPPENINGS:
                return False
            self.happened += 1
            self.now_ns, _, happening, args = heapq.heappop(queue)
            happening(*args)
        return True
