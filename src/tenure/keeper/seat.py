"""One candidate's holder, carried out: what it wants done is done here, and what came of it is told to it.

How an error is classified, the only thing that is decided here:

    Gone                                   DEFINITE: the grant is no more
    BackendRefused, ConfigurationError     DEFINITE: the backend would say no again
    everything else                        UNKNOWN: try again
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, assert_never

import msgspec

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
from tenure.holding import effects, events, notices
from tenure.holding.holder import Holder

if TYPE_CHECKING:
    from tenure.keeper.thread import Keeper

FIRST_EAR_S = 0.005
"""When a new leader begins to listen for wishes: work that takes less than this is over before anybody could wish."""

_T = TypeVar("_T")


class OwnerGoneError(Exception):
    """The owner's loop is closed: nobody runs the body any more."""


class Owner(Protocol):
    """Who wants a tenure. The keeper calls these on its own thread; each may raise OwnerGoneError."""

    def started(self, grant: Grant) -> None: ...

    def not_elected(self, error: TenureError) -> None: ...

    def told_to_stop(self, reason: Reason) -> None: ...

    def works(self) -> bool:
        """Whether the work runs while the body does; a job that is another process may have ended before."""
        ...

    def overran(self, reason: Reason) -> None: ...

    def prove_alive(self, seat: Seat) -> None:
        """Have `seat.feed(OwnerTicked(...))` called as soon as the owner's code is seen to run."""
        ...

    def still_runs(self) -> bool:
        """Whether the body may be running now, as seen when the interpreter ends."""
        ...

    def is_here(self) -> bool:
        """Whether its code runs on the thread that asks."""
        ...

    def over(self) -> None: ...

    @property
    def exits(self) -> bool:
        """Whether an overrun ends the process."""
        ...

    def where(self) -> str:
        """Where its code runs or waits now, as lines of a traceback; from any thread."""
        ...


Guard = Callable[[int, str, int | None], bool]
"""Told of each hard deadline of a tenure (which one, of what election, and when), and None when its body has left;
returns whether it heard. See `tenure.supervise.own`."""


