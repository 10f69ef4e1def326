"""What must hold in every run, one named function each; they stand outside the holder and read only what it did.

Each takes a `Judged` run and yields a sentence for every violation. `judge` applies all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tenure.durations import NEVER_NS
from tenure.errors import Reason
from tenure.holding import effects, events, notices
from tenure.holding.effects import WhyNot
from tests.holding.body import Act
from tests.holding.history import History, losses, read
from tests.holding.virtual import Run


@dataclass
class Judged:
    """A run and what its holders did."""

    run: Run
    histories: list[History]

    @classmethod
    def of(cls, run: Run) -> Judged:
        return cls(run, [read(session) for session in run.sessions])

    def started(self) -> Iterator[History]:
        return (history for history in self.histories if history.start is not None)


Checker = Callable[[Judged], Iterator[str]]


# Across candidates: safety


def no_two_valid_tenures_at_one_instant(judged: Judged) -> Iterator[str]:
    """Of one election, at most one tenure is valid at any true instant."""
    spans = sorted((span, h.session) for h in judged.histories if (span := h.valid()) is not None)
    busy_until_ns, last = 0, ""
    for (from_ns, until_ns), session in spans:
        name = f"{session.candidate.name} token {session.holder.token}"
        if from_ns < busy_until_ns:
            yield f"{name} is valid from {from_ns}, {last} until {busy_until_ns}"
        if until_ns > busy_until_ns:
            busy_until_ns, last = until_ns, name


def tokens_only_grow(judged: Judged) -> Iterator[str]:
    """Every tenure's token is greater than all tokens of tenures that began before it."""
    begun = [h.session for h in judged.histories if h.session.began_ns is not None]
    begun.sort(key=lambda session: session.began_ns or 0)
    for before, after in pairwise(begun):
        if after.holder.token <= before.holder.token:
            yield f"token {after.holder.token} follows {before.holder.token}"


def no_act_after_a_newer_tenures_first_act(judged: Judged) -> Iterator[str]:
    """What an old leader does takes effect before anything that a newer one does, even at the latest."""
    acts: list[Act] = [act for h in judged.histories for act in h.session.acts]
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    for act in acts:
        last[act.token] = max(act.true_ns, last.get(act.token, 0))
        first[act.token] = min(act.looked_true_ns, first.get(act.token, act.looked_true_ns))
    tokens = sorted(last)
    for older, newer in pairwise(tokens):
        if last[older] > first[newer]:
            yield f"{older} acted at {last[older]}, after {newer} had at {first[newer]}"


# One tenure: its end


def no_act_outside_the_own_grant(judged: Judged) -> Iterator[str]:
    """A body acts only before the deadline that the law allows, and not after it was told to stop."""
    for history in judged.started():
        told_ns = history.told[0][0].true_ns if history.told else None
        for act in history.session.acts:
            if act.looked_ns >= history.deadline_at(act.looked_true_ns):
                yield f"token {act.token} acted at {act.looked_ns}, after its deadline"
            if told_ns is not None and act.looked_true_ns > told_ns:
                yield f"token {act.token} acted although its end was decided at {told_ns}"


def deadline_never_later_than_the_send_allows(judged: Judged) -> Iterator[str]:
    """No answer, however late, moves a deadline beyond what was counted from when its request left."""
    for history in judged.started():
        known = iter([*history.counted, (None, 0)])
        step_counted, allowed = next(known)
        following = next(known)
        for step in history.session.steps:
            while following[0] is not None and following[0].order <= step.order:
                (step_counted, allowed), following = following, next(known)
            if step_counted is not None and step.order >= step_counted.order and step.deadline_ns > allowed:
                yield f"at {step.now_ns} the deadline is {step.deadline_ns}, and {allowed} is allowed"
                break


def told_to_stop_by_the_soft_deadline(judged: Judged) -> Iterator[str]:
    """A body is told at the latest its grace before the deadline, or when its process woke if that was later."""
    for history in judged.started():
        assert history.start is not None
        told = history.told[0][0] if history.told else None
        end = told or history.left
        answers = [one for one in history.counted if end is None or one[0].order < end.order]
        for (_, deadline_ns), (following, _) in pairwise([*answers, (end, 0)]):
            soft_ns = deadline_ns - history.session.budget.grace_ns
            if deadline_ns == NEVER_NS or (following is not None and following.order < history.start.order):
                continue
            by_ns = history.due_ns(soft_ns)
            at_ns = following.true_ns if following is not None else None
            if (at_ns is None or at_ns > by_ns) and history.lived_past(by_ns):
                yield f"told at {at_ns}, and the soft deadline was {by_ns}"


