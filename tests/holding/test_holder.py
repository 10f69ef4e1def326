"""The holder's numbered rules, each quoted from the docstring of `holder.py` and walked through by example."""

from __future__ import annotations

import msgspec
import pytest

from tenure.errors import Reason
from tenure.holding import effects, events, notices
from tenure.holding.budget import Budget
from tenure.holding.effects import WhyNot
from tenure.holding.events import Verdict
from tenure.holding.phases import Phase, State
from tests.holding.stage import BUDGET, LEASELESS, T0, S, Stage, all_of, grant, kinds, one

# 1. A deadline is counted from when the request *left*; an answer's arrival never moves it later.


def test_rule_1_the_deadline_of_a_win_counts_from_when_the_request_left() -> None:
    """Asked for at 0, granted for 20 s, heard of at 3: the deadline is 19, a margin before the lease ends at 20."""
    stage = Stage()
    stage.stand(0)
    stage.won(3, sent_s=0)
    assert stage.deadline_s == 19


def test_L10_the_deadline_of_a_renewal_counts_from_when_it_was_sent() -> None:
    """Sent at 4, answered at 5.9: the deadline is 23, wherever the answer was in between."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    stage.renewed(5.9)
    assert stage.deadline_s == 23


def test_L10_a_late_answer_of_an_abandoned_renewal_counts_from_its_own_send() -> None:
    """Sent at 4, abandoned at 6, answered at 12: worth a deadline of 23, not of 31."""
    stage = Stage()
    stage.lead()
    (renewal,) = all_of(stage.woke(4), effects.Renew)
    assert one(stage.woke(6), effects.Abandon).call == renewal.call
    stage.renewed(12, renewal.call)
    assert stage.deadline_s == 23


def test_rule_1_an_older_answer_does_not_override_a_newer() -> None:
    """Renewals of 4 and 7: the second is answered at once, the first at 9, and the deadline stays that of 7."""
    stage = Stage()
    stage.lead()
    first = one(stage.woke(4), effects.Renew).call
    stage.woke(6)
    second = one(stage.woke(7), effects.Renew).call
    stage.renewed(7.5, second)
    assert kinds(stage.renewed(9, first)) == []
    assert stage.deadline_s == 26


def test_rule_1_a_shorter_renewal_moves_the_deadline_earlier() -> None:
    """The service grants 17 s where 20 were asked for: it has the last word."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    stage.renewed(4.1, lease_s=17)
    assert stage.deadline_s == 20


# 2. A grant with too little of its lease left, or with a lease that the budget does not fit, is given back unused.


def test_L3_a_lease_that_ran_out_while_waiting_is_not_led_with() -> None:
    """Asked for at 0 and heard of at 30: it is released, nothing starts, and the candidate stands again."""
    stage = Stage()
    stage.stand()
    produced = stage.won(30, sent_s=0)
    assert kinds(produced) == ["Release"]
    produced = stage.at(30.1, events.ReleaseDone(one(produced, effects.Release).call))
    assert one(produced, notices.CampaignFailed).detail == "elected, but the grant was of no use any more"
    assert kinds(stage.woke(31.5)) == ["Campaign"]


@pytest.mark.parametrize(("heard_s", "starts"), [(13.0, True), (13.001, False)])
def test_rule_2_too_little_is_less_than_one_call_before_the_soft_deadline(heard_s: float, starts: bool) -> None:
    """The soft deadline is at 15 and one call takes up to 2: a win heard of after 13 cannot even be renewed."""
    stage = Stage()
    stage.stand()
    assert bool(all_of(stage.won(heard_s, sent_s=0), effects.Start)) is starts


def test_rule_2_a_granted_lease_that_does_not_fit_is_refused_with_the_arithmetic() -> None:
    """The budget needs 18 s; granted 17.9 the candidate gives the grant back and says why in numbers."""
    stage = Stage()
    stage.stand()
    produced = stage.won(0, lease_s=17.9)
    assert kinds(produced) == ["Release", "GiveUp"]
    given_up = one(produced, effects.GiveUp)
    assert given_up.why is WhyNot.REFUSED
    assert "= 18 s, and a lease of 17.9 s has 17.9 s to spend" in given_up.detail


# 3. A token that is not above every token seen before is never led with (BACKEND_RESET).


