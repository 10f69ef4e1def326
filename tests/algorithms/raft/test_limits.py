"""Every queue, window, message and snapshot has a limit, in number and in bytes, and whoever meets it is told."""

# ruff: noqa: SLF001  what there is of a snapshot is nobody else's business

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.log import ENTRY_BYTES, Log
from tenure.algorithms.raft.messages import (
    AppendEntries,
    Busy,
    Command,
    Execute,
    Executed,
    Installing,
    InstallSnapshot,
    Matched,
    Opened,
    OpenSession,
    Read,
    Refused,
)
from tenure.algorithms.raft.settings import PART_BYTES
from tenure.core.codec import Codec
from tenure.core.elector import UnexpectedMessage
from tenure.core.events import Message, Received
from tenure.machines import kv
from tests.algorithms.raft.group import Group

THREE = Settings(voters=(1, 2, 3))
GREATEST = 2**64 - 1


def opened(group: Group) -> int:
    """A session at node 1, which leads from now on."""
    group.elect(1)
    group.ask(1, OpenSession(1))
    answer = group.answers[1]
    assert isinstance(answer, Opened)
    return answer.client


def of_size(number: int, client: int, size: int) -> Execute:
    """A command of so many bytes, under the number of the request."""
    return Execute(number, client, number, b"x" * size)


def test_what_is_not_committed_is_bounded_in_bytes() -> None:
    """What has no room is answered with Busy, and so is what stands behind it in its session, however short it is: it
    would outrun it. There is room again when something is committed.
    """
    group = Group(3, replace(THREE, command_bytes=1000, uncommitted_bytes=2000))
    client = opened(group)
    group.isolate(1)

    group.ask(1, of_size(10, client, 900), of_size(11, client, 900), of_size(12, client, 900), of_size(13, client, 1))
    assert group.answers == {1: Opened(client), 12: Busy(), 13: Busy()}
    assert group.nodes[1].log.bytes_behind(group.nodes[1].commit) == 2 * (900 + ENTRY_BYTES)
    group.ask(1, of_size(14, client, 2000 - 2 * (900 + ENTRY_BYTES) - ENTRY_BYTES + 1))
    assert group.answers[14] == Busy(), "one byte too many"
    group.ask(1, *(OpenSession(number) for number in range(20, 30)))
    assert [number for number in range(20, 30) if group.answers.get(number) == Busy()] == list(range(24, 30))

    group.cut.clear()
    group.pass_ms(300)
    group.ask(1, of_size(40, client, 1000))
    assert {type(group.answers[number]) for number in (10, 11, 40)} == {Executed}


def test_the_longest_command_has_room_where_nothing_waits() -> None:
    """Else nobody could ever get it through; settings that would not let it are refused, as are parts of a message that
    it has no room for.
    """
    settings = replace(THREE, command_bytes=PART_BYTES, uncommitted_bytes=PART_BYTES + ENTRY_BYTES)
    group = Group(3, settings)
    client = opened(group)

    group.ask(1, of_size(10, client, PART_BYTES))
    group.ask(1, of_size(11, client, PART_BYTES + 1))

    assert isinstance(group.answers[10], Executed)
    assert isinstance(group.answers[11], Refused)
    with pytest.raises(ValueError, match="uncommitted_bytes is below"):
        Settings(command_bytes=1000, uncommitted_bytes=1000)
    for name in ("command_bytes", "batch_bytes", "piece_bytes"):
        with pytest.raises(ValueError, match=f"{name} is {PART_BYTES + 1}; a message has room for {PART_BYTES}"):
            replace(THREE, **{name: PART_BYTES + 1})


@pytest.mark.parametrize("size", [0, 100, PART_BYTES])
def test_whatever_is_sent_at_once_fits_into_a_message(size: int) -> None:
    """As many bytes as may be: of the longest command, and of as many short ones as there is room for."""
    log = Log(Configuration((1, 2, 3)))
    most = 1 + PART_BYTES // (ENTRY_BYTES + size)
    log.put(1, tuple(Command(GREATEST, GREATEST, GREATEST, b"x" * size) for _ in range(most)))
    entries, _ = log.batch(1, most, PART_BYTES)
    word = AppendEntries(GREATEST, GREATEST, GREATEST, GREATEST, GREATEST, GREATEST, entries)

    assert Codec[Message](Raft.messages).decode(Codec[Message](Raft.messages).encode(word)) == word


