"""What a trace says of when its life began: on it rests where its instants stand beside those of others."""

from __future__ import annotations

import time

import pytest

from tenure.clock import BootClock
from tenure.runtime.recorder import READINGS, at_once


class HeldUp(BootClock):
    """A process that stands still at some of its readings, so that the wall clock is read long before or after."""

    def __init__(self, times: int) -> None:
        self.now, self.left = 10**12, times

    def now_ns(self) -> int:
        self.now += 1_000
        if self.left:
            self.left -= 1
            self.now += 3 * 10**9
        return self.now


@pytest.mark.parametrize("times", [0, 1, 2, 5, READINGS])
def test_two_clocks_are_read_at_one_instant_though_the_process_is_held_up(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is held up at first."""
    clock = HeldUp(times)
    monkeypatch.setattr(time, "time_ns", lambda: clock.now + 7)

    at_ns, wall_ns = at_once(clock)

    assert abs(wall_ns - 7 - at_ns) <= 1_000


def test_where_they_never_are_the_closest_reading_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends after a bounded number of readings."""
    clock = HeldUp(10 * READINGS)
    monkeypatch.setattr(time, "time_ns", lambda: clock.now)

    at_ns, wall_ns = at_once(clock)

    assert abs(wall_ns - at_ns) <= 3 * 10**9
    assert clock.left >= 10 * READINGS - 2 * READINGS
