"""Clients on a node's own port: let in or refused with a reason, answered, and bounded in what each of them costs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tenure.core.codec import Malformed
from tenure.errors import ConfigurationError
from tenure.transports import hello as greetings
from tenure.transports.base import Caller, Limits, identify
from tenure.transports.calling import Calls, Line
from tenure.transports.certificates import make_certificates
from tenure.transports.frames import HEADER
from tenure.transports.hello import Refused
from tenure.transports.tcp import TcpTransport
from tenure.transports.tls import Tls
from tests.transports.stage import CLUSTER, NAMES, Node, Notes, Stage, play, staged, until
from tests.transports.test_hostile import closed, dial

KINDS = pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])


class Echo:
    """A clerk that answers what it is asked, at once or when it is told to."""

    def __init__(self, *, waits: bool = False) -> None:
        self.waits = waits
        self.asked_for: list[tuple[Caller, bytes]] = []
        self.gone: list[str] = []

    def asked(self, caller: Caller, payload: bytes) -> None:
        if payload == b"nonsense":
            raise Malformed("nonsense came")
        self.asked_for.append((caller, payload))
        if not self.waits:
            caller.answer(payload)

    def left(self, caller: Caller) -> None:
        self.gone.append(caller.name)


class Asker:
    """A client with what it was answered."""

    def __init__(self, line: Line, answers: list[bytes], lost: asyncio.Event) -> None:
        self.line, self.answers, self.lost = line, answers, lost


def certificate(stage: Stage, name: str = "me") -> Tls | None:
    """A client's, where one is needed."""
    if stage.kind != "tls":
        return None
    return make_certificates(stage.folder / "tls", CLUSTER, (), clients=(name,))[f"client-{name}"]


async def ask(node: Node, calls: Calls, cluster: bytes = b"") -> Asker:
    """A client that was let in."""
    answers: list[bytes] = []
    lost = asyncio.Event()
    line = await calls.dial(node.address, answers.append, lost.set, cluster=cluster)
    return Asker(line, answers, lost)


@asynccontextmanager
async def serving(kind: str, folder: Path, limits: Limits | None = None) -> AsyncIterator[tuple[Stage, Node, Echo]]:
    """A node that serves clients, and one that it speaks with; in the end these two still do."""
    async with staged(kind, folder) as stage:
        a, b = await stage.pair(limits)
        echo = Echo()
        a.transport.serve(echo)
        yield stage, a, echo
        b.send(a, b"after")
        await until(lambda: a.notes.payloads(b.me.number) == [b"after"], "both still speak")
        assert a.notes.losses(b.me.number) == []


@KINDS
def test_a_client_is_answered_in_order_however_much_it_asks_at_once(kind: str, tmp_path: Path) -> None:
    """Two thousand of them, without waiting; it learns whom it speaks with."""

    async def scene() -> None:
        async with serving(kind, tmp_path) as (stage, a, echo):
            asker = await ask(a, Calls("me", tls=certificate(stage)))
            assert asker.line.node is not None
            assert (asker.line.node.name, asker.line.node.number) == ("a", a.me.number)
            assert asker.line.node.cluster == a.me.cluster
            sent = [b"%d" % number * 20 for number in range(2000)]
            for payload in sent:
                asker.line.send(payload)
            await until(lambda: asker.answers == sent, "all are answered")
            asker.line.abort()
            await until(lambda: echo.gone == ["me"], "the clerk is told that it left")

    play(scene())


