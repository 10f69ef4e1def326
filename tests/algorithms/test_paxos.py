"""Paxos: what "Paxos Made Simple" says of each role, sentence by sentence; drawn schedules; and every small schedule.

What is quoted stands in section 2 of Lamport 2001 unless another source is named.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from tenure.algorithms.paxos import (
    Accept,
    Accepted,
    Decided,
    Ledger,
    Paxos,
    Prepare,
    Promise,
    Refused,
    Settings,
)
from tenure.core.effects import Effect, Persist, Recognised, Send
from tenure.core.elector import DutyBroken, UnexpectedMessage, WishRefused
from tenure.core.events import (
    Asked,
    Joined,
    Left,
    Message,
    Persisted,
    Received,
    Reconfigure,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.simulator import simulate
from tests.algorithms.schedules import Schedule

NODES = (1, 2, 3)
DEPTH = 6


def node(me: int = 1, durable: tuple[Ledger, ...] = (), **settings: Any) -> Paxos:
    """One of three, begun at 0."""
    made = Paxos(me, NODES, Random(1), Settings(**settings))
    made.handle(Started(durable), 0)
    return made


def sent(effects: Any) -> list[tuple[int, Message]]:
    """Whom was said what."""
    return [(effect.to, effect.message) for effect in effects if isinstance(effect, Send)]


def proposing(me: int = 1) -> Paxos:
    """One whose own promise is durable, and that has asked the others for theirs."""
    proposer = node(me)
    until_it_proposes(proposer)
    proposer.handle(Persisted(1), proposer.wake_ns - 1)
    return proposer


def until_it_proposes(proposer: Paxos) -> tuple[Sequence[Effect], int]:
    """Wake it until it has a proposal under way: what it does then, and when that is."""
    for _ in range(20):
        now_ns = proposer.wake_ns
        effects = proposer.handle(Woke(), now_ns)
        if proposer.proposal is not None:
            return effects, now_ns
    raise AssertionError("it never proposes")


def ballot_of(proposer: Paxos) -> int:
    """Of the proposal that is under way."""
    assert proposer.proposal is not None
    return proposer.proposal.ballot


# Phase 1


def test_a_proposer_selects_a_number_and_asks_for_promises() -> None:
    """Lamport: "A proposer selects a proposal number n and sends a prepare request with number n to a majority of
    acceptors".
    """
    proposer = node()

    effects, _ = until_it_proposes(proposer)

    assert sent(effects) == [(2, Prepare(1, 3)), (3, Prepare(1, 3))]


def test_C24_no_number_leaves_before_it_is_durable() -> None:
    """Lamport: "Each proposer remembers (in stable storage) the highest-numbered proposal it has tried to issue"."""
    proposer = node()

    effects, _ = until_it_proposes(proposer)

    (kept,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert {effect.after for effect in effects if isinstance(effect, Send)} == {kept.number}
    assert isinstance(kept.record, Ledger)
    later = node(durable=(kept.record,))
    until_it_proposes(later)
    assert ballot_of(later) > kept.record.ballot


@given(seen=st.integers(min_value=0, max_value=10**6))
def test_different_proposers_choose_from_disjoint_sets_of_numbers(seen: int) -> None:
    """Lamport: "Different proposers choose their numbers from disjoint sets of numbers, so two different
    proposers never issue a proposal with the same number" (section 2.5).
    """
    numbers = [node(me)._next_ballot(seen) for me in NODES]  # noqa: SLF001  the rule itself

    assert len(set(numbers)) == len(NODES)
    assert min(numbers) > seen


def test_an_acceptor_promises_and_tells_what_it_has_accepted() -> None:
    """Lamport: "It responds to the request with a promise not to accept any more proposals numbered less than n
    and with the highest-numbered proposal (if any) that it has accepted".
    """
    acceptor = node(3)
    acceptor.handle(Received(1, Accept(1, 3, 1)), 1)

    effects = acceptor.handle(Received(2, Prepare(1, 7)), 2)

    assert sent(effects) == [(2, Promise(1, 7, 3, 1))]
    assert sent(acceptor.handle(Received(1, Accept(1, 3, 1)), 3)) == [(1, Refused(1, 7))]


def test_C1_no_answer_leaves_before_it_is_durable() -> None:
    """Lamport: "An acceptor must remember (in stable storage) its intended response before actually sending the
    response".
    """
    acceptor = node(3)

    for message in (Prepare(1, 3), Accept(1, 3, 1)):
        effects = acceptor.handle(Received(1, message), 1)
        number = max(effect.number for effect in effects if isinstance(effect, Persist))
        assert [effect.after for effect in effects if isinstance(effect, Send)] == [number]


def test_a_restarted_acceptor_keeps_its_promise() -> None:
    """Crash-recovery: "the information that must be remembered" is back in the next life."""
    acceptor = node(3)
    effects = acceptor.handle(Received(2, Prepare(1, 7)), 1)
    (record,) = [effect.record for effect in effects if isinstance(effect, Persist)]
    assert isinstance(record, Ledger)

    later = node(3, durable=(record,))

    assert sent(later.handle(Received(1, Prepare(1, 3)), 1)) == [(1, Refused(1, 7))]


def test_strangers_change_nothing() -> None:
    """Who is no voter here counts voters otherwise: its ballots may be those of somebody else."""
    acceptor = node(3)

    for message in (Prepare(1, 9), Accept(1, 9, 9)):
        assert sent(acceptor.handle(Received(9, message), 1)) == [(9, Refused(1, 0))]
    assert acceptor.ledger == Ledger(NODES)


def test_a_request_of_a_later_instance_is_answered_in_it() -> None:
    """Who speaks of term 5 knows that four are over; promises for them say nothing about it."""
    acceptor = node(3)
    acceptor.handle(Received(1, Accept(1, 3, 1)), 1)

    assert sent(acceptor.handle(Received(2, Prepare(5, 4)), 2)) == [(2, Promise(5, 4, 0, None))]
    assert acceptor.term == 4


def test_a_proposal_that_nobody_answers_is_given_up_for_a_greater_one() -> None:
    """Its messages may be lost, and are not said again."""
    proposer = proposing()
    for _ in range(3):  # the time to tell somebody may come before
        if proposer.proposal is not None:
            proposer.handle(Woke(), proposer.wake_ns)

    effects, _ = until_it_proposes(proposer)

    assert sent(effects) == [(2, Prepare(1, 6)), (3, Prepare(1, 6))]


# Phase 2


def test_with_promises_of_a_majority_it_asks_to_accept_its_own_value() -> None:
    """Lamport: "Or is any value if the responses reported no proposals"."""
    proposer = proposing()

    effects = proposer.handle(Received(2, Promise(1, 3, 0, None)), proposer.wake_ns - 1)

    assert sent(effects) == [(2, Accept(1, 3, 1)), (3, Accept(1, 3, 1))]


def test_it_takes_over_the_value_of_the_highest_ballot_reported() -> None:
    """Lamport: "Where v is the value of the highest-numbered proposal among the responses"."""
    proposer = Paxos(1, range(1, 6), Random(1))
    proposer.handle(Started(), 0)
    proposer.handle(Received(2, Prepare(1, 11)), 1)
    until_it_proposes(proposer)
    ballot = ballot_of(proposer)
    proposer.handle(Received(2, Promise(1, ballot, 6, 4)), proposer.wake_ns - 1)
    proposer.handle(Received(3, Promise(1, ballot, 7, 5)), proposer.wake_ns - 1)

    effects = proposer.handle(Received(4, Promise(1, ballot, 0, None)), proposer.wake_ns - 1)

    assert {message for _, message in sent(effects)} == {Accept(1, ballot, 5)}


def test_a_value_is_chosen_when_a_majority_has_accepted_it() -> None:
    """Lamport: "A value is chosen when a single proposal with that value has been accepted by a majority of the
    acceptors": then everybody is told.
    """
    proposer = proposing()
    proposer.handle(Received(2, Promise(1, 3, 0, None)), proposer.wake_ns - 1)
    assert proposer.leader is None
    proposer.handle(Persisted(2), proposer.wake_ns - 1)

    effects = proposer.handle(Received(3, Accepted(1, 3)), proposer.wake_ns - 1)

    assert Recognised(1, 1) in effects
    assert sent(effects) == [(2, Decided(1, 1)), (3, Decided(1, 1))]
    assert proposer.role == "leading"


def test_C3_an_answer_that_comes_twice_is_one() -> None:
    """Voters are counted, and of strangers none."""
    proposer = Paxos(1, range(1, 6), Random(1))
    proposer.handle(Started(), 0)
    until_it_proposes(proposer)
    promise = Promise(1, ballot_of(proposer), 0, None)

    for sender in (2, 2, 2, 9, 8):
        assert sent(proposer.handle(Received(sender, promise), proposer.wake_ns - 1)) == []


def test_ones_own_vote_counts_when_it_is_durable() -> None:
    """With one answer of two the majority waits for the proposer's own disk."""
    proposer = node()
    until_it_proposes(proposer)

    assert sent(proposer.handle(Received(2, Promise(1, 3, 0, None)), proposer.wake_ns - 1)) == []
    assert sent(proposer.handle(Persisted(1), proposer.wake_ns - 1)) == [(2, Accept(1, 3, 1)), (3, Accept(1, 3, 1))]


