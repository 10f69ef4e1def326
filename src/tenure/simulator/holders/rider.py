"""What drives the holder of one life of a node: it gives events, carries out effects, and tells the observers of both.

While the node stands still so do the holder, what drives it, and the body: what comes meanwhile waits.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, assert_never

from tenure import trace
from tenure.core.events import NodeId
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.errors import Reason
from tenure.holding import effects, events
from tenure.holding.budget import Budget
from tenure.holding.holder import Holder
from tenure.holding.phases import Phase
from tenure.simulator.holders.body import Body
from tenure.simulator.holders.member import Member
from tenure.simulator.node import SimulatedNode
from tenure.simulator.world import World

HOP_NS = NS_PER_S // 1000
"""From one thread of a process to another it takes up to this."""
BUSY = 0.03
LONGEST_BUSY = 2
"""So often the other thread is busy, and for up to so many leases: answers come when nobody waits any more."""


Answer = tuple[Holder, events.Event]
"""An event, and the holder that it is for: each counts its calls anew."""


class Rider:
    """One candidate: a holder after the other, each over the node's own elector."""

    def __init__(self, world: World, node: SimulatedNode, calm_ns: int) -> None:
        self.world, self.node, self.calm_ns = world, node, calm_ns
        self.chance = Random(f"{world.seed}/holder/{node.number}/{node.life}")
        self.member = Member(world, node)
        self.is_over = False
        """The node's life has ended, and all this with it."""
        self._holder: Holder | None = None
        self._body: Body | None = None
        self._campaign: int | None = None
        self._owner_ns = 0
        self._told_ns: int | None = None
        self._alarm_ns = NEVER_NS
        self._last_told: tuple[int, int | str, int] | None = None

    @property
    def budget(self) -> Budget:
        return self.holder.budget

    @property
    def holder(self) -> Holder:
        assert self._holder is not None, "nobody stands yet"
        return self._holder

    @property
    def now_ns(self) -> int:
        """What the node's clock shows."""
        return self.node.clock.at(self.world.now_ns)

    @property
    def is_calm(self) -> bool:
        return self.world.now_ns >= self.calm_ns

    def is_valid(self) -> bool:
        return self.holder.is_valid(self.now_ns)

    # What happens to the node

    def stand_soon(self, budget: Budget) -> None:
        assert budget.lease_ns is not None
        self.later(int(self.chance.random() * budget.lease_ns / 2), self._stand, budget)

    def take(self) -> None:
        """Win, if a campaign is under way and there is a grant to be had."""
        if self._campaign is None or self._stands_still():
            return
        granted = self.member.grant(self.budget, self.now_ns)
        if granted is not None:
            call, self._campaign = self._campaign, None
            self.later(self._hop_ns(), self._won, (self.holder, events.Won(call, granted)))
            self._set_alarm()

    def deposed(self, token: int, why: str) -> None:
        """Who drives both the elector and the holder tells in the same step."""
        if token == self.member.token:
            self.member.ends_ns = NEVER_NS
        if self._holder is not None and self._holder.proving and self._holder.token == token:
            self.give(events.Deposed(Reason.DEPOSED, why))

    def asked(self, to: NodeId | None) -> bool:
        """Somebody wishes that the node step down; whether there is a body that must leave before."""
        if self._holder is None or not self._holder.proving:
            return False
        wish = events.Resign() if to is None else events.Transfer(str(to))
        self.later(0, self.give, events.Asked(wish))
        return True

    def clock_changed(self) -> None:
        self._tell_bounds()
        self._alarm_ns = NEVER_NS
        self._set_alarm()

    # Driving the holder

    def give(self, event: events.Event) -> None:
        holder = self.holder
        if isinstance(event, events.OwnerTicked):
            self._owner_ns = event.at_ns
        for effect in holder.handle(event, self.now_ns):
            self._carry_out(holder, effect)
        self._tell_bounds()
        if holder.over:
            self._holder = None  # its late answers are for nobody: whatever it won is released
            self.stand_soon(holder.budget)
        self._set_alarm()

    def body_left(self) -> None:
        """It has left before the holder lets go of anything, and ran until now, if it was stopped by a pause."""
        assert self._body is not None
        if self.now_ns >= self.holder.wake_ns:
            self.give(events.Woke())
        self.world.tell(trace.Closed(self.world.now_ns, self.node.number, self._body.token))
        self._body = None
        self.give(events.BodyLeft())

    def _stand(self, budget: Budget) -> None:
        number = self.node.number
        self._holder = Holder(
            election="group", candidate=str(number), budget=budget, chance=self.chance, floor=self.member.token
        )
        self._told_ns = None
        self.world.tell(
            trace.Stood(self.world.now_ns, number, budget.grace_ns, budget.stall_after_ns, budget.call_timeout_ns)
        )
        self.give(events.Stand())

    def _carry_out(self, holder: Holder, effect: effects.Effect) -> None:
        match effect:
            case effects.Campaign(call=call):
                self._campaign = call
                self.later(0, Rider.take, self)
            case effects.Renew(call=call):
                self._renew(holder, call)
            case effects.Release(token=token):
                self.world.tell(trace.Released(self.world.now_ns, self.node.number, token))
                self.later(self._hop_ns(), self._release, (holder, effect))
            case effects.Start(token=token):
                self._body, self._owner_ns = Body(self, token), self.now_ns
                self._tell_opened()
                self.later(self._hop_ns(), Body.begin, self._body)
            case effects.Cancel(again=again):
                if not again:
                    self._told_ns = self.now_ns
                    self._tell_bounds()
                if self._body is not None:
                    self.later(self._hop_ns(), Body.told, self._body)
            case effects.Overrun():
                self.world.tell(trace.Overran(self.world.now_ns, self.node.number, holder.token))
            case effects.Abandon() | effects.GiveUp() | effects.Announce():
                ...  # what is abandoned is answered all the same, late
            case _:
                assert_never(effect)

    # Calls

    def _won(self, answer: Answer) -> None:
        """Authority that ended while the answer was under way is nobody's."""
        holder, won = answer
        assert isinstance(won, events.Won)
        if self.member.gives(won.granted.token):
            self._answer(answer)
        else:
            self._answer((holder, events.Failed(won.call, events.Verdict.UNKNOWN, "the authority ended meanwhile")))

    def _renew(self, holder: Holder, call: int) -> None:
        """The elector's deadline is read when the call is made; the answer takes its time."""
        draining_ns = 0 if self._told_ns is None else self.now_ns - self._told_ns
        silent_ns = 0 if self._body is None else self.now_ns - self._owner_ns
        self.world.tell(trace.Renews(self.world.now_ns, self.node.number, holder.token, silent_ns, draining_ns))
        lease_ns = self.member.renew(holder.token, self.now_ns)
        answer: events.Event = (
            events.Failed(call, events.Verdict.DEFINITE, "the authority is over")
            if lease_ns is None
            else events.RenewalGranted(call, lease_ns)
        )
        self.later(self._hop_ns(), self._answer, (holder, answer))

    def _release(self, wanted: tuple[Holder, effects.Release]) -> None:
        holder, release = wanted
        to = None if release.to is None else int(release.to)
        if self.member.release(release.token, to, self.now_ns):
            self._answer((holder, events.ReleaseDone(release.call)))
        else:
            self._answer((holder, events.Failed(release.call, events.Verdict.UNKNOWN, "nobody else is seen")))

    def _answer(self, answer: Answer) -> None:
        holder, event = answer
        if holder is self._holder:
            self.give(event)

    # What the observers are told

    def _tell_bounds(self) -> None:
        """Until when the body may act, or by when it must have left, if that has changed."""
        if self._body is None or self._holder is None:
            return
        if self._holder.phase is Phase.LEADING:
            self._tell_opened()
        elif self._holder.phase is Phase.ENDING:
            assert self._holder.reason is not None
            self._tell(self._body.token, self._holder.reason.value, self.node.clock.when(self._holder.hard_ns))

    def _tell_opened(self) -> None:
        """The holder is not believed, but asked: it must say no at its own deadline. Acts take up to the margin."""
        holder, clock = self.holder, self.node.clock
        last_ns = NEVER_NS if holder.is_valid(holder.deadline_ns) else holder.deadline_ns
        until_ns = clock.when(last_ns + self.budget.margin_ns) if self.is_valid() else self.world.now_ns
        self._tell(holder.token, until_ns, clock.when(holder.deadline_ns - self.budget.grace_ns))

    def _tell(self, token: int, first: int | str, second_ns: int) -> None:
        if self._last_told == (token, first, second_ns):
            return
        self._last_told = (token, first, second_ns)
        now_ns, number = self.world.now_ns, self.node.number
        if isinstance(first, str):
            self.world.tell(trace.Told(now_ns, number, token, first, second_ns))
        else:
            self.world.tell(trace.Opened(now_ns, number, token, first, second_ns))

    # Time

    def later(self, after_ns: int, act: Callable[[Any], object], argument: Any) -> None:
        """Call `act(argument)` after so long of true time, or when the node goes on, if it stands still then."""
        self.world.call_at(self.world.now_ns + after_ns, self._come, (act, argument))

    def _come(self, what: tuple[Callable[[Any], object], Any]) -> None:
        if self.is_over:
            return
        if self._stands_still():
            self.world.call_at(self.node.paused_until_ns, self._come, what)
        else:
            act, argument = what
            act(argument)

    def _stands_still(self) -> bool:
        return self.node.paused_until_ns > 0

    def _hop_ns(self) -> int:
        if not self.is_calm and self.chance.random() < BUSY:
            assert self.budget.lease_ns is not None
            return int(self.chance.random() * LONGEST_BUSY * self.budget.lease_ns)
        return int(self.chance.random() * HOP_NS)

    def _set_alarm(self) -> None:
        """One alarm for the holder and for the end of its grant; one that is out of date rings for nothing."""
        wake_ns = self.member.ends_ns if self._holder is None else min(self._holder.wake_ns, self.member.ends_ns)
        if wake_ns < self._alarm_ns:
            self._alarm_ns = wake_ns
            self.world.call_at(max(self.node.clock.when(wake_ns), self.world.now_ns), self._ring, wake_ns)

    def _ring(self, wake_ns: int) -> None:
        if self.is_over or wake_ns != self._alarm_ns:
            return
        if self._stands_still():
            self.world.call_at(self.node.paused_until_ns, self._ring, wake_ns)
            return
        self._alarm_ns = NEVER_NS
        if self.now_ns >= self.member.ends_ns:
            self.member.release(self.member.token, None, self.now_ns)
        if self._holder is not None and self.now_ns >= self._holder.wake_ns:
            self.give(events.Woke())
        self._set_alarm()