@pytest.mark.parametrize("token", [41, 42])
def test_L17_a_token_that_went_back_is_never_led_with(token: int) -> None:
    """42 was seen before, so a grant of 42 or less comes from a service that was wiped or restored."""
    stage = Stage(floor=42)
    stage.stand()
    produced = stage.won(1, token=token)
    assert kinds(produced) == ["Release", "GiveUp"]
    assert "backend_reset" in one(produced, effects.GiveUp).detail


def test_L17_a_token_seen_in_a_win_that_was_given_back_counts_as_seen() -> None:
    """Token 7 is won too late and given back; the next win must be above it."""
    stage = Stage()
    stage.stand()
    release = one(stage.won(30, sent_s=0, token=7), effects.Release)
    stage.at(30, events.ReleaseDone(release.call))
    stage.woke(32)
    assert kinds(stage.won(32, token=7)) == ["Release", "GiveUp"]


# 4. The work is told to stop `grace` before the deadline, and the tenure is valid for nobody after it.


def test_rule_4_the_work_is_told_to_stop_its_grace_before_the_deadline() -> None:
    """Deadline 19, grace 4: told at 15, not at 14.999."""
    stage = Stage()
    stage.lead()
    assert all_of(stage.woke(14.999), effects.Cancel) == []
    assert one(stage.woke(15), effects.Cancel) == effects.Cancel(Reason.EXPIRED, again=False)


def test_rule_4_valid_turns_false_by_itself() -> None:
    """Nobody calls the holder between 0 and 30, and at 19 it is not valid any more."""
    stage = Stage()
    stage.lead()
    assert stage.is_valid(18.999)
    assert not stage.is_valid(19)
    assert stage.holder.state(T0 + 19 * S) is State.LOST


def test_L28_a_deadline_that_passed_in_suspend_is_final() -> None:
    """No timer rang; the first event after waking, even a renewal that was granted, finds the tenure lost."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    produced = stage.renewed(3600)
    assert one(produced, effects.Cancel).again is False
    assert not stage.is_valid(3600)
    assert stage.holder.phase is Phase.ENDING


# 5. Work is told once why it must stop, and the first reason stays; at half the grace it is told again.


def test_rule_5_the_first_reason_stays() -> None:
    """Asked to resign, then deposed, then asked to transfer: it resigned."""
    stage = Stage()
    stage.lead()
    stage.at(1, events.Asked(events.Resign()))
    stage.at(2, events.Deposed(Reason.BACKEND_GONE, "gone"))
    stage.at(2.5, events.Asked(events.Transfer("other")))
    assert stage.holder.reason is Reason.RESIGNED
    assert {cancel.reason for cancel in all_of(stage.said, effects.Cancel)} == {Reason.RESIGNED}
    assert len(all_of(stage.said, notices.Lost)) == 1


def test_rule_5_the_work_is_told_again_at_half_its_grace_once() -> None:
    """Told at 1, again at 3, and never a third time."""
    stage = Stage()
    stage.lead()
    stage.at(1, events.Asked(events.Resign()))
    assert all_of(stage.woke(2.999), effects.Cancel) == []
    assert one(stage.woke(3), effects.Cancel).again
    assert all_of(stage.woke(4.9), effects.Cancel) == []


# 6. A renewal is sent only while the owner proves itself alive. Without a lease a stall is only reported.


def test_rule_6_a_silent_owner_is_reported_not_renewed_and_stalls() -> None:
    """With `stall_after` 3 s and no sign of life, the renewal of 4 is not sent, and at 15 the tenure has stalled."""
    stage = Stage(_stalls_after(3))
    stage.lead()
    assert one(stage.woke(3.001), notices.Stalled).silent_since_ns == T0
    assert kinds(stage.woke(4)) == []
    assert one(stage.woke(15), effects.Cancel).reason is Reason.STALLED


def test_rule_6_an_owner_that_wakes_is_renewed_at_once() -> None:
    """The renewal that was held back leaves with the sign of life."""
    stage = Stage(_stalls_after(3))
    stage.lead()
    stage.woke(5)
    assert kinds(stage.at(6, events.OwnerTicked(T0 + 6 * S))) == ["Renew"]


def test_rule_6_without_a_lease_a_stall_is_only_reported() -> None:
    """Ten silent seconds are announced once; the tenure stays valid and ends by nothing of that."""
    stage = Stage(LEASELESS)
    stage.lead()
    assert len(all_of(stage.woke(11) + stage.woke(99), notices.Stalled)) == 1
    assert stage.is_valid(10**6)


def test_rule_6_the_owner_need_not_prove_anything_while_a_take_over_is_delayed() -> None:
    """Held back for 10 s with `stall_after` 3 s: no stall when the body starts, and the renewals go on."""
    stage = Stage(_stalls_after(3), takeover_delay_s=10)
    stage.stand()
    stage.won(0, clean=False)
    produced = stage.woke(4) + stage.renewed(4) + stage.woke(8) + stage.renewed(8) + stage.woke(10)
    assert kinds(produced) == ["Renew", "Renew", "Start"]
    assert all_of(produced, notices.Stalled) == []
    assert kinds(stage.woke(12)) == ["Renew"]


# 7. A call that overruns is abandoned and its outcome unknown; one failure never ends a tenure, a definite one always.


def test_L9_a_call_that_hangs_is_abandoned_and_repeated() -> None:
    """Sent at 4, abandoned at 6, sent again within the pause of one second, still valid and said to be uncertain."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    assert kinds(stage.woke(6)) == ["Abandon"]
    assert stage.holder.state(T0 + 6 * S) is State.UNCERTAIN
    assert 6.5 <= stage.wake_s <= 7
    assert kinds(stage.woke(7)) == ["Renew"]


