"""Preference: its figures as properties over schedules, its order, and what it does around real leases."""

from __future__ import annotations

import random
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure import trace
from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.preference import Preference, Role, Settings, Stands
from tenure.core.effects import Authorised, Deposed, Effect, Recognised, Send
from tenure.core.elector import DutyBroken, WishRefused
from tenure.core.events import Asked, Event, Joined, Left, Rated, Rating, Received, Started, Suspected, Trusted, Woke
from tenure.durations import NS_PER_S
from tenure.simulator import simulate
from tenure.simulator.scenario import parse_script
from tests.algorithms import preferring
from tests.algorithms.appointed import Appoint, Appointed, Licensed, Obstinate, Stubborn
from tests.algorithms.mutants_preference import MUTANTS, Mutant

LEASED = Preference.over(MajorityLease.over(Bully))
DELAY_NS = Settings().delay_ns
ratings = st.builds(Rating, st.booleans(), st.integers(0, 2), st.integers(0, 2))
groups = st.fixed_dictionaries(dict.fromkeys(range(1, 6), ratings))
property_settings = settings(max_examples=40, deadline=None, database=None)


# The figures


@given(given_ratings=groups, seed=st.integers(0, 10**6), node=st.integers(1, 5))
@property_settings
def test_raising_a_nodes_priority_never_makes_it_less_likely_to_lead(
    given_ratings: dict[int, Rating], seed: int, node: int
) -> None:
    """What it led in a schedule it leads with more priority too."""
    assert preferring.priority_does_no_harm(given_ratings, seed, node) == ""


@given(seed=st.integers(0, 10**6))
@property_settings
def test_freshness_beats_priority_in_every_schedule(seed: int) -> None:
    """However nodes flap, crash and are rated in between."""
    assert preferring.freshness_beats_priority(seed) == ""


@given(seed=st.integers(0, 10**6))
@property_settings
def test_takeover_happens_once_within_the_delay_and_two_round_trips(seed: int) -> None:
    """And not before the delay has passed."""
    assert preferring.takeover_happens_once_and_in_time(seed) == ""


@given(seed=st.integers(0, 10**6))
@property_settings
def test_a_node_that_flaps_faster_than_the_delay_causes_no_change_of_leader(seed: int) -> None:
    """Suspected and trusted, crashed and back, rated down and up."""
    assert preferring.flapping_changes_nothing(seed) == ""


@given(given_ratings=groups, seed=st.integers(0, 10**6))
@property_settings
def test_in_the_end_nobody_better_is_left(given_ratings: dict[int, Rating], seed: int) -> None:
    """Eligibility before freshness before priority."""
    assert preferring.nobody_better_is_left(given_ratings, seed) == ""


# Mutants


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.name} -> {m.check.__name__}")
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    """Without the rule its check objects; with the rule it does not."""
    with patch.object(Preference, mutant.attribute, mutant.instead):
        assert mutant.check()
    assert mutant.check() == ""


# One node


