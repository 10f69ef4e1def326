"""One daemon thread that does what may block, so that the keeper's loop never does.

It also hears a source of news, if it has one, and whoever must act on them in a blocking way does so there and then,
without a turn of the loop in between.

A file system that stalls would stop a renewal, a timer, a release of every other election. So each blocking step is a
job for this thread, and a thread that is stuck in one job for longer than `limit_s` is left to its fate and replaced,
at most SPARES times at once: beyond that the device is gone, and more threads would only hide it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from tenure.errors import BackendUnreachable

SPARES = 8
"""How many threads may be stuck at once: a disk that swallowed eight calls will not answer a ninth."""
LIMIT_S = 5.0
"""A local disk under heavy load answers an fsync within a second or two; NVMe resets take about thirty."""
BACKLOG = 10_000
"""How many jobs may wait behind stuck threads before what nobody waits for is left undone."""
LATE_S = 0.5
"""How long a job that comes after `close` waits for the thread to finish those before it."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that becomes readable; `drain` reads it, on the worker, and raises nothing."""

    @property
    def fd(self) -> int: ...

    def drain(self) -> None: ...


class _Thread:
    """One thread and what it does now."""

    __slots__ = ("busy_since_s", "handle", "replaced")

    def __init__(self) -> None:
        self.busy_since_s: float | None = None
        self.replaced = False
        self.handle: threading.Thread | None = None


class _Ears:
    """What one thread waits for: the doorbell, and the source once that is open."""

    def __init__(self, doorbell: int) -> None:
        self._doorbell = doorbell
        self._source_fd = -1
        self._poll = select.poll()
        self._poll.register(doorbell, select.POLLIN)

    def wait(self, source: Source | None) -> bool:
        """Wait until it rings or there is news; returns whether there is news."""
        fd = -1 if source is None else source.fd
        if fd != self._source_fd:
            if self._source_fd >= 0:
                self._poll.unregister(self._source_fd)
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)
            self._source_fd = fd
        news = False
        for found, _ in self._poll.poll():
            if found == self._doorbell:
                os.eventfd_read(found)
            else:
                news = True
        return news


class _Job:
    """A call, and where its answer goes; `future` is None where nobody waits for it."""

    __slots__ = ("call", "future", "loop", "lost")

    def __init__(
        self,
        call: Callable[[], Any],
        loop: asyncio.AbstractEventLoop | None,
        future: asyncio.Future[Any] | None,
        lost: Callable[[Any], None] | None,
    ) -> None:
        self.call = call
        self.loop = loop
        self.future = future
        self.lost = lost


