"""A driver keeps its duties: a group of them elects, serves, survives deaths, and each failure ends what it must."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tenure import trace
from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.messages import Execute, Executed, NotLeader, Opened, OpenSession, Queried, Read
from tenure.core.codec import CodecError
from tenure.core.effects import Effect
from tenure.core.elector import Elector, UnexpectedMessage, WishRefused
from tenure.core.events import Asked, Event, Woke
from tenure.detectors.watched import Heartbeat
from tenure.errors import NodeFailed, NodeStopped
from tenure.machines.kv import CompareAndSet, Found, Get, Put, Stored, decode_answer, encode
from tenure.runtime.driver import NUMBER_BYTES, Driver
from tenure.runtime.joining import join
from tenure.runtime.owner import Owner
from tenure.simulator.replay import judge
from tests.runtime.group import Group, on_a_loop

MS = 1_000_000
QUICK = Settings(
    election_ns=150 * MS, spread_ns=150 * MS, heartbeat_ns=30 * MS, promise_ns=120 * MS, tenure_ns=300 * MS
)


class Notes(Owner):
    """What an owner was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def became(self, elector: Elector) -> None:
        self.heard.append(("became", elector.role))

    def authorised(self, token: int, deadline_ns: int) -> None:
        del deadline_ns
        self.heard.append(("authorised", token))

    def deposed(self, token: int, why: str) -> None:
        del why
        self.heard.append(("deposed", token))

    def failed(self, error: NodeFailed) -> None:
        self.heard.append(("failed", str(error)))

    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


def joined(traces: Path) -> trace.Trace:
    """What all files in the folder tell."""
    return join([trace.read(path) for path in sorted(traces.iterdir())])


async def put(driver: Driver, client: int, sequence: int, value: bytes) -> object:
    """Ask for it, and the answer."""
    return await driver.ask(Execute, client, sequence, encode(Put("k", value)))


@on_a_loop
async def test_raft_serves_and_goes_on_after_its_leader_is_killed() -> None:
    """Commands and reads are answered; after a death another leads, applies no retry twice, and takes the dead back."""
    async with Group(Raft, QUICK) as group:
        group.start_all()
        leader = await group.leader()
        opened = await leader.ask(OpenSession)
        assert isinstance(opened, Opened)
        executed = await put(leader, opened.client, 1, b"one")
        assert isinstance(executed, Executed)
        killed = leader.elector.me
        group.kill(killed)
        leader = await group.leader()
        assert leader.elector.me != killed
        again = await put(leader, opened.client, 1, b"two")  # a retry is applied once, whoever leads
        assert again == executed
        queried = await leader.ask(Read, encode(Get("k")))
        assert isinstance(queried, Queried)
        assert decode_answer(queried.answer) == Found(b"one", executed.index)
        group.start(killed)
        back = await group.leader()
        assert isinstance(await put(back, opened.client, 2, b"three"), Executed)


@on_a_loop
async def test_requests_of_one_turn_share_one_record() -> None:
    """Sixty-four commands at once are one record, and each has its own answer."""
    async with Group(Raft, QUICK) as group:
        group.start_all()
        leader = await group.leader()
        opened = await leader.ask(OpenSession)
        assert isinstance(opened, Opened)
        disk = group.disks[leader.elector.me]
        before = disk.begun
        commands = [CompareAndSet("k", str(i).encode() if i else None, str(i + 1).encode()) for i in range(64)]
        answers = await asyncio.gather(
            *(leader.ask(Execute, opened.client, 1 + i, encode(command)) for i, command in enumerate(commands))
        )
        assert all(isinstance(answer, Executed) and decode_answer(answer.answer) == Stored(True) for answer in answers)
        assert disk.begun == before + 1


@on_a_loop
async def test_who_does_not_lead_says_who_does() -> None:
    """A follower does nothing and names the leader."""
    async with Group(Raft, QUICK) as group:
        group.start_all()
        leader = (await group.leader()).elector.me
        other = next(driver for number, driver in group.drivers.items() if number != leader)
        assert await other.ask(OpenSession) == NotLeader(leader)


@pytest.mark.parametrize("kind", [MajorityLease.over(Bully), PaxosLease])
@on_a_loop
async def test_an_owner_hears_of_its_authority_and_of_its_end(kind: type[Elector]) -> None:
    """Who leads with authority is told its token and deadline; who gives way, that it is over."""
    owners = [Notes(), Notes(), Notes()]
    async with Group(kind) as group:
        group.start_all(*owners)
        await group.until(lambda: any("authorised" in notes.names() for notes in owners))
        chosen = next(number for number in group.numbers if "authorised" in owners[number - 1].names())
        driver = group.drivers[chosen]
        assert driver.held is not None
        assert driver.held[1] > driver.clock.now_ns()
        driver.give(Asked())
        await group.until(lambda: "deposed" in owners[chosen - 1].names())
        heard = owners[chosen - 1].heard
        tokens = {number for name, number in heard if name in {"authorised", "deposed"}}
        assert len(tokens) == 1


