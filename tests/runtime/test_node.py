"""Whole nodes in one process: real sockets, real logs; they elect, serve, hand requests on, stop and come back."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest

from tenure import trace
from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import Execute, Executed, NotLeader, Opened, OpenSession, Queried, Read
from tenure.core.elector import Elector, WishRefused
from tenure.core.events import Answer, NodeId, Request
from tenure.detectors.watched import Watched
from tenure.errors import ConfigurationError
from tenure.machines.kv import Found, Get, Put, decode_answer, encode
from tenure.runtime.node import Peer, RuntimeNode
from tenure.runtime.way import AnswerLost, NotAsked
from tenure.simulator.replay import judge
from tenure.storage.base import StorageError, StorageInUse
from tenure.transports.base import Identity, Receiver, Transport, identify
from tenure.transports.unix import UnixTransport
from tests.runtime.group import on_a_loop
from tests.runtime.test_driver import QUICK, joined

NAMES = ("a", "b", "c")


class Cluster:
    """Nodes a, b and c; each keeps its directory from life to life."""

    def __init__(self, folder: Path, kind: type[Elector] = Raft, traces: Path | None = None) -> None:
        self.folder, self.kind, self.traces = folder, kind, traces
        self.nodes: dict[str, RuntimeNode] = {}

    def address(self, name: str) -> str:
        return f"unix:{self.folder}/{name}.sock"

    def make(self, me: NodeId, members: Sequence[NodeId], chance: Random) -> Elector:
        make: Any = self.kind
        made: Elector = make(me, members, chance, *((QUICK,) if issubclass(self.kind, Raft) else ()))
        return made

    def carry(self, me: Identity, receiver: Receiver) -> Transport:
        return UnixTransport(me, self.address(me.name), receiver)

    def new(self, name: str) -> RuntimeNode:
        """A node that is not started."""
        others = [other for other in NAMES if other != name]
        return RuntimeNode(
            identify("test", NAMES, name),
            self.make,
            peers={NAMES.index(other) + 1: Peer(other, self.address(other)) for other in others},
            carry=self.carry,
            directory=self.folder / name if self.kind.records else None,
            traces=self.traces,
        )

    async def start(self, name: str) -> RuntimeNode:
        node = self.new(name)
        await node.start()
        self.nodes[name] = node
        return node

    async def leader(self) -> RuntimeNode:
        """Who leads, as all that run agree."""
        await self.until(lambda: self._agreed() is not None)
        return self.nodes[NAMES[(self._agreed() or 0) - 1]]

    def _agreed(self) -> NodeId | None:
        seen = {node.elector.leader for node in self.nodes.values()}
        running = {node.me.number for node in self.nodes.values()}
        return seen.pop() if len(seen) == 1 and seen <= running else None

    async def until(self, condition: Callable[[], bool], within_s: float = 30) -> None:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110  the condition is the electors' own, and rings no bell
                await asyncio.sleep(0.005)

    async def stop(self, name: str) -> None:
        await self.nodes.pop(name).stop()

    async def __aenter__(self) -> Self:
        for name in NAMES:
            await self.start(name)
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in tuple(self.nodes):
            await self.stop(name)


async def answer_of(node: RuntimeNode, to: NodeId, kind: type[Request], *fields: object) -> Answer:
    """Ask until the answer is no "ask somebody else"."""
    async with asyncio.timeout(20):
        while True:
            try:
                answer = await node.ask(to, kind, *fields)
            except (NotAsked, AnswerLost):
                await asyncio.sleep(0.01)
                continue
            if not isinstance(answer, NotLeader):
                return answer
            to = answer.leader or to
            await asyncio.sleep(0.01)


@on_a_loop
async def test_what_was_written_is_there_after_every_node_was_stopped(folder: Path) -> None:
    """Asked at a follower, which hands on; all stop; all come back and know it, and their sessions."""
    async with Cluster(folder) as cluster:
        leader = (await cluster.leader()).me.number
        follower = next(node for node in cluster.nodes.values() if node.me.number != leader)
        opened = await answer_of(follower, leader, OpenSession)
        assert isinstance(opened, Opened)
        executed = await answer_of(follower, leader, Execute, opened.client, 1, encode(Put("k", b"v")))
        assert isinstance(executed, Executed)
    async with Cluster(folder) as cluster:
        assert {node.life for node in cluster.nodes.values()} == {2}
        node = await cluster.leader()
        queried = await answer_of(node, node.me.number, Read, encode(Get("k")))
        assert isinstance(queried, Queried)
        assert decode_answer(queried.answer) == Found(b"v", executed.index)
        again = await answer_of(node, node.me.number, Execute, opened.client, 1, encode(Put("k", b"w")))
        assert again == executed


@on_a_loop
async def test_another_leads_when_the_leader_is_stopped_and_the_stopped_one_comes_back(folder: Path) -> None:
    """Whoever asked the one that stopped is told that the answer is lost."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        name = leader.me.name
        await cluster.stop(name)
        other = await cluster.leader()
        assert other.me.name != name
        back = await cluster.start(name)
        await cluster.until(lambda: back.elector.leader is not None)
        assert isinstance(await answer_of(back, back.me.number, OpenSession), Opened)