# Learning, and progress


def test_who_is_behind_is_told() -> None:
    """Lamport: "A learner can find out what value has been chosen": a request of a past instance is answered with
    its result.
    """
    learner = node(3)
    learner.handle(Received(1, Decided(4, 1)), 1)

    for request in (Prepare(2, 9), Accept(4, 9, 2), Decided(3, 2)):
        assert sent(learner.handle(Received(2, request), 2)) == [(2, Decided(4, 1))]


def test_two_words_about_one_term_are_refused() -> None:
    """Lamport: "Only a single value is chosen": another one comes from somebody who counts otherwise."""
    learner = node(3)
    learner.handle(Received(1, Decided(4, 1)), 1)

    with pytest.raises(UnexpectedMessage, match="node 1 was chosen"):
        learner.handle(Received(2, Decided(4, 2)), 2)


def test_duelling_proposers_pause_longer_each_time() -> None:
    """Lamport: "It's easy to construct a scenario in which two proposers each keep issuing a sequence of
    proposals with increasing numbers, none of which are ever chosen" (section 2.4): a greater ballot makes one
    wait, by chance, for a time that doubles up to its bound.
    """
    settings = Settings()
    pauses = []
    for seed in range(300):
        proposer = Paxos(1, NODES, Random(seed), settings)
        proposer.handle(Started(), 0)
        lengths = []
        for _ in range(8):
            _, now_ns = until_it_proposes(proposer)
            proposer.handle(Received(2, Refused(1, ballot_of(proposer) + 1)), now_ns)
            lengths.append(proposer._propose_ns - now_ns - 2 * settings.answer_ns)  # noqa: SLF001  the pause itself
        pauses.append(lengths)
    for tried in range(8):
        most = max(lengths[tried] for lengths in pauses)
        bound_ns = min(settings.backoff_ns << (tried + 1), settings.most_backoff_ns)
        assert 0.9 * bound_ns < most <= bound_ns