def valid_never_comes_back(judged: Judged) -> Iterator[str]:
    """A tenure that was not valid once, by whatever event or by the clock alone, is never valid again."""
    for history in judged.started():
        assert history.start is not None
        was, deadline_ns = True, NEVER_NS
        for step in history.session.steps:
            if step.order <= history.start.order:
                deadline_ns = step.deadline_ns
                continue
            was = was and step.now_ns < deadline_ns
            if step.valid and not was:
                yield f"valid again at {step.now_ns}"
                break
            was, deadline_ns = step.valid, step.deadline_ns


def first_reason_stays(judged: Judged) -> Iterator[str]:
    """Why a tenure ended is decided once."""
    for history in judged.started():
        reasons = {step.reason for step in history.session.steps if step.reason is not None}
        if len(reasons) > 1 or any(cancel.reason not in reasons for _, cancel in history.told):
            yield f"the reasons were {reasons}, and {[cancel.reason for _, cancel in history.told]} were told"


def every_loss_has_its_cause(judged: Judged) -> Iterator[str]:
    """Expired or stalled only by the clock, deposed only by the service's definite word, resigned only by a wish."""
    for history in judged.started():
        for step, reason in losses(history):
            event, soft_ns = step.event, history.deadline_around(step) - history.session.budget.grace_ns
            match reason:
                case Reason.EXPIRED | Reason.STALLED:
                    caused = step.now_ns >= soft_ns
                case Reason.RESIGNED | Reason.TRANSFERRED:
                    caused = isinstance(event, events.Asked)
                case _:
                    definite = any(one is step for one, _ in history.definite)
                    caused = definite and isinstance(event, events.Deposed | events.Failed) and event.reason is reason
            if not caused:
                yield f"{reason} at {step.now_ns} by {event}, before the soft deadline {soft_ns}"


def a_definite_end_is_obeyed(judged: Judged) -> Iterator[str]:
    """A body whose grant is gone for certain is told in the same step."""
    for history in judged.started():
        for step, ran in history.definite:
            if ran and not any(isinstance(effect, effects.Cancel) for effect in step.effects):
                yield f"{step.event} at {step.now_ns}, and the body was not told"


def told_again_at_half_the_grace(judged: Judged) -> Iterator[str]:
    """A body that was told to stop and still runs at half its grace is told once more, and only once."""
    for history in judged.started():
        if history.told_ns is None:
            continue
        half_ns = history.told_ns + history.session.budget.grace_ns // 2
        again = [step for step, cancel in history.told if cancel.again]
        by_ns = history.due_ns(half_ns)
        ran = (history.left is None or history.left.true_ns > by_ns) and history.lived_past(by_ns)
        if len(history.told) - len(again) != 1 or len(again) > 1:
            yield f"told {len(history.told)} times, {len(again)} of them again"
        elif again and again[0].now_ns < half_ns:
            yield f"told again at {again[0].now_ns}, before half its grace {half_ns}"
        elif ran and not (again and again[0].true_ns <= by_ns):
            yield f"still ran at half its grace {half_ns}, and was not told again"


def an_overrun_is_reported_once_at_the_hard_deadline(judged: Judged) -> Iterator[str]:
    """A body that still runs at its hard deadline is reported then, neither earlier nor twice."""
    for history in judged.started():
        if len(history.overruns) > 1:
            yield f"reported {len(history.overruns)} times"
        if history.told_ns is None:
            continue
        bounded = history.counted[0][1] != NEVER_NS
        budget = history.session.budget
        hard_ns = history.counted[-1][1] if bounded else history.told_ns + budget.grace_ns
        first_ns = min([hard_ns, *(deadline_ns for _, deadline_ns in history.counted)])
        if history.cut_short_ns is not None:
            hard_ns, first_ns = min(hard_ns, history.cut_short_ns), min(first_ns, history.cut_short_ns)
        by_ns = history.due_ns(max(hard_ns, history.told_ns))
        ran = (history.left is None or history.left.true_ns > by_ns) and history.lived_past(by_ns)
        if history.overruns and history.overruns[0].now_ns < first_ns:
            yield f"reported at {history.overruns[0].now_ns}, before {first_ns}"
        if ran and not history.overruns:
            yield f"still ran at its hard deadline {hard_ns}, and nobody was told"


# One tenure: renewing


def a_silent_owner_is_not_renewed(judged: Judged) -> Iterator[str]:
    """A renewal leaves only while the owner proved itself alive within `stall_after`."""
    for history in judged.started():
        assert history.start is not None
        for step, call, owner_ns in history.renewals:
            silence_ns = step.now_ns - owner_ns
            if step.order > history.start.order and silence_ns > history.session.budget.stall_after_ns:
                yield f"renewal {call} at {step.now_ns}, {silence_ns} after the owner's last sign of life"


