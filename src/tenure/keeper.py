"""Drives holders against backends, on one daemon thread and one event loop for the whole process.

The keeper shares nothing with the user's loop: renewals leave in time however busy that is. What holders decide it
carries out; it decides nothing itself but how to classify an error:

    Gone                                   DEFINITE: the grant is no more
    BackendRefused, ConfigurationError     DEFINITE: the backend would say no again
    everything else                        UNKNOWN: try again

Rules of this file:
 - nothing on the keeper's loop blocks, and no call is awaited without a limit: the holder's wake-ups abandon it;
 - a call that was abandoned is not awaited either; a renewal's late answer is still told to the holder;
 - owners are told by methods that only post to the owner's own loop or thread.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, assert_never

from tenure import announcer
from tenure.backends.base import Backend, Candidate, Gone, Grant
from tenure.clock import Clock
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.errors import (
    BackendRefused,
    BackendUnreachable,
    ConfigurationError,
    NotElected,
    Reason,
    TenureError,
)
from tenure.holding import effects, events
from tenure.holding.holder import Holder

EXIT_LIMIT_S = 2.0
"""How long an ending interpreter waits for releases; what is not released by then ends with the process anyway."""

_log = logging.getLogger("tenure")
_T = TypeVar("_T")


class OwnerGoneError(Exception):
    """The owner's loop is closed: nobody runs the body any more."""


class Owner(Protocol):
    """Who wants a tenure. The keeper calls these on its own thread; each may raise OwnerGoneError."""

    def started(self, grant: Grant) -> None: ...

    def not_elected(self, error: TenureError) -> None: ...

    def told_to_stop(self, reason: Reason) -> None: ...

    def overran(self, reason: Reason) -> None: ...

    def prove_alive(self, seat: Seat) -> None:
        """Have `seat.feed(OwnerTicked(...))` called as soon as the owner's code is seen to run."""
        ...

    def over(self) -> None: ...