def test_who_does_not_miss_the_leader_any_more_begins_with_the_shortest_pause() -> None:
    """However often it suspected a leader that lives: the day it dies nobody waits for that."""
    settings = Settings()
    follower = node()
    follower.handle(Received(2, Decided(1, 2)), 1)
    for _ in range(10):
        follower.handle(Suspected(2), 2)
        follower.handle(Trusted(2), 3)

    follower.handle(Suspected(2), 4)

    assert follower._propose_ns <= 4 + settings.backoff_ns  # noqa: SLF001  the pause itself


@pytest.mark.parametrize("seed", range(20))
def test_all_that_start_at_once_agree_soon(seed: int) -> None:
    """Everybody proposes itself within the first pause; without faults a leader is chosen within seconds."""
    run = simulate(Paxos, nodes=7, seed=seed, until=10, faults=(), trace=False)

    assert run.violations == []
    assert run.measures.became_leader >= 1


# Elections


def elected(nodes: int = 5) -> Schedule:
    """A group that has chosen node 1, everybody knowing it."""
    group = Schedule(Paxos, 1, nodes=nodes)
    for place in group.places:
        group.give(place, Received(place % nodes + 1, Decided(1, 1)))
    group.under_way.clear()
    return group


def test_who_suspects_the_leader_proposes_itself_for_the_next_term() -> None:
    """And the others follow whom the synod chooses, also those who suspect nobody."""
    group = elected(3)
    group.give(2, Suspected(1))
    group.wake(2)
    while group.leader(2) == 1 and (group.under_way or any(place.writing for place in group.places.values())):
        for place in group.places:
            group.sync(place)
        if group.under_way:
            group.deliver(0)
    while group.under_way:
        group.deliver(0)

    assert [group.leader(place) for place in group.places] == [2, 2, 2]
    assert group.leaders == {1: 1, 2: 2}


@pytest.mark.parametrize("to", [None, 2, 3])
def test_a_leader_that_is_asked_proposes_another(to: int | None) -> None:
    """The value of the next instance is whom it is asked for, or the first that seems to live."""
    leader = node(1)
    leader.handle(Received(2, Decided(1, 1)), 1)
    leader.handle(Asked(to), 2)

    effects = leader.handle(Received(2, Promise(2, ballot_of(leader), 0, None)), 3)
    effects = [*effects, *leader.handle(Persisted(2), 4)]

    assert {message for _, message in sent(effects)} == {Accept(2, ballot_of(leader), to or 2)}
    assert leader.role == "leading", "it leads on until the other is chosen"


@pytest.mark.parametrize(("to", "why"), [(3, "ask for one of"), (9, "ask for one of"), (None, "take the node out")])
def test_C19_nobody_gives_way_to_who_seems_dead(to: int | None, why: str) -> None:
    """A wish for a node that is suspected, or no voter, or when nobody is left, is refused with what to do."""
    leader = node(1)
    leader.handle(Received(2, Decided(1, 1)), 1)
    leader.handle(Suspected(3), 2)
    if to is None:
        leader.handle(Left(2), 3)

    with pytest.raises(WishRefused, match=why):
        leader.handle(Asked(to), 4)


