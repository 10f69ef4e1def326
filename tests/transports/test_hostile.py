"""A listening transport under attack: each attacker's connection ends, and nothing else does.

Every test has two good nodes that speak throughout, and a stranger that knows the address.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tenure.transports import hello as greetings
from tenure.transports.base import Identity, Limits, identify
from tenure.transports.frames import HEADER
from tenure.transports.stream import StreamTransport
from tests.transports.stage import LIMIT_S, NAMES, Node, Stage, play, staged, until

Scene = Callable[[Stage, Node, Node], Awaitable[None]]
Play = Callable[[Scene, Limits], None]
QUICK = Limits(hello_s=0.3)
UVLOOP = pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))


@pytest.fixture(params=["unix", "tcp", "tls"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which transport is attacked."""
    return str(request.param)


@pytest.fixture(params=["asyncio", UVLOOP])
def under_attack(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Play:
    """Plays a scene with two nodes that speak, and sees that they still do when it is over, on the same connections."""

    def run(scene: Scene, limits: Limits) -> None:
        async def whole() -> None:
            async with staged(kind, tmp_path) as stage:
                a, b = await stage.pair(limits)
                a.send(b, b"before")
                b.send(a, b"before")
                await scene(stage, a, b)
                a.send(b, b"after")
                b.send(a, b"after")
                for node, other in ((a, b), (b, a)):
                    await until(lambda n=node, o=other: n.notes.payloads(o.me.number)[-1:] == [b"after"], "both speak")  # type: ignore[misc]  # mypy cannot infer defaults
                    assert node.notes.losses(other.me.number) == []
                    assert node.notes.lives(other.me.number) == [other.me.incarnation]

        play(whole(), str(request.param))

    return run


async def dial(node: Node) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stranger's connection, without TLS."""
    assert isinstance(node.transport, StreamTransport)
    if node.address.startswith("unix:"):
        return await asyncio.open_unix_connection(node.address.removeprefix("unix:"))
    host, _, port = node.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def closed(reader: asyncio.StreamReader) -> bytes:
    """All that came until the other side ended the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(LIMIT_S):
            while piece := await reader.read(65536):
                found += piece
    return found


def junk(chance: random.Random, good: bytes) -> bytes:
    """Something hostile: noise, a good greeting spoilt or cut off or repeated, other protocols, absurd lengths."""
    match chance.randrange(7):
        case 0:
            return chance.randbytes(chance.randrange(1, 3000))
        case 1:
            spoilt = bytearray(good)
            for _ in range(chance.randrange(1, 5)):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            return bytes(spoilt)
        case 2:
            return good[: chance.randrange(len(good))]
        case 3:
            return good * chance.randrange(2, 20)
        case 4:
            return chance.choice(
                [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01", b"SSH-2.0-x\r\n", b"\0" * 500]
            )
        case 5:
            return b"tenure?\x01\x01" + chance.randbytes(chance.randrange(0, 600))
        case _:
            return good + HEADER.pack(chance.choice([0, 2**32 - 1, 2**31])) + chance.randbytes(50)


def test_whatever_strangers_send_ends_their_own_connection(under_attack: Play) -> None:
    """Sixty attackers, each with something else, cut into pieces; the seed stands here."""

    async def scene(_: Stage, a: Node, b: Node) -> None:
        chance = random.Random(20)
        stranger = Identity(cluster=a.me.cluster, founders=a.me.founders, number=9, name="z", incarnation=1)

        async def attack(data: bytes) -> None:
            reader, writer = await dial(a)
            with contextlib.suppress(ConnectionError):
                half = len(data) // 2
                for piece in (data[:half], data[half:]):
                    writer.write(piece)
                    await writer.drain()
            await closed(reader)
            writer.close()

        good = greetings.hello(stranger, a.me.number)
        await asyncio.gather(*(attack(junk(chance, good)) for _ in range(60)))
        assert a.notes.told[0] == ("connected", 2, b.me.incarnation)
        assert {note[1] for note in a.notes.told} == {2}
        assert sum(a.transport.counts.values()) >= 60
        assert len(a.lines) <= 12, "said once for each trouble, not for each attacker"

    under_attack(scene, QUICK)


def test_who_speaks_too_slowly_is_closed(under_attack: Play) -> None:
    """A byte now and then does not keep a connection: the time is for the whole hello."""

    async def scene(stage: Stage, a: Node, _: Node) -> None:
        reader, writer = await dial(a)
        good = greetings.hello(identify("orders", NAMES, "c"), 1)
        if stage.kind == "tls":
            good = b"\x16\x03\x01\x02\x00\x01\x00" + bytes(100)  # how a handshake begins

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for byte in good:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await closed(reader) == b""
        dripping.cancel()
        writer.close()
        assert a.transport.counts["slow"] == 1
        assert a.said("did not introduce itself within 0.3 s")

    under_attack(scene, QUICK)


def test_a_thousand_that_say_nothing_keep_nobody_out(under_attack: Play) -> None:
    """The one that has waited longest goes, so a node that introduces itself at once comes in."""

    async def scene(stage: Stage, a: Node, __: Node) -> None:
        strangers: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        try:
            for _ in range(1000):
                with contextlib.suppress(OSError):  # the connection was closed before asyncio had looked at it
                    strangers.append(await dial(a))
            c = await stage.node("c", limits=Limits(hello_s=10))
            a.know(c)
            c.know(a)
            await stage.joined(a, c)
            assert a.transport.counts["crowded"] >= 800
            assert len([line for line in a.lines if "have not introduced themselves" in line]) == 1
            a.transport.forget(3)
        finally:
            for _, writer in strangers:
                writer.close()

    under_attack(scene, Limits(hello_s=10, strangers=64))


async def impostor(a: Node) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that was welcomed as node c's, whom a knows; what it sends then is hostile."""
    me = identify("orders", NAMES, "c")
    a.transport.know(3, "c", a.address)
    reader, writer = await dial(a)
    writer.write(greetings.hello(me, 1))
    assert (await reader.read(100)).startswith(b"tenure!\x01")
    return reader, writer


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
@pytest.mark.parametrize(
    "data",
    [HEADER.pack(0), HEADER.pack(2**32 - 1) + b"x", HEADER.pack(1001) + bytes(2000), b"\xff" * 100_000],
    ids=["empty", "absurd", "one too long", "noise"],
)
def test_garbage_after_a_good_hello_closes_that_connection_alone(tmp_path: Path, loop: str, data: bytes) -> None:
    """The frame before it is handed over, the reason is said with the peer's name, and others are not touched."""

    async def whole() -> None:
        async with staged("tcp", tmp_path) as stage:
            a, b = await stage.pair(Limits(frame_bytes=1000))
            reader, writer = await impostor(a)
            writer.write(HEADER.pack(4) + b"good" + data)
            await closed(reader)
            writer.close()
            await until(lambda: len(a.notes.losses(3)) == 1, "it is lost")
            assert a.notes.payloads(3) == [b"good"]
            assert a.transport.counts["malformed"] == 1
            assert a.said("the connection from node 'c' was closed")
            assert a.notes.losses(2) == []
            assert a.hears(b)

    play(whole(), loop)


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
def test_a_flood_leaves_the_others_their_turn_and_costs_no_memory(tmp_path: Path, loop: str) -> None:
    """While one sends without end, what another says still arrives."""

    async def whole() -> None:
        async with staged("tcp", tmp_path) as stage:
            a, b = await stage.pair()
            counted = [0]

            def forget_it(peer: int, payload: bytes) -> None:
                if peer == 3:
                    counted[0] += len(payload)
                    a.notes.told.pop()

            a.notes.on_received = forget_it
            _, writer = await impostor(a)
            block = (HEADER.pack(1000) + bytes(1000)) * 100

            async def flood() -> None:
                while True:
                    writer.write(block)
                    await writer.drain()

            flooding = asyncio.create_task(flood())
            await until(lambda: counted[0] > 1 << 20, "the flood has begun")
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            begun = counted[0]
            for number in range(50):
                b.send(a, b"%d" % number)
                await until(lambda n=number: len(a.notes.payloads(2)) == n + 1, "it arrives")  # type: ignore[misc]  # mypy cannot infer defaults
            await until(lambda: counted[0] - begun > 8 << 20, "8 MiB came meanwhile")
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            flooding.cancel()
            writer.close()
            assert peak - before < 3 << 20

    play(whole(), loop)


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_who_reads_nothing_costs_what_the_limit_says_and_delays_nobody(tmp_path: Path, kind: str, loop: str) -> None:
    """A peer that welcomes and then never reads: the queue fills, the newest is dropped, and others hear on."""

    async def whole() -> None:
        async with staged(kind, tmp_path) as stage:
            a, b = await stage.pair(Limits(queue_bytes=2 << 20))
            served = asyncio.Event()

            async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(1000)
                writer.write(greetings.welcome(identify("orders", NAMES, "c")))
                writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                writer.transport.pause_reading()  # type: ignore[attr-defined]  # the stream's transport can be paused
                await served.wait()
                writer.transport.abort()

            if kind == "unix":
                server = await asyncio.start_unix_server(welcome, tmp_path / "deaf")
                address = f"unix:{tmp_path}/deaf"
            else:
                server = await asyncio.start_server(welcome, "127.0.0.1", 0)
                address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            a.transport.know(3, "c", address)
            await until(lambda: a.transport.send(3, bytes(1000)), "c is reached")
            dropped = next(reach for reach in a.transport.reaches() if reach.peer == 3).dropped
            sent = 0
            while a.transport.send(3, bytes(10_000)):
                sent += 1
                if sent % 20 == 0:
                    await asyncio.sleep(0)
            deaf = next(reach for reach in a.transport.reaches() if reach.peer == 3)
            assert deaf.waiting_bytes <= 2 << 20
            assert deaf.dropped == dropped + 1
            assert a.said("bytes wait for node 'c'")
            assert sent * 10_000 < 64 << 20, "no more than the limit and what the kernel keeps"
            for number in range(100):
                assert a.send(b, b"%d" % number)
            await until(lambda: len(b.notes.payloads(1)) == 100, "b hears all")
            served.set()
            server.close()

    play(whole(), loop)