class Seat:
    """One holder, its backend and its owner. Everything but `post` belongs to the keeper's thread."""

    def __init__(
        self,
        keeper: Keeper,
        backend: Backend,
        candidate: Candidate,
        holder: Holder,
        owner: Owner,
        *,
        guard: Guard | None = None,
    ) -> None:
        self.clock: Clock = backend.clock
        self.holder = holder
        self.grant: Grant | None = None
        self.backend = backend
        self._keeper = keeper
        self._candidate = candidate
        self.owner = owner
        self._grants: dict[int, Grant] = {}
        self._begun: int | None = None
        """The token of the tenure whose body was last told to begin; a grant given back before that changed nothing."""
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._attending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = NEVER_NS
        self._wait_s = 0.0
        self._refusal: TenureError | None = None
        self._renewals: set[int] = set()
        self._guard = guard
        self._guarded_ns: int | None = None
        self._is_excused = False
        """At its hard deadline the body ran, and no work: asked before the overrun is announced."""
        self._ended = False

    def post(self, event: events.Event) -> None:
        """Tell the holder, from any thread. After the keeper has ended this does nothing: everything is released."""
        self._keeper.soon(self.feed, event)

    def stand(self, wait_s: float | None) -> None:
        """Begin to campaign, from any thread; `wait_s` as in `Election.lead`."""
        self._wait_s = wait_s or 0.0
        self._keeper.soon(self._stand, events.Stand(None if wait_s is None else round(wait_s * NS_PER_S)))

    def _stand(self, event: events.Stand) -> None:
        if self._keeper.ending:  # whoever resigned because the process ends must not be elected again (L13)
            self._tell(self.owner.not_elected, self._withdrawn(self._keeper.ending))
        else:
            self.feed(event)

    def withdraw(self, detail: str) -> None:
        """End it without its owner: resign if it leads, give up if it stands; from any thread."""
        self._keeper.soon(self._withdraw, detail)

    def _withdraw(self, detail: str) -> None:
        if self.holder.proving:
            self.feed(events.Asked(events.Resign()))
        else:
            self.feed(events.BodyLeft())
            self._tell(self.owner.not_elected, self._withdrawn(detail))

    def is_elsewhere(self) -> bool:
        """Whether its owner runs on another thread than the main one."""
        return self.owner.still_runs()

    def wind_up(self) -> None:
        """The interpreter ends. A body that still runs, on a daemon thread, is asked to end and keeps its grant: that
        goes with the process, and not before.
        """
        if self.holder.proving and self.owner.still_runs():
            self.feed(events.Asked(events.Resign()))
        else:
            self.feed(events.BodyLeft())

    def feed(self, event: events.Event) -> None:
        try:
            self._feed(event)
        except Exception as error:  # noqa: BLE001  a defect of ours: nobody may go on leading on the word of a broken holder
            self._broke(event, error)

    def _broke(self, event: events.Event, error: Exception) -> None:
        """Tell the body to stop, by the holder's own rules if they still work; what had not begun does not begin."""
        text = f"a defect of tenure on {type(event).__name__}"
        announcer.ANNOUNCER.say(
            logging.CRITICAL, f"{self._candidate.election}: {text}; its body is told to stop", error
        )
        was_leading = self.holder.proving
        try:
            until_ns = self.clock.now_ns() + self.holder.budget.grace_ns
            self._feed(events.Deposed(Reason.BACKEND_GONE, text, until_ns) if was_leading else events.BodyLeft())
        except Exception:  # noqa: BLE001  it fails at everything, as was just said; the body is told all the same
            self.holder.reason = self.holder.reason or Reason.BACKEND_GONE
            self._tell(self.owner.told_to_stop, self.holder.reason)
        self._tell(self.owner.not_elected, BackendUnreachable(f"{text} (see the log): {error}; try again"))
        if not was_leading:
            for token in self._grants:
                self._call(-token, partial(self._release, -token, token, None))

    def _feed(self, event: events.Event) -> None:
        wanted = self.holder.handle(event, self.clock.now_ns())
        if self._guard is not None:
            self._tell_guard(self._guard)  # first: a body that begins is guarded already
        for effect in wanted:
            self._carry_out(effect)
        self._set_timer()
        if not self.holder.over:
            self._keeper.seated(self)
        elif not self._ended:
            self._end()

    def _tell_guard(self, guard: Guard) -> None:
        """Tell the hard deadline where it has moved; a guard that has gone ends the tenure in good order."""
        hard_ns = self.holder.hard_ns if self.holder.proving else NEVER_NS
        limit_ns = hard_ns if hard_ns < NEVER_NS else None
        if limit_ns == self._guarded_ns:
            return
        self._guarded_ns = limit_ns
        if not guard(id(self), self._candidate.election, limit_ns) and limit_ns is not None:
            text = f"{self._candidate.election}: the guardian of this process was killed; resigning"
            announcer.ANNOUNCER.say(logging.ERROR, text)
            self._keeper.soon(self.feed, events.Asked(events.Resign()))

    def look(self) -> None:
        """Compare the clock: timers stand still in suspend, clocks do not."""
        if self.clock.now_ns() >= self.holder.wake_ns:
            self.feed(events.Woke())

    def prove(self) -> None:
        self._tell(self.owner.prove_alive, self)

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run a call to this seat's backend within the time that one call has; from any thread."""
        return self._keeper.call(coroutine, self.holder.budget.call_timeout_ns / NS_PER_S)

    # Effects

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Announce(notices.Overran()) if self._is_excused:
                ...  # nor is it counted
            case effects.Announce(notice):
                announcer.ANNOUNCER.tell(notice)
            case effects.Renew(call):
                self._renewals.add(call)
                self._call(call, partial(self._renew, call))
            case effects.Campaign(call, once):
                self._call(call, partial(self._campaign, call, once))
            case effects.Release(call, token, to):
                self._call(call, partial(self._release, call, token, to))
            case effects.Abandon(call):
                self._abandon(call)
            case effects.Start():
                assert self.grant is not None
                self._begun = self.grant.granted.token
                self._tell(self.owner.started, self.grant)
            case effects.Cancel(reason):
                self._tell(self.owner.told_to_stop, reason)
            case effects.Overrun(reason):
                self._is_excused = not self.owner.works()
                if not self._is_excused:
                    self._tell(self.owner.overran, reason)
            case effects.GiveUp(why, detail):
                self._tell(self.owner.not_elected, self._error(why, detail))
            case _:
                assert_never(effect)

    def _tell(self, method: Callable[[_T], None], argument: _T) -> None:
        try:
            method(argument)
        except OwnerGoneError:
            self._keeper.soon(self.feed, events.BodyLeft())

    def _withdrawn(self, detail: str) -> TenureError:
        return NotElected(self._candidate.election, self._wait_s, detail, withdrawn=True)

    def _not_elected(self, detail: str) -> TenureError:
        return NotElected(self._candidate.election, self._wait_s, detail)

    def _error(self, why: effects.WhyNot, detail: str) -> TenureError:
        match why:
            case effects.WhyNot.REFUSED:
                return self._refusal or BackendRefused(detail)
            case effects.WhyNot.UNREACHABLE if not self._wait_s:
                return BackendUnreachable(f"{self._candidate.election!r} could not be campaigned for: {detail}")
            case _:
                return self._not_elected(detail)

    # Calls

    def _call(self, call: int, ask: Callable[[], Awaitable[events.Event]]) -> None:
        task = self._keeper.loop.create_task(self._answer(call, ask))
        self._calls[call] = task
        task.add_done_callback(lambda _: self._forget(call))
        while len(self._calls) > self.holder.budget.attempts + 2:
            self._calls.pop(next(iter(self._calls))).cancel()

    def _forget(self, call: int) -> None:
        self._calls.pop(call, None)
        self._renewals.discard(call)

    async def _answer(self, call: int, ask: Callable[[], Awaitable[events.Event]]) -> None:
        try:
            event = await ask()
        except Gone as error:
            event = events.Failed(call, events.Verdict.DEFINITE, str(error) or "the grant is gone")
        except (BackendRefused, ConfigurationError) as error:
            self._refusal = error
            event = events.Failed(call, events.Verdict.DEFINITE, str(error), Reason.BACKEND_GONE)
        except Exception as error:  # noqa: BLE001  rule of this file: what nobody classified is UNKNOWN, never success
            event = events.Failed(call, events.Verdict.UNKNOWN, f"{type(error).__name__}: {error}")
        self.feed(event)

    async def _campaign(self, call: int, once: bool) -> events.Event:
        attempt = msgspec.structs.replace(self._candidate, nonce=os.urandom(8).hex())  # a nonce names one attempt
        grant = await self.backend.campaign(attempt, once=once)
        if grant is None:
            return events.NotWon(call)
        self._grants[grant.granted.token] = self.grant = grant
        self._attending = self._attending or self._keeper.loop.create_task(self._attend(grant))
        return events.Won(call, grant.granted)

    async def _renew(self, call: int) -> events.Event:
        assert self.grant is not None
        return events.RenewalGranted(call, await self.grant.renew())

    async def _release(self, call: int, token: int, to: str | None) -> events.Event:
        try:
            await self._grants[token].release(to, acted=token == self._begun)
        finally:  # not before: the next leader waits for the release, and nobody for this
            self._hear_no_more()
        self._grants.pop(token, None)
        return events.ReleaseDone(call)

    def _abandon(self, call: int) -> None:
        """Renewals go on, for a late answer is worth something; others are told to stop, and not waited for."""
        if call in self._calls and call not in self._renewals:
            self._calls.pop(call).cancel()

    async def _attend(self, grant: Grant) -> None:
        """Hear wishes and the grant's end for as long as it is held; a backend that fails at it is asked again."""
        pause_s = FIRST_EAR_S
        while self.holder.reason is None:
            await asyncio.sleep(pause_s)
            pause_s = self.holder.budget.backoff_ns / NS_PER_S
            try:
                async for news in grant.attend():
                    self.feed(news if isinstance(news, events.Deposed) else events.Asked(news))
            except Exception as error:  # noqa: BLE001  whatever it is, wishes are worth another try; renewals judge
                text = f"{self._candidate.election}: attending failed, will try again: {error}"
                announcer.ANNOUNCER.say(logging.DEBUG, text)

    def _hear_no_more(self) -> None:
        if self._attending is not None:
            self._attending.cancel()
            self._attending = None

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
        self._ended = True  # once: an owner whose loop is closed answers that it has gone, and would be told again
        self._hear_no_more()
        self._keeper.left(self)
        self._tell(lambda _: self.owner.over(), None)
