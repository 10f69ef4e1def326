"""The keeper's thread: one event loop for every seat and every backend of the process."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import selectors
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakSet

from tenure import announcer
from tenure.backends.base import Backend, Gone
from tenure.clock import Clock
from tenure.durations import NS_PER_S
from tenure.errors import BackendUnreachable, TenureError
from tenure.keeper.answer import Answer
from tenure.keeper.rounds import Rounds
from tenure.keeper.seat import Seat
from tenure.lag import lag_of

EXIT_LIMIT_S = 2.0
"""How long an ending interpreter waits for releases; what is not released by then ends with the process anyway."""

_log = logging.getLogger("tenure")
_T = TypeVar("_T")


class Keeper:
    """One thread, one loop, every seat and every backend of this process. `Keeper.current()` is the only one."""

    _current: Keeper | None = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop(self._selector)
        lag_of(self.loop, "keeper")
        self._backends: dict[str, Backend] = {}
        self._others: WeakSet[Backend] = WeakSet()
        """Backends that users made: they close them, but a forked child must let go of those, too."""
        self._connecting: dict[str, threading.Lock] = {}
        self._clocks: dict[Clock, Callable[[], None]] = {}
        self._seats: set[Seat] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.ending = ""
        """Why nobody of this process stands any more; empty while they may."""
        self._looks = Rounds(Seat.look, lambda seat: seat.holder.budget.margin_ns / 2 / NS_PER_S)
        self._proofs = Rounds(Seat.prove, lambda seat: seat.holder.budget.stall_after_ns / 4 / NS_PER_S)
        self._thread = threading.Thread(target=self._run, name="tenure-keeper", daemon=True)
        try:
            self._thread.start()
        except BaseException:  # a signal's, as it waits for the thread: nobody will ever ask this keeper
            self.loop.call_soon_threadsafe(self.loop.stop)
            raise

    @classmethod
    def current(cls) -> Keeper:
        if sys.is_finalizing():  # a thread would never start now, and whoever waited for it would never end
            raise BackendUnreachable("the interpreter ends: everything is released, and nobody is elected any more")
        with cls._lock:
            if cls._current is None:
                cls._current = Keeper()
                atexit.register(cls._current.stop)
            return cls._current

    @classmethod
    def existing(cls) -> Keeper | None:
        """The keeper, if this process has one by now; for those who only look."""
        return cls._current

    @classmethod
    def resign_all(cls, detail: str) -> None:
        """Resign every tenure of this process and withdraw every candidacy, also later ones: the process ends.

        From any thread, without waiting.
        """
        keeper = cls._current
        if keeper is not None:
            keeper.soon(keeper.withdraw_all, detail)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    # From any thread

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def seats(self) -> set[Seat]:
        """Every candidacy that is not over, as of now."""
        return self._seats.copy()  # in one step: no other thread runs meanwhile

    def backend(self, url: str, connect: Callable[[str], Backend]) -> Backend:
        """The backend at `url`, made by `connect` at its first use and shared by every election of this process."""
        if url not in self._backends:  # on a disk that hangs, connecting may take for ever: that holds only this one up
            with self._connecting.setdefault(url, threading.Lock()):
                if url not in self._backends:
                    self._backends[url] = connect(url)
        return self._backends[url]

    def soon(self, function: Callable[..., None], *args: object) -> None:
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            _log.debug("the keeper has ended; nothing is held any more")

    def call(self, coroutine: Coroutine[Any, Any, _T], timeout_s: float) -> Future[_T]:
        """Run `coroutine` on the keeper's loop; BackendUnreachable after `timeout_s`, without waiting for its end."""
        future = self.run(self._limited(coroutine, timeout_s))
        future.add_done_callback(lambda _: _close_unstarted(coroutine))  # it was cancelled before it could begin
        return future

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run `coroutine` on the keeper's loop until it ends or the future is cancelled."""
        answer = Answer(self.loop, coroutine)
        self.loop.call_soon_threadsafe(answer.begin)
        return answer

    async def _limited(self, coroutine: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
        finally:
            task.cancel()  # does nothing to one that is done
        if not done:
            raise BackendUnreachable(f"no answer within {timeout_s:g} s; what became of the request is unknown")
        try:
            return task.result()
        except (TenureError, Gone):
            raise
        except Exception as error:  # what nobody classified is unknown, here as everywhere
            raise BackendUnreachable(f"it failed, outcome unknown: {type(error).__name__}: {error}") from error

    async def forget(self, which: Callable[[Backend], bool]) -> None:
        """Close those backends of this process, and connect to their URLs anew from now on."""
        for url, backend in tuple(self._backends.items()):
            if which(backend):
                del self._backends[url]
                self._connecting.pop(url, None)
                end = self._clocks.pop(backend.clock, None)
                if end is not None:
                    end()
                await backend.close()

    # On the keeper's thread

    def seated(self, seat: Seat) -> None:
        """`seat` has moved: look at the clock for it, and at its owner, from when to when that is needed."""
        if seat not in self._seats and not seat.holder.over:
            self._seats.add(seat)
            self._others.add(seat.backend)
            clock = seat.clock
            if clock not in self._clocks:
                self._clocks[clock] = clock.on_move(lambda: self.soon(self._clock_moved, clock))
        self._looks.set(seat, seat.holder.leased, self.loop)
        self._proofs.set(seat, seat.holder.proving, self.loop)

    def left(self, seat: Seat) -> None:
        self._seats.discard(seat)
        self._looks.set(seat, False, self.loop)
        self._proofs.set(seat, False, self.loop)

    def withdraw_all(self, detail: str) -> None:
        self.ending = detail
        for seat in tuple(self._seats):
            if seat.is_elsewhere():  # the main thread unwinds by itself, and its clean-up still leads
                seat.withdraw(detail)

    def _clock_moved(self, clock: Clock) -> None:
        for seat in tuple(self._seats):
            if seat.clock is clock:
                if seat.holder.proving:
                    seat.prove()
                seat.look()

    # The end

    def stop(self) -> None:
        """Release what is held, close the backends, end the thread; each within limits. At interpreter exit."""
        if not self._thread.is_alive():  # as in a forked child
            return
        winding_up = self.run(self._wind_up())
        try:
            winding_up.result(EXIT_LIMIT_S + 1)
        except TimeoutError:
            _log.warning("the keeper did not end in time; what it holds ends with the process")
        self.soon(self.loop.stop)
        self._thread.join(1.0)
        announcer.ANNOUNCER.flush(0.5)
        with self._lock:
            if Keeper._current is self:
                Keeper._current = None

    async def _wind_up(self) -> None:
        self.ending = self.ending or "the interpreter ends"
        for seat in tuple(self._seats):
            seat.wind_up()
        end_s = self.loop.time() + EXIT_LIMIT_S
        while self._seats and self.loop.time() < end_s:  # noqa: ASYNC110  once per process, and bounded
            await asyncio.sleep(0.005)
        in_use = {seat.backend for seat in self._seats}  # closing one would let go under a body that still runs
        idle = [backend for backend in self._backends.values() if backend not in in_use]
        closing = [self.loop.create_task(backend.close()) for backend in idle]
        if closing:
            await asyncio.wait(closing, timeout=0.5)
        for end in self._clocks.values():
            end()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:  # watches, calls that hang: nobody may find them pending when the loop is gone
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=0.2)

    def forget_in_child(self) -> None:
        """In a forked child: the thread is not here. Drop what was inherited without a word to any service."""
        for backend in {*self._backends.values(), *self._others}:
            backend.forked()
        self._selector.close()


def _close_unstarted(coroutine: Coroutine[Any, Any, object]) -> None:
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()


def _after_fork_in_child() -> None:
    keeper, Keeper._current = Keeper._current, None  # noqa: SLF001  this module's own
    Keeper._lock = threading.Lock()  # noqa: SLF001  another thread may have held it when the process forked
    if keeper is not None:
        keeper.forget_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