def test_L6_one_failure_never_ends_a_tenure() -> None:
    """A failed renewal is announced and repeated; the next answer makes everything safe again."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    produced = stage.failed(4.1, stage.last(effects.Renew).call)
    assert (kinds(produced), one(produced, notices.Uncertain).detail) == ([], "why")
    stage.woke(5.2)
    assert one(stage.renewed(5.3), notices.Renewed).late
    assert stage.holder.state(T0 + 6 * S) is State.SAFE


def test_L6_a_failed_campaign_is_repeated_with_growing_pauses() -> None:
    """Nobody gives up on an error: the pauses double, from one second on, each from its upper half."""
    stage = Stage()
    call, now = stage.stand(), 0.0
    for longest in (1, 2, 4, 8, 16, 30, 30):
        stage.failed(now, call)
        assert longest / 2 <= stage.wake_s - now <= longest
        now = stage.wake_s
        call = one(stage.woke(now), effects.Campaign).call


def test_rule_7_a_definite_failure_ends_the_tenure_at_once() -> None:
    """The service says that the grant is gone: the body is told in the same step."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    produced = stage.failed(4.1, stage.last(effects.Renew).call, Verdict.DEFINITE)
    assert one(produced, effects.Cancel).reason is Reason.DEPOSED


@pytest.mark.parametrize("earlier", ["campaign", "renewal", "release"])
def test_rule_7_a_definite_failure_of_an_earlier_grants_call_ends_nothing(earlier: str) -> None:
    """Token 7 was given back; when its calls are told that it is gone, the tenure with token 8 goes on."""
    stage = Stage(takeover_delay_s=10)
    stage.stand()
    stage.won(0, token=7, clean=False)
    stage.woke(4)
    stage.at(5, events.Asked(events.Resign()))
    stage.at(5, events.ReleaseDone(stage.last(effects.Release).call))
    old = {
        "campaign": all_of(stage.said, effects.Campaign)[0].call,
        "renewal": stage.last(effects.Renew).call,
        "release": stage.last(effects.Release).call,
    }
    stage.woke(7)
    assert one(stage.won(7, token=8), effects.Start).token == 8
    assert kinds(stage.failed(8, old[earlier], Verdict.DEFINITE)) == []
    assert stage.is_valid(8)


def test_rule_7_a_renewal_under_way_is_not_left_behind_by_the_release() -> None:
    """No call is awaited without a limit: what is not needed any more is abandoned before the grant is given back."""
    stage = Stage()
    stage.lead()
    renewal = one(stage.woke(4), effects.Renew)
    produced = stage.at(4.1, events.BodyLeft())
    assert kinds(produced) == ["Abandon", "Release"]
    assert one(produced, effects.Abandon).call == renewal.call


def test_L9_a_single_try_is_not_awaited_for_ever() -> None:
    """`wait=0` and a service that does not answer: abandoned after one call's time, unreachable."""
    stage = Stage()
    call = stage.stand(wait_s=0)
    assert stage.wake_s == 2
    produced = stage.woke(2)
    assert kinds(produced) == ["Abandon", "GiveUp"]
    assert (one(produced, effects.Abandon).call, one(produced, effects.GiveUp).why) == (call, WhyNot.UNREACHABLE)
    assert stage.holder.over


