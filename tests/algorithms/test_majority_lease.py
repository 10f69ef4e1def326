"""The rules of the majority lease, one by one. A lease lasts 1,000 units of time: see `lease_schedules`."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tenure.algorithms.majority_lease import (
    Claim,
    Configuration,
    Granted,
    MajorityLease,
    Refused,
    Release,
    Renew,
    Settings,
    Vote,
)
from tenure.algorithms.majority_lease.lease import Lease
from tenure.algorithms.majority_lease.messages import Lessee
from tenure.algorithms.majority_lease.pace import Pace
from tenure.algorithms.majority_lease.voter import Voter
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.algorithms.preference import Preference
from tenure.core.effects import Authorised, Deposed, Persist, Send
from tenure.core.elector import UnexpectedMessage
from tenure.core.events import Asked, Left, Persisted, Received, Started, Trusted, Woke
from tenure.durations import PPM
from tenure.errors import ConfigurationError
from tests.algorithms.lease_schedules import KIND, RHO_PPM, SETTINGS, Schedule
from tests.algorithms.lease_scripts import Script, held_by_1

FIRST = Configuration(0, 0, (1, 2, 3))
USABLE_NS = 1000 * (PPM - RHO_PPM) // (PPM + RHO_PPM) - 1


def voter(token: int = 0, configuration: Configuration = FIRST) -> Voter:
    """One that has not granted anything in this life, at 0."""
    return Voter(Vote(token, 9, 99, configuration), SETTINGS, 0)


def test_it_does_not_stand_around_what_gives_authority_itself() -> None:
    """The tokens of both would be taken for those of one: the second of two tenures might have the smaller token."""
    for inner in (PaxosLease, KIND, Preference.over(KIND)):
        with pytest.raises(ConfigurationError, match=r"gives authority by itself; leave the \+lease around it out"):
            MajorityLease.over(inner)


# The voter


def test_a_voter_grants_the_first_claim_and_notes_it() -> None:
    """The vote is another object, so that the elector makes it durable before the answer leaves."""
    one = voter()
    answer = one.answer(1, Claim(1, 7, 5, FIRST), 10)
    assert (answer, one.vote) == (Granted(1, 7, 5, 0), Vote(1, 1, 7, FIRST))


def test_a_live_lease_is_not_overwritten() -> None:
    """Whatever the token; at its end it is free."""
    one = voter()
    one.answer(1, Claim(1, 7, 0, FIRST), 10)
    assert one.answer(2, Claim(9, 8, 0, FIRST), 1009) == Refused(8, 1, FIRST, 1)
    assert isinstance(one.answer(2, Claim(9, 8, 0, FIRST), 1010), Granted)


def test_C24_a_token_is_never_granted_twice() -> None:
    """Not when the lease has run out, and not when it was given back."""
    one = voter()
    one.answer(1, Claim(4, 7, 0, FIRST), 0)
    one.release(Lessee(1, 4, 7), None, 0)
    assert one.answer(2, Claim(4, 8, 0, FIRST), 1) == Refused(8, 4, FIRST, 0)
    assert one.answer(1, Claim(4, 7, 0, FIRST), 5000) == Refused(7, 4, FIRST, 0)
    assert isinstance(one.answer(2, Claim(5, 8, 0, FIRST), 5000), Granted)


def test_an_heir_claims_first() -> None:
    """For as long as it needs for two claims, of which the first may overtake the release; a release that names nobody
    leaves that as it is.
    """
    first_ns = 2 * SETTINGS.retry_ns
    one = voter()
    one.answer(1, Claim(1, 7, 0, FIRST), 0)
    one.release(Lessee(1, 1, 7), 2, 0)
    assert one.answer(3, Claim(9, 8, 0, FIRST), first_ns - 2) == Refused(8, 1, FIRST, 0)
    assert isinstance(one.answer(2, Claim(2, 9, 0, FIRST), first_ns - 2), Granted)
    one.release(Lessee(2, 2, 9), None, first_ns - 1)
    assert one.answer(3, Claim(9, 8, 0, FIRST), first_ns - 1) == Refused(8, 2, FIRST, 0)
    assert isinstance(one.answer(3, Claim(9, 8, 0, FIRST), first_ns), Granted)


def test_a_renewal_waits_for_no_heir() -> None:
    """It wins nothing: two releases may have crossed it."""
    one = voter()
    one.answer(1, Claim(1, 7, 0, FIRST), 0)
    one.release(Lessee(1, 1, 7), 2, 0)
    assert isinstance(one.answer(3, Renew(1, 8, 0, FIRST), 1), Granted)


def test_who_steps_down_names_its_heir_to_every_voter() -> None:
    """Who has the most to gain from a lease that is free is not asked; its own voter waits for the heir too."""
    script = held_by_1()
    elector = script.cells[1].elector
    assert elector is not None
    effects = elector.handle(Asked(2), script.cells[1].clock(script.now_ns))
    releases = [
        (effect.to, effect.message.to)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, Release)
    ]
    assert releases == [(2, 2), (3, 2)]
    answer = elector.handle(Received(3, Claim(9, 8, 0, elector.configuration)), script.cells[1].clock(script.now_ns))
    assert [effect.message for effect in answer if isinstance(effect, Send)] == [
        Refused(8, 1, elector.configuration, 0)
    ]


def test_a_claim_that_comes_again_extends_its_own_lease_only() -> None:
    """From its receipt, and nothing needs to be written anew; another claim of the same node is another lessee."""
    one = voter()
    one.answer(1, Claim(1, 7, 0, FIRST), 0)
    vote = one.vote
    assert isinstance(one.answer(1, Renew(1, 7, 600, FIRST), 600), Granted)
    assert (one.vote is vote, one.until_ns) == (True, 1600)
    assert isinstance(one.answer(1, Claim(2, 8, 600, FIRST), 700), Refused)


def test_C15_a_holder_is_renewed_whatever_was_granted_to_claims_that_failed() -> None:
    """A node that was cut off and claimed in vain under greater tokens costs the holder no voter."""
    one = voter(token=50)
    assert one.answer(1, Renew(3, 7, 0, FIRST), 1000) == Granted(3, 7, 0, 0)
    assert one.vote.token == 50


def test_C29_a_voter_that_comes_back_is_leased_to_the_last_claim_that_it_granted() -> None:
    """For one whole duration: that one may renew, and no other claim is granted."""
    one = voter(token=4)
    assert isinstance(one.answer(2, Claim(5, 8, 0, FIRST), 999), Refused)
    assert isinstance(one.answer(2, Renew(3, 8, 0, FIRST), 999), Refused)
    assert isinstance(one.answer(9, Renew(4, 99, 0, FIRST), 999), Granted)


def test_C30_a_claim_by_an_older_or_another_configuration_is_refused_and_told() -> None:
    """The answer has the newer one; one that the voter does not know yet is taken up."""
    newer, rival = Configuration(1, 3, (2, 3, 4)), Configuration(1, 3, (1, 2, 3, 4))
    one = voter(configuration=newer)
    assert one.answer(1, Claim(9, 7, 0, FIRST), 0) == Refused(7, 0, newer, 0)
    assert one.answer(1, Claim(9, 7, 0, rival), 0) == Refused(7, 0, newer, 0)
    assert isinstance(one.answer(1, Claim(9, 7, 0, Configuration(2, 8, (5,), (2, 3, 4))), 0), Granted)
    assert one.vote.configuration.number == 2


def test_a_configuration_is_accepted_under_the_token_of_who_proposed_it_only() -> None:
    """Two may have proposed the same number; a voter that has granted a greater token since keeps what it has."""
    mine, rival = Configuration(2, 5, (1, 2, 3), (4, 5, 6)), Configuration(2, 6, (7,), (4, 5, 6))
    one = voter(token=50, configuration=mine)
    assert one.answer(1, Renew(6, 7, 0, rival), 1000) == Granted(6, 7, 0, 0)
    assert one.vote.configuration == mine
    assert one.answer(1, Renew(5, 7, 0, mine), 2000) == Granted(5, 7, 0, 2)


def test_a_claim_ends_at_once_when_a_majority_refuses() -> None:
    """Its own voter is one of them; it does not wait for the rest."""
    script = held_by_1()
    script.claim(2)
    script.hand(Claim, 2, 1)
    elector = script.cells[2].elector
    assert elector is not None
    assert elector.role == "claiming"
    script.hand(Refused, 1, 2)
    assert elector.role == "elected"


# Claiming and holding


def test_the_deadline_counts_from_when_the_claim_left() -> None:
    """`t_send + duration * (1 - rho) / (1 + rho) - margin`, by the second of three voters."""
    script = Script()
    script.claim(1)
    sent_ns = script.cells[1].clock(0)
    script.now_ns = 150
    script.hand(Claim, 1, 2)
    script.hand(Granted, 2, 1)
    assert script.held[1] == (1, script.cells[1].true_ns(sent_ns + USABLE_NS))


def test_one_vote_of_three_is_none() -> None:
    """One's own is one of them, and counts only when it is durable."""
    script = Script()
    script.give(1, Trusted(1))
    script.hand(Claim, 1, 2)
    script.deliver(next(n for n, one in enumerate(script.under_way) if isinstance(one[3], Granted)))
    assert script.holders() == []
    script.sync_all(1)
    assert script.holders() == [1]


