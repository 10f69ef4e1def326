"""Sessions, reads, snapshots, learners and limits: what Ongaro's dissertation adds to the paper."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tenure.algorithms.raft import Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import (
    Appended,
    Busy,
    Changed,
    ChangeVoters,
    Command,
    Configured,
    Execute,
    Executed,
    HardState,
    InstallSnapshot,
    Matched,
    NoOp,
    NoSession,
    NotLeader,
    Opened,
    Opening,
    OpenSession,
    Outrun,
    Queried,
    Read,
    ReadableFrom,
    ReadIndex,
    Refused,
    Snapshot,
    Unknown,
    Vote,
)
from tenure.core.events import Joined, Left, Received, Request, Woke
from tenure.durations import NEVER_NS
from tenure.machines import kv
from tests.algorithms.raft.group import Group

GET = kv.encode(kv.Get("k"))


def settings(**changed: Any) -> Settings:
    """Of three voters, with small limits."""
    return Settings(**{"voters": (1, 2, 3), **changed})


def opened(group: Group, leader: int = 1, number: int = 1) -> int:
    """A new session's number."""
    group.ask(leader, OpenSession(number))
    answer = group.answers[number]
    assert isinstance(answer, Opened)
    return answer.client


def put(group: Group, client: int, sequence: int, value: bytes, number: int) -> Any:
    """Write, and what node 1 answers, if it does at once."""
    group.ask(1, Execute(number, client, sequence, kv.encode(kv.Put("k", value))))
    return group.answers.get(number)


def value(answer: object) -> bytes | None:
    """What a read found."""
    assert isinstance(answer, Queried)
    found = kv.decode_answer(answer.answer)
    assert isinstance(found, kv.Found)
    return found.value


def test_a_command_is_applied_by_all_and_answered_once() -> None:
    """Its answer says where it stands."""
    group = Group(3)
    group.elect(1)
    client = opened(group)

    answer = put(group, client, 1, b"x", 10)
    group.pass_ms(200)

    assert isinstance(answer, Executed)
    machines = [node.sessions.machine for node in group.nodes.values()]
    assert all(
        isinstance(machine, kv.KeyValue) and machine.cells == {"k": (b"x", answer.index)} for machine in machines
    )


def test_a_session_that_nobody_opened_is_refused_and_an_outrun_command_is_not_applied() -> None:
    """It says: "The server ... rejects" what belongs to no session; who went on to a later number gets no earlier one
    applied.
    """
    group = Group(3)
    group.elect(1)
    client = opened(group)

    assert put(group, 99, 1, b"x", 10) == NoSession()
    put(group, client, 5, b"five", 11)
    assert put(group, client, 4, b"four", 12) == Outrun()
    group.ask(1, Read(13, GET))
    assert value(group.answers[13]) == b"five"


def test_the_least_recently_used_session_makes_room() -> None:
    """It is "least recently used" by order of the log, so that all nodes forget the same one."""
    group = Group(3, settings(sessions=2))
    group.elect(1)
    first, second = opened(group, number=1), opened(group, number=2)
    put(group, first, 1, b"x", 10)

    opened(group, number=3)

    assert put(group, second, 1, b"y", 11) == NoSession()
    assert isinstance(put(group, first, 2, b"z", 12), Executed)


def test_who_does_not_lead_says_whom_to_ask() -> None:
    """Commands go to the leader; nothing was done."""
    group = Group(3)
    group.elect(1)
    group.ask(2, OpenSession(1))

    assert group.answers[1] == NotLeader(1)


def test_what_is_too_much_is_answered_with_busy_and_what_is_too_long_refused() -> None:
    """Every queue has a limit."""
    group = Group(3, settings(uncommitted=2, command_bytes=100, reads=1))
    group.elect(1)
    client = opened(group)
    group.isolate(1)
    for number in (10, 11, 12):
        put(group, client, number, b"x", number)
    assert 10 not in group.answers
    assert group.answers[12] == Busy()
    assert isinstance(put(group, client, 20, b"x" * 200, 20), Busy)

    group.cut.clear()
    group.pass_ms(300)
    assert isinstance(put(group, client, 20, b"x" * 200, 21), Refused)
    assert isinstance(put(group, client, 0, b"x", 22), Refused)


def test_reads_are_batched_and_bounded() -> None:
    """More than wait already are turned away."""
    group = Group(3, settings(reads=2, lease_reads=False))
    group.elect(1)
    group.isolate(1)

    group.ask(1, Read(1, GET), Read(2, GET), Read(3, GET))

    assert group.answers == {3: Busy()}