# 8. While work drains the lease is still renewed, but for no longer than the grace.


def test_rule_8_the_lease_is_renewed_while_work_drains_but_not_beyond_its_grace() -> None:
    """Told at 3, so until 7: the renewal of 4 leaves, the one of 8 does not."""
    stage = Stage()
    stage.lead()
    stage.at(3, events.Asked(events.Resign()))
    assert kinds(stage.woke(4)) == ["Renew"]
    stage.renewed(4.1)
    assert kinds(stage.woke(8)) == ["Cancel"]
    assert kinds(stage.woke(12)) == []


def test_rule_8_a_grant_that_is_gone_is_not_renewed() -> None:
    """Deposed at 3: nothing more is sent for it."""
    stage = Stage()
    stage.lead()
    stage.at(3, events.Deposed(Reason.DEPOSED, "gone", T0 + 9 * S))
    assert kinds(stage.woke(4)) == []


# 9. The grant is released only after the body has left; never while it runs.


def test_rule_9_the_grant_is_released_when_the_body_has_left_and_not_before() -> None:
    """Nothing that happens from the loss on releases, until the body leaves."""
    stage = Stage()
    stage.lead()
    produced = stage.at(1, events.Asked(events.Transfer("other")))
    for second in (3, 5, 19, 40):
        produced += stage.woke(second)
    assert all_of(produced, effects.Release) == []
    assert one(stage.at(41, events.BodyLeft()), effects.Release).to == "other"


def test_rule_9_a_win_that_is_told_twice_releases_nothing() -> None:
    """A driver that repeats the answer must not make the holder give its own grant back under a running body."""
    stage = Stage()
    call = stage.stand()
    stage.at(0, events.Won(call, grant(0)))
    assert kinds(stage.at(1, events.Won(call, grant(0)))) == []


def test_rule_9_a_release_that_fails_is_repeated_so_often_as_the_budget_says() -> None:
    """Three attempts, each abandoned after its time; then the owner is told that the service may not know."""
    stage = Stage()
    stage.lead()
    produced = stage.at(1, events.BodyLeft())
    while not stage.holder.over:
        produced += stage.woke(stage.wake_s)
    assert kinds(produced) == ["Release", "Abandon"] * 3
    assert one(produced, notices.Released).failed == "no answer in time"


def test_rule_9_a_release_that_is_refused_for_good_is_not_repeated() -> None:
    """Definite means that trying again is useless."""
    stage = Stage()
    stage.lead()
    stage.at(1, events.BodyLeft())
    produced = stage.failed(1.1, stage.last(effects.Release).call, Verdict.DEFINITE)
    assert (kinds(produced), one(produced, notices.Released).failed) == ([], "why")
    assert stage.holder.over


# 10. A body that runs at its hard deadline is an overrun, reported once.


def test_rule_10_an_overrun_is_reported_once_at_the_hard_deadline() -> None:
    """No renewal is answered; told at 15, still running at 19."""
    stage = Stage()
    stage.lead()
    assert all_of(stage.woke(15) + stage.woke(18.999), effects.Overrun) == []
    assert one(stage.woke(19), effects.Overrun).reason is Reason.EXPIRED
    assert all_of(stage.woke(20) + stage.woke(90), effects.Overrun) == []


@pytest.mark.parametrize(("until_s", "hard_s"), [(None, 2), (4, 4), (1, 1), (100, 19)])
def test_rule_10_a_grant_that_is_gone_shortens_the_hard_deadline(until_s: float | None, hard_s: float) -> None:
    """Deposed at 1: what is left is what the service vouches for, or a margin, and never more than the deadline."""
    stage = Stage()
    stage.lead()
    until_ns = None if until_s is None else T0 + round(until_s * S)
    reported = all_of(stage.at(1, events.Deposed(Reason.DEPOSED, "gone", until_ns)), effects.Overrun)
    if hard_s > 1:
        assert reported + all_of(stage.woke(hard_s - 0.001), effects.Overrun) == []
        reported = all_of(stage.woke(hard_s), effects.Overrun)
    assert reported == [effects.Overrun(Reason.DEPOSED)]


