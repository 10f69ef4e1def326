"""PaxosLease: the rules of the paper and of its revision, one by one; drawn schedules; storms in the simulator.

What is taken away of these rules, and who notices, stands in `mutants_paxos`.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from tenure.algorithms.paxos_lease import (
    Accept,
    Accepted,
    Ledger,
    Owned,
    PaxosLease,
    Prepare,
    Promise,
    Refused,
    Released,
    Settings,
)
from tenure.core.effects import Authorised, Deposed, Persist, Send
from tenure.core.elector import WishRefused
from tenure.core.events import Asked, Left, Message, Persisted, Received, Started, Suspected, Woke
from tenure.durations import NEVER_NS
from tenure.simulator import simulate
from tests.algorithms.mutants_paxos import own
from tests.algorithms.schedules import MS, Schedule

SETTINGS = Settings(lease_ns=5_000 * MS, renew_ns=1_000 * MS)
NODES = (1, 2, 3)


def node(me: int = 1, durable: tuple[Ledger, ...] = ()) -> PaxosLease:
    """One of three, begun at 0."""
    made = PaxosLease(me, NODES, Random(1), SETTINGS)
    made.handle(Started(durable), 0)
    return made


def sent(effects: Any) -> list[tuple[int, Message]]:
    """Whom was said what."""
    return [(effect.to, effect.message) for effect in effects if isinstance(effect, Send)]


def asking() -> tuple[PaxosLease, int]:
    """Node 1, which has just asked for promises under ballot 3, and when; its own record is durable."""
    proposer = node()
    now_ns = proposer.wake_ns
    assert sent(proposer.handle(Woke(), now_ns)) == [(2, Prepare(3, 1)), (3, Prepare(3, 1))]
    proposer.handle(Persisted(2), now_ns)
    return proposer, now_ns


def owning() -> tuple[PaxosLease, int]:
    """The same, with promise and loan of node 2; and when it had asked."""
    proposer, asked_ns = asking()
    proposer.handle(Received(2, Promise(3)), asked_ns + 100 * MS)
    proposer.handle(Received(2, Accepted(3)), asked_ns + 200 * MS)
    assert proposer.role == "leading"
    return proposer, asked_ns


# The holder


def test_its_time_begins_when_prepare_is_sent() -> None:
    """However late the answers are; both clocks may be off by rho: T (1 - rho) / (1 + rho) from there."""
    proposer, asked_ns = asking()
    proposer.handle(Received(2, Promise(3)), asked_ns + 300 * MS)

    effects = proposer.handle(Received(2, Accepted(3)), asked_ns + 700 * MS)

    assert Authorised(3, asked_ns + 5_000 * MS * 9 // 11) in effects
    assert sent(effects) == [(2, Owned(3)), (3, Owned(3))]


def test_L10_an_answer_that_is_too_late_authorises_nobody() -> None:
    """What voters lent has run out when it comes."""
    proposer, asked_ns = asking()
    proposer.handle(Received(2, Promise(3)), asked_ns + 1)

    assert proposer.handle(Received(2, Accepted(3)), asked_ns + SETTINGS.tenure_ns) == []
    assert proposer.role == "waiting"


def test_a_renewal_keeps_the_token() -> None:
    """It is a ballot of its own; its deadline counts from its own Prepare."""
    owner, _ = owning()
    now_ns = owner.wake_ns
    assert sent(owner.handle(Woke(), now_ns)) == [(2, Prepare(6, 1)), (3, Prepare(6, 1))]
    owner.handle(Persisted(3), now_ns)
    owner.handle(Received(3, Promise(6)), now_ns + 1)

    effects = owner.handle(Received(3, Accepted(6)), now_ns + 2)

    assert Authorised(3, now_ns + SETTINGS.tenure_ns) in effects


def test_authority_ends_by_ones_own_deadline_and_by_no_message() -> None:
    """Neither another's claim nor a refusal ends it; the clock does, whatever event comes first."""
    owner, asked_ns = owning()
    for message in (Owned(9), Refused(3, 99), Prepare(99, 1), Accept(99, 1), Released(99, 1, None)):
        assert not any(isinstance(e, Deposed) for e in owner.handle(Received(2, message), asked_ns + 300 * MS))

    late = owner.handle(Suspected(2), asked_ns + SETTINGS.tenure_ns)

    assert Deposed(3, "its lease ran out") in late
    assert owner.leader is None


