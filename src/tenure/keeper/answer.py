"""What a coroutine on the keeper's loop comes to, for other threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from tenure.bell import Bell

_T = TypeVar("_T")


class Answer(Future[_T]):
    """A future whose state is behind no lock, so that the keeper waits for none (see `tenure.bell`).

    `asyncio.wrap_future` takes it; `concurrent.futures.wait` and `as_completed` do not.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _T]) -> None:
        super().__init__()
        self._loop = loop
        self._coroutine = coroutine
        self._task: asyncio.Task[_T] | None = None
        self._bell = Bell()
        self._ends: list[asyncio.Task[_T] | None] = []
        """How it ended, None for given up; the first counts, and a task that ends after that is not looked at."""
        self._calls: list[Callable[[Future[_T]], object]] = []

    def begin(self) -> None:
        """Run the coroutine, unless it was given up before that; on the keeper's thread."""
        if self.done():
            self._coroutine.close()
            return
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._came)

    def cancel(self) -> bool:
        """Give it up at once, and have what runs for it told to stop. False if it has ended."""
        if not self.done():
            self._end(None)
            with suppress(RuntimeError):  # the loop is closed: nothing runs any more
                self._loop.call_soon_threadsafe(self._stop)
        return self.cancelled()

    def cancelled(self) -> bool:
        return self.done() and ((task := self._ends[0]) is None or task.cancelled())

    def done(self) -> bool:
        return bool(self._ends)

    def running(self) -> bool:
        return not self.done()

    def result(self, timeout: float | None = None) -> _T:
        """What it came to, within `timeout` seconds. Raises TimeoutError, CancelledError, or what was raised there."""
        return self._ended(timeout).result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What was raised, if something was; waits as `result` does."""
        return self._ended(timeout).exception()

    def add_done_callback(self, fn: Callable[[Future[_T]], object]) -> None:
        self._calls.append(fn)
        if self.done():
            self._call_all()

    def _ended(self, timeout: float | None) -> asyncio.Task[_T]:
        if not self._bell.wait_for(self.done, timeout):
            raise TimeoutError
        task = self._ends[0]
        if task is None or task.cancelled():
            raise CancelledError
        return task

    def _came(self, task: asyncio.Task[_T]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: whether anybody wants to know it is for those who asked
        self._end(task)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[_T] | None) -> None:
        self._ends.append(task)
        self._bell.ring()
        self._call_all()

    def _call_all(self) -> None:
        """Call each of them once, whoever takes it out."""
        while self._calls:
            try:
                call = self._calls.pop(0)
            except IndexError:  # another thread was faster
                return
            call(self)
