"""The holder: one candidate's whole life, from the campaign to the release, as a pure state machine.

    STANDING -> (HELD_BACK ->) LEADING -> ENDING -> RELEASING -> OVER

Rules of this file (the tests name them):

 1. A deadline is counted from when the request *left*; an answer's arrival never moves it later.
 2. A grant with too little of its lease left, or with a lease that the budget does not fit, is given back unused.
 3. A token that is not above every token seen before is never led with (BACKEND_RESET).
 4. The work is told to stop `grace` before the deadline, and the tenure is valid for nobody after it.
 5. Work is told once why it must stop, and the first reason stays; at half the grace it is told again.
 6. A renewal is sent only while the owner proves itself alive. Without a lease a stall is only reported.
 7. A call that overruns is abandoned and its outcome unknown; one failure never ends a tenure, a definite one always.
 8. While work drains the lease is still renewed, but for no longer than the grace.
 9. The grant is released only after the body has left; never while it runs.
10. A body that runs at its hard deadline is an overrun, reported once.
11. After an ungraceful end of the tenure before, the body starts `takeover_delay` after the win.
12. A win that nobody waits for any more is given back.
"""

from __future__ import annotations

import random
from typing import TypedDict, assert_never

from tenure.durations import NEVER_NS
from tenure.errors import Reason
from tenure.holding import effects, events, notices
from tenure.holding.attempts import Attempts
from tenure.holding.budget import Budget
from tenure.holding.effects import Effect, WhyNot
from tenure.holding.ending import Ending, Releasing
from tenure.holding.events import Event, Granted, Verdict, Wish
from tenure.holding.lease import Lease
from tenure.holding.phases import HELD, Phase, State


class Who(TypedDict):
    """The fields that every notice begins with."""

    election: str
    candidate: str
    at_ns: int


_NOTHING = Granted(token=0, sent_ns=0, lease_ns=0)
"""The grant before there is one: it ran out before time began."""


