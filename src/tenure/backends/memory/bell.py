"""What wakes a waiting coroutine from any thread, and what runs a service's alarms on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tenure.durations import NS_PER_S


class Bell:
    """Wakes the one coroutine that waits for it, on the loop that made it; a ring before the wait is not lost."""

    __slots__ = ("_error", "_loop", "_rung", "_waiter")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._rung = False
        self._error: Exception | None = None

    def ring(self, error: Exception | None = None) -> None:
        """Wake the waiter, or with `error` make its wait and every later one fail. From any thread."""
        if _running_loop() is self._loop:
            self._ring(error)
            return
        try:
            self._loop.call_soon_threadsafe(self._ring, error)
        except RuntimeError:
            self._rung = True  # the loop is closed: whoever waited is gone with it

    def _ring(self, error: Exception | None) -> None:
        self._rung = True
        self._error = self._error or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for the next ring, and use it up."""
        if not self._rung:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._rung = False
        if self._error is not None:
            raise self._error


class LoopTimer:
    """The one timer that a backend keeps on its loop, for the earliest alarm of its service."""

    def __init__(self, now_ns: Callable[[], int], tick: Callable[[], int | None]) -> None:
        self._now_ns = now_ns
        self._tick = tick
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._when_ns = 0
        self._armed_at_ns = 0

    def start(self, when_ns: int | None) -> None:
        """Run on the current loop from now on; the next alarm is due at `when_ns`."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.stop()
            self._loop = loop
        self._arm(when_ns)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop = None

    def earlier(self, when_ns: int) -> None:
        """An alarm earlier than all others was set, in any thread."""
        loop = self._loop
        if loop is None:
            return
        if _running_loop() is loop:
            self._arm(when_ns)
            return
        try:
            loop.call_soon_threadsafe(self._arm, when_ns)
        except RuntimeError:
            self._loop = None  # that loop is closed; the next call starts on another

    def _arm(self, when_ns: int | None) -> None:
        if self._loop is None or when_ns is None:
            return
        if self._handle is not None:
            if self._when_ns <= when_ns:
                return
            self._handle.cancel()
        self._when_ns, self._armed_at_ns = when_ns, self._now_ns()
        delay_s = max(0, when_ns - self._armed_at_ns) / NS_PER_S
        self._handle = self._loop.call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        stands_still = self._now_ns() == self._armed_at_ns
        next_ns = self._tick()
        if not stands_still:  # else a test moves this clock, and tells the service by itself
            self._arm(next_ns)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