def test_a_tenure_ends_by_its_own_deadline_with_no_message() -> None:
    """All others are gone; the holder is deposed when its clock says so."""
    script = held_by_1()
    until_ns = script.held[1][1]
    script.calm(until_ns - script.now_ns + 20, frozenset({1}))
    assert script.deposed == [(1, 1, "its lease has run out")]


def test_renewals_extend_the_same_tenure() -> None:
    """One claim, one tenure, one token, for as long as a majority grants."""
    script = held_by_1()
    script.calm(20_000, frozenset({1, 2}))
    assert (script.holders(), script.tokens, script.deposed) == ([1], [1], [])


def test_tokens_grow_across_the_crash_of_all_nodes() -> None:
    """Whoever wins then, and whatever was not durable."""
    script = held_by_1()
    for leader in (2, 3, 1):
        for number in script.cells:
            script.crash(number)
        for number in script.cells:
            script.start(number)
            script.give(number, Trusted(leader))
        script.calm(6_000)
        assert script.holders() == [leader]
    assert script.tokens == sorted(set(script.tokens))


def test_a_grant_for_a_claim_that_has_ended_goes_back() -> None:
    """So the voter need not wait for it to run out."""
    elector = KIND(1, (1, 2, 3), random.Random(1))
    elector.handle(Started(), 0)
    (sent,) = [one for one in elector.handle(Received(2, Granted(3, 7, 0, 0)), 1) if isinstance(one, Send)]
    assert (sent.to, type(sent.message).__name__) == (2, "Release")