@on_a_loop
async def test_nothing_leaves_before_its_record_is_durable() -> None:
    """With disks that stand still nobody gives a vote away, so nobody leads."""
    async with Group(Raft, QUICK) as group:
        for disk in group.disks.values():
            disk.is_stalled = True
        group.start_all()
        await asyncio.sleep(1)  # many time-outs; with disks that stand still nobody may give a vote away
        assert {driver.elector.leader for driver in group.drivers.values()} == {None}


@on_a_loop
async def test_who_waits_is_told_when_the_node_stops() -> None:
    """An answer that will not come is an error that says so; afterwards nothing is done."""
    async with Group(Raft, QUICK) as group:
        group.start_all()
        leader = await group.leader()
        asked = leader.ask(OpenSession)
        leader.stop()
        with pytest.raises(NodeStopped, match="came about"):
            await asked
        with pytest.raises(NodeStopped):
            await leader.ask(OpenSession)
        leader.give(Woke())  # nothing any more


@on_a_loop
async def test_an_elector_that_serves_nobody_says_so() -> None:
    """Bully has nothing to give a client."""
    async with Group(Bully) as group:
        group.start_all()
        with pytest.raises(WishRefused, match="serves no clients"):
            await group.drivers[1].ask(OpenSession)


@on_a_loop
async def test_what_a_peer_must_not_say_is_refused_and_changes_nothing() -> None:
    """Bytes that are no message of this algorithm are errors for the connection, and the node goes on."""
    async with Group(Bully) as group:
        group.start_all()
        leader = await group.leader()
        driver = group.drivers[1]
        number = bytes(NUMBER_BYTES)
        for payload in (b"", number, number + b"\x01\xc1", number + b"\x09" + b"x" * 40):
            with pytest.raises(CodecError):
                driver.receive(2, payload)
        foreign = driver._codec.__class__((Heartbeat,)).encode(Heartbeat())  # noqa: SLF001  of another algorithm
        with pytest.raises((CodecError, UnexpectedMessage)):
            driver.receive(2, number + foreign)
        assert driver.is_running
        assert driver.elector.leader == leader.elector.me


@on_a_loop
async def test_a_core_that_breaks_ends_its_node_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the core itself stops that node, tells who waits and its owner, and the others go on."""
    notes = Notes()
    async with Group(Raft, QUICK) as group:
        group.start(1, notes)
        group.start(2)
        group.start(3)
        await group.leader()
        waiting = group.drivers[1].ask(Read, encode(Get("k")))

        def breaks(event: Event, now_ns: int) -> Sequence[Effect]:
            raise AssertionError("a rule of its own")

        monkeypatch.setattr(group.drivers[1].elector, "handle", breaks)
        with pytest.raises(NodeFailed, match="a rule of its own"):
            await waiting
        assert notes.heard[-1][0] == "failed"
        assert not group.drivers[1].is_running
        del group.drivers[1]
        await group.leader()


@on_a_loop
async def test_a_disk_that_fails_ends_its_node() -> None:
    """A node that cannot keep what it says must not say anything."""
    notes = Notes()
    async with Group(Raft, QUICK) as group:
        driver = group.start(1, notes)
        driver.disk_failed(OSError(5, "Input/output error"))
        assert "Input/output error" in str(notes.heard[-1][1])
        assert not driver.is_running


@on_a_loop
async def test_the_traces_of_a_group_join_to_one_that_checkers_read(tmp_path: Path) -> None:
    """Each life writes a file; together they are a trace in which messages meet, and deaths and lives stand."""
    async with Group(Raft, QUICK, traces=tmp_path) as group:
        group.start_all()
        first = await group.leader()
        number = first.elector.me
        await asyncio.sleep(0.4)
        group.kill(number)
        await group.leader()
        group.start(number)
        await group.leader()
        await asyncio.sleep(0.4)
    whole = joined(tmp_path)
    assert whole.head.nodes == (1, 2, 3)
    assert judge(whole, ("one-per-term", "one-at-a-time", "tokens-grow")) == []
    held = {record.node for record in whole.records if isinstance(record, trace.Held)}
    assert len(held) >= 2
    lives = [record for record in whole.records if isinstance(record, trace.Began) and record.node == number]
    assert [record.life for record in lives] == [1, 2]
    sent = {record.id for record in whole.records if isinstance(record, trace.Sent)}
    arrived = {record.id for record in whole.records if isinstance(record, trace.Arrived)}
    assert arrived
    assert arrived <= sent


@on_a_loop
async def test_a_message_that_no_frame_may_hold_is_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is too long is lost and counted each time; nothing else happens."""
    async with Group(Raft, QUICK) as group:
        group.start_all()
        leader = await group.leader()
        monkeypatch.setattr(leader._codec, "_limit_bytes", 10)  # noqa: SLF001  as if settings allowed too much
        await asyncio.sleep(0.2)
        assert leader.lost > 0
        assert leader.is_running
