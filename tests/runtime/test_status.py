"""A node's view of itself: true to what its elector, its disk and its peers are at that instant."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import msgspec
import pytest

from tenure._version import __version__
from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.raft.messages import Execute, Opened, OpenSession
from tenure.clock import ManualClock
from tenure.core.elector import Elector
from tenure.core.events import Record
from tenure.detectors.watched import Watched
from tenure.machines.kv import Put, encode
from tenure.runtime.status import Authority, Status, authority, status
from tests.runtime.group import on_a_loop
from tests.runtime.test_node import Cluster, answer_of


def kinds(seen: Status) -> dict[str, str]:
    """Who has a vote."""
    return {member.name: member.role for member in seen.members}


@on_a_loop
async def test_of_a_group_with_a_log_all_is_told(folder: Path) -> None:
    """Who they are, who is reached, and how far each has the log; the leader also how far the others have it."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        await answer_of(leader, leader.me.number, OpenSession)
        await cluster.until(lambda: leader.driver.held is not None)
        await cluster.until(lambda: all(one.replication is not None for one in status(leader).members if not one.is_me))
        await cluster.until(
            lambda: all(one.replication.match == 2 for one in status(leader).members if one.replication is not None)
        )
        await cluster.until(
            lambda: all((log := status(node).log) is not None and log.applied == 2 for node in cluster.nodes.values())
        )
        seen = status(leader)
        assert (seen.name, seen.number, seen.life) == (leader.me.name, leader.me.number, 1)
        assert (seen.version, seen.algorithm, seen.state, seen.role) == (__version__, "raft", "running", "leading")
        assert (seen.leader, seen.leader_name, seen.term) == (leader.me.number, leader.me.name, leader.elector.term)
        assert (seen.incarnation, seen.cluster_id) == (f"{leader.me.incarnation:016x}", leader.me.cluster.hex())
        assert seen.authority is not None
        assert seen.authority.token == 1
        assert 0 < seen.authority.left_s < 0.3
        assert 0 <= seen.unchanged_s <= seen.age_s < 60
        assert kinds(seen) == dict.fromkeys("abc", "voter")
        assert seen.log is not None
        assert (seen.log.last, seen.log.durable, seen.log.committed, seen.log.snapshot) == (2, 2, 2, 0)
        assert seen.log.is_caught_up
        assert (seen.disk.is_full, seen.disk.failure) == (False, None)
        assert [one.is_me for one in seen.members].count(True) == 1
        for member in seen.members:
            node = cluster.nodes[member.name]
            assert member.number == node.me.number
            if not member.is_me:
                assert member.is_reached and member.is_heard and member.is_vouched  # noqa: PT018  one claim
                assert member.incarnation == f"{node.me.incarnation:016x}"
                assert member.heard_s is not None
                assert 0 <= member.heard_s < 60
                assert member.address == cluster.address(member.name)
                assert member.replication is not None
                assert (member.replication.next, member.replication.pace) == (3, "streaming")
        follower = next(node for node in cluster.nodes.values() if node is not leader)
        theirs = status(follower)
        assert (theirs.leader_name, theirs.authority, theirs.role) == (leader.me.name, None, "following")
        assert theirs.log is not None
        assert theirs.log.is_caught_up
        assert {member.replication for member in theirs.members} == {None}
        assert msgspec.json.decode(msgspec.json.encode(seen), type=Status) == seen


@on_a_loop
async def test_who_is_gone_is_neither_reached_nor_heard_and_who_stopped_says_so(folder: Path) -> None:
    """Its last words stay: who it was, that it acts for nobody."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        await cluster.stop(leader.me.name)
        assert (status(leader).state, status(leader).authority) == ("stopped", None)
        other = next(iter(cluster.nodes.values()))
        place = leader.me.number - 1
        await cluster.until(lambda: not status(other).members[place].is_reached)
        gone = status(other).members[place]
        assert (gone.is_heard, gone.incarnation, gone.name) == (False, None, leader.me.name)


@on_a_loop
async def test_authority_ends_by_the_clock_though_nobody_has_said_so(folder: Path) -> None:
    """One nanosecond before the deadline it is there, and at it no more: a node that was paused finds that first."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        await cluster.until(lambda: leader.driver.held is not None)
        assert leader.driver.held is not None
        token, deadline_ns = leader.driver.held
        leader.clock = ManualClock(deadline_ns - 1)
        assert status(leader).authority == authority(leader) == Authority(token=token, left_s=1e-9)
        leader.clock = ManualClock(deadline_ns)
        assert status(leader).authority is authority(leader) is None


@pytest.mark.parametrize("kind", [Watched.over(Bully), Watched.over(MajorityLease.over(Bully))])
@on_a_loop
async def test_a_detector_tells_whom_it_suspects(kind: type[Elector], folder: Path) -> None:
    """Of each peer: whether, since when it is silent, and until when it may be; there are no positions."""
    async with Cluster(folder, kind) as cluster:
        node = cluster.nodes["a"]
        await cluster.until(lambda: node.elector.leader is not None)
        seen = status(node)
        assert (seen.detector, seen.log, kinds(seen)) == ("heartbeat", None, dict.fromkeys("abc", "voter"))
        for member in seen.members[1:]:
            assert member.suspicion is not None
            assert not member.suspicion.is_suspected
            assert member.suspicion.suspect_in_s > 0
        await cluster.stop("b")
        await cluster.until(lambda: (one := status(node).members[1].suspicion) is not None and one.is_suspected)
        assert (other := status(node).members[2].suspicion) is not None
        assert not other.is_suspected


@on_a_loop
async def test_what_waits_is_counted(folder: Path) -> None:
    """A command that no majority has made durable waits for its answer, and who handed it on waits as well."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        asker, third = (node for node in cluster.nodes.values() if node is not leader)
        opened = await answer_of(asker, leader.me.number, OpenSession)
        assert isinstance(opened, Opened)
        await cluster.stop(third.me.name)
        assert leader.storage is not None
        stalled: list[tuple[int, Record]] = []
        with mock.patch.object(leader.storage, "write", side_effect=lambda *record: stalled.append(record)):
            waiting = asker.ask(leader.me.number, Execute, opened.client, 1, encode(Put("k", b"v")))
            await cluster.until(lambda: status(leader).queues.answering == 1)
            assert (status(leader).queues.requests, status(leader).queues.handed_on) == (1, 0)
            assert (status(asker).queues.requests, status(asker).queues.handed_on) == (0, 1)
            waiting.cancel()
        for number, record in stalled:
            leader.storage.write(number, record)


@on_a_loop
async def test_before_it_has_started_a_node_tells_who_it_is(folder: Path) -> None:
    """And whom it was given as peers; it is nobody's leader."""
    node = Cluster(folder).new("a")
    seen = status(node)
    assert (seen.name, seen.number, seen.state, seen.role) == ("a", 1, "starting", "new")
    assert (seen.algorithm, seen.leader, seen.authority, seen.log) == (None, None, None, None)
    assert [(one.name, one.role, one.is_reached) for one in seen.members] == [
        ("a", "none", False),
        ("b", "none", False),
        ("c", "none", False),
    ]
    await node.start()
    assert status(node).state == "running"
    await node.stop()