def test_a_holder_gives_way_once_another_is_preferred_for_long() -> None:
    """And tells it to claim, so that hardly any time passes without a holder."""
    script = held_by_1()
    for number in script.cells:
        script.give(number, Trusted(2))
    began_ns = script.now_ns
    script.calm(SETTINGS.give_way_ns * PPM // (PPM + RHO_PPM) - 40)
    assert script.holders() == [1]
    script.calm(SETTINGS.give_way_ns)
    assert (script.deposed, script.holders()) == ([(1, 1, "gave way to node 2")], [2])
    assert script.now_ns - began_ns < 3 * SETTINGS.give_way_ns


def test_who_waits_for_leases_claims_soon_after_they_have_run_out() -> None:
    """However long it would wait by now after so many failures; and no longer than that if they last for longer."""
    pace = Pace(SETTINGS, random.Random(1))

    def next_ns(free_ns: int | None) -> int:
        for _ in range(9):
            pace.failed(0, free_ns)
        return pace.claims_from_ns(0, should_lead=True, votes=True)

    assert SETTINGS.duration_ns // 2 < next_ns(None) <= SETTINGS.duration_ns + 1
    assert 300 <= next_ns(300) < 300 + SETTINGS.retry_ns // 2
    assert SETTINGS.duration_ns // 2 < next_ns(9 * SETTINGS.duration_ns) <= SETTINGS.duration_ns + 1


def test_who_is_called_soon_tries_again_however_often_it_has_failed() -> None:
    """The call may have overtaken the release of who makes way, whose lease would last for long."""
    pace = Pace(SETTINGS, random.Random(1))
    for _ in range(9):
        pace.failed(0, None)
    pace.called(1)
    assert pace.claims_from_ns(1, should_lead=False, votes=False) == 1
    pace.failed(1, SETTINGS.duration_ns)
    assert pace.claims_from_ns(1, should_lead=False, votes=False) <= 2 + SETTINGS.retry_ns


def test_who_has_won_waits_for_its_next_failure_as_for_a_first_one() -> None:
    """However often it had failed before."""
    pace = Pace(SETTINGS, random.Random(1))
    for _ in range(9):
        pace.failed(0, None)
    pace.won()
    pace.failed(0, None)
    assert pace.claims_from_ns(0, should_lead=True, votes=False) <= 1 + SETTINGS.retry_ns


def test_a_majority_is_free_when_enough_of_its_leases_have_run_out() -> None:
    """Who grants is free now; of those who refuse, as many as a majority lacks must be; who is silent never is."""
    lease = Lease(1, 7, Configuration(0, 0, (1, 2, 3, 4, 5)), 0)
    lease.granted(1, 900, 0)
    lease.refused(2, 500)
    assert lease.free_from_ns(100) is None
    lease.refused(3, 400)
    assert lease.free_from_ns(100) == 500
    lease.refused(4, 300)
    assert lease.free_from_ns(100) == 400


def test_one_who_was_preferred_in_vain_is_not_given_way_to() -> None:
    """Node 1 has claimed after long silence though all think that 2 should lead, which never claims."""
    script = Script()
    script.crash(2)
    for number in (1, 3):
        script.give(number, Trusted(2))
    script.calm(20_000, frozenset({1, 3}))
    (holder,) = script.holders()
    script.calm(20_000, frozenset({1, 3}))
    assert (script.holders(), script.deposed) == ([holder], [])


def test_who_is_asked_to_step_down_makes_way() -> None:
    """In favour of the one named, which claims though it is not whom the elector prefers, and is not given way from."""
    script = held_by_1()
    script.give(1, Asked(2))
    assert script.deposed == [(1, 1, "was asked to step down")]
    script.calm(200)
    assert script.holders() == [2]
    script.calm(20_000)
    assert script.holders() == [2]


def test_asked_in_favour_of_nobody_another_leads() -> None:
    """Or, if that one cannot, the same again after a while."""
    script = held_by_1()
    script.give(1, Asked())
    script.calm(400)
    assert script.holders() == [3]


def test_C19_who_makes_way_for_one_that_is_dead_leads_again() -> None:
    """After two leases."""
    script = held_by_1()
    script.crash(3)
    script.give(1, Asked(3))
    script.calm(4_000, frozenset({1, 2}))
    assert len(script.holders()) == 1
    assert script.tokens[-1] > script.tokens[0]


def test_an_observer_votes_and_never_holds() -> None:
    """Whom the elector chooses, if it may not lead: another claims."""
    make = KIND(1, (1, 2, 3), random.Random(1), msgspec.structs.replace(SETTINGS, eligible=False))
    make.handle(Started(), 0)
    make.handle(Trusted(1), 0)
    assert (make.role, make.wake_ns > 10**15) == ("elected", True)
    effects = make.handle(Received(2, Claim(1, 7, 0, FIRST)), 1)
    assert [type(effect) for effect in effects] == [Persist, Send]


def test_who_has_left_gives_its_tenure_up() -> None:
    """At once, so that the others need not wait."""
    script = held_by_1()
    script.give(1, Left(1))
    assert script.deposed == [(1, 1, "has left the group")]
    script.give(2, Trusted(2))
    script.calm(600)
    assert script.holders() == [2]


# Settings and messages


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"duration_ns": 0}, "one nanosecond at least"),
        ({"patience_ns": -1}, "one nanosecond at least"),
        ({"rho_ppm": 1_000_000}, "bound on a clock's rate"),
        ({"rho_ppm": -1}, "bound on a clock's rate"),
        ({"voters": ()}, "names nobody"),
        ({"renew_every_ns": 2_000_000_000}, "3 renewals need 6000000000 ns"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int], why: str) -> None:
    """With what is wrong and what to do; the arithmetic where it does not add up."""
    with pytest.raises(ValueError, match=why):
        Settings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@given(
    rho=st.integers(0, 500_000),
    duration=st.integers(10_000, 10**12),
    clocks=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
@hypothesis_settings(max_examples=200, deadline=None, database=None)
def test_the_holders_count_ends_before_the_voters(rho: int, duration: int, clocks: tuple[float, float]) -> None:
    """In true time, for all rates within the bound: the arithmetic itself."""
    settings = Settings(duration_ns=duration, rho_ppm=rho, margin_ns=1, renew_every_ns=max(1, duration // 100))
    holder, voters = (PPM + int(rho * rate) for rate in clocks)
    assert settings.usable_ns * voters < duration * holder


def test_nonsense_from_a_peer_is_refused() -> None:
    """A configuration of nobody; an answer to what was not asked yet."""
    elector = KIND(1, (1, 2, 3), random.Random(1), SETTINGS)
    elector.handle(Started(), 0)
    with pytest.raises(UnexpectedMessage, match="of nobody"):
        elector.handle(Received(2, Claim(1, 1, 0, Configuration(1, 1, ()))), 1)
    claims = [one.message for one in elector.handle(Trusted(1), 2) if isinstance(one, Send)]
    assert isinstance(claims[0], Claim)
    with pytest.raises(UnexpectedMessage, match="was not sent yet"):
        elector.handle(Received(2, Granted(claims[0].token, claims[0].claim, 3, 0)), 2)


def test_alone_one_holds_by_its_own_vote() -> None:
    """A group of one: authorised when its vote is durable."""
    elector = MajorityLease.over(KIND.inner_kind)(1, (1,), random.Random(1), SETTINGS)
    elector.handle(Started(), 0)
    elector.handle(Trusted(1), 0)
    (given_,) = [one for one in elector.handle(Persisted(2), 5) if isinstance(one, Authorised)]
    assert given_ == Authorised(1, USABLE_NS)
    elector.handle(Persisted(3), 6)
    (lost,) = [one for one in elector.handle(Woke(), 10**6) if isinstance(one, Deposed)]
    assert lost.token == 1


def test_a_schedule_is_decided_by_its_seed() -> None:
    """Twice the same."""
    first, second = (Schedule(5), Schedule(5))
    first.storm()
    second.storm()
    assert (first.tokens, first.happened) == (second.tokens, second.happened)