@on_a_loop
async def test_who_asks_a_node_that_is_gone_is_told_that_nothing_was_asked(folder: Path) -> None:
    """Neither can it have come about."""
    async with Cluster(folder) as cluster:
        await cluster.leader()
        await cluster.stop("c")
        node = cluster.nodes["a"]
        await cluster.until(lambda: not node.transport.reaches()[1].is_reached)
        with pytest.raises(NotAsked, match="no connection to node 3 and back"):
            await node.ask(3, OpenSession)


@on_a_loop
async def test_electors_that_only_elect_need_no_directory(folder: Path) -> None:
    """Bully with heartbeats: the greatest leads; when it is stopped the next one does; what it cannot do it refuses."""
    async with Cluster(folder, Watched.over(Bully)) as cluster:
        await cluster.until(lambda: {node.elector.leader for node in cluster.nodes.values()} == {3})
        with pytest.raises(WishRefused, match="serves no clients"):
            await cluster.nodes["a"].ask(1, OpenSession)
        await cluster.stop("c")
        await cluster.until(lambda: {node.elector.leader for node in cluster.nodes.values()} == {2})


@on_a_loop
async def test_bully_under_a_majority_lease_leads_with_a_token_that_grows(folder: Path) -> None:
    """The lease is kept in its log: the next life gives a greater token."""
    kind = Watched.over(MajorityLease.over(Bully))
    tokens = []
    for _ in range(2):
        async with Cluster(folder, kind) as cluster:
            await cluster.until(lambda: any(node.driver.held for node in cluster.nodes.values()))
            tokens += [node.driver.held[0] for node in cluster.nodes.values() if node.driver.held]
    assert len(tokens) == 2
    assert tokens[0] < tokens[1]


@on_a_loop
async def test_a_directory_is_of_one_node_and_one_process(folder: Path) -> None:
    """Another node, or the same one a second time, is refused and leaves nothing behind."""
    async with Cluster(folder) as cluster:
        with pytest.raises(StorageInUse):
            await Cluster(folder).start("a")
        await cluster.stop("b")
        (folder / "b").rename(folder / "spare")
        await cluster.stop("a")
        (folder / "spare").rename(folder / "a2")
        (folder / "a").rename(folder / "b")
        with pytest.raises(ConfigurationError, match="belongs to a node whose name is a"):
            await cluster.start("b")


@on_a_loop
async def test_a_life_that_could_not_be_written_down_has_not_begun(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk it says so, and leaves the directory to the next attempt."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cluster = Cluster(folder)
    async with cluster:
        ...
    before = (folder / "a" / "node.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("tenure.runtime.place.os.fsync", full)
        with pytest.raises(StorageError, match=r"node\.json cannot be written \(No space left on device\)"):
            await cluster.start("a")
    assert (folder / "a" / "node.json").read_bytes() == before
    node = await cluster.start("a")
    assert node.life == 2
    await cluster.stop("a")


@on_a_loop
async def test_traces_of_real_nodes_are_judged_like_those_of_the_simulator(folder: Path) -> None:
    """Nothing is violated, and every message that arrived was sent."""
    traces = folder / "traces"
    traces.mkdir()
    async with Cluster(folder, traces=traces) as cluster:
        first = await cluster.leader()
        await cluster.until(lambda: first.driver.held is not None)
        await cluster.stop(first.me.name)
        await cluster.leader()
        await cluster.start(first.me.name)
        await cluster.leader()
    whole = joined(traces)
    assert judge(whole, ("one-per-term", "one-at-a-time", "tokens-grow")) == []
    sent = {record.id for record in whole.records if isinstance(record, trace.Sent)}
    arrived = {record.id for record in whole.records if isinstance(record, trace.Arrived)}
    assert arrived
    assert arrived <= sent