class Worker:
    """Runs jobs in order on a thread of its own; used from one event loop."""

    def __init__(self, name: str, *, limit_s: float = LIMIT_S, source: Source | None = None) -> None:
        self._name = name
        self._limit_s = limit_s
        self._source = source
        self._jobs: deque[_Job | None] = deque()
        self._doorbell = -1
        """An eventfd that rings for every job, made with the first thread."""
        self._current: _Thread | None = None
        self._stuck: set[_Thread] = set()
        self._outstanding = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def run(self, call: Callable[[], T], *, lost: Callable[[T], None] | None = None) -> T:
        """Run `call` on the thread and return what it returns, or raise what it raises.

        Where the awaiting task is cancelled the call still ends on its thread; what it returned is then given to
        `lost` there, so that nothing it took is forgotten. Raises BackendUnreachable when too many threads are stuck.
        """
        loop = asyncio.get_running_loop()
        self._ensure(loop)
        future: asyncio.Future[T] = loop.create_future()
        self._outstanding += 1
        self._put(_Job(call, loop, future, lost))
        try:
            return await future
        except asyncio.CancelledError:
            # The answer may have come in the same turn of the loop as the cancellation: then it is lost as well.
            if lost is not None and future.done() and not future.cancelled() and future.exception() is None:
                result = future.result()
                self._give_back(lambda: lost(result))
            raise
        finally:
            self._outstanding -= 1

    def post(self, call: Callable[[], object]) -> None:
        """Run `call`, which tidies up, after the jobs before it; nobody waits for it, and its errors are logged.

        Left undone where stuck threads have let BACKLOG jobs pile up: it could be asked for again and again for as
        long as the device is gone.
        """
        if len(self._stuck) < SPARES or len(self._jobs) < BACKLOG:
            self._give_back(call)
        elif not self._closed:
            _log.warning("%d jobs wait for a device that does not answer; another one was left undone", BACKLOG)

    async def finish(self, call: Callable[[], object], within_s: float) -> None:
        """As `post`, but wait for its end, no longer than `within_s`; it is run even if the caller is cancelled."""
        if self._closed:
            self._run_late(call)
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._start()
        self._put(_Job(partial(_quietly, call), loop, ended, None))
        await asyncio.wait([ended], timeout=within_s)

    def close(self) -> None:
        """End the thread after the jobs that are queued now; later calls are refused."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._current is not None:  # one that is stuck ends as soon as its call returns
            self._put(None)

    async def ended(self, within_s: float = 2.0) -> None:
        """Wait until the closed worker's thread is gone, or no longer than `within_s`."""
        end_s = time.monotonic() + within_s
        while self._current is not None and self._current.handle is not None and self._current.handle.is_alive():
            if time.monotonic() > end_s:
                return
            await asyncio.sleep(0.0005)
        self._take_doorbell_off()

    def forked(self) -> None:
        """In a forked child: the thread stayed with the parent."""
        self._closed = True
        self._current = None
        self._timer = None
        self._jobs = deque()
        self._take_doorbell_off()

    def _take_doorbell_off(self) -> None:
        if self._doorbell >= 0:
            os.close(self._doorbell)
            self._doorbell = -1

    def _run_late(self, call: Callable[[], object]) -> None:
        """What comes after `close` is run here, but never beside the thread: both may tidy up the same thing."""
        thread = None if self._current is None else self._current.handle
        if thread is not None and thread is not threading.current_thread():
            thread.join(LATE_S)
            if thread.is_alive():
                _log.warning("the device does not answer; what is left to tidy up ends with this process")
                return
        _quietly(call)

    def _give_back(self, call: Callable[[], object]) -> None:
        """Run `call`, which lets go of something that a job has taken: without it that would be kept for ever."""
        if self._closed:
            self._run_late(call)
            return
        self._start()
        self._put(_Job(call, None, None, None))

    def _ensure(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._closed:
            raise BackendUnreachable("this backend was closed; nothing was asked. Connect again")
        self._replace_if_stuck()
        self._start()
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look, loop)

    def _start(self) -> None:
        if self._current is not None:
            return
        if self._doorbell < 0:
            self._doorbell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        thread = _Thread()
        thread.handle = threading.Thread(target=self._work, args=(thread,), name=self._name, daemon=True)
        self._current = thread
        thread.handle.start()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """The one timer: jobs behind a stuck one must not wait for the next caller to notice."""
        self._timer = None
        if self._closed or self._outstanding == 0:
            return
        try:
            self._replace_if_stuck()
            self._start()
        except BackendUnreachable as error:
            _log.warning("%s", error)
        self._timer = loop.call_later(self._limit_s, self._look, loop)

    def _replace_if_stuck(self) -> None:
        thread = self._current
        since_s = None if thread is None else thread.busy_since_s
        if thread is None or since_s is None or time.monotonic() - since_s <= self._limit_s:
            return
        if len(self._stuck) >= SPARES:
            raise BackendUnreachable(
                f"{SPARES} calls to the operating system have not returned for {self._limit_s:g} s each; the device "
                f"may be gone. Grants that are held stay held. Look at the kernel's log, then try again"
            )
        thread.replaced = True
        self._stuck.add(thread)
        self._current = None

    def _put(self, job: _Job | None) -> None:
        self._jobs.append(job)
        os.eventfd_write(self._doorbell, 1)

    def _work(self, thread: _Thread) -> None:
        ears = _Ears(self._doorbell)
        while True:
            while not self._jobs:
                if ears.wait(self._source):
                    assert self._source is not None
                    thread.busy_since_s = time.monotonic()
                    self._source.drain()
                    if self._has_ended(thread):
                        return
            job = self._jobs.popleft()
            if job is None:
                return
            thread.busy_since_s = time.monotonic()
            self._do(job)
            del job  # or the last answer would live until the next one
            if self._has_ended(thread):
                return

    def _has_ended(self, thread: _Thread) -> bool:
        """Whether another thread has taken this one's place while it was stuck."""
        thread.busy_since_s = None
        if thread.replaced:
            self._stuck.discard(thread)
        return thread.replaced

    def _do(self, job: _Job) -> None:
        if job.loop is None or job.future is None:
            _quietly(job.call)
            return
        try:
            result = job.call()
        except BaseException as error:  # noqa: BLE001 -- it is not swallowed: the one who awaits the job gets it
            self._tell(job, None, error)
        else:
            self._tell(job, result, None)

    def _tell(self, job: _Job, result: object, error: BaseException | None) -> None:
        assert job.loop is not None
        try:
            job.loop.call_soon_threadsafe(self._deliver, job, result, error)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
            if error is None and job.lost is not None:
                lost = job.lost
                _quietly(lambda: lost(result))

    def _deliver(self, job: _Job, result: object, error: BaseException | None) -> None:
        assert job.future is not None
        if job.future.cancelled():
            if error is None and job.lost is not None:
                lost = job.lost
                self._give_back(lambda: lost(result))
        elif error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001 -- nobody waits for it; the log is the only one left to tell
        _log.warning("a step that nobody waited for failed", exc_info=True)
