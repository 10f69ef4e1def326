"""A node of an application: it serves from any loop and thread, ends in good order, and says what it cannot do."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from tenure import (
    BackendRefused,
    ConfigurationError,
    Election,
    LeadershipLost,
    Node,
    NodeFailed,
    NodeStopped,
    RequestRefused,
    TenureError,
)
from tenure.keeper import Keeper
from tenure.machines.base import Machine
from tenure.machines.kv import Found, Get, Put, decode_answer, encode
from tenure.runtime.client import MOST_SESSIONS
from tenure.storage.base import StorageInUse
from tenure.storage.wal import files
from tests.member.group import LIMIT_S, alone, led, make, three
from tests.runtime.group import on_a_loop


class Counter(Machine):
    """Adds up; some commands break it."""

    def __init__(self) -> None:
        self.total = 0

    def apply(self, index: int, command: bytes) -> bytes:
        del index
        if command == b"raise":
            raise ZeroDivisionError("as a machine must not")
        if command == b"exit":
            raise SystemExit("the thread with it")
        self.total += int(command)
        return b"%d" % self.total

    def query(self, query: bytes) -> bytes:
        return query + b"%d" % self.total

    def snapshot(self) -> bytes:
        return b"%d" % self.total

    def restore(self, snapshot: bytes) -> None:
        self.total = int(snapshot)


def threads() -> set[str]:
    """Threads of nodes and their logs."""
    return {one.name for one in threading.enumerate() if "tenure-node" in one.name or "wal" in one.name}


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  a count needs no paths


@on_a_loop
async def test_what_one_node_was_told_another_one_answers() -> None:
    """Commands are applied in one order, wherever they were proposed; reads see all that was answered before them."""
    async with three(Counter) as nodes:
        answers = [await node.propose(b"1") for node in nodes for _ in range(3)]
        assert answers == [b"%d" % total for total in range(1, 10)]
        assert [await node.read(b"=") for node in nodes] == [b"=9"] * 3


@on_a_loop
async def test_loops_and_threads_share_a_node() -> None:
    """Three threads run a loop each, and propose at once; all are served."""
    async with alone(machine=Counter()) as node:

        async def adds() -> None:
            await asyncio.gather(*(node.propose(b"1") for _ in range(50)))

        await asyncio.gather(adds(), *(asyncio.to_thread(asyncio.run, adds()) for _ in range(2)))
        assert await node.read(b"=") == b"=150"


@on_a_loop
async def test_many_commands_at_once_are_applied_once_each() -> None:
    """More than there are sessions; each answer stands where its command stood, and one that breaks fails them all."""
    async with alone(machine=Counter()) as node:
        assert await node.propose_all([]) == []
        count = 2 * MOST_SESSIONS + 100
        answers = await node.propose_all([b"1"] * count)
        assert sorted(map(int, answers)) == list(range(1, count + 1))
        with pytest.raises(NodeFailed, match="as a machine must not"):
            await node.propose_all([b"1", b"raise", b"1"])


@on_a_loop
async def test_what_the_group_refuses_it_refuses_at_once() -> None:
    """A command that is too long, alone and among others; the node serves on."""
    async with alone() as node:
        for call in (node.propose(bytes(10**6)), node.propose_all([encode(Get("k")), bytes(10**6)])):
            with pytest.raises(RequestRefused, match="send less"):
                await call
        assert isinstance(decode_answer(await node.propose(encode(Get("k")))), Found)


@on_a_loop
async def test_a_busy_application_costs_the_group_nothing() -> None:
    """The user's loop computes for longer than any time-out; the term stays, and whoever led may still act."""
    async with three(
        election_timeout="1s"
    ) as nodes:  # a busy machine stands still for more than the usual one by itself
        leader = await led(nodes)
        term, end_s = leader.term, time.monotonic() + 2.5
        while time.monotonic() < end_s:
            sum(range(1000))
        assert (leader.term, leader.is_leader) == (term, True)
        assert {node.leader for node in nodes} == {leader.name}