def no_renewal_after_the_grace(judged: Judged) -> Iterator[str]:
    """A body that drains is renewed for its grace and no longer, and not at all on a grant that is gone."""
    for history in judged.started():
        if history.told_ns is None:
            continue
        until_ns = history.told_ns + history.session.budget.grace_ns
        for step, call, _ in history.renewals:
            if step.now_ns >= until_ns:
                yield f"renewal {call} at {step.now_ns}, and the grace ended at {until_ns}"


def retries_are_spaced(judged: Judged) -> Iterator[str]:
    """What failed is repeated after a pause, never in a tight loop."""
    for history in judged.histories:
        pause_ns = history.session.budget.backoff_ns // 2
        answers = [step.order for step, _ in history.counted]
        for sent in ([step for step, _ in history.campaigns], [step for step, _, _ in history.renewals]):
            for before, after in pairwise(sent):
                answered = any(before.order < order <= after.order for order in answers)
                if after.now_ns - before.now_ns < pause_ns and not answered:
                    yield f"requests at {before.now_ns} and at {after.now_ns}, without an answer between them"


def nothing_in_flight_is_unbounded(judged: Judged) -> Iterator[str]:
    """A renewal or release is answered or abandoned when its time is over, and none is left behind by what follows."""
    for history in judged.histories:
        session = history.session
        strays = {release.call for _, release, stray in history.releases if stray}
        released = {release.call for _, release, _ in history.releases}
        for number, call in session.calls.items():
            if isinstance(call.effect, effects.Campaign) or number in strays:
                continue
            by_ns = history.timer_ns(call.true_ns, session.budget.call_timeout_ns)
            ends = [end_ns for end_ns in (call.answered_ns, call.abandoned_ns, session.died_ns) if end_ns is not None]
            if number in released and session.over_ns is not None:
                ends.append(session.over_ns)
            if not ends or min(ends) > by_ns:
                yield f"{call.effect} of {call.true_ns} was awaited beyond {by_ns}"


def wakes_lie_ahead(judged: Judged) -> Iterator[str]:
    """After every event the next wake-up is in the future: nobody is woken in a tight loop."""
    for history in judged.histories:
        for step in history.session.steps:
            if step.wake_ns <= step.now_ns:
                yield f"at {step.now_ns}, after {step.event}, wake at {step.wake_ns}"
                break


# One tenure: winning and letting go


def no_release_while_the_body_runs(judged: Judged) -> Iterator[str]:
    """The grant that a body works under is given back only when the body has left."""
    for history in judged.started():
        assert history.started is not None
        for step, release, _ in history.releases:
            if release.token == history.started.token and (history.left is None or step.order < history.left.order):
                yield f"token {release.token} was released at {step.now_ns}, and its body had not left"


def every_win_is_led_or_given_back(judged: Judged) -> Iterator[str]:
    """No win is forgotten: it is led once, and released in the end whether led or not."""
    for history in judged.histories:
        if history.session.died_ns is not None:
            continue
        released = {release.token for _, release, _ in history.releases}
        for step, granted in history.wins + history.strays:
            if granted.token not in released:
                yield f"token {granted.token} of {step.now_ns} was never given back"


def starts_at_most_once(judged: Judged) -> Iterator[str]:
    """One holder, one tenure."""
    for history in judged.histories:
        starts = [e for step in history.session.steps for e in step.effects if isinstance(e, effects.Start)]
        if len(starts) > 1:
            yield f"started {len(starts)} times"


def takeover_delay_is_kept(judged: Judged) -> Iterator[str]:
    """After an ungraceful end of the tenure before, the body starts `takeover_delay` after the win."""
    for history in judged.started():
        assert history.start is not None
        won, granted = history.wins[-1]
        waited_ns = history.start.now_ns - won.now_ns
        if not granted.clean and waited_ns < history.session.takeover_delay_ns:
            yield f"token {granted.token} started {waited_ns} after the win"


def a_lease_that_does_not_fit_is_never_led_with(judged: Judged) -> Iterator[str]:
    """The budget is compared with the lease that was granted, not with the one that was asked for."""
    for history in judged.started():
        assert history.started is not None
        lease_ns, budget = history.started.lease_ns, history.session.budget
        if lease_ns is not None and not budget.fits(lease_ns):
            yield f"token {history.started.token} led with a lease of {lease_ns}"