@KINDS
def test_a_client_may_give_up_in_the_instant_in_which_it_is_welcomed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends, and nothing else comes of it."""
    take = Line.take

    def give_up_and_take(line: Line, data: bytes | memoryview) -> None:
        line.introduced.cancel()
        take(line, data)

    async def scene() -> None:
        troubles: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
        async with serving(kind, tmp_path) as (stage, a, echo):
            with monkeypatch.context() as patched:
                patched.setattr(Line, "take", give_up_and_take)
                with pytest.raises(asyncio.CancelledError):
                    await ask(a, Calls("me", tls=certificate(stage)))
            await until(lambda: echo.gone == ["me"], "the clerk is told that it left")
        assert troubles == []

    play(scene())


@KINDS
def test_a_client_that_may_not_come_in_is_told_why(kind: str, tmp_path: Path) -> None:
    """Of another cluster; one too many; where nobody serves clients."""

    async def scene() -> None:
        async with serving(kind, tmp_path, Limits(clients=2)) as (stage, a, _):
            calls = Calls("me", tls=certificate(stage))
            with pytest.raises(Refused, match="another cluster"):
                await ask(a, calls, b"x" * 16)
            first, second = await ask(a, calls), await ask(a, calls, a.me.cluster)
            with pytest.raises(Refused, match="serves 2 connections of clients already"):
                await ask(a, calls)
            assert a.transport.counts["crowded"] == 1
            second.line.abort()
            c = await stage.node("c")
            with pytest.raises(Refused, match="serves no clients"):
                await ask(c, calls)
            first.line.send(b"on")
            await until(lambda: first.answers == [b"on"], "the first is still served")
            first.line.abort()

    play(scene())


@KINDS
def test_what_no_client_would_send_ends_that_connection_alone(kind: str, tmp_path: Path) -> None:
    """A frame too long, an empty one, one that the clerk cannot read; another client goes on."""

    async def scene() -> None:
        async with serving(kind, tmp_path) as (stage, a, _):
            calls = Calls("me", tls=certificate(stage))
            good = await ask(a, calls)
            for hostile in (HEADER.pack(0), HEADER.pack(2**31), HEADER.pack(8) + b"nonsense"):
                bad = await ask(a, calls)
                bad.line.write(hostile)
                await bad.lost.wait()
            assert (a.transport.counts["malformed"], a.transport.counts["message"]) == (2, 1)
            good.line.send(b"on")
            await until(lambda: good.answers == [b"on"], "the other one is still served")
            good.line.abort()

    play(scene())


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_greeting_that_is_spoilt_is_refused_or_heard_out(kind: str, tmp_path: Path) -> None:
    """A hundred, each with a few bytes changed; each ends, or is let in as what it says; the seed stands here."""

    async def scene() -> None:
        async with serving(kind, tmp_path, Limits(hello_s=0.3)) as (_, a, _echo):
            chance = random.Random(6)

            async def attack() -> None:
                spoilt = bytearray(greetings.client_hello("me", a.me.cluster) + HEADER.pack(2**31))
                for _ in range(chance.randrange(1, 4)):
                    spoilt[chance.randrange(len(spoilt) - 4)] = chance.randrange(256)
                reader, writer = await dial(a)
                writer.write(bytes(spoilt))
                await closed(reader)
                writer.close()

            await asyncio.gather(*(attack() for _ in range(100)))

    play(scene())


@KINDS
def test_no_more_is_read_from_a_client_than_may_wait(kind: str, tmp_path: Path) -> None:
    """Of a thousand long requests some wait in the node, and the rest with their sender until there are answers."""

    async def scene() -> None:
        async with serving(kind, tmp_path, Limits(requests=10)) as (stage, a, echo):
            echo.waits = True
            asker = await ask(a, Calls("me", tls=certificate(stage)))
            for _ in range(1000):
                asker.line.send(bytes(10_000))
            await until(lambda: len(echo.asked_for) >= 10, "the first have come")
            other = await ask(a, Calls("me", tls=certificate(stage)))
            other.line.send(b"another")
            await until(lambda: echo.asked_for[-1][1] == b"another", "another client is heard")
            assert len(echo.asked_for) < 100
            other.line.abort()
            while echo.asked_for:
                caller, _ = echo.asked_for.pop()
                caller.answer(b"done")
                if not echo.asked_for:
                    await until(lambda: echo.asked_for or len(asker.answers) >= 1000, "it is heard again")
            asker.line.abort()

    play(scene())


@KINDS
def test_a_client_that_does_not_read_is_closed_before_it_costs_too_much(kind: str, tmp_path: Path) -> None:
    """Each question costs little, and each answer is long."""

    async def scene() -> None:
        limits = Limits(queue_bytes=2 << 20, frame_bytes=1 << 20)
        async with serving(kind, tmp_path, limits) as (stage, a, echo):
            echo.waits = True
            asker = await ask(a, Calls("me", tls=certificate(stage)))
            asker.line.hear(False)
            for _ in range(100):
                asker.line.send(b"?")
            await until(lambda: len(echo.asked_for) == 100, "all have come")
            for caller, _ in echo.asked_for:
                caller.answer(bytes(1 << 20))
            await until(lambda: echo.gone == ["me"], "it is closed")
            assert a.transport.counts["full"] == 1
            asker.line.abort()

    play(scene())


def test_certificates_say_who_may_be_a_client_and_who_a_node(tmp_path: Path) -> None:
    """A node may be a client under its own name; a client is no node, and no other client."""

    async def scene() -> None:
        async with serving("tls", tmp_path) as (stage, a, _):
            made = make_certificates(tmp_path / "tls", CLUSTER, NAMES, clients=("me", "you"))
            mine = made["client-me"]
            asker = await ask(a, Calls("a", tls=files_of(stage, "a")))
            asker.line.abort()
            with pytest.raises(ConfigurationError, match="does not name tenure://orders/client/you"):
                Calls("you", tls=mine)
            foreign = make_certificates(tmp_path / "other", CLUSTER, (), clients=("me",))["client-me"]
            with pytest.raises(Refused, match="authority"):
                await ask(a, Calls("me", tls=foreign))
            with pytest.raises(ConfigurationError, match="does not name tenure://orders/c "):
                await transport_with("c", mine).open()
            with pytest.raises((Refused, OSError)):
                await ask(a, Calls("me"))

    play(scene())


def test_a_client_speaks_plainly_with_its_own_machine_alone(tmp_path: Path) -> None:
    """Unless it is told to: another machine's answer could be anybody's."""

    async def scene() -> None:
        calls = Calls("me")
        with pytest.raises(ConfigurationError, match="give this client a certificate"):
            calls.check_plain("192.0.2.1")
        calls.check_plain("127.0.0.1")
        Calls("me", allow_plain=True).check_plain("192.0.2.1")

    play(scene())


def files_of(stage: Stage, name: str) -> Tls:
    """The files of that node."""
    folder = stage.folder / "tls"
    return Tls(
        authority=folder / "authority.pem",
        certificate=folder / f"{name}.pem",
        key=folder / f"{name}-key.pem",
        cluster=CLUSTER,
    )


def transport_with(name: str, tls: Tls) -> TcpTransport:
    """A node's transport with these files."""
    return TcpTransport(identify(CLUSTER, NAMES, name), "127.0.0.1:0", Notes(), tls=tls)