def test_a_late_yes_to_a_renewal_does_not_bring_a_tenure_back() -> None:
    """A tenure that has run out is over: the next has a token of its own."""
    owner, asked_ns = owning()
    now_ns = owner.wake_ns
    owner.handle(Woke(), now_ns)
    owner.handle(Received(2, Promise(6)), now_ns)
    owner.handle(Received(3, Promise(6)), now_ns)
    owner.handle(Received(2, Accepted(6)), now_ns)

    effects = owner.handle(Received(3, Accepted(6)), asked_ns + SETTINGS.tenure_ns)

    assert [effect for effect in effects if isinstance(effect, Authorised)] == []
    assert Deposed(3, "its lease ran out") in effects


@pytest.mark.parametrize("to", [None, 2])
def test_who_is_asked_stops_first_and_then_gives_back(to: int | None) -> None:
    """And names whom it should go to, its life and its ballot."""
    owner, asked_ns = owning()

    effects = owner.handle(Asked(to), asked_ns + 300 * MS)

    assert effects[0] == Deposed(3, "it was asked to step down")
    assert sent(effects) == [(2, Released(3, 1, to)), (3, Released(3, 1, to))]


def test_a_ballot_under_way_ends_with_the_tenure() -> None:
    """Who has given back owns nothing by answers that were given before."""
    owner, _ = owning()
    now_ns = owner.wake_ns
    owner.handle(Woke(), now_ns)
    owner.handle(Persisted(3), now_ns)
    owner.handle(Received(2, Promise(6)), now_ns)
    owner.handle(Asked(), now_ns)

    for voter in (2, 3):
        assert owner.handle(Received(voter, Accepted(6)), now_ns) == []


def test_who_has_given_way_lets_the_others_ask_first() -> None:
    """It pauses for longer than any of them does."""
    owner, asked_ns = owning()

    owner.handle(Asked(), asked_ns + 300 * MS)

    assert owner.wake_ns > asked_ns + 300 * MS + SETTINGS.most_backoff_ns


def test_who_was_refused_asks_under_a_greater_ballot() -> None:
    """Greater than the one that it was told of."""
    proposer, _ = asking()
    proposer.handle(Received(2, Refused(3, 98)), proposer.wake_ns - 1)
    proposer.handle(Woke(), proposer.wake_ns)

    effects = proposer.handle(Woke(), proposer.wake_ns)

    assert sent(effects) == [(2, Prepare(99, 1)), (3, Prepare(99, 1))]


def test_who_leaves_gives_back() -> None:
    """And falls silent."""
    owner, asked_ns = owning()

    effects = owner.handle(Left(1), asked_ns + 300 * MS)

    assert effects[0] == Deposed(3, "it has left")
    assert sent(effects) == [(2, Released(3, 1, None)), (3, Released(3, 1, None))]
    assert (owner.role, owner.wake_ns) == ("gone", NEVER_NS)


def test_C19_who_would_hand_over_to_the_dead_leads_on() -> None:
    """The wish is refused, and says what to do."""
    owner, asked_ns = owning()
    owner.handle(Suspected(3), asked_ns + 300 * MS)

    with pytest.raises(WishRefused, match="ask for one of"):
        owner.handle(Asked(3), asked_ns + 300 * MS)

    assert owner.role == "leading"


def test_who_is_named_asks_at_once() -> None:
    """The others give it time."""
    heir = node(2)
    heir.handle(Received(1, Accept(3, 1)), 1)

    effects = heir.handle(Received(1, Released(3, 1, 2)), 2)

    assert sent(effects) == [(1, Prepare(7, 1)), (3, Prepare(7, 1))]


# The voter


def test_who_is_not_named_lets_the_named_one_ask_first() -> None:
    """A question and its answers later at the earliest; where nobody is named, all ask when chance lets them."""
    for named, is_later in ((2, True), (None, False)):
        other = node(3)
        other.handle(Received(1, Owned(3)), 1)
        other.handle(Received(1, Released(3, 1, named)), 2)
        assert (other.wake_ns >= 2 + 2 * SETTINGS.answer_ns) == is_later


def test_a_late_release_of_an_earlier_tenure_does_not_hide_who_leads() -> None:
    """The leader has released tenure 3 and owns 6: it is known to lead until it releases that, and nobody else can."""
    other = node(3)
    other.handle(Received(1, Owned(6)), 2)
    other.handle(Received(1, Released(3, 1, None)), 3)
    other.handle(Received(2, Released(9, 1, None)), 3)
    assert other.leader == 1
    other.handle(Received(1, Released(6, 1, None)), 4)
    assert other.leader is None


