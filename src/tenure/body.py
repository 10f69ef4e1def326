"""The body of `async with election.lead()`: how a loss reaches it, and what leaves it.

Rules of this file:
 1. Loss reaches the task only through `loop.call_soon_threadsafe`, never from inside the task itself.
 2. Just before the body starts its fences are stamped with the token, then the tenure is looked at once more: lost in
    between is given back, and campaigned on; a fence that failed is an error, with nothing begun.
 3. On exit the keeper owns the release; the task waits for it shielded and bounded, and remembers cancellations that
    come meanwhile.
 4. `uncancel()` once for each cancel of ours. A count above the one noted on entry is an outer cancellation: it wins
    and is never turned into LeadershipLost. The count decides, never which exception was seen.
 5. The body's own error goes on, with a note. A body that ended normally, or swallowed the cancellation, after the
    loss still raises LeadershipLost.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from tenure.backends.base import Gone, Grant
from tenure.errors import ConfigurationError, LeadershipLost, NotElected, Reason, TenureError
from tenure.fencing.stamping import stamp_all
from tenure.handle import Hold
from tenure.holding import events
from tenure.keeper import OwnerGoneError, Seat
from tenure.lag import lag_of
from tenure.options import Options, checked_value
from tenure.reports import awaiting, report_overrun, stack

_P = ParamSpec("_P")
_T = TypeVar("_T")


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop that runs this; ConfigurationError where none does, as under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "no event loop of asyncio runs here. tenure.Election is for asyncio only (asyncio.run, uvloop, anyio's "
            "asyncio backend); under trio, as without a loop, use tenure.blocking on a thread"
        ) from error


class Tenure(Hold):
    """One period of leadership, as its body sees it; `async with election.lead() as tenure`."""

    def __init__(self, body: Body, seat: Seat, grant: Grant, lost: asyncio.Event) -> None:
        super().__init__(seat.holder, seat.clock, body)
        self._seat = seat
        self._grant = grant
        self._lost = lost

    @property
    def keep_open(self) -> tuple[int, ...]:
        """Descriptors that carry the grant: a process that inherits them keeps it, should this one die before it."""
        return self._grant.keep_open

    async def wait_lost(self) -> Reason:
        """Wait until the tenure is lost and return why; for tasks beside the body, which is cancelled anyway."""
        await self._lost.wait()
        return self.reason or Reason.EXPIRED

    async def publish(self, value: str) -> None:
        """Put `value` beside the leader's name for everybody to read: an address, a decision; at most 4 KiB of UTF-8.

        Raises StaleToken when a newer leader has come, LeadershipLost when the tenure has ended, ConfigurationError
        for a value that is too long, and BackendUnreachable when it is unknown whether it was written.
        """
        checked_value(value)
        self.check()
        try:
            await asyncio.wrap_future(self._seat.call(self._grant.publish(value)))
        except Gone as error:
            raise self._as_lost(Reason.DEPOSED) from error

    async def to_thread(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a blocking function in a thread, and do not leave before it has ended, not even when cancelled.

        `asyncio.to_thread` would leave its thread behind, working on without leadership. Let the function call
        `check()` now and then, or `is_valid()`: nothing else can stop it. It is not begun after the loss, however
        long it waited for a thread: then LeadershipLost is raised in its place.
        """

        def work() -> _T:
            self.check()
            return function(*args, **kwargs)

        future = asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, work)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            future.exception()  # looked at, so that nobody warns of it: the cancellation goes on instead
            raise cancelled
        return future.result()


_HELD: WeakKeyDictionary[asyncio.Task[object], dict[tuple[str, str], Body]] = WeakKeyDictionary()
"""What each task leads, or campaigns for, by backend and election; outer tenures before inner ones."""

os.register_at_fork(after_in_child=_HELD.clear)  # the parent leads on: this child may stand for itself


def raise_if_around(failure: BaseException, options: Options) -> None:
    """Raise what a job raised if it is the loss of a tenure around this one: then standing again would be no help."""
    task = asyncio.current_task()
    held = _HELD.get(task, {}) if task is not None else {}
    if isinstance(failure, LeadershipLost) and failure.election in {name for _, name in held} - {options.name}:
        raise failure


