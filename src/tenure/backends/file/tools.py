"""What all parts of one backend share, and its loop's way of waiting."""

from __future__ import annotations

import asyncio

from tenure.backends.file.inotify import Inotify
from tenure.backends.file.outcomes import Seen
from tenure.backends.worker import Worker
from tenure.clock import Clock
from tenure.errors import BackendUnreachable


class Tools:
    """Made by the backend, once."""

    def __init__(self, clock: Clock, poll_s: float, *, name: str = "tenure-file") -> None:
        self.clock = clock
        self.poll_s = poll_s
        self.inotify = Inotify()
        self.worker = Worker(name, source=self.inotify)
        self.seen = Seen()
        self.bells: set[Bell] = set()
        self.closed = False


class Bell:
    """Wakes one waiting coroutine; closing the backend wakes all of them, with an error."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    def hush(self) -> None:
        """Forget that it rang: what is looked at from now on is newer than that."""
        self._event.clear()

    async def wait(self, within_s: float) -> bool:
        """Wait until it rings or the time is over; returns whether it rang.

        Raises BackendUnreachable when the backend is closed.
        """
        timer = asyncio.get_running_loop().call_later(within_s, self._event.set)
        self._tools.bells.add(self)
        try:
            end_s = timer.when()
            if not self._tools.closed:
                await self._event.wait()
            if self._tools.closed:
                raise BackendUnreachable("this backend was closed while it was waited on; connect again")
            return asyncio.get_running_loop().time() < end_s
        finally:
            self._event.clear()
            self._tools.bells.discard(self)
            timer.cancel()
