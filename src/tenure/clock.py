"""The clock that deadlines are counted on, and the one that tests move.

Deadlines count on CLOCK_BOOTTIME: it never goes back, nobody sets it, and unlike CLOCK_MONOTONIC it counts the time
that a machine spends suspended. Wall time is used for nothing but display.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError


class Clock(Protocol):
    """Nanoseconds on one time line, from an arbitrary start; never goes back."""

    def now_ns(self) -> int: ...

    def on_move(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` whenever this clock was *moved*; returns what ends that. A clock that runs never calls."""
        ...


class BootClock:
    """CLOCK_BOOTTIME, or the nearest clock that the platform has."""

    name = "CLOCK_BOOTTIME" if hasattr(time, "CLOCK_BOOTTIME") else "CLOCK_MONOTONIC"
    _id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now_ns(self) -> int:
        return time.clock_gettime_ns(self._id)

    def on_move(self, callback: Callable[[], None]) -> Callable[[], None]:
        del callback  # it runs by itself: nobody moves it
        return lambda: None


class ManualClock:
    """A clock that stands still until a test moves it; thread-safe.

    It starts at a random instant, so that code which mixes it with another clock fails at once.
    """

    name = "manual"

    def __init__(self, start_ns: int | None = None) -> None:
        chance = random.Random()
        self._now_ns = chance.randrange(10**12, 10**15) if start_ns is None else start_ns
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds` >= 0 and tell everybody who waits on it."""
        if seconds < 0:
            raise ConfigurationError(f"a clock never goes back: advance({seconds!r}) must not be negative")
        with self._lock:
            self._now_ns += round(seconds * NS_PER_S)
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def on_move(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            key = self._next
            self._next += 1
            self._callbacks[key] = callback

        def end() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return end
