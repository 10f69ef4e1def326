"""The work of one tenure: it proves itself alive, acts while it may, and stops well, badly or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tenure.holding import events

if TYPE_CHECKING:
    from tests.holding.candidate import Session


class Act(NamedTuple):
    """One act of a body: looked at the clock at `looked_ns` (and the holder said valid), took effect at `true_ns`."""

    true_ns: int
    looked_ns: int
    looked_true_ns: int
    token: int


class Body:
    """The work of one tenure: it acts as often as it may, and stops as well as it can."""

    def __init__(self, session: Session) -> None:
        world, plan, budget = session.world, session.candidate.plan, session.budget
        chance = world.chance
        self.running = False
        self._session = session
        self._world = world
        self._beat_ns = min(budget.stall_after_ns // 4, plan.span_ns // 8)
        self._works_ns = chance.between(1, 8) * plan.span_ns
        self._kind = "prompt" if plan.quiet else chance.pick(("prompt", "prompt", "slow", "swallows", "stuck"))
        self._leaves_after_ns = {
            "prompt": chance.between(0, budget.grace_ns // 4),
            "slow": chance.between(budget.grace_ns // 2, budget.grace_ns * 3 // 2),
            "swallows": chance.between(0, budget.grace_ns // 4),
            "stuck": chance.between(budget.grace_ns, 3 * plan.span_ns),
        }[self._kind]
        self._exits_on_overrun = chance.yes(0.3)
        self._heard = 0
        self.landed_ns = 0

    def leads(self) -> bool:
        """Whether it runs in a tenure that is valid now."""
        session = self._session
        return self.running and session.holder.is_valid(session.candidate.clock.at(self._world.now_ns))

    def begin(self) -> None:
        """Take the tenure, unless it was lost on the way here (then the body never begins)."""
        session, now_ns = self._session, self._world.now_ns
        if self._put_off(self.begin) or session.left_ns is not None:
            return
        if not session.holder.is_valid(session.candidate.clock.at(now_ns)):
            self._world.counts["fault: lost between win and body"] += 1
            session.leave()
            return
        session.began_ns = now_ns
        self.running = True
        self._beat()
        self._world.at(now_ns + self._works_ns, self.end)

    def _put_off(self, happening: Callable[..., None], *args: Any) -> bool:
        """Whether this body cannot run now; if it can later, `happening` is put off until then."""
        session = self._session
        if session.died_ns is not None:
            return True
        if session.candidate.body_until_ns > self._world.now_ns:
            self._world.at(session.candidate.body_until_ns, happening, *args)
            return True
        return False

    def _beat(self) -> None:
        """One turn of the work: prove to be alive, act, and come back."""
        session, now_ns = self._session, self._world.now_ns
        if session.left_ns is not None or self._put_off(self._beat):
            return
        candidate, holder = session.candidate, session.holder
        reading_ns = candidate.clock.at(now_ns)
        session.give(events.OwnerTicked(reading_ns))
        self._act()
        if holder.is_valid(reading_ns) and holder.deadline_ns < reading_ns + 2 * self._beat_ns:
            self._world.at(candidate.clock.when(holder.deadline_ns) - 1, self._act)  # as late as can be
            self._world.at(candidate.clock.when(holder.deadline_ns), self._act)
        self._world.at(now_ns + self._beat_ns, self._beat)

    def _act(self) -> None:
        """An act leaves at the instant of the look at the clock, and takes effect within the margin."""
        session, now_ns = self._session, self._world.now_ns
        if session.left_ns is not None or session.died_ns is not None:
            return
        if session.candidate.body_until_ns > now_ns:
            return
        looked_ns = session.candidate.clock.at(now_ns)
        if session.holder.is_valid(looked_ns):
            # Without a lease the kernel frees the grant of a dead process at once, whatever it still had on its way.
            longest_ns = session.budget.margin_ns * 7 // 10 if session.holder.leased else 0
            self.landed_ns = now_ns + self._world.chance.between(0, longest_ns)
            session.acts.append(Act(self.landed_ns, looked_ns, now_ns, session.holder.token))

    def end(self) -> None:
        """The work is done, once its last act has taken effect."""
        if self.landed_ns > self._world.now_ns:
            self._world.at(self.landed_ns, self.end)
        elif not self._put_off(self.end):
            self._session.leave()

    def hear_cancel(self, again: bool) -> None:
        if self._put_off(self.hear_cancel, again):
            return
        self._heard += 1
        if self._kind == "swallows" and self._heard == 1 and self._session.began_ns is not None:
            self._world.counts["fault: cancel swallowed"] += 1
            return
        self._world.at(self._world.now_ns + self._leaves_after_ns, self.end)

    def overran(self) -> None:
        if self._exits_on_overrun and self._session.left_ns is None:
            self._world.counts["fault: exit on overrun"] += 1
            self._session.candidate.crash(self._session.candidate.plan.span_ns // 10)
