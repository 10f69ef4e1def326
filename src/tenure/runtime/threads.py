"""An event loop on a thread of its own, and calls to it and back, which cross from thread to thread in batches.

However many calls wait for a loop, it is woken once for all of them; a call that comes alone waits for nothing. What
crosses is behind no lock that a signal's exception could leave taken (`tenure.bell`).
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from tenure import announcer
from tenure.errors import NodeFailed, NodeStopped, TenureError

LIMIT_END_S = 1.0
"""How long what still runs on a loop that is to end gets to tidy up."""

_T = TypeVar("_T")


def fast_loop() -> asyncio.AbstractEventLoop | None:
    """A new loop of uvloop's, where that is installed: the extra `fast`."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Bridge:
    """Calls into one loop, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls = deque[tuple[Callable[..., object], tuple[Any, ...]]]()
        self._is_rung = False

    def post(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have the loop call this soon, behind whatever was posted before. Raises RuntimeError where it is closed."""
        self._calls.append((call, arguments))
        if not self._is_rung:  # else what is to come there finds this, too
            self._is_rung = True
            self._loop.call_soon_threadsafe(self._cross)

    def _cross(self) -> None:
        self._is_rung = False  # first: whoever posts from now on rings again
        calls = self._calls
        for _ in range(len(calls)):
            call, arguments = calls.popleft()
            try:
                call(*arguments)
            except Exception as error:  # noqa: BLE001  those behind it are others' calls
                announcer.ANNOUNCER.say(logging.ERROR, "a call from another thread failed", error)


_bridges: WeakKeyDictionary[asyncio.AbstractEventLoop, Bridge] = WeakKeyDictionary()


def bridge_to(loop: asyncio.AbstractEventLoop) -> Bridge:
    """The one bridge to this loop; asked for in that loop's own thread."""
    bridge = _bridges.get(loop)
    if bridge is None:
        bridge = _bridges[loop] = Bridge(loop)
    return bridge


class Crossing(Generic[_T]):
    """What somebody on one loop waits for from another; `told` and `failed` may be called from any thread."""

    __slots__ = ("_bridge", "future")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[_T] = loop.create_future()
        self._bridge = bridge_to(loop)

    def told(self, result: _T) -> None:
        """It has come to this."""
        with suppress(RuntimeError):  # that loop is closed: nobody waits any more
            self._bridge.post(self._tell, result)

    def failed(self, error: BaseException) -> None:
        """It has come to nothing."""
        with suppress(RuntimeError):  # as above
            self._bridge.post(self._fail, error)

    def _tell(self, result: _T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class LoopThread:
    """A thread that runs one loop, until it is told to end or breaks; then whoever waits for it is told so."""

    def __init__(self, name: str, rescue: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        self._rescue = rescue
        """Closes what is open on the loop, after it broke."""
        self.end: TenureError | None = None
        """Why nothing is done here any more."""
        self._selector: selectors.BaseSelector | None = None
        self.loop = self._new_loop()
        self._bridge = Bridge(self.loop)
        self._waiting = set[Crossing[Any]]()
        self._watchers = list[Crossing[None]]()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; returns when the thread runs."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def post(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have it called there soon. Raises what has ended the thread, if that has."""
        if self.end is not None:
            raise self.end
        try:
            self._bridge.post(call, *arguments)
        except RuntimeError:
            raise self._ended() from None

    def wait(self, crossing: Crossing[_T]) -> asyncio.Future[_T]:
        """What the crossing comes to; the end of this thread is told to it as well."""
        self._waiting.add(crossing)
        crossing.future.add_done_callback(lambda _: self._waiting.discard(crossing))
        return crossing.future

    async def call(self, function: Callable[..., Coroutine[Any, Any, _T]], *arguments: Any) -> _T:
        """Run a coroutine there and return what it returns; who is cancelled here cancels it there."""
        crossing: Crossing[_T] = Crossing()
        tasks: list[asyncio.Task[_T]] = []

        def begin() -> None:
            if crossing.future.cancelled():
                return
            task = self.loop.create_task(function(*arguments))
            tasks.append(task)
            task.add_done_callback(over)

        def over(task: asyncio.Task[_T]) -> None:
            if task.cancelled():
                crossing.failed(self._ended())
            elif (error := task.exception()) is not None:
                crossing.failed(error)
            else:
                crossing.told(task.result())

        self.post(begin)
        try:
            return await self.wait(crossing)
        except asyncio.CancelledError:
            with suppress(TenureError):
                self.post(lambda: [task.cancel() for task in tasks])
            raise

    async def stop(self, why: TenureError) -> None:
        """End the loop and the thread; what still runs there is cancelled. Ends within LIMIT_END_S or so, unless what
        runs there never lets go of the thread: that is left behind, and ends with the process.
        """
        crossing: Crossing[None] = Crossing()
        self._watchers.append(crossing)
        if self.end is None:
            self.end = why
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        if self._thread.is_alive():
            await asyncio.wait([crossing.future], timeout=2 * LIMIT_END_S)
        if crossing.future.done() or not self._thread.is_alive():
            self._thread.join()

    def forked(self, why: TenureError) -> None:
        """In a forked child: the thread is not here; what its loop listens on is closed without a word to anybody."""
        self.end = why
        self._waiting.clear()
        if self._selector is not None:
            self._selector.close()

    # On the thread itself

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        if (fast := fast_loop()) is not None:
            return fast
        self._selector = selectors.DefaultSelector()
        return asyncio.SelectorEventLoop(self._selector)

    def _ended(self) -> TenureError:
        return self.end or NodeStopped("the thread that this ran on has ended")

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        except BaseException as error:  # noqa: BLE001  whatever it is, nobody else hears of it
            if self.end is None:
                self.end = NodeFailed(f"its thread has broken: {type(error).__name__}: {error}; this node has stopped")
                self.end.__cause__ = error
            self._tell_the_end()
            self._close_what_is_open()
        finally:
            try:
                self._tidy_up()
            finally:
                self.end = self._ended()
                self._tell_the_end()
                for watcher in tuple(self._watchers):
                    watcher.told(None)

    def _tell_the_end(self) -> None:
        for crossing in tuple(self._waiting):
            crossing.failed(self._ended())

    def _close_what_is_open(self) -> None:
        if self._rescue is None:
            return
        task = self.loop.create_task(self._rescue())
        end_s = self.loop.time() + LIMIT_END_S
        while not task.done() and self.loop.time() < end_s:
            with suppress(BaseException):  # a loop that broke stops once more; what else breaks here has nobody to tell
                self.loop.run_until_complete(asyncio.wait({task}, timeout=LIMIT_END_S))

    def _tidy_up(self) -> None:
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            with suppress(BaseException):  # what breaks at its end has nobody to tell
                self.loop.run_until_complete(asyncio.wait(left, timeout=LIMIT_END_S))
        self.loop.close()