@on_a_loop
async def test_a_leader_that_is_left_hands_over_and_leaves_nothing() -> None:
    """Another one leads without a time-out; what was written is there; in the end no thread or descriptor is left."""
    Keeper.current()
    before = threads(), descriptors()
    async with three() as nodes:
        leader = await led(nodes)
        await leader.propose(encode(Put("k", b"v")))
        term, others = leader.term, [node for node in nodes if node is not leader]
        await leader.__aexit__(None, None, None)
        assert (await led(others)).term == term + 1
        found = decode_answer(await others[0].read(encode(Get("k"))))
        assert isinstance(found, Found)
        assert found.value == b"v"
        assert not leader.is_leader
        with pytest.raises(NodeStopped, match="was closed"):
            await leader.propose(encode(Put("k", b"w")))
    assert (threads(), descriptors()) == before


@on_a_loop
async def test_who_is_cancelled_as_it_leaves_leaves_nothing_either() -> None:
    """The cancellation comes out when all is at its end."""
    Keeper.current()
    before = threads(), descriptors()

    async def visit() -> None:
        async with alone():
            entered.set()

    entered = asyncio.Event()
    task = asyncio.create_task(visit())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (threads(), descriptors()) == before


@on_a_loop
async def test_a_node_that_cannot_start_leaves_nothing(folder: Path) -> None:
    """Its address is taken: it says so, and its directory is free again."""
    async with make(folder, "a", peers={}):
        before = threads()
        with pytest.raises(ConfigurationError, match="listens on"):
            await make(folder, "a", peers={}, data=folder / "other").__aenter__()
        with pytest.raises(StorageInUse):
            await make(folder, "a", peers={}, listen=f"unix:{folder}/elsewhere").__aenter__()
        assert threads() == before


@on_a_loop
async def test_a_node_is_used_while_it_is_entered(folder: Path) -> None:
    """Before that, and a second time, everything says what to do."""
    node = make(folder, "a", peers={})
    for use in (lambda: node.leader, lambda: Election("orders", at=node)):
        with pytest.raises(ConfigurationError, match="enter node 'a' first"):
            use()
    async with node:
        with pytest.raises(ConfigurationError, match="entered before"):
            await node.__aenter__()
    with pytest.raises(NodeStopped):
        await node.read(b"")


@on_a_loop
async def test_a_machine_that_breaks_its_word_ends_the_node() -> None:
    """Every call says why, those under way too, and whoever leads there is told to stop."""
    async with alone(machine=Counter()) as node:
        with pytest.raises(LeadershipLost):
            async with Election("orders", at=node).lead():
                with pytest.raises(NodeFailed, match="as a machine must not"):
                    await node.propose(b"raise")
                await asyncio.sleep(LIMIT_S)
        for call in (node.propose(b"1"), node.read(b"=")):
            with pytest.raises(NodeFailed, match="as a machine must not"):
                await call
        assert not node.is_leader


@on_a_loop
async def test_a_thread_that_dies_fails_every_call() -> None:
    """Those under way, and those that come later; leaving it still ends."""
    async with alone(machine=Counter()) as node:
        for command in (b"exit", b"1"):
            with pytest.raises(TenureError, match="has broken: SystemExit"):
                await node.propose(command)
        with pytest.raises(BackendRefused, match="has broken"):
            await Election("orders", at=node).leader()


@on_a_loop
async def test_a_disk_that_fails_ends_the_node() -> None:
    """What was proposed is in doubt, what comes later is refused, and whoever leads there is told to stop."""
    async with alone() as node:
        with pytest.raises(LeadershipLost):
            async with Election("orders", at=node).lead():
                with (
                    patch.object(files.Files, "_write", side_effect=OSError(5, "Input/output error")),
                    pytest.raises(NodeFailed, match="Input/output error"),
                ):
                    await node.propose(encode(Put("k", b"v")))
                await asyncio.sleep(LIMIT_S)
        with pytest.raises(NodeFailed, match="its disk failed"):
            await node.read(encode(Get("k")))