@pytest.mark.parametrize("lease_reads", [True, False])
def test_a_read_sees_what_was_answered_before(*, lease_reads: bool) -> None:
    """At the leader and at a follower, by lease or by a round of heartbeats."""
    group = Group(3, settings(lease_reads=lease_reads))
    group.elect(1)
    client = opened(group)
    for number in range(1, 5):
        put(group, client, number, str(number).encode(), 10 + number)
        group.ask(1, Read(20 + number, GET))
        group.ask(2, Read(30 + number, GET))
        group.pass_ms(1)
        assert value(group.answers[20 + number]) == value(group.answers[30 + number]) == str(number).encode()


def test_a_leader_that_is_cut_off_answers_no_read() -> None:
    """Its lease runs out, and no round is confirmed; the read is not done, and said so when it steps down."""
    group = Group(3)
    group.elect(1)
    group.isolate(1)
    group.pass_ms(700)

    group.ask(1, Read(1, GET))
    assert group.answers == {}
    group.pass_ms(1_000)

    assert group.answers == {1: NotLeader(None)}


def test_C21_no_read_before_an_entry_of_the_term_is_committed() -> None:
    """It says: "The leader ... must have the latest information on which entries are committed". The last leader told a
    client that its command was done; the next one has it in its log, and a lease, and does not know yet.
    """
    log = (NoOp(1), Opening(1), Command(1, 2, 1, kv.encode(kv.Put("k", b"done"))))
    kept = (HardState(1, None), Snapshot(0, 0, Configuration((1, 2, 3)), b""), Appended(0, 0, 1, log))
    group = Group(3, settings(pre_vote=False), kept=dict.fromkeys((1, 2, 3), kept))
    group.isolate(1)
    group.nodes[1]._election_ns = 0  # noqa: SLF001  its patience ends now
    group.give(1, Woke())
    group.give(1, Received(2, Vote(2, True)))
    group.give(1, Received(2, Matched(2, 0, group.now_ns, 0)))
    assert group.nodes[1].may_read(group.now_ns)

    group.ask(1, Read(1, GET))
    assert group.answers == {}
    group.cut.clear()
    group.pass_ms(200)

    assert value(group.answers[1]) == b"done"


def test_an_answer_to_an_earlier_life_confirms_no_read() -> None:
    """Numbers of questions to a leader are never used again."""
    group = Group(3)
    group.elect(1)
    group.cut.add((2, 1))
    group.ask(2, Read(1, GET))
    asked = group.said(ReadIndex, 2)[-1]
    group.crash(2)
    group.start(2)
    group.cut.clear()
    group.pass_ms(200)
    group.cut.add((2, 1))
    group.ask(2, Read(2, GET))

    group.give(2, Received(1, ReadableFrom(asked.term, asked.number, 0)))

    assert 2 not in group.answers


def test_a_follower_that_is_far_behind_gets_a_snapshot_in_pieces() -> None:
    """Sessions and configuration with it; entries go on behind it."""
    group = Group(3, settings(snapshot_every=20, keep_tail=2, piece_bytes=10))
    group.elect(1)
    client = opened(group)
    group.isolate(3)
    for number in range(1, 50):
        put(group, client, number, str(number).encode(), 100 + number)
    assert group.nodes[1].log.base_index > 20

    group.cut.clear()
    group.pass_ms(500)

    behind = group.nodes[3]
    assert len({piece.offset for piece in group.said(InstallSnapshot, 1)}) > 2
    assert behind.commit == group.nodes[1].commit
    assert behind.sessions.snapshot() == group.nodes[1].sessions.snapshot()
    group.crash(3)
    group.start(3)
    assert group.nodes[3].commit == behind.snapshot.index
    group.pass_ms(300)
    assert group.nodes[3].sessions.snapshot() == group.nodes[1].sessions.snapshot()


def test_a_snapshot_that_the_log_has_outrun_is_followed_by_a_newer_one() -> None:
    """While it was under way the entries behind it went into a newer snapshot."""
    group = Group(3, settings(snapshot_every=20, keep_tail=2, piece_bytes=10))
    leader = group.elect(1)
    client = opened(group)
    group.isolate(3)
    for number in range(1, 50):
        put(group, client, number, b"x", 100 + number)
    group.cut = {(3, 1)}
    group.pass_ms(150)
    for number in range(50, 100):
        put(group, client, number, b"y", 100 + number)
    under_way = leader.peers[3].snapshot
    assert under_way is not None
    assert group.nodes[3].commit < under_way.index < leader.log.base_index

    group.cut.clear()
    group.pass_ms(500)

    assert group.nodes[3].commit == leader.commit
    assert group.nodes[3].sessions.snapshot() == leader.sessions.snapshot()


def test_new_voters_have_a_time_out_in_which_to_be_heard() -> None:
    """One of them was silent for longer; the leader does not step down for that in the moment in which it counts."""
    group = Group(3)
    leader = group.elect(1)
    group.cut = {(3, 1)}
    group.pass_ms(1_500)

    group.ask(1, ChangeVoters(7, (1, 3)))
    assert leader.wake_ns > group.now_ns
    group.pass_ms(500)
    group.cut.clear()
    group.pass_ms(500)

    assert isinstance(group.answers[7], Changed)
    assert leader.term == 1