def test_C30_members_come_and_go_and_the_voters_stay() -> None:
    """Neither news nor a restart with other members changes what a majority is; nor does a wish."""
    voter = node(1)
    voter.handle(Joined(4), 1)
    voter.handle(Left(3), 2)
    assert voter.voters == NODES
    with pytest.raises(WishRefused, match="start another group"):
        voter.handle(Reconfigure((1, 2)), 3)

    later = Paxos(1, (1, 2, 4, 5), Random(1))
    later.handle(Started((Ledger(NODES),)), 0)
    assert later.voters == NODES
    with pytest.raises(DutyBroken, match="the voters were"):
        Paxos(1, NODES, Random(1), Settings(voters=(1, 2))).handle(Started((Ledger(NODES),)), 0)


def test_who_is_no_voter_learns_and_never_proposes() -> None:
    """It is told like everybody."""
    learner = Paxos(9, (1, 2, 3, 9), Random(1), Settings(voters=NODES))
    learner.handle(Started(), 0)
    for _ in range(20):
        assert sent(learner.handle(Woke(), learner.wake_ns)) == []
    learner.handle(Received(2, Decided(3, 2)), learner.wake_ns - 1)
    assert (learner.leader, learner.role) == (2, "following")


def test_who_was_alone_tells_whom_it_is_joined_by() -> None:
    """And who is alone again tells nobody, and wakes for the next one."""
    alone = Paxos(1, (1,), Random(1))
    alone.handle(Started(), 0)
    for number in (1, 2):
        until_it_proposes(alone)
        alone.handle(Persisted(number), alone.wake_ns - 1)
    assert alone.leader == 1
    for _ in range(3):
        alone.handle(Joined(2), alone.wake_ns - 1)
        assert sent(alone.handle(Woke(), alone.wake_ns)) == [(2, Decided(1, 1))]
        alone.handle(Left(2), alone.wake_ns - 1)
        assert sent(alone.handle(Woke(), alone.wake_ns)) == []


@pytest.mark.parametrize(
    "wrong", [{"answer_ns": 0}, {"backoff_ns": 0}, {"repeat_ns": 0}, {"most_backoff_ns": 1}], ids=str
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    """With what is wrong."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]  # all are durations


# Schedules


@given(seed=st.integers(min_value=0), nodes=st.integers(min_value=1, max_value=5))
@given_settings(max_examples=150, deadline=None, database=None)
def test_no_drawn_schedule_gives_a_term_two_leaders(seed: int, nodes: int) -> None:
    """Whatever arrives when, twice or never, whoever crashes and whatever its disk had not yet written."""
    assert Schedule(Paxos, seed, nodes=max(nodes, 2)).run(500) == []


def test_drawn_schedules_choose_leaders() -> None:
    """Those in which nothing happens would prove nothing."""
    schedules = [Schedule(Paxos, seed) for seed in range(40)]
    for schedule in schedules:
        schedule.run(800)
    assert sum(len(schedule.leaders) for schedule in schedules) >= 40


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_no_storm_violates_anything(first: int) -> None:
    """ONE_PER_TERM, AGREEMENT and TERMINATION in the simulator, under all faults of the model."""
    runs = [simulate(Paxos, nodes=1 + seed % 6, seed=seed, trace=False) for seed in range(first, first + 20)]
    assert [(run.setup.seed, str(violation)) for run in runs for violation in run.violations] == []
    assert not any(run.is_void for run in runs)


def test_every_small_schedule_chooses_one_value() -> None:
    """Three acceptors, two of which propose at the same time: every order in which six of their messages may arrive,
    the others being lost; disks write at once. States that differ in nothing are visited once.
    """
    visited, frontier, chosen = set[str](), [_small_world()], set[int]()
    for _ in range(DEPTH):
        following = []
        for world in frontier:
            for place in range(len(world.under_way)):
                after = copy.deepcopy(world)
                after.deliver(place)
                for one in after.places:
                    after.sync(one)
                assert after.objections == []
                chosen |= set(after.leaders.values())
                if (seen := _fingerprint(after)) not in visited:
                    visited.add(seen)
                    following.append(after)
        frontier = following
    assert chosen == {1, 2}, "either may win"
    assert len(visited) > 200


def _small_world() -> Schedule:
    world = Schedule(Paxos, 1)
    for proposer in (1, 2):
        world.wake(proposer)
        world.sync(proposer)
    return world


def _fingerprint(world: Schedule) -> str:
    electors = [place.elector for place in world.places.values() if place.elector is not None]
    known = [(e.ledger, e.proposal, e.leader) for e in electors if isinstance(e, Paxos)]
    return repr((known, sorted(map(repr, world.under_way))))
