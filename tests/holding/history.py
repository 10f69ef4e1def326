"""What one holder did, read out of its steps once, with the deadline that the law allows counted independently."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from tenure.durations import NEVER_NS, PPM
from tenure.errors import Reason
from tenure.holding import effects, events, notices
from tenure.holding.budget import Budget
from tenure.holding.events import Granted, Verdict
from tests.holding.candidate import Session, Step

ENDLESS_NS = 2**62


def allowed_ns(budget: Budget, sent_ns: int, lease_ns: int | None) -> int:
    """Rule 1, written once more: the service's clock at its fastest, the holder's at its slowest, and the margin."""
    if lease_ns is None:
        return NEVER_NS
    slow, fast = PPM - budget.rho_ppm, PPM + budget.rho_ppm
    return sent_ns + lease_ns * slow // fast - budget.margin_ns


@dataclass
class History:
    """The life of one session's holder."""

    session: Session
    wins: list[tuple[Step, Granted]] = field(default_factory=list)
    """Every win that the holder waited for."""
    strays: list[tuple[Step, Granted]] = field(default_factory=list)
    """Every win that came too late for anybody."""
    start: Step | None = None
    started: Granted | None = None
    counted: list[tuple[Step, int]] = field(default_factory=list)
    """Each answer that counts for the grant held last, and the deadline that it allows."""
    told: list[tuple[Step, effects.Cancel]] = field(default_factory=list)
    overruns: list[Step] = field(default_factory=list)
    renewals: list[tuple[Step, int, int]] = field(default_factory=list)
    """Each renewal sent: the step, its call, and when the owner had last proved itself alive."""
    releases: list[tuple[Step, effects.Release, bool]] = field(default_factory=list)
    """Each release sent, and whether it gives a stray win back."""
    campaigns: list[tuple[Step, effects.Campaign]] = field(default_factory=list)
    gave_up: list[tuple[Step, effects.GiveUp]] = field(default_factory=list)
    left: Step | None = None
    cut_short_ns: int | None = None
    """When the grant was said to be gone for certain, the instant by which the body must be gone."""
    definite: list[tuple[Step, bool]] = field(default_factory=list)
    """Each definite end told while a grant was held, and whether the body ran on undisturbed until then."""
    notices: list[notices.Notice] = field(default_factory=list)

    @property
    def told_ns(self) -> int | None:
        return self.told[0][0].now_ns if self.told else None

    @property
    def ran_out_ns(self) -> int:
        """The reading at which validity ended by the clock: the holder's first deadline that was not moved in time.

        The holder's own deadline, right or wrong, since that is what its body believes.
        """
        assert self.start is not None
        deadline_ns = self.start.deadline_ns
        for step in self.session.steps[self.start.order :]:
            if step.now_ns >= deadline_ns:
                break
            deadline_ns = step.deadline_ns
        return deadline_ns

    def deadline_at(self, true_ns: int) -> int:
        """The deadline that the law allows at a true instant of the tenure."""
        known = bisect_right(self.counted, true_ns, key=lambda one: one[0].true_ns)
        return self.counted[known - 1][1] if known else 0

    def deadline_around(self, step: Step) -> int:
        """The earlier one of the deadlines that the law allows before and after `step`."""
        known = [deadline_ns for counted, deadline_ns in self.counted if counted.order <= step.order]
        before = [deadline_ns for counted, deadline_ns in self.counted if counted.order < step.order]
        return min(known[-1:] + before[-1:], default=0)

    def valid(self) -> tuple[int, int] | None:
        """When the tenure was valid, in true time: the definition that every audit uses."""
        session = self.session
        if session.began_ns is None:
            return None
        out_ns = self.ran_out_ns
        ends = [ENDLESS_NS if out_ns == NEVER_NS else session.candidate.clock.when(out_ns)]
        ends += [end_ns for end_ns in (session.left_ns, session.died_ns) if end_ns is not None]
        return session.began_ns, min(ends)

    def awake_ns(self, true_ns: int) -> int:
        """The first instant from `true_ns` on at which the driver was awake and had looked at the clock."""
        look_ns = self.session.budget.margin_ns // 4
        for from_ns, until_ns, timers in self.session.candidate.frozen:
            woke_ns = until_ns + look_ns if timers else until_ns
            if from_ns <= true_ns < woke_ns:
                true_ns = woke_ns
        return true_ns

    def timer_ns(self, true_ns: int, lasts_ns: int) -> int:
        """When (true time) a timer set at `true_ns` for `lasts_ns` of the own clock has rung; it stops in suspend."""
        clock = self.session.candidate.clock
        rings_ns = self.awake_ns(clock.when(clock.at(true_ns) + lasts_ns))
        for from_ns, until_ns, timers in self.session.candidate.frozen:
            if timers and true_ns <= from_ns <= rings_ns:
                rings_ns += until_ns - from_ns
        return rings_ns

    def due_ns(self, reading_ns: int) -> int:
        """By when (true time) something that is due at `reading_ns` of the own clock must have been done."""
        return self.awake_ns(self.session.candidate.clock.when(reading_ns))

    def lived_past(self, true_ns: int) -> bool:
        died_ns = self.session.died_ns
        return died_ns is None or died_ns > true_ns