def test_C11_a_snapshot_that_says_less_than_is_known_is_ignored() -> None:
    """It is answered with what is known."""
    group = Group(3)
    leader = group.elect(1)
    client = opened(group)
    for number in range(1, 5):
        put(group, client, number, b"x", 100 + number)
    group.pass_ms(200)
    before = group.nodes[2].commit

    old = leader.sessions.snapshot()
    piece = InstallSnapshot(leader.term, 2, leader.term, leader.configuration, 0, old, len(old), group.now_ns, 0)
    group.give(2, Received(1, piece))

    assert group.nodes[2].commit == before
    assert group.nodes[2].sessions.snapshot() == leader.sessions.snapshot()


def test_a_newcomer_learns_before_it_votes() -> None:
    """And a change whose newcomers do not catch up is given up with an answer."""
    group = Group(4, settings(catch_up_ns=1_000_000_000))
    leader = group.elect(1)
    for node in (1, 2, 3):
        group.give(node, Joined(4))
    group.crash(4)
    group.ask(1, ChangeVoters(1, (1, 2, 3, 4)))
    assert (leader.configuration.voters, leader.configuration.learners) == ((1, 2, 3), (4,))

    group.pass_ms(1_500)
    assert isinstance(group.answers[1], Refused)
    assert leader.configuration.learners == ()

    group.start(4)
    group.ask(1, ChangeVoters(2, (1, 2, 3, 4)))
    group.pass_ms(1_000)
    assert isinstance(group.answers[2], Changed)
    assert {node.configuration.voters for node in group.nodes.values()} == {(1, 2, 3, 4)}


def test_what_is_asked_together_with_a_change_of_voters_stands_before_it() -> None:
    """Each has an entry of its own: a leader "never overwrites or deletes entries in its log" (figure 3)."""
    group = Group(4, settings())
    group.elect(1)
    for node in (1, 2, 3):
        group.give(node, Joined(4))

    group.ask(1, OpenSession(1), ChangeVoters(2, (1, 2, 3, 4)), OpenSession(3))
    group.pass_ms(1_000)

    assert (group.answers[1], group.answers[3]) == (Opened(2), Opened(3))
    assert isinstance(group.answers[2], Changed)
    logs = {node.log.slice(1, node.log.last_index) for node in group.nodes.values()}
    assert [[type(entry) for entry in log] for log in logs] == [
        [NoOp, Opening, Opening, Configured, Configured, Configured]
    ]


@given(st.lists(st.lists(st.sampled_from(["open", "write", "read", "change"]), max_size=6), max_size=6))
@hypothesis_settings(max_examples=60, deadline=None, database=None)
def test_whatever_is_asked_together_is_answered_once_and_stands_in_one_log(batches: list[list[str]]) -> None:
    """Changes of voters among it, whose newcomers get an entry of their own."""
    group = Group(5, settings())
    leader = group.elect(1)
    for node in group.nodes:
        group.give(node, Joined(4))
        group.give(node, Joined(5))
    numbers, voters = itertools.count(1), itertools.cycle([(1, 2, 3, 4), (1, 4, 5), (1, 2, 3)])
    client = opened(group, number=next(numbers))
    for kinds in batches:
        made: dict[str, Callable[[int], Request]] = {
            "open": OpenSession,
            "write": lambda number: Execute(number, client, number, kv.encode(kv.Put("k", b"x"))),
            "read": lambda number: Read(number, GET),
            "change": lambda number: ChangeVoters(number, next(voters)),
        }
        group.ask(1, *(made[kind](next(numbers)) for kind in kinds))
        group.pass_ms(50)
    group.pass_ms(1_000)

    assert set(group.answers) == set(range(1, next(numbers)))
    assert not {type(answer) for answer in group.answers.values()} & {NotLeader, Unknown}
    log = leader.log.slice(1, leader.commit)
    assert {node.log.slice(1, node.log.last_index) for node in group.nodes.values()} == {log}


def test_who_leaves_answers_the_reads_that_wait() -> None:
    """Also one whose index is known: it will not be applied here; and nothing is left to wake up for."""
    group = Group(3)
    group.elect(1)
    follower = group.nodes[2]
    group.cut |= {(2, 1), (1, 2)}
    group.ask(2, Read(1, GET))
    (asked,) = group.said(ReadIndex, 2)
    group.give(2, Received(1, ReadableFrom(asked.term, asked.number, follower.commit + 1)))
    assert group.answers == {}

    group.give(2, Left(2))

    assert group.answers == {1: NotLeader(1)}
    assert follower.wake_ns == NEVER_NS
