"""Connecting again: a peer that restarts, moves, refuses, answers nothing, or speaks twice."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest

from tenure.errors import ConfigurationError
from tenure.transports import hello as greetings
from tenure.transports.base import Identity, Limits, identify
from tenure.transports.dialling import Backoff
from tests.transports.stage import NAMES, play, staged, until

UVLOOP = pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))
LOOPS = pytest.mark.parametrize("loop", ["asyncio", UVLOOP])


def test_pauses_double_to_a_limit_and_chance_takes_some_off() -> None:
    """From 5 ms to 1 s, each between half of it and all; a connection that lived begins anew."""
    backoff = Backoff(Limits(), random.Random(1))
    pauses_s = [backoff.next_s() for _ in range(12)]
    full_s = [min(0.005 * 2**number, 1.0) for number in range(12)]
    assert all(full / 2 <= pause <= full for pause, full in zip(pauses_s, full_s, strict=True))
    assert len({pause / full for pause, full in zip(pauses_s, full_s, strict=True)}) == 12
    backoff.reset()
    assert backoff.next_s() <= 0.005


@LOOPS
def test_a_peer_that_starts_late_is_found_when_it_dials(tmp_path: Path, loop: str) -> None:
    """Long pauses do not matter: who dials this node is dialled at once."""

    async def whole() -> None:
        async with staged("tcp", tmp_path) as stage:
            a = await stage.node("a", limits=Limits(backoff_s=1000, longest_backoff_s=1000))
            place = await stage.node("b")
            address = place.address
            await place.transport.close()
            a.transport.know(2, "b", address)
            await until(lambda: a.said("is not reached"), "nobody is there")
            b = await stage.node("b", place=address)
            b.know(a)
            await stage.joined(a, b)
            assert a.said("is reached at")

    play(whole(), loop)


@LOOPS
def test_a_peer_that_starts_late_is_found_by_dialling_again(tmp_path: Path, loop: str) -> None:
    """Without a word from it, too; and while nobody is there, that is said once."""

    async def whole() -> None:
        async with staged("unix", tmp_path) as stage:
            a = await stage.node("a")
            address = f"unix:{tmp_path}/late"
            a.transport.know(2, "b", address)
            await until(lambda: a.transport.counts.get("unreachable", 0) >= 5, "five attempts")
            assert len([line for line in a.lines if "is not reached" in line]) == 1
            b = await stage.node("b", place=address)
            b.transport.know(1, "a", f"unix:{tmp_path}/wrong")
            await until(lambda: a.reaches(b), "a reaches it")
            assert a.send(b, b"there you are")
            await until(lambda: b.notes.payloads(1) == [b"there you are"], "it hears that")

    play(whole(), loop)


@LOOPS
def test_a_black_hole_is_given_up_in_time_and_tried_again(tmp_path: Path, loop: str) -> None:
    """Who takes a connection and says nothing, and who does not even take one."""

    async def whole() -> None:
        async with staged("tcp", tmp_path) as stage:
            a = await stage.node("a", limits=Limits(hello_s=0.1, connect_s=0.1))
            with socket.socket() as silent:
                silent.bind(("127.0.0.1", 0))
                silent.listen()
                a.transport.know(2, "b", f"127.0.0.1:{silent.getsockname()[1]}")
                await until(lambda: a.said("did not introduce itself within 0.1 s"), "it is given up")
            with socket.socket() as full:
                full.bind(("127.0.0.1", 0))
                full.listen(0)
                waiting = [socket.socket() for _ in range(3)]
                for each in waiting:
                    each.setblocking(False)
                    each.connect_ex(full.getsockname())
                a.transport.know(3, "c", f"127.0.0.1:{full.getsockname()[1]}")
                await until(lambda: a.said("no answer within 0.1 s"), "it is given up")
                for each in waiting:
                    each.close()
            b = await stage.node("b")
            a.know(b)
            b.know(a)
            await stage.joined(a, b)

    play(whole(), loop)


@LOOPS
def test_two_processes_that_speak_as_one_node_are_noticed(tmp_path: Path, loop: str) -> None:
    """The newest is heard, the log says that there are two, and no end of either is taken for certain any more."""

    async def whole() -> None:
        async with staged("unix", tmp_path) as stage:
            a = await stage.node("a")
            one, other = await stage.node("b"), await stage.node("b")
            a.know(one)
            one.know(a)
            other.know(a)
            await until(lambda: a.said("two processes speak as node 'b' in turns"), "it is said")
            await until(lambda: not a.transport.reaches()[0].is_vouched, "nobody vouches for b any more")
            assert [loss for loss in a.notes.losses(2) if loss[1]] == []

    play(whole(), loop)


@LOOPS
def test_a_life_is_heard_on_its_newest_connection(tmp_path: Path, loop: str) -> None:
    """Where the old one only seems to stand, the peer dials again: that is no new life, and nothing is lost but
    what it said on the old one: so the new one is announced.
    """

    async def whole() -> None:
        async with staged("tcp", tmp_path) as stage:
            a = await stage.node("a")
            me = identify("orders", NAMES, "b")
            a.transport.know(2, "b", "127.0.0.1:1")
            host, _, port = a.address.rpartition(":")
            streams = []
            for _ in range(3):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(greetings.hello(me, 1))
                assert await reader.read(100)
                streams.append((reader, writer))
            assert await streams[0][0].read(1) == b""
            assert await streams[1][0].read(1) == b""
            assert a.notes.told == 3 * [("connected", 2, me.incarnation)]
            streams[2][1].close()
            await until(lambda: a.notes.losses(2) == [(me.incarnation, False)], "now it is lost")
            for _, writer in streams:
                writer.close()

    play(whole(), loop)


@LOOPS
def test_who_answers_falsely_is_left(tmp_path: Path, loop: str) -> None:
    """A listener that is another node, speaks a version that was not offered, or talks on after its welcome."""

    async def whole() -> None:
        async with staged("tcp", tmp_path) as stage:
            a = await stage.node("a")
            b = identify("orders", NAMES, "b")
            other = Identity(cluster=b.cluster, founders=b.founders, number=2, name="x", incarnation=5)
            welcome = greetings.welcome(b)
            for answer, line in (
                (greetings.welcome(other), "correct the address of 'b'"),
                (welcome[:7] + b"\x09" + welcome[8:], "an answer of version 9"),
                (b"HTTP/1.1 400 Bad Request\r\n", "is not of this protocol"),
                (welcome[:-1], "closed the connection before it answered"),
            ):

                async def serve(
                    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes = answer
                ) -> None:
                    await reader.read(1000)
                    writer.write(data)
                    writer.close()

                server = await asyncio.start_server(serve, "127.0.0.1", 0)
                a.transport.know(2, "b", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
                await until(lambda said=line: a.said(said), line)  # type: ignore[misc]  # mypy cannot infer defaults
                assert not a.transport.send(2, b"x")
                a.transport.forget(2)
                server.close()

    play(whole(), loop)


def test_a_socket_that_a_dead_process_left_is_taken_over_and_a_living_ones_is_not(tmp_path: Path) -> None:
    """And a file that is no socket is never removed."""

    async def whole() -> None:
        async with staged("unix", tmp_path) as stage:
            left = tmp_path / "left"
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(left))
            a = await stage.node("a", place=f"unix:{left}")
            with pytest.raises(ConfigurationError, match="another process listens"):
                await stage.node("b", place=a.address)
            (tmp_path / "file").write_text("precious")
            with pytest.raises(ConfigurationError, match="is no socket"):
                await stage.node("b", place=f"unix:{tmp_path}/file")
            assert (tmp_path / "file").read_text() == "precious"
            with pytest.raises(ConfigurationError, match="is not there: make it"):
                await stage.node("b", place=f"unix:{tmp_path}/none/socket")
            await a.transport.close()
            assert not left.exists()

    play(whole())
