"""A client's commands are applied once each, whoever leads, and what it cannot know it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tenure.core.events import Answer, Request
from tenure.errors import NotServed, OutcomeUnknown, RequestRefused
from tenure.machines.kv import CompareAndSet, Found, Get, Put, Stored, decode_answer, encode
from tenure.runtime.client import Client
from tenure.runtime.node import RuntimeNode
from tenure.runtime.operations import WHOEVER, TellRoster
from tenure.runtime.remote import RemoteGroup
from tenure.transports.hello import Welcome
from tests.runtime.group import on_a_loop
from tests.runtime.test_node import NAMES, Cluster

both_ways = pytest.mark.parametrize("is_remote", [False, True], ids=["in process", "over a socket"])


@asynccontextmanager
async def client_of(cluster: Cluster, name: str, *, is_remote: bool) -> AsyncIterator[Client]:
    """A client by a node of this process, or by connections to nodes; that one is reached first."""
    if not is_remote:
        yield Client(cluster.nodes[name])
        return
    addresses = [cluster.address(each) for each in sorted(NAMES, key=lambda each: each != name)]
    async with RemoteGroup(addresses) as group:
        yield Client(group)


async def begun(client: Client, command: bytes) -> bytes:
    """What is proposed without a coroutine comes to."""
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client.begin(command, future.set_result, future.set_exception, within_s=30)
    return await future


@both_ways
@pytest.mark.parametrize("is_begun", [False, True], ids=["proposed", "begun"])
@on_a_loop
async def test_commands_under_way_while_leaders_are_stopped_are_applied_once(
    folder: Path, is_remote: bool, is_begun: bool
) -> None:
    """Each of eight clients counts up by compare-and-set; the count at the end is the number of successes."""
    async with Cluster(folder) as cluster:
        await cluster.leader()
        done = asyncio.Event()

        async def count(name: str, key: str) -> int:
            value = 0
            async with client_of(cluster, name, is_remote=is_remote) as client:
                while not done.is_set():
                    expected = str(value).encode() if value else None
                    command = encode(CompareAndSet(key, expected, str(value + 1).encode()))
                    proposing = begun(client, command) if is_begun else client.propose(command, within_s=30)
                    answer = decode_answer(await proposing)
                    assert answer == Stored(True), f"{key}: {value} is not there now: something was applied twice"
                    value += 1
            return value

        async with asyncio.TaskGroup() as tasks:
            counts = [tasks.create_task(count("a", f"k{i}")) for i in range(8)]
            for _ in range(3):
                await asyncio.sleep(0.2)
                name = next(each for each in "bc" if each in cluster.nodes)
                if cluster.nodes["a"].elector.leader == 1:
                    cluster.nodes["a"].resign()
                await cluster.stop(name)
                await cluster.until(lambda: cluster.nodes["a"].elector.leader is not None)
                await cluster.start(name)
            done.set()
        reader = Client(await cluster.leader())
        for i, task in enumerate(counts):
            found = decode_answer(await reader.read(encode(Get(f"k{i}"))))
            assert isinstance(found, Found)
            assert task.result() > 0
            assert found.value == str(task.result()).encode()


def stand_still(node: RuntimeNode) -> None:
    """Neither hear nor say anything from now on, with every connection open, as a process that was stopped."""
    driver, loop = node.driver, asyncio.get_running_loop()
    for name, instead in (
        ("receive", lambda *_: None),
        ("_post", lambda *_: True),
        ("ask", lambda *_: loop.create_future()),
    ):
        setattr(driver, name, instead)


@pytest.mark.parametrize(("is_remote", "reached"), [(False, "follower"), (True, "follower"), (True, "leader")], ids=str)
@pytest.mark.parametrize("is_begun", [False, True], ids=["proposed", "begun"])
@on_a_loop
async def test_what_a_leader_that_stands_still_was_asked_is_asked_of_the_next_one(
    folder: Path, is_remote: bool, is_begun: bool, reached: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as there is one: it is not waited until patience with the one before is at its end."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        follower = next(name for name in "abc" if name != leader.me.name)
        name = leader.me.name if reached == "leader" else follower
        async with client_of(cluster, name, is_remote=is_remote) as client, asyncio.timeout(20):
            await client.propose(encode(Put("k", b"v")))
            await cluster.until(lambda: len(reached_by(client)) != 1)
            monkeypatch.setattr("tenure.runtime.client.PATIENCE_S", 3600)
            stand_still(leader)
            command = encode(Put("k", b"w"))
            proposing = begun(client, command) if is_begun else client.propose(command, within_s=30)
            assert decode_answer(await proposing) == Stored(True)


def reached_by(client: Client) -> list[Welcome]:
    """To whom a remote client has connections."""
    way = client._way  # noqa: SLF001  there is no other way to wait until a second node is reached
    return way.reached if isinstance(way, RemoteGroup) else []


@on_a_loop
async def test_a_leader_that_gave_way_and_says_so_is_asked_as_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not stand still: what it is asked for others it hands on, and for itself it answers."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        async with RemoteGroup([cluster.address(leader.me.name)]) as group, asyncio.timeout(20):
            await Client(group).propose(encode(Put("k", b"v")))

            async def nowhere(*_: object) -> bool:
                return False

            monkeypatch.setattr(group, "_dial", nowhere)
            leader.resign()
            await cluster.until(lambda: group.whom() != leader.me.number)
            assert len((await group.operate(WHOEVER, TellRoster)).seats) == len(NAMES)


@both_ways
@on_a_loop
async def test_a_change_of_voters_whose_answer_is_lost_is_asked_for_again(
    folder: Path, is_remote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may notice that an answer went nowhere: so patience ends, and the same may be asked for twice."""
    monkeypatch.setattr("tenure.runtime.client.LONGEST_PATIENCE_S", 0.2)
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        follower = next(name for name in NAMES if name != leader.me.name)
        lost: list[bytes] = []
        send = leader.relay._send  # noqa: SLF001  what breaks is between two connections

        def lose_one(to: int, payload: bytes) -> bool:
            if not lost:
                lost.append(payload)
                return False
            return send(to, payload)

        async with client_of(cluster, follower, is_remote=is_remote) as client:
            if not is_remote:
                monkeypatch.setattr(leader.relay, "_send", lose_one)
            else:
                ask = leader.driver.ask

                def keep_one(kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
                    answered = ask(kind, *fields)
                    if lost:
                        return answered
                    lost.append(b"")
                    return asyncio.get_running_loop().create_future()

                monkeypatch.setattr(leader.driver, "ask", keep_one)
            await client.change_voters((leader.me.number,), within_s=20)
        assert lost
        assert leader.elector.account(0).voters == (leader.me.number,)


@both_ways
@on_a_loop
async def test_who_has_gone_waits_for_no_news_of_leaders(folder: Path, is_remote: bool) -> None:
    """A node forgets clients that came and went, however long its leader leads."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        for _ in range(5):
            async with client_of(cluster, leader.me.name, is_remote=is_remote) as client:
                await client.propose(encode(Put("k", b"v")))
        async with client_of(cluster, leader.me.name, is_remote=True) as client:
            await client.propose(encode(Put("k", b"v")))
            assert len(leader.desk._curious) <= 2  # noqa: SLF001  it is told by nothing else


@both_ways
@on_a_loop
async def test_without_a_majority_nothing_is_done_and_it_says_so(folder: Path, is_remote: bool) -> None:
    """A node that knows of no leader took nothing; one that led a moment ago may have."""
    async with Cluster(folder) as cluster:
        leader = (await cluster.leader()).me.name
        for name in "abc":
            if name != leader:
                await cluster.stop(name)
        node = cluster.nodes[leader]
        await cluster.until(lambda: node.elector.leader is None)
        async with client_of(cluster, leader, is_remote=is_remote) as client:
            with pytest.raises(NotServed, match="majority"):
                await client.propose(encode(Put("k", b"v")), within_s=0.3)
            with pytest.raises(NotServed):
                await client.read(encode(Get("k")), within_s=0.3)


@both_ways
@on_a_loop
async def test_a_command_that_was_taken_and_not_answered_is_unknown(folder: Path, is_remote: bool) -> None:
    """The leader appends it and is cut off by the end of the others."""
    async with Cluster(folder) as cluster:
        leader = await cluster.leader()
        async with client_of(cluster, leader.me.name, is_remote=is_remote) as client:
            assert decode_answer(await client.propose(encode(Put("k", b"v")))) == Stored(True)
            others = [name for name in "abc" if name != leader.me.name]
            stopped = asyncio.gather(*(cluster.stop(name) for name in others))
            with pytest.raises(OutcomeUnknown):
                await client.propose(encode(Put("k", b"w")), within_s=1)
            await stopped


@both_ways
@on_a_loop
async def test_a_command_that_is_too_long_is_refused(folder: Path, is_remote: bool) -> None:
    """With what is allowed."""
    async with Cluster(folder) as cluster:
        leader = (await cluster.leader()).me.name
        async with client_of(cluster, leader, is_remote=is_remote) as client:
            with pytest.raises(RequestRefused, match="bytes"):
                await client.propose(bytes(300_000))


@both_ways
@on_a_loop
async def test_many_commands_at_once_have_sessions_of_their_own(folder: Path, is_remote: bool) -> None:
    """Three hundred under way through a follower; each is applied."""
    async with Cluster(folder) as cluster:
        leader = (await cluster.leader()).me.name
        follower = next(name for name in "abc" if name != leader)
        async with client_of(cluster, follower, is_remote=is_remote) as client:
            answers = await asyncio.gather(*(client.propose(encode(Put(f"k{i}", b"v"))) for i in range(300)))
            assert {decode_answer(answer) for answer in answers} == {Stored(True)}
            assert decode_answer(await client.read(encode(Get("k299")))) != Found(None, 0)
