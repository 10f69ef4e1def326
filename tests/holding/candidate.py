"""One process: it drives a holder as the holder's docstring asks, and carries its effects out.

A process can be frozen in three ways (the thread that drives the holder, the body, both) and can die. What was due
meanwhile happens when it wakes; in suspend its timers stop too, and only its looks at the clock, each half margin, tell
it the time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tenure.durations import NEVER_NS
from tenure.holding import effects, events
from tenure.holding.effects import Effect
from tenure.holding.events import Event, Granted
from tenure.holding.holder import Holder
from tests.holding.body import Act, Body
from tests.holding.world import DriftingClock, World

if TYPE_CHECKING:
    from tests.holding.plan import Plan
    from tests.holding.service import LeaseService, Wire


class Step(NamedTuple):
    """One call of `handle`, and what could be seen of the holder afterwards."""

    order: int
    true_ns: int
    now_ns: int
    event: Event
    effects: list[Effect]
    deadline_ns: int
    wake_ns: int
    valid: bool
    reason: object


@dataclass(slots=True)
class Call:
    """One request that the holder asked for."""

    effect: effects.Campaign | effects.Renew | effects.Release
    true_ns: int
    answered_ns: int | None = None
    abandoned_ns: int | None = None


class Candidate:
    """A process, or the succession of processes, of one name; it stands again and again."""

    def __init__(self, world: World, plan: Plan, wire: Wire, service: LeaseService, index: int) -> None:
        self.world, self.plan, self.wire, self.service, self.index = world, plan, wire, service, index
        self.name = f"candidate-{index}"
        offset_ns = world.chance.between(10**9, 10**15)
        self.clock = DriftingClock(offset_ns, plan.rates_ppm[index])
        self.sessions: list[Session] = []
        self.floor = plan.first_token
        self.frozen: list[tuple[int, int, bool]] = []
        """When the driving thread stood still (true time, from, to), and whether its timers did too."""
        self.keeper_until_ns = 0
        self.body_until_ns = 0
        self.closing = False

    @property
    def session(self) -> Session | None:
        return self.sessions[-1] if self.sessions else None

    def stand(self) -> None:
        if not self.closing and (self.session is None or self.session.gone):
            self.sessions.append(Session(self))
            self.sessions[-1].stand()

    def stand_again(self, after_ns: int) -> None:
        self.world.at(self.world.now_ns + after_ns, self.stand)

    def freeze(self, until_ns: int, *, keeper: bool, body: bool, timers: bool = False) -> None:
        now_ns = self.world.now_ns
        if keeper:
            self.keeper_until_ns = max(self.keeper_until_ns, until_ns)
            self.frozen.append((now_ns, until_ns, timers))
        if body:
            self.body_until_ns = max(self.body_until_ns, until_ns)
        session = self.session
        if timers and session is not None:
            session.oversleep(until_ns - now_ns)

    def crash(self, restart_after_ns: int) -> None:
        if self.session is not None:
            self.session.die()
        self.stand_again(restart_after_ns)

    def close(self) -> None:
        """The end of the run: nobody stands any more, and every body leaves."""
        self.closing = True
        if self.session is not None:
            self.session.body.end()


class Session:
    """One holder with its driver and its body, from `Stand` until nobody needs it any more."""

    def __init__(self, candidate: Candidate) -> None:
        world, plan = candidate.world, candidate.plan
        self.candidate = candidate
        self.world = world
        self.budget = plan.budget
        self.floor = candidate.floor
        self.takeover_delay_ns = plan.takeover_delay_ns
        self.holder = Holder(
            election="e",
            candidate=candidate.name,
            budget=plan.budget,
            chance=random.Random(world.chance.between(0, 2**30)),
            floor=candidate.floor,
            takeover_delay_ns=plan.takeover_delay_ns,
        )
        self.steps: list[Step] = []
        self.acts: list[Act] = []
        self.calls: dict[int, Call] = {}
        self.began_ns: int | None = None
        self.left_ns: int | None = None
        self.died_ns: int | None = None
        self.over_ns: int | None = None
        self.wait_ns = self._patience()
        self._won: set[int] = set()
        self._timer_ns: int | None = None
        self._timer_order = 0
        self.body = Body(self)

    @property
    def gone(self) -> bool:
        """Whether this candidacy is done, or its process dead."""
        return self.died_ns is not None or self.holder.over

    def _patience(self) -> int | None:
        chance, span_ns = self.world.chance, self.candidate.plan.span_ns
        return chance.pick((None, None, None, 0, chance.between(1, 2 * span_ns)))

    def stand(self) -> None:
        self.give(events.Stand(self.wait_ns))
        if self.world.chance.yes(0.1) and not self.candidate.plan.quiet:
            wait_ns = self.world.chance.between(0, self.candidate.plan.span_ns)
            self.world.at(self.world.now_ns + wait_ns, self._lose_patience)

    def _lose_patience(self) -> None:
        if self.began_ns is None and not self.gone:
            self.world.counts["fault: owner left early"] += 1
            self.leave()

    # Driving the holder

    def give(self, event: Event) -> None:
        """An event for the holder: now, or when the thread that drives it wakes."""
        if self.died_ns is not None:
            return
        if self.candidate.keeper_until_ns > self.world.now_ns:
            self.world.at(self.candidate.keeper_until_ns, self.give, event)
        else:
            self._step(event)

    def _step(self, event: Event) -> None:
        holder, true_ns = self.holder, self.world.now_ns
        now_ns = self.candidate.clock.at(true_ns)
        produced = holder.handle(event, now_ns)
        wake_ns = holder.wake_ns
        self.steps.append(
            Step(
                order=len(self.steps),
                true_ns=true_ns,
                now_ns=now_ns,
                event=event,
                effects=produced,
                deadline_ns=holder.deadline_ns,
                wake_ns=wake_ns,
                valid=holder.is_valid(now_ns),
                reason=holder.reason,
            )
        )
        for effect in produced:
            self._carry_out(effect)
        if wake_ns != NEVER_NS and self.died_ns is None:
            due_ns = max(self.candidate.clock.when(wake_ns), true_ns)
            if self._timer_ns is None or due_ns < self._timer_ns:
                self._set_timer(due_ns)
        if holder.over and self.over_ns is None:
            self.over_ns = true_ns
            self.candidate.stand_again(self.world.chance.between(0, self.candidate.plan.span_ns // 2))

    def _set_timer(self, due_ns: int) -> None:
        self._timer_ns = due_ns
        self._timer_order += 1
        self.world.at(due_ns, self._ring, self._timer_order)

    def _ring(self, order: int) -> None:
        if order != self._timer_order or self.died_ns is not None:
            return
        if self.candidate.keeper_until_ns > self.world.now_ns:
            self.world.at(self.candidate.keeper_until_ns, self._ring, order)
            return
        self._timer_ns = None
        due_ns = self.holder.wake_ns
        if due_ns > self.candidate.clock.at(self.world.now_ns):  # it was put off meanwhile
            if due_ns != NEVER_NS:
                self._set_timer(self.candidate.clock.when(due_ns))
        else:
            self._step(events.Woke())

    def oversleep(self, lasts_ns: int) -> None:
        """The machine sleeps for `lasts_ns`: timers ring later by that; a look at the clock comes within half a margin.

        Looks that find nothing due change nothing (a property of its own), so that only this one is acted out.
        """
        if self._timer_ns is not None:
            self._set_timer(self._timer_ns + lasts_ns)
        if self.holder.leased:
            look_ns = self.world.chance.between(0, self.budget.margin_ns // 4)
            self.world.at(self.world.now_ns + lasts_ns + look_ns, self.give, events.Woke())

    # Carrying out effects

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case effects.Campaign(call, once):
                self.calls[call] = Call(effect, self.world.now_ns)
                self._acquire(call, once)
            case effects.Renew(call):
                self.calls[call] = Call(effect, self.world.now_ns)
                self._ask(self.candidate.service.renew, call, self.holder.token)
            case effects.Release(call, token, to):
                self.calls[call] = Call(effect, self.world.now_ns)
                self._ask(self.candidate.service.release, call, token, to)
            case effects.Abandon(call):
                self.calls[call].abandoned_ns = self.world.now_ns
            case effects.Start():
                self._hop(self.body.begin)
            case effects.Cancel(_, again):
                self._hop(self.body.hear_cancel, again)
            case effects.Overrun():
                self.body.overran()
            case effects.GiveUp() | effects.Announce():
                ...  # nothing in this world waits for these; the checkers read them in the steps

    def _ask(self, arrive: Callable[..., None], call: int, *args: Any) -> None:
        self.candidate.wire.carry(self.candidate.index, "requests", arrive, self, call, *args)

    def _hop(self, arrive: Callable[..., None], *args: Any) -> None:
        """From the driving thread to the body's, which takes a moment."""
        self.world.at(self.world.now_ns + self.world.chance.between(0, self.budget.margin_ns // 8), arrive, *args)

    # The client of the service: what a backend does for one candidate

    def _acquire(self, call: int, once: bool) -> None:
        """Ask for the grant, and again each lease: an answer or the news of a vacancy may have been lost."""
        if self.died_ns is not None or not self._awaits(call):
            return
        if self.candidate.keeper_until_ns > self.world.now_ns:
            self.world.at(self.candidate.keeper_until_ns, self._acquire, call, once)
            return
        self._ask(self.candidate.service.acquire, call, self.candidate.clock.at(self.world.now_ns), once)
        if not once:
            self.world.at(self.world.now_ns + self.candidate.plan.span_ns, self._acquire, call, once)

    def _awaits(self, call: int) -> bool:
        known = self.calls[call]
        return known.answered_ns is None and known.abandoned_ns is None

    def is_campaign(self, call: int) -> bool:
        return isinstance(self.calls[call].effect, effects.Campaign)

    def vacant(self) -> None:
        """The service says that nobody leads any more."""
        for call, known in self.calls.items():
            if isinstance(known.effect, effects.Campaign) and self._awaits(call):
                self._acquire_now(call, known.effect.once)

    def _acquire_now(self, call: int, once: bool) -> None:
        if self.died_ns is None:
            sent_ns = self.candidate.clock.at(self.world.now_ns)
            if self.candidate.keeper_until_ns > self.world.now_ns:
                self.world.at(self.candidate.keeper_until_ns, self._acquire_now, call, once)
            elif self._awaits(call):
                self._ask(self.candidate.service.acquire, call, sent_ns, once)

    def acquired(self, call: int, granted: Granted) -> None:
        """A win is told once; one that comes out of a doubled request is another win, and told too."""
        if granted.token not in self._won and self.died_ns is None:
            self._won.add(granted.token)
            self.candidate.floor = max(self.candidate.floor, granted.token)
            self.calls[call].answered_ns = self.world.now_ns
            self.give(events.Won(call, granted))

    def taken(self, call: int) -> None:
        if self._awaits(call):
            self.calls[call].answered_ns = self.world.now_ns
            self.give(events.NotWon(call))

    def answered(self, event: Event) -> None:
        assert isinstance(event, events.RenewalGranted | events.Failed | events.ReleaseDone)
        known = self.calls[event.call]
        if known.answered_ns is None or not isinstance(known.effect, effects.Campaign):
            known.answered_ns = known.answered_ns or self.world.now_ns
            self.give(event)

    def hears(self, token: int, event: Event) -> None:
        """Something that the leader of `token` must hear; who is not that any more does not listen."""
        if self.holder.token == token:
            self.give(event)

    # The end

    def leave(self) -> None:
        """The body ends, or the owner does not wait any longer."""
        if self.left_ns is None and self.died_ns is None:
            self.left_ns = self.world.now_ns
            self.world.at(
                self.world.now_ns + self.world.chance.between(0, self.budget.margin_ns // 8),
                self.give,
                events.BodyLeft(),
            )

    def die(self) -> None:
        if self.died_ns is None:
            self.died_ns = self.world.now_ns
            self.candidate.service.died(self)
