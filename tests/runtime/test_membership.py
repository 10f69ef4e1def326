"""Nodes join a running cluster and leave it, by every algorithm that allows it; whoever comes back knows the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tenure.algorithms import bully, majority_lease
from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.paxos import Paxos
from tenure.algorithms.raft import Raft
from tenure.algorithms.ring import Ring
from tenure.core.elector import Elector
from tenure.detectors.heartbeat import Settings as DetectorSettings
from tenure.detectors.watched import Watched
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError, NodeFailed, NodeRemoved, RequestRefused
from tenure.machines.kv import Found, Get, Put, decode_answer, encode
from tenure.runtime.assembly import assemble, assemble_joining
from tenure.runtime.client import Client
from tenure.runtime.node import RuntimeNode
from tenure.runtime.operators import Operators
from tenure.runtime.owner import Owner
from tests.runtime.group import on_a_loop
from tests.runtime.test_driver import QUICK

MS = NS_PER_S // 1000
FOUNDERS = ("a", "b", "c")


class Ends(Owner):
    """Writes down why a node ended."""

    def __init__(self) -> None:
        self.error: NodeFailed | None = None

    def failed(self, error: NodeFailed) -> None:
        self.error = error


class Cluster:
    """Nodes by name, in one process; founders have number 1 to 3, and who joins draws one."""

    def __init__(self, folder: Path, kind: type[Elector], *settings: object) -> None:
        self.folder, self.kind, self.settings = folder, kind, settings
        self.nodes: dict[str, RuntimeNode] = {}
        self.ends: dict[str, Ends] = {}

    def address(self, name: str) -> str:
        return f"unix:{self.folder}/{name}.sock"

    async def start(self, *names: str) -> None:
        for name in names:
            self.ends[name] = Ends()
            peers = {other: self.address(other) for other in FOUNDERS if other != name}
            common: dict[str, Any] = {"directory": self.folder / name, "owner": self.ends[name]}
            if name in FOUNDERS:
                node = assemble(name, self.address(name), peers, self.kind, *self.settings, **common)
            else:
                contacts = [self.address(other) for other in self.nodes]
                node = await assemble_joining(
                    name, self.address(name), contacts, self.kind, *self.settings, within_s=5, **common
                )
            await node.start()
            self.nodes[name] = node

    async def stop(self, *names: str) -> None:
        for name in names:
            await self.nodes.pop(name).stop()

    @asynccontextmanager
    async def operators(self, *names: str) -> AsyncIterator[Operators]:
        found = Operators([self.address(name) for name in names or self.nodes])
        await found.open(within_s=10)
        try:
            yield found
        finally:
            await found.close()

    async def leader(self) -> RuntimeNode:
        """Who leads, as all that take part agree."""

        def agreed() -> set[int | None]:
            return {node.elector.leader for node in self.nodes.values() if node.takes_part}

        running = {node.me.number: node for node in self.nodes.values()}
        await self.until(lambda: len(agreed()) == 1 and agreed() <= set(running))
        return running[agreed().pop() or 0]

    async def until(self, condition: Callable[[], bool], within_s: float = 30) -> None:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110  the condition is the electors' own, and rings no bell
                await asyncio.sleep(0.005)

    def voters(self, name: str) -> set[int]:
        node = self.nodes[name]
        return set(node.elector.account(node.clock.now_ns()).voters)


@asynccontextmanager
async def founded(folder: Path, kind: type[Elector], *settings: object) -> AsyncIterator[Cluster]:
    """Three nodes that have a leader."""
    cluster = Cluster(folder, kind, *settings)
    try:
        await cluster.start(*FOUNDERS)
        await cluster.leader()
        yield cluster
    finally:
        await cluster.stop(*cluster.nodes)


DETECTOR = DetectorSettings(every_ns=20 * MS, timeout_ns=200 * MS)
WATCHED_BULLY = Watched.over(Bully, bully.Settings(delay_ns=100 * MS))
WATCHED_RING = Watched.over(Ring)
LEASED = Watched.over(
    MajorityLease.over(Bully, bully.Settings(delay_ns=100 * MS)),
    majority_lease.Settings(
        duration_ns=1500 * MS, renew_every_ns=200 * MS, patience_ns=3000 * MS, retry_ns=100 * MS, give_way_ns=300 * MS
    ),
)


@on_a_loop
async def test_a_raft_of_founders_is_replaced_node_by_node_and_keeps_what_it_knows(folder: Path) -> None:
    """d, e and f join; a, b and c are removed, told so and stop; all of d, e and f are started anew, and serve."""
    async with founded(folder, Raft, QUICK) as cluster:
        client = Client(await cluster.leader())
        await client.propose(encode(Put("k", b"v")))
        for name in "def":
            await cluster.start(name)
            assert not cluster.nodes[name].takes_part
            async with cluster.operators() as operators:
                await operators.add(name, cluster.address(name), within_s=30)
            assert cluster.nodes[name].me.number in cluster.voters(name)
        for name in FOUNDERS:
            async with cluster.operators(*"def") as operators:
                await operators.remove(name, within_s=30)
                await operators.remove(name, within_s=30)  # it is gone already
            await cluster.until(lambda n=name: cluster.ends[n].error is not None)  # type: ignore[misc]  # mypy cannot infer defaults
            assert isinstance(cluster.ends[name].error, NodeRemoved)
            await cluster.stop(name)
        await cluster.stop(*"def")
        with pytest.raises(ConfigurationError, match="was removed from the cluster"):
            await cluster.start("a")
        for name in "def":  # nobody is there to be asked: each knows the others from its directory
            await cluster.start(name)
        leader = await cluster.leader()
        assert decode_answer(await Client(leader).read(encode(Get("k")), within_s=10)) == Found(b"v", 3)
        numbers = {node.me.number for node in cluster.nodes.values()}
        assert all(cluster.voters(name) == numbers for name in "def")
        assert min(numbers) > 3


@on_a_loop
async def test_a_node_that_has_lost_its_disk_comes_back_under_its_name_as_a_new_number(folder: Path) -> None:
    """The old number is removed while it is down; when it comes back by itself it is told so, and ends."""
    async with founded(folder, Raft, QUICK) as cluster:
        leader = await cluster.leader()
        lost = next(name for name in FOUNDERS if name != leader.me.name)
        await cluster.stop(lost)
        with pytest.raises(ConfigurationError, match="is a member there already"):
            await assemble_joining(
                lost, cluster.address(lost), [cluster.address(leader.me.name)], Raft, QUICK, directory=folder / "new"
            )
        async with cluster.operators() as operators:
            await operators.remove(lost, within_s=30)
            await cluster.start(lost)
            await cluster.until(lambda: cluster.ends[lost].error is not None)
            assert isinstance(cluster.ends[lost].error, NodeRemoved)
            await cluster.stop(lost)
            node = await assemble_joining(
                lost, cluster.address(lost), [cluster.address(leader.me.name)], Raft, QUICK, directory=folder / "new"
            )
            await node.start()
            cluster.nodes[lost] = node
            await operators.add(lost, cluster.address(lost), within_s=30)
        assert len(cluster.voters(leader.me.name)) == 3
        assert node.me.number in cluster.voters(leader.me.name)


@on_a_loop
async def test_what_cannot_be_added_or_removed_is_refused_with_what_would_help(folder: Path) -> None:
    """Nobody there, another name, a member, a stranger, and the last one that votes."""
    async with founded(folder, Raft, QUICK) as cluster, cluster.operators() as operators:
        with pytest.raises(RequestRefused, match="start it first"):
            await operators.add("d", cluster.address("d"), within_s=5)
        with pytest.raises(ConfigurationError, match="is called 'a'"):
            await operators.add("d", cluster.address("a"), within_s=5)
        await operators.add("a", cluster.address("a"), within_s=5)  # which it is already
        with pytest.raises(RequestRefused, match="no member is called 'x'"):
            await operators.remove("x", within_s=5)
        with pytest.raises(ConfigurationError, match="elects by raft"):
            await assemble_joining(
                "d", cluster.address("d"), [cluster.address("a")], WATCHED_BULLY, directory=folder / "d"
            )
        with pytest.raises(ConfigurationError, match="is called 'tenure'"):
            await assemble_joining(
                "d", cluster.address("d"), [cluster.address("a")], Raft, directory=folder / "d", cluster="other"
            )


@on_a_loop
async def test_leadership_is_handed_over_when_an_operator_asks(folder: Path) -> None:
    """To whom is named, by whichever node is reached."""
    async with founded(folder, Raft, QUICK) as cluster:
        leader = await cluster.leader()
        follower = next(name for name in FOUNDERS if name != leader.me.name)
        async with cluster.operators(follower) as operators:
            status = await operators.transfer(follower, within_s=20)
            assert status.leader_name == follower
            seen = await operators.statuses()
            assert [one.name for _, one in seen if one is not None] == ["a", "b", "c"]
            with pytest.raises(RequestRefused, match="no member is called"):
                await operators.transfer("x", within_s=5)


@pytest.mark.parametrize("kind", [WATCHED_BULLY, WATCHED_RING, LEASED], ids=lambda kind: kind.name)
def test_a_node_joins_and_leaves_where_there_is_no_log(kind: type[Elector], folder: Path) -> None:
    """It has the greatest number, so bully lets it lead; the founders know it when they come back, and forget it."""

    @on_a_loop
    async def scene() -> None:
        async with founded(folder, kind, DETECTOR) as cluster:
            if kind is LEASED:
                await cluster.until(lambda: any(node.driver.held for node in cluster.nodes.values()))
            await cluster.start("d")
            async with cluster.operators() as operators:
                await operators.add("d", cluster.address("d"), within_s=30)
            number = cluster.nodes["d"].me.number
            leader = await cluster.leader()
            assert number in cluster.voters("a")
            assert kind is WATCHED_RING or leader.me.name == "d"
            await cluster.stop("a")
            await cluster.start("a")
            await cluster.until(lambda: number in cluster.nodes["a"].peers and number in cluster.voters("a"))
            await cluster.leader()
            if kind is LEASED:
                await cluster.until(lambda: any(node.driver.held for node in cluster.nodes.values()))
            async with cluster.operators(*FOUNDERS) as operators:
                await operators.remove("d", within_s=30)
            await cluster.until(lambda: isinstance(cluster.ends["d"].error, NodeRemoved))
            await cluster.stop("d")
            leader = await cluster.leader()
            assert leader.me.name in FOUNDERS
            assert all(number not in cluster.voters(name) for name in FOUNDERS)

    scene()


@on_a_loop
async def test_paxos_takes_nobody_at_run_time_and_says_so(folder: Path) -> None:
    """Its acceptors are counted by all nodes alike."""
    async with founded(folder, Watched.over(Paxos), DETECTOR) as cluster:
        await cluster.start("d")
        async with cluster.operators() as operators:
            with pytest.raises(RequestRefused, match="takes no others at run time"):
                await operators.add("d", cluster.address("d"), within_s=5)
            with pytest.raises(RequestRefused, match="takes no others at run time"):
                await operators.remove("a", within_s=5)