def a_win_with_too_little_left_is_never_led_with(judged: Judged) -> Iterator[str]:
    """A body is not started when there is no time to renew even once before it must be told to stop."""
    for history in judged.started():
        won, granted = history.wins[-1]
        budget = history.session.budget
        if granted.lease_ns is None:
            continue
        left_ns = history.counted[0][1] - budget.grace_ns - won.now_ns
        if left_ns < budget.call_timeout_ns:
            yield f"token {granted.token} had {left_ns} left until its soft deadline"


def no_tenure_below_the_floor(judged: Judged) -> Iterator[str]:
    """A token that is not above every token seen before is not led with."""
    for history in judged.started():
        assert history.started is not None
        seen = [granted.token for _, granted in history.wins[:-1]]
        if history.started.token <= max([history.session.floor, *seen]):
            yield f"led with token {history.started.token}, above which {history.session.floor} or {seen} was seen"


# All in all: liveness


def the_world_comes_to_rest(judged: Judged) -> Iterator[str]:
    """After everybody was told to leave, every holder lets go and is over, and nothing turns round and round."""
    if not judged.run.at_rest:
        yield "it never came to rest"
    for history in judged.histories:
        session = history.session
        if session.died_ns is None and not session.holder.over:
            yield f"{session.candidate.name} is still {session.holder.phase} at the end"


def somebody_leads_after_healing(judged: Judged) -> Iterator[str]:
    """Once the faults are over, somebody leads within a bound."""
    run = judged.run
    spans = [span for history in judged.histories if (span := history.valid()) is not None]
    if not any(run.plan.heal_ns <= from_ns < run.closed_ns or until_ns >= run.closed_ns for from_ns, until_ns in spans):
        yield f"nobody led between {run.plan.heal_ns} and {run.closed_ns}"


def nobody_waits_longer_than_asked(judged: Judged) -> Iterator[str]:
    """A candidate that gave its owner a limit has led, given up or let go by then, but for the return of a grant."""
    for history in judged.histories:
        session, budget = history.session, history.session.budget
        if session.wait_ns is None or not session.steps:
            continue
        wait_ns = session.wait_ns or budget.call_timeout_ns + session.takeover_delay_ns
        release_ns = budget.attempts * (budget.call_timeout_ns + budget.backoff_ns)
        by_ns = history.due_ns(session.steps[0].now_ns + wait_ns + release_ns)
        ends = [step.true_ns for step in (history.start, history.left) if step is not None]
        ends += [step.true_ns for step, _ in history.gave_up]
        if (not ends or min(ends) > by_ns) and history.lived_past(by_ns) and not session.candidate.frozen:
            yield f"it wanted to wait for {session.wait_ns} and waited beyond {by_ns}"


def no_loss_without_a_fault(judged: Judged) -> Iterator[str]:
    """Where nothing goes wrong no tenure is lost, nothing is uncertain, and nobody is refused."""
    if not judged.run.plan.quiet:
        return
    for history in judged.histories:
        for _, cancel in history.told:
            yield f"{cancel} although nothing went wrong"
        if any(isinstance(notice, notices.Uncertain | notices.Stalled | notices.Overran) for notice in history.notices):
            yield "an alarm although nothing went wrong"
        if any(gave_up.why is not WhyNot.LATE for _, gave_up in history.gave_up):
            yield f"{history.gave_up} although nothing went wrong"


CHECKERS: tuple[Checker, ...] = (
    no_two_valid_tenures_at_one_instant,
    tokens_only_grow,
    no_act_after_a_newer_tenures_first_act,
    no_act_outside_the_own_grant,
    deadline_never_later_than_the_send_allows,
    told_to_stop_by_the_soft_deadline,
    valid_never_comes_back,
    first_reason_stays,
    every_loss_has_its_cause,
    a_definite_end_is_obeyed,
    told_again_at_half_the_grace,
    an_overrun_is_reported_once_at_the_hard_deadline,
    a_silent_owner_is_not_renewed,
    no_renewal_after_the_grace,
    retries_are_spaced,
    nothing_in_flight_is_unbounded,
    wakes_lie_ahead,
    no_release_while_the_body_runs,
    every_win_is_led_or_given_back,
    starts_at_most_once,
    takeover_delay_is_kept,
    a_lease_that_does_not_fit_is_never_led_with,
    a_win_with_too_little_left_is_never_led_with,
    no_tenure_below_the_floor,
    the_world_comes_to_rest,
    somebody_leads_after_healing,
    nobody_waits_longer_than_asked,
    no_loss_without_a_fault,
)


def judge(judged: Judged) -> list[tuple[str, str]]:
    """Every violation in a run: the checker's name, and its sentence."""
    return [(checker.__name__, sentence) for checker in CHECKERS for sentence in checker(judged)]