class Pulse:
    """One tick per user loop, however many tenures its tasks hold: the proof that the loop still turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._lag = lag_of(loop, "owner")
        self._asking: deque[Seat] = deque()
        self._asked = False

    def ask(self, seat: Seat) -> None:
        """Tick `seat` when the loop turns next; on the keeper's thread."""
        loop = self._loop()
        if loop is None or loop.is_closed():  # perhaps with a tick still in its queue, that will never be run
            self._asking.clear()
            raise OwnerGoneError
        self._asking.append(seat)
        self._lag.ask()
        if not self._asked:
            self._asked = True
            try:
                loop.call_soon_threadsafe(self._tick)
            except RuntimeError as error:
                raise OwnerGoneError from error

    def _tick(self) -> None:
        self._asked = False
        seats: set[Seat] = set()
        while self._asking:
            seats.add(self._asking.popleft())
        for seat in seats:
            seat.post(events.OwnerTicked(seat.clock.now_ns()))


_PULSES: WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse] = WeakKeyDictionary()
"""The pulse of each loop; a pulse must not hold its loop, or neither would ever be let go."""


class Body:
    """One use of `async with election.lead()`; as the keeper's owner it belongs to one task of one loop."""

    def __init__(self, options: Options, wait_s: float | None) -> None:
        self._options = options
        self._wait_s = wait_s
        self._task: asyncio.Task[object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._seat: Seat | None = None
        self._won: asyncio.Future[Grant] | None = None
        self._over: asyncio.Future[None]
        self._is_lost = asyncio.Event()
        self._tenure: Tenure | None = None
        self._running = False
        self._cancelling = 0
        self._cancels = 0
        self._lost: Reason | None = None

    async def __aenter__(self) -> Tenure:
        if self._task is not None:
            raise ConfigurationError("this lead() was used before; call lead() again for another tenure")
        self._loop = running_loop()
        self._task = asyncio.current_task()
        assert self._task is not None
        self._thread_id = threading.get_ident()
        held = _HELD.setdefault(self._task, {})
        if self._options.key in held:
            raise ConfigurationError(
                f"this task leads {self._options.name!r} already; it would wait for itself for ever"
            )
        held[self._options.key] = self
        end_s = None if self._wait_s is None else self._loop.time() + self._wait_s
        try:
            while self._tenure is None:
                left_s = self._wait_s if end_s is None else max(0.0, end_s - self._loop.time())
                self._tenure = await self._campaign(left_s)
        except BaseException:  # it goes on as it is; only the note that this task leads is taken back
            del held[self._options.key]
            raise
        self._cancelling = self._task.cancelling()
        self._running = True
        return self._tenure

    async def _campaign(self, wait_s: float | None) -> Tenure | None:
        """Stand until elected; None for a tenure that was lost before its body could start (rule 2)."""
        assert self._loop is not None
        self._won, self._lost = self._loop.create_future(), None
        self._over = self._loop.create_future()
        self._is_lost.clear()
        self._seat = self._options.seat(self)
        self._seat.stand(wait_s)
        try:
            grant = await self._won
        except BaseException:  # elected or not, cancelled or not: whatever is or will be won goes back
            self._seat.post(events.BodyLeft())
            raise
        tenure = Tenure(self, self._seat, grant, self._is_lost)
        self._options.highest = max(self._options.highest, tenure.token)
        try:
            failure = await stamp_all(self._options.fences, tenure)
        except BaseException:  # cancelled: what was won goes back
            self._seat.post(events.BodyLeft())
            raise
        if failure is None and not self._is_lost.is_set() and tenure.is_valid():
            return tenure
        self._seat.post(events.BodyLeft())
        cancelled = await self._released()
        if cancelled is not None:
            raise cancelled
        if failure is not None:
            raise failure
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool:
        task = self._task
        assert task is not None
        assert self._seat is not None
        assert self._tenure is not None
        self._running = False
        if not self._tenure.is_valid():  # lost, though its loop had no time to say so
            self._lost = self._lost or self._tenure.reason
        if self._lost is Reason.FORKED:  # a child: neither its loop nor the keeper runs here, and nothing is released
            if error is None:
                raise LeadershipLost(self._tenure.election, self._tenure.token, self._lost)
            return False
        self._seat.post(events.BodyLeft())
        cancelled = await self._released()
        self._is_lost.set()  # for those who still wait for it beside the body
        _HELD[task].pop(self._options.key)
        is_elsewhere = asyncio.current_task() is not task
        if is_elsewhere:
            raise ConfigurationError("a tenure was left in another task than it was entered in; it was released")
        for _ in range(self._cancels):
            task.uncancel()
        return self._let_out(error, cancelled)

    async def _released(self) -> asyncio.CancelledError | None:
        """Wait until the keeper has let go, within the budget's limit; returns a cancellation that came meanwhile."""
        assert self._loop is not None
        cancelled: asyncio.CancelledError | None = None
        # No more than this: the keeper begins to release only when this thread gives the interpreter away.
        limit = self._loop.call_later(self._options.release_limit_s, self._end, self._over)
        try:
            while not self._over.done():
                try:
                    await asyncio.shield(self._over)
                except asyncio.CancelledError as error:
                    cancelled = error
                    if self._is_pressed():
                        break
        finally:
            limit.cancel()
        return cancelled

    def _is_pressed(self) -> bool:
        """Whether a tenure around this one was told twice to stop: half its grace is gone, so wait no longer."""
        assert self._task is not None
        return any(body._cancels > 1 for body in _HELD[self._task].values() if body is not self)  # noqa: SLF001  its own class

    def _let_out(self, error: BaseException | None, cancelled: asyncio.CancelledError | None) -> bool:
        """Let the right exception out (rules 4 and 5)."""
        assert self._task is not None
        assert self._tenure is not None
        if self._task.cancelling() > self._cancelling or (cancelled is not None and not self._cancels):
            if error is not None:
                return False  # the outer cancellation, or the body's own error, goes on as it is
            raise cancelled or asyncio.CancelledError
        if self._lost is None:
            return False
        lost = LeadershipLost(self._tenure.election, self._tenure.token, self._lost)
        if error is None:
            raise lost
        if isinstance(error, asyncio.CancelledError):
            if not self._cancels:
                return False
            raise lost from error
        if not isinstance(error, LeadershipLost) or error.election != lost.election:
            error.add_note(str(lost))
        return False

    # As the keeper's owner: called on the keeper's thread

    def started(self, grant: Grant) -> None:
        self._soon(self._resolve, grant)

    def not_elected(self, error: TenureError) -> None:
        self._soon(self._resolve, error)

    def told_to_stop(self, reason: Reason) -> None:
        self._soon(self._stop, reason)

    def prove_alive(self, seat: Seat) -> None:
        assert self._loop is not None
        _PULSES.setdefault(self._loop, Pulse(self._loop)).ask(seat)

    def works(self) -> bool:
        return True

    def overran(self, reason: Reason) -> None:
        report_overrun(self._options, reason, self.where())

    @property
    def exits(self) -> bool:
        return self._options.on_overrun == "exit"

    def where(self) -> str:
        assert self._task is not None
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001  the documented way to another thread's stack
        return f"its task waits at\n{awaiting(self._task)}its thread runs\n{stack(frame)}"

    def still_runs(self) -> bool:
        assert self._loop is not None
        return self._loop.is_running()

    def is_here(self) -> bool:
        return self._thread_id == threading.get_ident()

    def over(self) -> None:
        self._soon(self._end, self._over)

    # As the handle's steering: called on any thread

    def resign(self) -> None:
        assert self._seat is not None
        self._seat.post(events.Asked(events.Resign()))

    def owner_is_alive(self) -> None:
        """Asyncio's proof is the loop's own tick."""

    # On the owner's loop, never inside its task

    def _soon(self, function: Callable[[_T], None], argument: _T) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError as error:
            raise OwnerGoneError from error

    def _resolve(self, result: Grant | TenureError) -> None:
        assert self._won is not None
        if self._won.done():
            return  # cancelled meanwhile: what was won is on its way back
        if isinstance(result, TenureError):
            if isinstance(result, NotElected):
                result.waited_s = self._wait_s or 0.0
            self._won.set_exception(result)
        else:
            self._won.set_result(result)

    def _end(self, over: asyncio.Future[None]) -> None:
        if not over.done():
            over.set_result(None)

    def _stop(self, reason: Reason) -> None:
        self._is_lost.set()
        if self._running:  # a body that has left before it could be told has done nothing without leadership
            self._lost = self._lost or reason
            assert self._task is not None
            self._cancels += 1
            self._task.cancel(f"tenure lost: {reason.value}")