def read(session: Session) -> History:
    """The history of one session."""
    reader = _Reader(session)
    for step in session.steps:
        reader.take(step)
    return reader.history


class _Reader:
    """Follows one holder from the outside, by events and effects alone."""

    def __init__(self, session: Session) -> None:
        self.history = History(session)
        self._budget = session.budget
        self._awaited: int | None = None
        self._granted: Granted | None = None
        self._sent: dict[int, int] = {}
        self._sent_ns = 0
        self._counted_call = 0
        self._owner_ns = 0
        self._released = False

    def take(self, step: Step) -> None:
        stray = self._event(step)
        for effect in step.effects:
            self._effect(step, effect, stray=stray)

    def _event(self, step: Step) -> bool:
        """Take what came in; True for a win that nobody waited for."""
        history, event = self.history, step.event
        match event:
            case events.Won(call, granted) if call == self._awaited:
                self._awaited, self._granted, self._released = None, granted, False
                self._sent, self._counted_call = {}, 0
                history.wins.append((step, granted))
                history.counted = [(step, allowed_ns(self._budget, granted.sent_ns, granted.lease_ns))]
            case events.Won(_, granted):
                history.strays.append((step, granted))
                return True
            case events.RenewalGranted(call, lease_ns) if call in self._sent and call > self._counted_call:
                if not self._released:
                    self._counted_call = call
                    self._sent_ns = self._sent[call]
                    self._sent = {later: sent_ns for later, sent_ns in self._sent.items() if later > call}
                    history.counted.append((step, allowed_ns(self._budget, self._sent_ns, lease_ns)))
            case events.Failed(call, verdict) if call in self._sent and verdict is Verdict.DEFINITE:
                self._gone(step, None)
            case events.Deposed(_, _, until_ns):
                self._gone(step, until_ns)
            case events.Failed(call) | events.NotWon(call) if call == self._awaited:
                self._awaited = None
            case events.OwnerTicked(at_ns):
                self._owner_ns = max(self._owner_ns, at_ns)
            case events.BodyLeft():
                history.left = history.left or step
            case _:
                ...  # nothing that the checkers need
        return False

    def _gone(self, step: Step, until_ns: int | None) -> None:
        history = self.history
        if self._granted is None or self._released:
            return
        history.definite.append((step, history.start is not None and not history.told))
        if history.start is not None:
            if until_ns is None:
                until_ns = step.now_ns + min(self._budget.margin_ns, self._budget.grace_ns)
            known_ns = history.cut_short_ns
            history.cut_short_ns = until_ns if known_ns is None else min(known_ns, until_ns)

    def _effect(self, step: Step, effect: effects.Effect, *, stray: bool) -> None:
        history = self.history
        match effect:
            case effects.Campaign(call):
                self._awaited = call
                history.campaigns.append((step, effect))
            case effects.Renew(call):
                self._sent[call] = step.now_ns
                if len(self._sent) > self._budget.attempts + 1:  # older ones may be forgotten: memory has a bound
                    del self._sent[min(self._sent)]
                history.renewals.append((step, call, self._owner_ns))
            case effects.Start():
                history.start, history.started = step, self._granted
                self._owner_ns = max(self._owner_ns, step.now_ns)
            case effects.Cancel():
                history.told.append((step, effect))
            case effects.Overrun():
                history.overruns.append(step)
            case effects.Release():
                history.releases.append((step, effect, stray))
                self._released = self._released or not stray
            case effects.GiveUp():
                history.gave_up.append((step, effect))
            case effects.Announce(notice):
                history.notices.append(notice)
            case effects.Abandon(call) if call == self._awaited:
                self._awaited = None
            case _:
                ...  # the calls' own record tells of other abandonments


def losses(history: History) -> list[tuple[Step, Reason]]:
    """The first word to the body that it must stop, if there was one."""
    return [(step, cancel.reason) for step, cancel in history.told[:1]]