@on_a_loop
async def test_a_forked_child_has_no_node() -> None:
    """Every call says so at once; the child keeps neither directory nor address from the next one, and the parent
    serves on.
    """
    async with alone() as node:
        await node.propose(encode(Put("k", b"v")))
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:  # nothing of the test framework may run in here
            try:
                os.write(tell, " ".join(sorted(said_in_child(node))).encode())
            finally:
                os._exit(0)
        os.close(tell)
        with os.fdopen(told, "rb") as answer:
            assert await asyncio.to_thread(answer.read) == b"NodeForked NodeForked NodeForked NodeForked kept:0"
        await asyncio.to_thread(os.waitpid, child, 0)
        assert isinstance(decode_answer(await node.read(encode(Get("k")))), Found)


def said_in_child(node: Node) -> list[str]:
    """What each call raises, and how many sockets and files of the node are still open."""

    async def calls() -> list[str]:
        said = []
        for call in (node.propose(b""), node.read(b"")):
            try:
                await call
            except TenureError as error:
                said.append(type(error).__name__)
        return said

    said = asyncio.run(calls())
    for use in (lambda: node.leader, lambda: Election("orders", at=node)):
        try:
            use()
        except TenureError as error:
            said.append(type(error).__name__)
    links = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if is_open(number)]  # noqa: PTH115, PTH208  numbers, not paths
    return [*said, f"kept:{sum('tn-' in link for link in links)}"]


def is_open(number: str) -> bool:
    """The listing's own descriptor is closed by now."""
    try:
        os.fstat(int(number))
    except OSError:
        return False
    return True


@on_a_loop
async def test_without_a_log_nothing_is_replicated() -> None:
    """Bully under a majority's lease elects and is held, and says which algorithm would serve."""
    async with three(algorithm="bully", authority="majority") as nodes:
        async with asyncio.timeout(LIMIT_S), Election("orders", at=nodes[0]).lead() as tenure:
            assert tenure.token > 0
            for call in (nodes[0].propose(b""), nodes[0].read(b"")):
                with pytest.raises(RequestRefused, match='algorithm="raft"'):
                    await call


@on_a_loop
async def test_who_only_elects_is_no_authority() -> None:
    """It tells whom it takes for the leader; an election there is refused, with the line that mends it."""
    async with alone(algorithm="bully", data=None) as node:
        await led([node])
        with pytest.raises(ConfigurationError, match='authority="majority"'):
            Election("orders", at=node)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"algorithm": "rafft"}, "there is no algorithm"),
        ({"authority": "all"}, "'own' or 'majority'"),
        ({"algorithm": "bully", "authority": "majority", "machine": Counter()}, "replicates nothing to a machine"),
        ({"lease": "100ms"}, "does not fit raft: .*as long as the election time-out, 0.35 s"),
        ({"election_timeout": "10s", "lease": "5s"}, "does not fit raft: .*as long as the election time-out, 10 s"),
        ({"election_timeout": 0}, "election timeout of more than 0"),
        ({"algorithm": "bully", "authority": "majority", "election_timeout": 1}, "has no election time-out"),
        ({"algorithm": "bully", "lease": 5}, "has no lease"),
        ({"data": None}, "give a data directory"),
        ({"ca": "ca.pem"}, "all three: ca, cert and key"),
        ({"peers": {"a": "unix:/tmp/x"}}, "a name of its own"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(
    folder: Path, options: dict[str, object], complaint: str
) -> None:
    """Each with what to write instead."""
    with pytest.raises(ConfigurationError, match=complaint):
        make(folder, "a", **options)


@on_a_loop
async def test_an_election_cannot_choose_the_groups_lease() -> None:
    """It is refused, with where to give it; given there, it is what elections have."""
    async with alone(lease="10s") as node:
        with pytest.raises(ConfigurationError, match=r"Node\(..., lease=\)"):
            Election("orders", at=node, lease="5s")
        async with Election("orders", at=node).lead() as tenure:
            assert 5 < tenure.remaining() < 10
