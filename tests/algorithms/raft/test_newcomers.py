"""Newcomers that learn while their leader is lost: the change goes on, or is given up, and is never left half done."""

# ruff: noqa: SLF001  whose patience ends first is said by its timer

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.configuration import Configuration, Goal
from tenure.algorithms.raft.membership import MOST_REQUESTS
from tenure.algorithms.raft.messages import (
    Appended,
    AppendEntries,
    Busy,
    Changed,
    ChangeVoters,
    Configured,
    HardState,
    InstallSnapshot,
    Matched,
    NotLeader,
    Refused,
    Snapshot,
    Unknown,
    Vote,
)
from tenure.core.elector import UnexpectedMessage, WishRefused
from tenure.core.events import Received, Reconfigure, Woke
from tests.algorithms.raft.group import MS, Group

FOUNDED = Settings(voters=(1, 2, 3), catch_up_ns=5_000 * MS)
LEARNS = Configuration((1, 2, 3), (), (4,), Goal((2, 3, 4), (), (4,)))


def learning(settings: Settings = FOUNDED) -> Group:
    """Node 1 leads, and has begun to put 4 in its own place; 4 is down."""
    group = Group(4, settings)
    group.elect(1)
    group.pass_ms(200)
    group.crash(4)
    group.ask(1, ChangeVoters(1, (2, 3, 4)))
    group.pass_ms(200)
    assert group.answers == {}
    assert {group.nodes[node].configuration for node in (1, 2, 3)} == {LEARNS}
    return group


def lose_leader(group: Group) -> None:
    """Node 1 is cut off until it knows, and 2 is elected."""
    group.isolate(1)
    group.elect(2)
    group.pass_ms(1_500)


def test_the_next_leader_goes_on_with_a_change_whose_newcomers_learn() -> None:
    """It stands in the log, as a joint configuration does. Whoever asked for it was told that nobody knows."""
    group = learning()
    lose_leader(group)
    assert group.answers == {1: Unknown()}
    group.ask(2, ChangeVoters(2, (1, 2)))
    assert isinstance(group.answers[2], Refused)
    with pytest.raises(WishRefused, match="another change of voters is under way"):
        group.give(2, Reconfigure((1, 2)))

    group.start(4)
    group.cut.clear()
    group.pass_ms(6_000)

    assert {node.configuration for node in group.nodes.values()} == {Configuration((2, 3, 4))}
    leader = group.nodes[2].leader
    assert leader in {2, 3, 4}
    group.ask(leader, ChangeVoters(3, (2, 3, 4)))
    group.pass_ms(500)
    assert isinstance(group.answers[3], Changed), "who asks again is told that it is so"


def test_the_next_leader_gives_up_newcomers_that_never_catch_up() -> None:
    """After its own patience, and nobody is left a learner; another change may follow at once."""
    group = learning()
    lose_leader(group)
    group.cut.clear()
    group.pass_ms(3_000)
    assert group.nodes[2].configuration == LEARNS
    group.pass_ms(3_000)

    assert {group.nodes[node].configuration for node in (1, 2, 3)} == {Configuration((1, 2, 3))}
    leader = group.nodes[2].leader
    assert leader is not None
    group.ask(leader, ChangeVoters(2, (1, 2)))
    group.pass_ms(3_000)
    assert isinstance(group.answers[2], Changed)


def test_C12_a_change_is_taken_up_when_an_entry_of_the_term_is_committed() -> None:
    """Though the newcomer has everything, and what is committed is known; and nobody wakes up for it until then."""
    group = learning(replace(FOUNDED, pre_vote=False))
    group.isolate(2)
    leader = group.nodes[2]
    group.pass_ms(1_100)
    leader._election_ns = group.now_ns
    group.give(2, Woke())
    group.give(2, Received(3, Vote(leader.term, True)))
    group.give(2, Received(4, Matched(leader.term, leader.commit, group.now_ns, 0)))
    assert leader.commit == leader.log.configuration_index == leader.token - 1
    group.now_ns = leader.earlier_until_ns
    group.give(2, Received(3, Matched(leader.term, leader.commit, group.now_ns, 0)))
    assert leader.log.last_index == leader.token
    group.now_ns += FOUNDED.catch_up_ns
    group.give(2, Received(3, Matched(leader.term, leader.commit, group.now_ns, 0)))
    group.give(2, Woke())
    assert (leader.log.last_index, leader.wake_ns > group.now_ns) == (leader.token, True)

    group.give(2, Received(4, Matched(leader.term, leader.token, group.now_ns, 0)))
    assert not leader.configuration.is_joint

    group.give(2, Received(3, Matched(leader.term, leader.token, group.now_ns, 0)))

    assert leader.configuration.is_joint


@pytest.mark.parametrize("holds", [True, False])
def test_that_a_change_is_given_up_is_told_when_it_is_committed(*, holds: bool) -> None:
    """Until then another leader may still go on with it: then nobody knows."""
    group = learning()
    group.pass_ms(4_700)
    assert group.answers == {}
    leader = group.nodes[1]
    group.cut |= {(node, 1) for node in (2, 3)}
    group.pass_ms(300)
    assert leader.configuration == Configuration((1, 2, 3))
    assert group.answers == {}

    if holds:
        group.cut.clear()
    group.pass_ms(2_000)

    assert [type(answer) for answer in group.answers.values()] == [Refused if holds else Unknown]