@pytest.mark.parametrize("node", [1, 2])
def test_a_query_that_is_too_long_is_refused(node: int) -> None:
    """At the leader and at a follower, since it may wait there."""
    group = Group(3, replace(THREE, command_bytes=100))
    group.elect(1)

    group.ask(node, Read(10, b"x" * 101), Read(11, kv.encode(kv.Get("k"))))
    group.pass_ms(100)

    assert isinstance(group.answers[10], Refused)
    assert not isinstance(group.answers[11], Refused)


def under_way(group: Group, to: int) -> list[AppendEntries]:
    """What left node 1 for another with entries in it."""
    return [
        one for by, peer, one in group.sent if (by, peer) == (1, to) and isinstance(one, AppendEntries) if one.entries
    ]


@pytest.mark.parametrize(
    ("limits", "most"),
    [({"window": 3}, 3), ({"window_bytes": 500}, 5), ({"window": 4, "window_bytes": 500}, 4)],
    ids=["messages", "bytes", "both"],
)
def test_what_is_under_way_to_a_follower_is_bounded(limits: dict[str, int], most: int) -> None:
    """In messages and in bytes, of which the last message may take more; an answer makes room for the next."""
    group = Group(3, replace(THREE, **limits))
    client = opened(group)
    group.pass_ms(200)
    group.cut = {(3, 1)}
    group.sent.clear()

    for number in range(10, 30):
        group.ask(1, of_size(number, client, 100 - ENTRY_BYTES))

    assert len(under_way(group, 3)) == most
    assert len(under_way(group, 2)) == 20, "who answers gets all"
    first = under_way(group, 3)[0]
    group.cut.clear()
    leader = group.nodes[1]
    group.cut = {(3, 1), (1, 3)}
    group.give(1, Received(3, Matched(leader.term, first.prev_index + 1, group.now_ns, 0)))
    assert len(under_way(group, 3)) == most + 1


def test_a_batch_is_bounded_in_entries_and_in_bytes() -> None:
    """Of one message, whatever is asked at once."""
    group = Group(3, replace(THREE, batch_entries=8, batch_bytes=1000))
    client = opened(group)
    group.pass_ms(200)
    group.sent.clear()

    group.ask(1, *(of_size(number, client, 0) for number in range(10, 30)))
    group.ask(1, *(of_size(number, client, 400) for number in range(30, 36)))

    assert [len(one.entries) for one in under_way(group, 2)] == [8, 8, 4, 2, 2, 2]


def grown(group: Group, client: int, entries: int) -> None:
    """So many more entries in the log of node 1."""
    begin = group.nodes[1].log.last_index
    for number in range(1000 + begin, 1000 + begin + entries):
        group.ask(1, Execute(number, client, number, kv.encode(kv.Put("k", b"%d" % number))))


@pytest.mark.parametrize(("missed", "pieces"), [(4, False), (30, True)])
def test_a_tail_of_the_log_is_kept_for_followers_that_are_a_little_behind(missed: int, *, pieces: bool) -> None:
    """They get entries; only who is further behind gets a snapshot."""
    group = Group(3, replace(THREE, snapshot_every=10, keep_tail=6))
    client = opened(group)
    grown(group, client, 9 + 10 - missed % 10)
    group.pass_ms(200)
    group.isolate(3)
    grown(group, client, missed)
    leader = group.nodes[1]
    assert leader.snapshot.index > group.nodes[3].log.last_index
    assert leader.snapshot.index - leader.log.base_index == 6

    group.cut.clear()
    group.pass_ms(300)

    assert group.nodes[3].commit == leader.commit
    assert bool(group.said(InstallSnapshot, 1)) == pieces


# Snapshots that come


def behind(limits: dict[str, Any]) -> Group:
    """Node 3 lacks what node 1 holds as a snapshot, and is cut off."""
    group = Group(3, replace(THREE, snapshot_every=20, keep_tail=2, piece_bytes=10, **limits))
    client = opened(group)
    group.isolate(3)
    grown(group, client, 50)
    return group