def test_a_live_lease_of_another_is_not_overwritten() -> None:
    """Neither promised away nor lent again, until its time, which began when the request arrived, is over."""
    voter = node(3)
    voter.handle(Received(1, Accept(3, 1)), 7)

    for message in (Prepare(4, 1), Accept(4, 1)):
        assert sent(voter.handle(Received(2, message), 7 + SETTINGS.lease_ns - 1)) == [(2, Refused(4, 3))]
    assert sent(voter.handle(Received(2, Prepare(4, 1)), 7 + SETTINGS.lease_ns)) == [(2, Promise(4))]


def test_the_owner_is_a_life_of_a_node() -> None:
    """Its next life is another owner: what the earlier one began may still be at work."""
    voter = node(3)
    voter.handle(Received(1, Accept(3, 1)), 1)

    assert sent(voter.handle(Received(1, Prepare(6, 2)), 2)) == [(1, Refused(6, 3))]
    assert sent(voter.handle(Received(1, Prepare(6, 1)), 3)) == [(1, Promise(6))]


def test_C29_a_voter_that_comes_back_lends_nothing_for_as_long_as_it_lent() -> None:
    """Not to itself, either; a first life has lent nothing before, and need not wait."""
    voter = node(3, durable=(Ledger(NODES, 1, 3),))

    assert sent(voter.handle(Received(2, Prepare(4, 1)), SETTINGS.lease_ns - 1)) == [(2, Refused(4, 3))]
    assert sent(voter.handle(Received(2, Prepare(4, 1)), SETTINGS.lease_ns)) == [(2, Promise(4))]
    assert sent(node(3).handle(Received(2, Prepare(4, 1)), 1)) == [(2, Promise(4))]