def test_who_was_a_learner_before_stays_one_when_a_change_is_given_up() -> None:
    """Nothing that stood before the change is undone; and where none of it stands in the log, nothing was done."""
    group = Group(5, FOUNDED)
    group.elect(1)
    group.pass_ms(200)
    group.crash(4)
    group.crash(5)
    group.ask(1, ChangeVoters(1, (1, 2, 3), (4,)))
    group.pass_ms(500)
    learns = Configuration((1, 2, 3), (), (4,))
    assert group.nodes[1].configuration == learns

    group.ask(1, ChangeVoters(2, (1, 2, 4)))
    group.pass_ms(5_500)
    assert isinstance(group.answers[2], Refused)
    group.ask(1, ChangeVoters(3, (1, 2, 4, 5)))
    assert group.nodes[1].configuration == Configuration((1, 2, 3), (), (4, 5), Goal((1, 2, 4, 5), (), (5,)))
    group.pass_ms(5_500)
    assert isinstance(group.answers[3], Refused)
    assert group.nodes[1].configuration == learns

    group.ask(1, ChangeVoters(4, (1, 2, 4)))
    group.isolate(1)
    group.pass_ms(1_500)
    assert group.answers[4] == NotLeader(None), "nothing of it was in the log"
    assert group.nodes[1].configuration == learns


def test_who_asks_for_the_change_that_is_under_way_is_answered_when_it_is_through() -> None:
    """So whoever has lost an answer may ask again. Learners that vote are none; for anything else it is refused."""
    group = learning()
    group.ask(1, ChangeVoters(2, (4, 3, 2), (4,)), ChangeVoters(3, (2, 3, 4), (1,)), ChangeVoters(4, (1, 2)))
    assert {request: type(answer) for request, answer in group.answers.items()} == {3: Refused, 4: Refused}

    group.start(4)
    group.pass_ms(3_000)

    assert group.answers[1] == group.answers[2]
    assert isinstance(group.answers[1], Changed)


def test_as_many_wait_for_one_change_as_there_is_room_for() -> None:
    """One more is told to ask again later."""
    group = learning()
    group.ask(1, *(ChangeVoters(number, (2, 3, 4)) for number in range(2, MOST_REQUESTS + 3)))
    assert group.answers == {MOST_REQUESTS + 1: Busy(), MOST_REQUESTS + 2: Busy()}


def test_who_asks_for_a_change_that_is_given_up_is_told_that_too() -> None:
    """Also who asked when it was given up, and that was not committed."""
    group = learning()
    group.pass_ms(4_700)
    group.cut |= {(node, 1) for node in (2, 3)}
    group.pass_ms(300)
    group.ask(1, ChangeVoters(2, (2, 3, 4)))
    assert group.answers == {}

    group.cut.clear()
    group.pass_ms(1_000)

    assert group.answers[1] == group.answers[2]
    assert isinstance(group.answers[1], Refused)


@pytest.mark.parametrize("is_joint", [True, False])
def test_the_next_leader_answers_for_a_change_that_it_only_has_to_commit(*, is_joint: bool) -> None:
    """Whether the joint configuration stands in its log, or the one behind it already. Whoever asks for anything else
    before an entry of its term is committed asks too early, and is not refused for good.
    """
    wanted = Configuration((2, 3), (1, 2, 3))
    begun = (Configured(1, wanted),) if is_joint else (Configured(1, wanted), Configured(1, wanted.final()))
    kept = (HardState(1, None), Snapshot(0, 0, Configuration((1, 2, 3)), b""), Appended(0, 0, 1, begun))
    group = Group(3, replace(FOUNDED, pre_vote=False), kept={2: kept, 3: kept})
    group.crash(1)
    group.isolate(2)
    leader = group.nodes[2]
    group.now_ns = leader._election_ns
    group.give(2, Woke())
    group.give(2, Received(3, Vote(leader.term, True)))
    assert (leader.role, leader.commit) == (Role.LEADING, 0)

    group.ask(2, ChangeVoters(1, (2, 3)), ChangeVoters(2, (1, 2)))
    assert group.answers == {2: Busy()}
    group.cut.clear()
    group.pass_ms(3_000)

    assert isinstance(group.answers[1], Changed)
    assert leader.configuration == Configuration((2, 3))


@pytest.mark.parametrize("wanted", [(), (2, 3, 4)])
def test_a_goal_in_which_nobody_votes_is_none(wanted: tuple[int, ...]) -> None:
    """No leader would write it down, in its log or in a snapshot."""
    group = Group(3, FOUNDED)
    leader = group.elect(1)
    group.cut.add((2, 1))
    goal = replace(LEARNS, goal=Goal(wanted, (), (4,)))
    entry = Configured(leader.term, goal)
    end = leader.log.last_index
    word = AppendEntries(leader.term, end, leader.term, leader.commit, group.now_ns, 0, (entry,))
    data = leader.sessions.snapshot()
    whole = InstallSnapshot(leader.term, end + 9, leader.term, goal, 0, data, len(data), group.now_ns, 0)

    for message in (word, whole):
        if wanted:
            group.give(2, Received(1, message))
        else:
            with pytest.raises(UnexpectedMessage, match="in which nobody votes"):
                group.give(2, Received(1, message))
