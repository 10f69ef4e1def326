"""How long things took, counted by bounds."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate


class Histogram:
    """Counts of values in seconds, below or at each of its bounds. One thread counts; any may read."""

    BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    """From a local disk to the longest call: those of the usual client libraries, and two finer ones below."""

    def __init__(self, finer_s: tuple[float, ...] = ()) -> None:
        self.bounds_s = (*finer_s, *self.BOUNDS_S)
        """`finer_s` are bounds below the usual ones, growing."""
        self.sum_s = 0.0
        self._counts = [0] * (len(self.bounds_s) + 1)

    def observe(self, value_s: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.bounds_s, value_s)] += 1
        self.sum_s += value_s

    def cumulative(self) -> list[int]:
        """How many were at or below each bound; last, how many in all."""
        return list(accumulate(self._counts))