class Seat:
    """One holder, its backend and its owner. Everything but `post` belongs to the keeper's thread."""

    def __init__(self, keeper: Keeper, backend: Backend, candidate: Candidate, holder: Holder, owner: Owner) -> None:
        self.clock: Clock = backend.clock
        self.holder = holder
        self.grant: Grant | None = None
        self._keeper = keeper
        self._backend = backend
        self._candidate = candidate
        self._owner = owner
        self._grants: dict[int, Grant] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._attending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = NEVER_NS
        self._wait_s = 0.0
        self._refusal: TenureError | None = None
        self._renewals: set[int] = set()

    def post(self, event: events.Event) -> None:
        """Tell the holder, from any thread. After the keeper has ended this does nothing: everything is released."""
        self._keeper.soon(self.feed, event)

    def stand(self, wait_s: float | None) -> None:
        """Begin to campaign, from any thread; `wait_s` as in `Election.lead`."""
        self._wait_s = wait_s or 0.0
        self.post(events.Stand(None if wait_s is None else round(wait_s * NS_PER_S)))

    def withdraw(self, detail: str) -> None:
        """End it without its owner: resign if it leads, give up if it stands; from any thread."""
        self._keeper.soon(self._withdraw, detail)

    def _withdraw(self, detail: str) -> None:
        if self.holder.proving:
            self.feed(events.Asked(events.Resign()))
        else:
            self.feed(events.BodyLeft())
            self._tell(self._owner.not_elected, NotElected(self._candidate.election, self._wait_s, detail))

    def feed(self, event: events.Event) -> None:
        for effect in self.holder.handle(event, self.clock.now_ns()):
            self._carry_out(effect)
        self._keeper.seated(self)
        self._set_timer()
        if self.holder.over:
            self._end()

    def look(self) -> None:
        """Compare the clock: timers stand still in suspend, clocks do not."""
        if self.clock.now_ns() >= self.holder.wake_ns:
            self.feed(events.Woke())

    def prove(self) -> None:
        self._tell(self._owner.prove_alive, self)

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run a call to this seat's backend within the time that one call has; from any thread."""
        return self._keeper.call(coroutine, self.holder.budget.call_timeout_ns / NS_PER_S)

    # Effects

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Announce(notice):
                announcer.ANNOUNCER.tell(notice)
            case effects.Renew(call):
                self._renewals.add(call)
                self._call(call, self._renew(call))
            case effects.Campaign(call, once):
                self._call(call, self._campaign(call, once))
            case effects.Release(call, token, to):
                self._call(call, self._release(call, token, to))
            case effects.Abandon(call):
                self._abandon(call)
            case effects.Start():
                assert self.grant is not None
                self._tell(self._owner.started, self.grant)
            case effects.Cancel(reason):
                self._tell(self._owner.told_to_stop, reason)
            case effects.Overrun(reason):
                self._tell(self._owner.overran, reason)
            case effects.GiveUp(why, detail):
                self._tell(self._owner.not_elected, self._error(why, detail))
            case _:
                assert_never(effect)

    def _tell(self, method: Callable[[_T], None], argument: _T) -> None:
        try:
            method(argument)
        except OwnerGoneError:
            self._keeper.soon(self.feed, events.BodyLeft())

    def _error(self, why: effects.WhyNot, detail: str) -> TenureError:
        match why:
            case effects.WhyNot.REFUSED:
                return self._refusal or BackendRefused(detail)
            case effects.WhyNot.UNREACHABLE if not self._wait_s:
                return BackendUnreachable(f"{self._candidate.election!r} could not be campaigned for: {detail}")
            case _:
                return NotElected(self._candidate.election, self._wait_s, detail)

    # Calls

    def _call(self, call: int, coroutine: Coroutine[Any, Any, events.Event]) -> None:
        task = self._keeper.loop.create_task(self._answer(call, coroutine))
        self._calls[call] = task
        task.add_done_callback(lambda _: self._forget(call))
        while len(self._calls) > self.holder.budget.attempts + 2:
            self._calls.pop(next(iter(self._calls))).cancel()

    def _forget(self, call: int) -> None:
        self._calls.pop(call, None)
        self._renewals.discard(call)

    async def _answer(self, call: int, coroutine: Coroutine[Any, Any, events.Event]) -> None:
        try:
            event = await coroutine
        except Gone as error:
            event = events.Failed(call, events.Verdict.DEFINITE, str(error) or "the grant is gone")
        except (BackendRefused, ConfigurationError) as error:
            self._refusal = error
            event = events.Failed(call, events.Verdict.DEFINITE, str(error), Reason.BACKEND_GONE)
        except Exception as error:  # noqa: BLE001  rule of this file: what nobody classified is UNKNOWN, never success
            event = events.Failed(call, events.Verdict.UNKNOWN, f"{type(error).__name__}: {error}")
        self.feed(event)

    async def _campaign(self, call: int, once: bool) -> events.Event:
        grant = await self._backend.campaign(self._candidate, once=once)
        if grant is None:
            return events.NotWon(call)
        self._grants[grant.granted.token] = self.grant = grant
        self._attending = self._attending or self._keeper.loop.create_task(self._attend(grant))
        return events.Won(call, grant.granted)

    async def _renew(self, call: int) -> events.Event:
        assert self.grant is not None
        return events.RenewalGranted(call, await self.grant.renew())

    async def _release(self, call: int, token: int, to: str | None) -> events.Event:
        if self._attending is not None:
            self._attending.cancel()
            self._attending = None
        await self._grants[token].release(to)
        self._grants.pop(token, None)
        return events.ReleaseDone(call)

    def _abandon(self, call: int) -> None:
        """Renewals go on, for a late answer is worth something; others are told to stop, and not waited for."""
        if call in self._calls and call not in self._renewals:
            self._calls.pop(call).cancel()

    async def _attend(self, grant: Grant) -> None:
        """Hear wishes and the grant's end for as long as it is held; a backend that fails at it is asked again."""
        while True:
            try:
                async for news in grant.attend():
                    self.feed(news if isinstance(news, events.Deposed) else events.Asked(news))
            except Exception as error:  # noqa: BLE001  whatever it is, wishes are worth another try; renewals judge
                _log.debug("%s: attending failed, will try again: %s", self._candidate.election, error)
            if self.holder.reason is not None:
                return
            await asyncio.sleep(self.holder.budget.backoff_ns / NS_PER_S)

    # Time and end

    def _set_timer(self) -> None:
        wake_ns = self.holder.wake_ns
        if wake_ns == self._timer_ns and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_ns = None, wake_ns
        if wake_ns < NEVER_NS:
            delay_s = max(0, wake_ns - self.clock.now_ns()) / NS_PER_S
            self._timer = self._keeper.loop.call_later(delay_s, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self.feed(events.Woke())

    def _end(self) -> None:
        if self._attending is not None:
            self._attending.cancel()
            self._attending = None
        self._keeper.left(self)
        self._tell(lambda _: self._owner.over(), None)


class Rounds:
    """Visits seats again and again, as often as the most demanding of them wants it; sleeps while there are none."""

    def __init__(self, visit: Callable[[Seat], None], every_s: Callable[[Seat], float]) -> None:
        self._visit = visit
        self._every_s = every_s
        self._seats: dict[Seat, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._period_s = 0.0

    def set(self, seat: Seat, present: bool, loop: asyncio.AbstractEventLoop) -> None:
        if not present:
            self._seats.pop(seat, None)
        elif seat not in self._seats:
            self._seats[seat] = max(0.005, self._every_s(seat))
            if self._timer is None or self._seats[seat] < self._period_s:
                self._again(loop)

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._seats:
            self._period_s = min(self._seats.values())
            self._timer = loop.call_later(self._period_s, self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._again(loop)
        for seat in tuple(self._seats):
            self._visit(seat)


class Keeper:
    """One thread, one loop, every seat and every backend of this process. `Keeper.current()` is the only one."""

    _current: Keeper | None = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop(self._selector)
        self._backends: dict[str, Backend] = {}
        self._clocks: dict[Clock, Callable[[], None]] = {}
        self._seats: set[Seat] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._looks = Rounds(Seat.look, lambda seat: seat.holder.budget.margin_ns / 2 / NS_PER_S)
        self._proofs = Rounds(Seat.prove, lambda seat: seat.holder.budget.stall_after_ns / 4 / NS_PER_S)
        self._thread = threading.Thread(target=self._run, name="tenure-keeper", daemon=True)
        self._thread.start()

    @classmethod
    def current(cls) -> Keeper:
        with cls._lock:
            if cls._current is None:
                cls._current = Keeper()
                atexit.register(cls._current.stop)
            return cls._current

    @classmethod
    def resign_all(cls, detail: str) -> None:
        """Resign every tenure of this process and withdraw every candidacy; from any thread, without waiting."""
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

    def backend(self, url: str, connect: Callable[[str], Backend]) -> Backend:
        """The backend at `url`, made by `connect` at its first use and shared by every election of this process."""
        with self._lock:
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
        return asyncio.run_coroutine_threadsafe(self._limited(coroutine, timeout_s), self.loop)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run `coroutine` on the keeper's loop until it ends or the future is cancelled."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

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
        return task.result()

    # On the keeper's thread

    def seated(self, seat: Seat) -> None:
        """`seat` has moved: look at the clock for it, and at its owner, from when to when that is needed."""
        if seat not in self._seats and not seat.holder.over:
            self._seats.add(seat)
            if seat.clock not in self._clocks:
                self._clocks[seat.clock] = seat.clock.on_move(lambda: self.soon(self._clock_moved, seat.clock))
        self._looks.set(seat, seat.holder.leased, self.loop)
        self._proofs.set(seat, seat.holder.proving, self.loop)

    def left(self, seat: Seat) -> None:
        self._seats.discard(seat)
        self._looks.set(seat, False, self.loop)
        self._proofs.set(seat, False, self.loop)

    def withdraw_all(self, detail: str) -> None:
        for seat in tuple(self._seats):
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
        future = asyncio.run_coroutine_threadsafe(self._wind_up(), self.loop)
        try:
            future.result(EXIT_LIMIT_S + 1)
        except TimeoutError:
            _log.warning("the keeper did not end in time; what it holds ends with the process")
        self.soon(self.loop.stop)
        self._thread.join(1.0)
        announcer.ANNOUNCER.flush(0.5)
        with self._lock:
            if Keeper._current is self:
                Keeper._current = None

    async def _wind_up(self) -> None:
        for seat in tuple(self._seats):
            seat.feed(events.BodyLeft())
        end_s = self.loop.time() + EXIT_LIMIT_S
        while self._seats and self.loop.time() < end_s:  # noqa: ASYNC110  once per process, and bounded
            await asyncio.sleep(0.005)
        closing = [self.loop.create_task(backend.close()) for backend in self._backends.values()]
        if closing:
            await asyncio.wait(closing, timeout=0.5)
        for end in self._clocks.values():
            end()

    def forget_in_child(self) -> None:
        """In a forked child: the thread is not here. Drop what was inherited without a word to any service."""
        for backend in self._backends.values():
            backend.forked()
        self._selector.close()


def _after_fork_in_child() -> None:
    keeper, Keeper._current = Keeper._current, None  # noqa: SLF001  this module's own
    Keeper._lock = threading.Lock()  # noqa: SLF001  another thread may have held it when the process forked
    if keeper is not None:
        keeper.forget_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