def test_rule_10_without_a_lease_the_grace_is_the_hard_deadline() -> None:
    """Told at 1, grace 10 s."""
    stage = Stage(LEASELESS)
    stage.lead()
    stage.at(1, events.Asked(events.Resign()))
    assert all_of(stage.woke(10.999), effects.Overrun) == []
    assert one(stage.woke(11), effects.Overrun).reason is Reason.RESIGNED


# 11. After an ungraceful end of the tenure before, the body starts `takeover_delay` after the win.


@pytest.mark.parametrize(("clean", "starts_s"), [(True, 1), (False, 6)])
def test_rule_11_after_an_ungraceful_end_the_take_over_is_delayed(clean: bool, starts_s: float) -> None:
    """Won at 1 with a delay of 5 s: after a crash the body starts at 6, after a resignation at once."""
    stage = Stage(takeover_delay_s=5)
    stage.stand()
    produced = stage.won(1, clean=clean)
    if starts_s > 1:
        assert all_of(produced + stage.woke(starts_s - 0.001), effects.Start) == []
        produced = stage.woke(starts_s)
    assert one(produced, effects.Start).token == 7


def test_rule_11_who_waits_no_longer_than_the_delay_gives_the_grant_back() -> None:
    """Ready to wait until 4, held back until 6: given back at 4, and told so."""
    stage = Stage(takeover_delay_s=5)
    stage.stand(wait_s=4)
    stage.won(1, clean=False)
    produced = stage.woke(4)
    assert kinds(produced) == ["Release", "GiveUp"]
    assert one(produced, effects.GiveUp).why is WhyNot.LATE


def test_rule_11_a_single_try_that_won_waits_for_its_delay() -> None:
    """`wait=0` bounds the answer, not the delay after it."""
    stage = Stage(takeover_delay_s=5)
    stage.stand(wait_s=0)
    stage.won(1, clean=False)
    stage.woke(5)
    assert "Start" in kinds(stage.renewed(5.1) + stage.woke(6))


# 12. A win that nobody waits for any more is given back.


def test_rule_12_a_win_after_the_owner_left_is_given_back() -> None:
    """The owner leaves, the campaign is abandoned, and wins all the same."""
    stage = Stage()
    call = stage.stand()
    assert kinds(stage.at(1, events.BodyLeft())) == ["Abandon"]
    assert one(stage.at(2, events.Won(call, grant(1, token=9))), effects.Release).token == 9


def test_rule_12_a_win_after_giving_up_is_given_back() -> None:
    """Ready to wait until 4, won at 5."""
    stage = Stage()
    call = stage.stand(wait_s=4)
    assert one(stage.woke(4), effects.GiveUp).why is WhyNot.LATE
    assert kinds(stage.at(5, events.Won(call, grant(5)))) == ["Release"]


# What else the driver may count on


def test_a_candidate_is_told_once_that_it_was_not_elected() -> None:
    """An answer that comes twice does not give up twice."""
    stage = Stage()
    call = stage.stand(wait_s=0)
    assert kinds(stage.at(1, events.NotWon(call))) == ["GiveUp"]
    assert kinds(stage.at(1, events.NotWon(call)) + stage.failed(1, call, Verdict.DEFINITE)) == []


def test_the_wake_up_lies_ahead_after_a_release_that_failed_for_good() -> None:
    """A grant of no use is given back in vain; the candidate stands again, or gives up, without being woken at once."""
    stage = Stage()
    stage.stand(wait_s=31)
    stage.won(30, sent_s=0)
    while stage.holder.phase is Phase.RELEASING:
        now = stage.wake_s
        stage.woke(now)
    assert stage.holder.over
    assert stage.last(effects.GiveUp).why is WhyNot.UNREACHABLE


def test_a_holder_stands_once() -> None:
    """A second Stand is a mistake of the driver, and said to be one."""
    stage = Stage()
    stage.stand()
    with pytest.raises(AssertionError, match="stands once"):
        stage.stand(1)


def test_L11_the_state_says_uncertain_instead_of_repeating_safe() -> None:
    """While renewals fail the tenure does not claim to be safe; after its deadline it does not claim to be at all."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    stage.woke(6)
    seen = [stage.holder.state(T0 + second * S) for second in (6, 18, 19)]
    assert seen == [State.UNCERTAIN, State.UNCERTAIN, State.LOST]


def _stalls_after(seconds: int) -> Budget:
    return msgspec.structs.replace(BUDGET, stall_after_ns=seconds * S)