class Holder:
    """One candidate of one election. `floor` is the highest token seen of it; `chance` spreads retries."""

    def __init__(
        self,
        *,
        election: str,
        candidate: str,
        budget: Budget,
        chance: random.Random,
        floor: int = 0,
        takeover_delay_ns: int = 0,
    ) -> None:
        self.election = election
        self.candidate = candidate
        self.budget = budget
        self.phase = Phase.NEW
        self.token = 0
        self.reason: Reason | None = None
        self._chance = chance
        self._floor = floor
        self._takeover_delay_ns = takeover_delay_ns
        self._effects: list[Effect] = []
        self._calls = 0
        self._attempts = Attempts(budget, chance)
        # from the win on
        self._lease = Lease(budget, _NOTHING, chance)
        self._start_ns = 0
        self._owner_ns = 0
        self._stalled = False
        self._held_off = False  # a renewal is due, and rule 6 or 8 forbids it
        self._ending: Ending | None = None
        self._releasing = Releasing(budget, chance)
        self._to: str | None = None
        self._stand_again = False

    # What the driver and the handle read

    @property
    def over(self) -> bool:
        return self.phase is Phase.OVER

    @property
    def deadline_ns(self) -> int:
        """No act on the grant after this instant; NEVER_NS for one without a lease, 0 before there is a grant."""
        return self._lease.deadline_ns

    @property
    def hard_ns(self) -> int:
        """When the body must be gone: the deadline, or what a loss has left of it; NEVER_NS for no such instant."""
        return self._lease.deadline_ns if self._ending is None else self._ending.hard_ns

    @property
    def leased(self) -> bool:
        """Whether a grant with a lease is held; then the driver reads the clock at least each half margin."""
        return self._lease.bounded and self.phase in HELD

    @property
    def proving(self) -> bool:
        """Whether a body runs, so that its owner has to prove itself alive."""
        return self.phase in {Phase.LEADING, Phase.ENDING}

    @property
    def silent_ns(self) -> int:
        """When the owner counts as silent, unless it proves itself alive before; meant while `proving`."""
        return self._owner_ns + self.budget.stall_after_ns + 1

    @property
    def overran(self) -> bool:
        """Whether the body still ran at its hard deadline."""
        return self._ending is not None and self._ending.overran

    def is_valid(self, now_ns: int) -> bool:
        """Whether the body may act at `now_ns`; may be called from any thread, and turns false by itself."""
        return self.phase is Phase.LEADING and self.reason is None and now_ns < self._lease.deadline_ns

    def is_silent(self, now_ns: int) -> bool:
        """Whether the owner of a body that runs has not proved itself alive for longer than it may; any thread."""
        return self.proving and now_ns > self._owner_ns + self.budget.stall_after_ns

    def state(self, now_ns: int) -> State:
        if not self.is_valid(now_ns):
            return State.LOST
        return State.UNCERTAIN if self._lease.failing else State.SAFE

    @property
    def wake_ns(self) -> int:
        """When the holder next has something to decide by itself; NEVER_NS for nothing."""
        renewal_ns = NEVER_NS if self._held_off else self._lease.wake_ns
        match self.phase:
            case Phase.STANDING:
                return self._attempts.wake_ns
            case Phase.HELD_BACK:
                return min(self._start_ns, self._attempts.give_up_ns, self._lease.soft_ns, renewal_ns)
            case Phase.LEADING:
                stall_ns = NEVER_NS if self._stalled else self.silent_ns
                return min(self._lease.soft_ns, renewal_ns, stall_ns)
            case Phase.ENDING:
                assert self._ending is not None
                return min(self._ending.wake_ns, renewal_ns)
            case Phase.RELEASING:
                return self._releasing.wake_ns
            case Phase.NEW | Phase.OVER:
                return NEVER_NS
            case _:
                assert_never(self.phase)

    # Events

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        """Take `event` at `now_ns` into account and return what is to be done, in order."""
        self._effects = []
        if self.phase is Phase.LEADING and now_ns >= self._lease.deadline_ns:
            self._pass_time(now_ns)  # rule 4: a deadline that has passed is final, whatever the event says
        match event:
            case events.Stand(wait_ns):
                self._stand(wait_ns, now_ns)
            case events.Won(call, granted):
                self._won(call, granted, now_ns)
            case events.NotWon(call):
                if call == self._attempts.call:
                    self._give_up(WhyNot.LATE, "somebody else leads", now_ns)
            case events.RenewalGranted(call, lease_ns):
                self._renewed(call, lease_ns, now_ns)
            case events.Failed():
                self._failed(event, now_ns)
            case events.Deposed(reason, detail, until_ns):
                self._deposed(reason, detail, until_ns, now_ns)
            case events.OwnerTicked(at_ns):
                self._owner_ns = max(self._owner_ns, at_ns)
                self._held_off = False
            case events.Asked(wish):
                self._asked(wish, now_ns)
            case events.BodyLeft():
                self._body_left(now_ns)
            case events.ReleaseDone(call):
                if call == self._releasing.call:
                    self._released(now_ns, failed="")
            case events.Woke():
                ...  # time passes below, after every event
            case _:
                assert_never(event)
        self._pass_time(now_ns)
        return self._effects

    # Standing for election

    def _stand(self, wait_ns: int | None, now_ns: int) -> None:
        if self.phase is Phase.OVER:
            return  # it was withdrawn before it stood
        assert self.phase is Phase.NEW, "a holder stands once"
        self._attempts.begin(wait_ns, now_ns)
        self._announce(notices.Campaigning(**self._who(now_ns)))
        self._campaign()

    def _campaign(self) -> None:
        self.phase = Phase.STANDING
        self._attempts.call = self._next_call()
        self._effects.append(effects.Campaign(self._attempts.call, self._attempts.once))

    def _campaign_failed(self, verdict: Verdict, detail: str, now_ns: int) -> None:
        if verdict is Verdict.DEFINITE:
            self._give_up(WhyNot.REFUSED, detail, now_ns)
        elif self._attempts.once:
            self._give_up(WhyNot.UNREACHABLE, detail, now_ns)
        else:
            retry_at_ns = self._attempts.failed(detail, now_ns)
            self._announce(notices.CampaignFailed(**self._who(now_ns), detail=detail, retry_at_ns=retry_at_ns))

    def _give_up(self, why: WhyNot, detail: str, now_ns: int) -> None:
        """Tell the owner that there will be no tenure; whatever was won is on its way back already."""
        self._attempts.call = None
        if self.phase is Phase.STANDING:
            self.phase = Phase.OVER
        self._effects.append(effects.GiveUp(why, detail))
        self._announce(notices.CampaignFailed(**self._who(now_ns), detail=detail or why.value, retry_at_ns=None))

    def _won(self, call: int, granted: Granted, now_ns: int) -> None:
        if granted.token == self.token and self.phase in HELD | {Phase.RELEASING}:
            return  # it was told twice
        is_stale, self._floor = granted.token <= self._floor, max(self._floor, granted.token)
        if self.phase is not Phase.STANDING or call != self._attempts.call:  # rule 12
            self._effects.append(effects.Release(self._next_call(), granted.token))
            return
        self._attempts.succeeded()
        self.token = granted.token
        self._lease = Lease(self.budget, granted, self._chance)
        if is_stale:  # rule 3
            self._give_back(now_ns)
            self._give_up(
                WhyNot.REFUSED,
                f"token {granted.token} is not above {self._floor}, which was seen before: the backend was wiped or "
                f"restored ({Reason.BACKEND_RESET.value}); nobody was elected; set its floor above {self._floor}",
                now_ns,
            )
        elif granted.lease_ns is not None and not self.budget.fits(granted.lease_ns):  # rule 2
            self._give_back(now_ns)
            detail = f"the backend granted another lease: {self.budget.explain(granted.lease_ns)}"
            self._give_up(WhyNot.REFUSED, detail, now_ns)
        elif self._lease.bounded and now_ns + self.budget.call_timeout_ns > self._lease.soft_ns:  # rule 2
            self._give_back(now_ns, stand_again=True)
        else:
            self._owner_ns = now_ns
            self._start_ns = now_ns if granted.clean else now_ns + self._takeover_delay_ns  # rule 11
            self.phase = Phase.HELD_BACK  # and, where nothing holds it back, onwards in the same step

    def _give_back(self, now_ns: int, *, stand_again: bool = False, to: str | None = None) -> None:
        self._stand_again = stand_again
        self._to = to
        self._release_now(now_ns)

    def _start(self, now_ns: int) -> None:
        self.phase = Phase.LEADING
        self._owner_ns = max(self._owner_ns, now_ns)  # nobody proves anything while the body has not begun
        deadline_ns = self._lease.deadline_ns if self._lease.bounded else None
        self._effects.append(effects.Start(self.token))
        self._announce(notices.Elected(**self._who(now_ns), token=self.token, deadline_ns=deadline_ns))

    # Leading

    def _renewed(self, call: int, lease_ns: int, now_ns: int) -> None:
        if self.phase not in HELD:
            return
        before_ns = self._lease.deadline_ns
        answer = self._lease.answered(call, lease_ns)
        if answer is None:
            return
        sent_ns, late = answer
        self._announce(
            notices.Renewed(
                **self._who(now_ns),
                token=self.token,
                deadline_ns=self._lease.deadline_ns,
                latency_ns=now_ns - sent_ns,
                left_ns=before_ns - now_ns,
                late=late,
            )
        )

    def _failed(self, event: events.Failed, now_ns: int) -> None:
        if event.call == self._attempts.call:
            self._campaign_failed(event.verdict, event.detail, now_ns)
        elif event.call == self._releasing.call:
            self._release_failed(event.verdict, event.detail, now_ns)
        elif self.phase in HELD and self._lease.awaits(event.call):  # not a call for an earlier grant
            if event.verdict is Verdict.DEFINITE:
                self._deposed(event.reason, event.detail, None, now_ns)
            elif self._lease.failed(event.call, now_ns):
                self._unsure(event.detail, now_ns)

    def _unsure(self, detail: str, now_ns: int) -> None:
        deadline_ns = self._lease.deadline_ns
        self._announce(notices.Uncertain(**self._who(now_ns), token=self.token, deadline_ns=deadline_ns, detail=detail))

    def _asked(self, wish: Wish, now_ns: int) -> None:
        reason, to = (Reason.TRANSFERRED, wish.to) if isinstance(wish, events.Transfer) else (Reason.RESIGNED, None)
        if self.phase is Phase.HELD_BACK:
            self._give_back(now_ns, stand_again=True, to=to)
        elif self.phase is Phase.LEADING:
            self._to = to
            self._lose(reason, f"asked to transfer to {to}" if to else "asked to resign", now_ns)

    def _deposed(self, reason: Reason, detail: str, until_ns: int | None, now_ns: int) -> None:
        if self.phase is Phase.HELD_BACK:
            self._give_back(now_ns, stand_again=True)
            return
        if self.phase is Phase.LEADING:
            self._lose(reason, detail, now_ns)
        if self._ending is not None:
            self._ending.cut_short(until_ns, now_ns)

    def _lose(self, reason: Reason, detail: str, now_ns: int) -> None:
        """Tell the body to stop; the only place where a tenure turns LOST while its body runs (rule 5)."""
        assert self.phase is Phase.LEADING
        assert self.reason is None
        self.reason = reason
        self.phase = Phase.ENDING
        self._ending = Ending(self.budget, self._lease, now_ns)
        self._effects.append(effects.Cancel(reason, again=False))
        self._announce(notices.Lost(**self._who(now_ns), token=self.token, reason=reason, detail=detail))

    # Letting go

    def _body_left(self, now_ns: int) -> None:
        match self.phase:
            case Phase.STANDING:
                self._abandon_campaign()
                self.phase = Phase.OVER
            case Phase.HELD_BACK:
                self._give_back(now_ns)
            case Phase.LEADING | Phase.ENDING:
                self.reason = self.reason or Reason.RESIGNED
                self._release_now(now_ns)  # rule 9
            case Phase.RELEASING:
                self._stand_again = False
            case Phase.NEW:
                self.phase = Phase.OVER
            case Phase.OVER:
                return  # it gave up at the same time
            case _:
                assert_never(self.phase)

    def _release_now(self, now_ns: int) -> None:
        self.phase = Phase.RELEASING
        renewal = self._lease.let_go()
        if renewal is not None:
            self._effects.append(effects.Abandon(renewal))
        call = self._next_call()
        self._releasing.sent(call, now_ns)
        self._effects.append(effects.Release(call, self.token, self._to))

    def _release_failed(self, verdict: Verdict, detail: str, now_ns: int) -> None:
        if not self._releasing.failed(now_ns) or verdict is Verdict.DEFINITE:
            self._released(now_ns, failed=detail)

    def _released(self, now_ns: int, *, failed: str) -> None:
        self._releasing = Releasing(self.budget, self._chance)
        reason = Reason.OVERRUN if self._ending and self._ending.overran else self.reason or Reason.RESIGNED
        self._announce(notices.Released(**self._who(now_ns), token=self.token, reason=reason, failed=failed))
        self.phase = Phase.OVER
        if self._stand_again:
            self._stand_again, self._to = False, None
            self.phase = Phase.STANDING
            self._campaign_failed(Verdict.UNKNOWN, "elected, but the grant was of no use any more", now_ns)

    # Time

    def _pass_time(self, now_ns: int) -> None:
        """Do whatever the clock says is due; every event ends here, so that no timer needs to be in time."""
        if self.phase is Phase.RELEASING:
            self._releasing_at(now_ns)  # first, since it may lead back to STANDING
        if self.phase is Phase.STANDING:
            self._standing_at(now_ns)
        if self.phase is Phase.HELD_BACK:
            self._held_back_at(now_ns)
        if self.phase is Phase.LEADING:
            self._leading_at(now_ns)
        if self.phase is Phase.ENDING:
            self._ending_at(now_ns)

    def _standing_at(self, now_ns: int) -> None:
        if now_ns >= self._attempts.give_up_ns:
            why = WhyNot.UNREACHABLE if self._attempts.call is None or self._attempts.once else WhyNot.LATE
            self._abandon_campaign()
            self._give_up(why, self._attempts.detail or ("somebody else leads" if why is WhyNot.LATE else ""), now_ns)
        elif self._attempts.call is None and now_ns >= self._attempts.retry_ns:
            self._campaign()

    def _held_back_at(self, now_ns: int) -> None:
        self._lease_at(now_ns)
        if self._attempts.give_up_ns <= now_ns < self._start_ns:
            self._give_back(now_ns)
            self._give_up(WhyNot.LATE, "held back by takeover_delay", now_ns)
        elif now_ns >= self._lease.soft_ns:
            self._give_back(now_ns, stand_again=True)
        elif now_ns >= self._start_ns:
            self._start(now_ns)

    def _leading_at(self, now_ns: int) -> None:
        silent = self.is_silent(now_ns)
        if silent and not self._stalled:
            self._announce(notices.Stalled(**self._who(now_ns), token=self.token, silent_since_ns=self._owner_ns))
        self._stalled = silent
        if now_ns >= self._lease.soft_ns:  # rule 4
            reason = Reason.STALLED if silent else Reason.EXPIRED
            self._lose(reason, "the owner is silent" if silent else "no renewal in time", now_ns)
        else:
            self._lease_at(now_ns)

    def _ending_at(self, now_ns: int) -> None:
        assert self._ending is not None
        assert self.reason is not None
        if self._ending.tell_again(now_ns):
            self._effects.append(effects.Cancel(self.reason, again=True))
        if self._ending.overrun(now_ns):  # rule 10
            self._effects.append(effects.Overrun(self.reason))
            self._announce(notices.Overran(**self._who(now_ns), token=self.token, reason=self.reason))
        self._lease_at(now_ns)

    def _releasing_at(self, now_ns: int) -> None:
        if now_ns >= self._releasing.wake_ns and self._releasing.call is not None:
            self._effects.append(effects.Abandon(self._releasing.call))
            self._release_failed(Verdict.UNKNOWN, "no answer in time", now_ns)
        if now_ns >= self._releasing.wake_ns and self._releasing.call is None:
            self._release_now(now_ns)

    def _lease_at(self, now_ns: int) -> None:
        """Give up a renewal that is overdue; send one that is due."""
        call = self._lease.overdue(now_ns)
        if call is not None:
            self._effects.append(effects.Abandon(call))
            self._unsure("no answer in time", now_ns)
        if not self._lease.due(now_ns):
            return
        self._held_off = not self._may_renew(now_ns)
        if not self._held_off:
            call = self._next_call()
            self._lease.sent(call, now_ns)
            self._effects.append(effects.Renew(call))

    def _may_renew(self, now_ns: int) -> bool:
        if self.is_silent(now_ns):  # rule 6
            return False
        return self._ending is None or self._ending.may_renew(now_ns)  # rule 8

    # Small things

    def _abandon_campaign(self) -> None:
        if self._attempts.call is not None:
            self._effects.append(effects.Abandon(self._attempts.call))
            self._attempts.call = None

    def _next_call(self) -> int:
        self._calls += 1
        return self._calls

    def _announce(self, notice: notices.Notice) -> None:
        self._effects.append(effects.Announce(notice))

    def _who(self, now_ns: int) -> Who:
        return {"election": self.election, "candidate": self.candidate, "at_ns": now_ns}