def leading(inner: type[Appointed] = Appointed) -> Preference:
    """Node 1 of three, which leads, and has heard of 3 that it is better."""
    node = Preference.over(inner)(1, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    node.handle(Received(2, Appoint(1, 1)), 0)
    node.handle(Received(3, Stands(7, 1, Rating(priority=1))), 0)
    return node


def test_the_leader_hands_over_when_the_delay_has_passed() -> None:
    """By a wish to the elector inside."""
    node = leading()
    assert node.wake_ns <= DELAY_NS
    node.handle(Woke(), DELAY_NS - 1)
    assert node.leader == 1
    node.handle(Woke(), DELAY_NS)
    assert node.leader == 3
    assert isinstance(node.inner, Appointed)
    assert Asked(3) in node.inner.given


VALID_NS = DELAY_NS


def authorised(node: Preference, event: Event, now_ns: int) -> list[int]:
    """The deadlines that are told when the elector inside has renewed its authority."""
    assert isinstance(node.inner, Licensed)
    node.inner.until_ns = now_ns + VALID_NS
    return [one.deadline_ns for one in node.handle(event, now_ns) if isinstance(one, Authorised)]


def running_out() -> tuple[Preference, Licensed]:
    """As `leading`, by authority that was renewed."""
    node = Preference.over(Licensed)(1, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    node.handle(Received(3, Stands(7, 1, Rating(priority=1))), 0)
    assert authorised(node, Received(2, Appoint(1, 1)), 0) == [DELAY_NS]
    assert isinstance(node.inner, Licensed)
    return node, node.inner


def test_authority_has_run_out_when_it_is_handed_over() -> None:
    """Its work is told no deadline behind that instant, and so has had its time to stop."""
    node, inner = running_out()
    assert authorised(node, Woke(), DELAY_NS // 2) == []
    assert authorised(node, Woke(), DELAY_NS - 1) == []
    assert (node.leader, node.wake_ns, Asked(3) in inner.given) == (1, DELAY_NS, False)

    effects = node.handle(Woke(), DELAY_NS)

    assert (node.leader, Asked(3) in inner.given) == (3, True)
    assert [effect.token for effect in effects if isinstance(effect, Deposed)] == [1]


def test_what_was_promised_for_longer_is_waited_for() -> None:
    """The wish comes at that deadline, though the delay is over."""
    node, inner = running_out()
    node.handle(Suspected(3), 1)
    assert authorised(node, Woke(), 2) == [2 + VALID_NS]
    node.handle(Trusted(3), 3)
    node.settings = Settings(delay_ns=10, tell_every_ns=5)
    assert authorised(node, Received(3, Stands(7, 2, Rating(priority=1))), 4) == []
    node.handle(Woke(), 1 + VALID_NS)
    assert Asked(3) not in inner.given
    node.handle(Woke(), 2 + VALID_NS)
    assert Asked(3) in inner.given


def test_who_is_preferred_no_more_in_time_changes_nothing() -> None:
    """The deadline that was kept back is told after all."""
    node, inner = running_out()
    assert authorised(node, Woke(), DELAY_NS // 2) == []
    assert authorised(node, Suspected(3), DELAY_NS - 1) == [DELAY_NS - 1 + VALID_NS]
    node.handle(Woke(), DELAY_NS)
    assert (node.leader, Asked(3) in inner.given) == (1, False)


def test_a_tenure_that_has_run_out_is_over_whoever_is_preferred() -> None:
    """Its driver has seen the deadline pass: the elector inside steps down, for anybody."""
    node, inner = running_out()
    assert authorised(node, Woke(), DELAY_NS // 2) == []
    node.handle(Suspected(3), DELAY_NS)
    assert Asked(None) in inner.given
    assert (node.leader != 1, node.role) == (True, Role.FOLLOWING)


class Fleeting(Licensed):
    """The same, but that it loses the authority of each term in the step in which it has won it."""

    def appoint(self, leader: int | None, term: int) -> list[Effect]:
        return [*super().appoint(leader, term), *([Deposed(term, "lost")] if leader == self.me else [])]


def test_a_tenure_of_one_step_has_a_beginning_and_an_end() -> None:
    """In this order: nobody is deposed who was not authorised."""
    node = Preference.over(Fleeting)(1, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    effects = node.handle(Received(2, Appoint(1, 1)), 0)
    assert [type(effect) for effect in effects if not isinstance(effect, Send)] == [Recognised, Authorised, Deposed]


def test_who_has_lost_its_authority_is_not_asked_to_step_down() -> None:
    """It ran out inside as well: what comes next is the affair of the elector there."""
    node, inner = running_out()
    node.handle(Received(2, Stands(2, 1, Rating())), DELAY_NS)
    assert [event for event in inner.given if isinstance(event, Asked)] == []


def test_a_new_tenure_in_one_step_with_the_end_of_the_last_begins_the_delay_anew() -> None:
    """Node 1 is appointed again half-way; its authority is told until a whole delay from then."""
    node = leading(Licensed)
    assert isinstance(node.inner, Licensed)
    node.inner.pending = Appoint(1, 2)
    effects = node.handle(Trusted(2), DELAY_NS // 2)
    told = [effect for effect in effects if isinstance(effect, Authorised | Deposed)]
    assert told == [Deposed(1, "another was appointed"), Authorised(2, DELAY_NS // 2 + DELAY_NS)]


@pytest.mark.parametrize("inner", [Appointed, Licensed])
def test_who_flaps_does_not_keep_others_from_their_turn(inner: type[Appointed]) -> None:
    """Nodes 4 and 5 are better than 3, which waits for 4; 4 is gone before its turn, and 5 comes too late for that."""
    node = Preference.over(inner)(1, range(1, 6), random.Random(1), Settings(delay_ns=40, tell_every_ns=10))
    better = Rating(priority=2)
    for now_ns, event in (
        (0, Started()),
        (0, Received(3, Stands(3, 1, Rating(priority=1)))),
        (0, Received(2, Appoint(1, 1))),
        (8, Received(4, Stands(4, 1, better))),
        (16, Received(5, Stands(5, 1, better))),
        (40, Woke()),
    ):
        node.handle(event, now_ns)
    assert (node.leader, node.wake_ns) == (1, 48)
    node.handle(Suspected(4), 47)
    node.handle(Woke(), 48)
    assert node.leader == 3


def test_who_is_recognised_without_authority_hands_nothing_over() -> None:
    """Where the elector inside gives authority, that is what leading means."""
    node = leading(Licensed)
    assert isinstance(node.inner, Licensed)
    node.inner.pending = Appoint(2, 2)
    node.handle(Trusted(2), 1)
    node.handle(Woke(), DELAY_NS)
    assert Asked(3) not in node.inner.given


@pytest.mark.parametrize(
    "event", [Suspected(3), Left(3), Received(3, Stands(7, 2, Rating())), Rated(Rating(priority=1))]
)
def test_what_ends_a_preference(event: Suspected | Left | Received | Rated) -> None:
    """The node is not seen, or gone, or no better any more."""
    node = leading()
    node.handle(event, DELAY_NS - 1)
    node.handle(Woke(), 2 * DELAY_NS)
    assert node.leader == 1


def test_a_late_word_does_not_count() -> None:
    """Of two from one life the one with the greater number does."""
    node = leading()
    node.handle(Received(3, Stands(7, 3, Rating())), 1)
    node.handle(Received(3, Stands(7, 2, Rating(priority=1))), 2)
    node.handle(Woke(), 2 * DELAY_NS)
    assert node.leader == 1


def test_a_new_member_is_told_and_counts_once_it_has_told() -> None:
    """A stranger does not."""
    node = leading()
    node.handle(Received(4, Stands(4, 1, Rating(freshness=1))), 1)
    assert 4 not in node.told
    assert 4 in [getattr(effect, "to", None) for effect in node.handle(Joined(4), 2)]
    node.handle(Received(4, Stands(4, 1, Rating(freshness=1))), 3)
    node.handle(Woke(), DELAY_NS + 3)
    assert node.leader == 4


def test_a_rating_is_refused_where_nobody_is_preferred() -> None:
    """And comes after Started, like everything."""
    bully = Bully(1, (1, 2), random.Random(1))
    bully.handle(Started(), 0)
    with pytest.raises(WishRefused, match=r"put Preference around it, as in bully\+preference"):
        bully.handle(Rated(Rating()), 1)
    with pytest.raises(DutyBroken):
        Preference.over(Bully)(1, (1, 2), random.Random(1)).handle(Rated(Rating()), 0)


def test_what_would_be_refused_is_not_asked() -> None:
    """And costs nothing."""
    assert preferring.what_would_be_refused_is_not_asked(Stubborn) == ""


def test_what_came_to_nothing_is_not_asked_again_at_once() -> None:
    """As of paxos, which tries once and leads on."""
    assert preferring.what_would_be_refused_is_not_asked(Obstinate) == ""


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Settings(delay_ns=0), "one nanosecond at least"),
        (lambda: Settings(delay_ns=3, tell_every_ns=2), "make it 2"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Callable[[], Settings], why: str) -> None:
    """With what to do about it."""
    with pytest.raises(ValueError, match=why):
        make()


# Around real leases


def held(script: str, seed: int) -> list[int]:
    """Who held, one entry for each tenure, where node 2 is preferred; two never hold at once."""
    preferring_2 = Settings(ratings={2: Rating(priority=1)}, delay_ns=8 * NS_PER_S, tell_every_ns=2 * NS_PER_S)
    run = simulate(LEASED, scenario=parse_script(script), seed=seed, settings=preferring_2)
    assert run.violations == []
    assert run.measures.overlap_ns == 0
    assert run.trace is not None
    tenures = dict.fromkeys((r.node, r.token) for r in run.trace.records if isinstance(r, trace.Held))
    return [node for node, _ in tenures]


@pytest.mark.parametrize("seed", range(3))
def test_a_lease_is_handed_to_the_preferred_node_once(seed: int) -> None:
    """The greatest is elected and leased; after the delay node 2 holds, and goes on holding."""
    assert held("detector told\nnodes 1 2 3\nuntil 60s", seed) == [3, 2]


@pytest.mark.parametrize("seed", range(3))
def test_the_preferred_node_holds_on_when_the_greatest_comes_back(seed: int) -> None:
    """Whom the election inside would rather have, and who is no better, takes nothing over: hazard C25."""
    returns = "at 30s crash 3\nat 34s restart 3"
    assert held(f"detector told\nnodes 1 2 3\nuntil 80s\n{returns}", seed) == [3, 2]


@pytest.mark.parametrize("seed", [57, 177, 207])
def test_who_claims_in_vain_all_the_time_does_not_come_first_at_a_hand_over(seed: int) -> None:
    """The election would have 5, which claims again and again while 4 holds, and in these runs just when 4 hands over
    to 2: the takeover happens once all the same.
    """
    returns = "at 100ms crash 2\nat 100ms crash 5\nat 15s restart 5\nat 20s restart 2"
    assert held(f"detector told\nnodes 1 2 3 4 5\nuntil 60s\n{returns}", seed) == [5, 4, 2]


@pytest.mark.parametrize("seed", range(3))
def test_a_preferred_node_that_crashes_again_and_again_deposes_nobody(seed: int) -> None:
    """It is back for less than the delay each time: hazard C25."""
    flaps = "".join(f"at {at}s crash 2\nat {at + 2}s restart 2\n" for at in range(4, 58, 6))
    assert held(f"detector told\nnodes 1 2 3\nuntil 62s\n{flaps}", seed) == [3]