def test_C24_ballots_and_lives_are_never_used_again() -> None:
    """Both are durable before anybody hears of them."""
    later = node(1, durable=(Ledger(NODES, 1, 3),))
    effects = later.handle(Woke(), later.wake_ns)

    assert sent(effects) == [(2, Prepare(6, 2)), (3, Prepare(6, 2))]
    (kept,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert {effect.after for effect in effects if isinstance(effect, Send)} == {kept.number}


def test_C1_what_is_promised_is_durable_before_it_is_said() -> None:
    """So that tokens grow whoever restarts."""
    for message in (Prepare(3, 1), Accept(3, 1)):
        effects = node(3).handle(Received(1, message), 1)
        (kept,) = [effect for effect in effects if isinstance(effect, Persist)]
        assert [effect.after for effect in effects if isinstance(effect, Send)] == [kept.number]


def test_who_has_promised_lets_that_ballot_be_over_before_it_asks() -> None:
    """Two phases: asking sooner would outbid it."""
    voter = node(3)

    voter.handle(Received(1, Prepare(6, 1)), voter.wake_ns - 1)

    assert voter.wake_ns > 2 * SETTINGS.answer_ns


def test_a_release_names_owner_and_ballot() -> None:
    """One that names another life, or an earlier ballot, ends nothing."""
    voter = node(3)
    voter.handle(Received(1, Accept(6, 2)), 1)

    for sender, late in ((1, Released(9, 1, None)), (1, Released(3, 2, None)), (2, Released(9, 2, None))):
        voter.handle(Received(sender, late), 2)
        assert sent(voter.handle(Received(2, Prepare(7, 1)), 3)) == [(2, Refused(7, 6))]
    voter.handle(Received(1, Released(6, 2, None)), 4)
    assert sent(voter.handle(Received(2, Prepare(7, 1)), 5)) == [(2, Promise(7))]


def test_C3_distinct_voters_are_counted() -> None:
    """An answer that comes twice is one, and a stranger's is none."""
    proposer = PaxosLease(1, range(1, 6), Random(1), SETTINGS)
    proposer.handle(Started(), 0)
    now_ns = proposer.wake_ns
    proposer.handle(Woke(), now_ns)
    for sender in (2, 2, 2, 9, 8):
        assert sent(proposer.handle(Received(sender, Promise(5)), now_ns)) == []


# Learners, and everybody


def test_who_leads_is_known_until_the_lease_must_have_run_out() -> None:
    """A learner hears of each renewal; after silence it knows of nobody."""
    learner = node(3)
    learner.handle(Received(1, Owned(3)), 5)
    assert (learner.leader, learner.term, learner.role) == (1, 3, "following")
    while learner.wake_ns < 5 + SETTINGS.lease_ns:
        assert learner.leader == 1
        learner.handle(Woke(), learner.wake_ns)

    learner.handle(Woke(), 5 + SETTINGS.lease_ns)

    assert learner.leader is None


def test_late_news_of_an_earlier_tenure_change_nothing() -> None:
    """Neither for who knows of a later one, nor for its owner."""
    learner = node(3)
    learner.handle(Received(2, Owned(4)), 5)
    learner.handle(Received(1, Owned(3)), 6)
    assert (learner.leader, learner.term) == (2, 4)

    owner, asked_ns = owning()
    owner.handle(Received(2, Owned(4)), asked_ns + 300 * MS)
    assert (owner.leader, owner.role) == (1, "leading")


def test_a_suspicion_shortens_no_lease() -> None:
    """Who suspects the owner asks when the lease has run out, and not before."""
    learner = node(3)
    learner.handle(Received(1, Owned(3)), 5)
    learner.handle(Suspected(1), 6)
    now_ns = 6
    while learner.proposal is None:
        now_ns = learner.wake_ns
        learner.handle(Woke(), now_ns)

    assert 5 + SETTINGS.lease_ns <= now_ns <= 5 + SETTINGS.lease_ns + SETTINGS.backoff_ns + 1


def test_the_next_owner_begins_when_the_last_has_ended_and_with_a_greater_token() -> None:
    """To the nanosecond where no clock is off: half-open intervals that meet."""
    group = Schedule(PaxosLease, 1, settings=Settings(lease_ns=5_000 * MS, renew_ns=1_000 * MS, rho_ppm=0))
    for place in group.places:
        group.sync(place)
    own(group, 1, 2)
    (first,) = group.tenures
    group.now_ns = first.until_ns

    own(group, 3, 2)

    assert group.objections == []
    assert [(tenure.node, tenure.token > first.token) for tenure in group.tenures] == [(3, True)]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"lease_ns": 1_000 * MS}, "lend for more"),
        ({"rho_ppm": 1_000_000}, "rho_ppm"),
        ({"rho_ppm": -1}, "rho_ppm"),
        ({"renew_ns": 0}, "renew_ns"),
        ({"answer_ns": 0}, "answer_ns"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int], why: str) -> None:
    """With what is wrong, or the arithmetic."""
    with pytest.raises(ValueError, match=why):
        Settings(**wrong)  # type: ignore[arg-type]  # all are numbers


@given(
    seed=st.integers(min_value=0),
    nodes=st.integers(min_value=2, max_value=5),
    ppm=st.sampled_from((0, 1_000, SETTINGS.rho_ppm)),
)
@given_settings(max_examples=150, deadline=None, database=None)
def test_no_drawn_schedule_gives_two_owners_or_a_smaller_token(seed: int, nodes: int, ppm: int) -> None:
    """Not beside what a crashed owner has begun, either; with clocks as far off as is assumed."""
    assert Schedule(PaxosLease, seed, nodes=nodes, settings=SETTINGS, ppm=ppm).run(500) == []


def test_drawn_schedules_have_owners() -> None:
    """Those in which nothing happens would prove nothing."""
    schedules = [Schedule(PaxosLease, seed, settings=SETTINGS) for seed in range(40)]
    for schedule in schedules:
        schedule.run(800)
    assert sum(schedule.won for schedule in schedules) >= 40


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_no_storm_violates_anything(first: int) -> None:
    """ONE_AT_A_TIME, TOKENS_GROW and TERMINATION in the simulator, under all faults of the model, drift among them."""
    runs = [simulate(PaxosLease, nodes=1 + seed % 6, seed=seed, trace=False) for seed in range(first, first + 20)]
    assert [(run.setup.seed, str(violation)) for run in runs for violation in run.violations] == []
    assert not any(run.is_void for run in runs)


def test_one_voter_that_asks_in_vain_keeps_nobody_from_the_lease() -> None:
    """A run that once had no owner for twenty calm seconds: its refusals ended every ballot of the other candidate."""
    assert simulate(PaxosLease, nodes=3, seed=68, trace=False).violations == []