def piece(group: Group, offset: int, data: bytes, size: int) -> InstallSnapshot:
    """Of node 1's snapshot."""
    leader = group.nodes[1]
    kept = leader.snapshot
    return InstallSnapshot(
        leader.term, kept.index, kept.term, kept.configuration, offset, data, size, group.now_ns, leader.round
    )


def test_a_snapshot_that_is_too_long_is_refused_at_its_first_piece() -> None:
    """Who speaks of more than a node holds is no peer of it; the node keeps nothing of it, and says what would help."""
    group = behind({"snapshot_bytes": 100})
    whole = group.nodes[1].snapshot.data
    assert len(whole) <= 100

    group.give(3, Received(1, piece(group, 0, whole[:10], 100)))
    assert group.said(Installing, 3)[-1].offset == 10
    with pytest.raises(UnexpectedMessage, match="of 101 bytes, and 100 are allowed: raise snapshot_bytes"):
        group.give(3, Received(1, piece(group, 0, whole[:10], 101)))
    for offset, data in ((-1, whole[:1]), (95, whole[:6])):
        with pytest.raises(UnexpectedMessage, match="not within 100 bytes"):
            group.give(3, Received(1, piece(group, offset, data, 100)))
    assert group.said(Installing, 3)[-1].offset == 10


def test_pieces_are_joined_where_they_are() -> None:
    """Each costs what it is long, and not what came before it; and each is taken once."""
    group = behind({})
    whole = group.nodes[1].snapshot.data
    group.give(3, Received(1, piece(group, 0, whole[:10], len(whole))))
    first = group.nodes[3]._pieces
    assert first is not None

    for offset in (10, 10, 0, 20):
        group.give(3, Received(1, piece(group, offset, whole[offset : offset + 10], len(whole))))

    there = group.nodes[3]._pieces
    assert there is not None
    assert there.data is first.data
    assert there.data == whole[:30]


def test_a_snapshot_goes_on_where_it_was_also_by_another_leader() -> None:
    """What was lost is sent again, and nothing else."""
    group = behind({})
    whole = group.nodes[1].snapshot.data
    group.give(3, Received(1, piece(group, 0, whole[:10], len(whole))))
    group.give(3, Received(1, piece(group, 10, whole[10:20], len(whole))))
    group.cut.clear()
    group.isolate(1)
    assert group.nodes[2].snapshot == group.nodes[1].snapshot, "the same bytes at all nodes"
    group.sent.clear()

    group.elect(2)
    group.pass_ms(500)

    offsets = [one.offset for one in group.said(InstallSnapshot, 2)]
    assert offsets[:2] == [0, 20], "it says what it has when it is asked first"
    assert all(later - earlier == 10 for earlier, later in pairwise(offsets[1:]))
    assert group.nodes[3].commit == group.nodes[2].commit
    assert group.nodes[3].sessions.snapshot() == group.nodes[2].sessions.snapshot()
    assert group.nodes[3]._pieces is None


def test_a_piece_that_was_lost_is_sent_again_and_nothing_else() -> None:
    """With the next heartbeat, whose place it takes; one piece is under way at a time."""
    group = behind({})
    leader = group.nodes[1]
    group.pass_ms(100)
    assert {one.offset for one in group.said(InstallSnapshot, 1)} == {0}
    group.sent.clear()

    for offset in (10, 20):
        group.give(1, Received(3, Installing(leader.term, leader.snapshot.index, offset, group.now_ns, 0)))
    group.pass_ms(250)

    offsets = [one.offset for one in group.said(InstallSnapshot, 1)]
    assert offsets[:2] == [10, 20]
    assert set(offsets[2:]) == {20}


def test_nothing_is_kept_of_a_snapshot_that_the_log_has_outrun() -> None:
    """A leader that has the entries sends those."""
    group = behind({})
    whole = group.nodes[1].snapshot.data
    group.give(3, Received(1, piece(group, 0, whole[:10], len(whole))))
    log = group.nodes[1].log
    words = [one for by, to, one in group.sent if (by, to) == (1, 2) and isinstance(one, AppendEntries)]

    for word in words:
        group.give(3, Received(1, word))

    assert group.nodes[3].log.last_index == log.last_index
    assert group.nodes[3]._pieces is None
