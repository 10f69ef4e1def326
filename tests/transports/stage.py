"""What the tests of transports share: receivers that write down what they are told, nodes of every kind, waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from tenure.transports.base import Identity, Limits, Transport, identify
from tenure.transports.certificates import make_certificates
from tenure.transports.memory import MemoryTransport, Network
from tenure.transports.stream import StreamTransport
from tenure.transports.tcp import TcpTransport
from tenure.transports.unix import UnixTransport

LIMIT_S = 20.0
"""For what takes milliseconds; only a test that fails waits so long."""
CLUSTER = "orders"
NAMES = ("a", "b", "c")
KINDS = ("memory", "unix", "tcp", "tls")


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until it holds."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110  what is waited for is anything, also outside this process
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"after {LIMIT_S:g} s not yet: {what}") from None


class Notes:
    """A receiver that writes down what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.reaches: list[int] = []
        self.expelled_by: list[int] = []
        self.on_received: Callable[[int, bytes], object] = lambda _peer, _payload: None

    def connected(self, peer: int, incarnation: int) -> None:
        self.told.append(("connected", peer, incarnation))

    def received(self, peer: int, payload: bytes) -> None:
        self.told.append(("received", peer, payload))
        self.on_received(peer, payload)

    def lost(self, peer: int, incarnation: int, certain: bool) -> None:
        self.told.append(("lost", peer, incarnation, certain))

    def reached(self, peer: int) -> None:
        self.reaches.append(peer)

    def expelled(self, by: int) -> None:
        self.expelled_by.append(by)

    def payloads(self, peer: int) -> list[bytes]:
        """What came from that peer."""
        return [bytes(note[2]) for note in self.told if note[:2] == ("received", peer) and isinstance(note[2], bytes)]

    def lives(self, peer: int) -> list[object]:
        """The lives of that peer which were announced."""
        return [note[2] for note in self.told if note[:2] == ("connected", peer)]

    def losses(self, peer: int) -> list[tuple[object, object]]:
        """Which lives were lost, and whether for certain."""
        return [(note[2], note[3]) for note in self.told if note[:2] == ("lost", peer)]


class Node:
    """One transport with what it tells and says."""

    def __init__(self, stage: Stage, me: Identity, place: str, limits: Limits) -> None:
        self.stage = stage
        self.me = me
        self.notes = Notes()
        self.lines: list[str] = []
        self.transport: Transport = stage.make(self, place, limits)

    @property
    def address(self) -> str:
        """Where it is reached."""
        assert isinstance(self.transport, StreamTransport | MemoryTransport)
        return self.transport.address

    def say(self, _level: int, text: str) -> None:
        self.lines.append(text)

    def said(self, part: str) -> bool:
        """Whether a line for the log has this in it."""
        return any(part in line for line in self.lines)

    def know(self, *others: Node) -> None:
        for other in others:
            self.transport.know(other.me.number, other.me.name, other.address)

    def send(self, other: Node, payload: bytes) -> bool:
        return self.transport.send(other.me.number, payload)

    def reaches(self, other: Node) -> bool:
        return any(each.peer == other.me.number and each.is_reached for each in self.transport.reaches())

    def hears(self, other: Node) -> bool:
        return any(
            each.peer == other.me.number and each.heard == other.me.incarnation for each in self.transport.reaches()
        )


class Stage:
    """Nodes of one kind, in one loop."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.network = Network()
        self._nodes: list[Node] = []
        self._certificates = make_certificates(folder / "tls", CLUSTER, (*NAMES, "d")) if kind == "tls" else {}

    async def node(
        self,
        name: str,
        *,
        cluster: str = CLUSTER,
        founders: tuple[str, ...] = NAMES,
        number: int | None = None,
        cluster_id: bytes | None = None,
        limits: Limits | None = None,
        place: str = "",
    ) -> Node:
        """One that listens, and knows nobody yet; `place` is an address that one before it had."""
        me = identify(cluster, founders, name, number=number, cluster_id=cluster_id)
        made = Node(self, me, place, limits or Limits())
        await made.transport.open()
        self._nodes.append(made)
        return made

    async def pair(self, limits: Limits | None = None) -> tuple[Node, Node]:
        """Two that reach each other."""
        one, other = await self.node("a", limits=limits), await self.node("b", limits=limits)
        one.know(other)
        other.know(one)
        await self.joined(one, other)
        return one, other

    async def joined(self, one: Node, other: Node) -> None:
        """Wait until both directions stand."""
        await until(lambda: one.reaches(other) and other.reaches(one), "both reach each other")
        await until(lambda: one.hears(other) and other.hears(one), "both hear each other")

    def make(self, node: Node, place: str, limits: Limits) -> Transport:
        match self.kind:
            case "memory":
                where = place or f"at-{node.me.name}"
                return MemoryTransport(node.me, self.network, where, node.notes, limits=limits, say=node.say)
            case "unix":
                where = place or f"unix:{self.folder}/{node.me.name}-{node.me.incarnation:x}"
                return UnixTransport(node.me, where, node.notes, limits=limits, say=node.say)
            case _:
                where = place or "127.0.0.1:0"
                tls = self._certificates.get(node.me.name)
                return TcpTransport(node.me, where, node.notes, limits=limits, tls=tls, say=node.say)

    async def close(self) -> None:
        for node in self._nodes:
            await node.transport.close()


@contextlib.asynccontextmanager
async def staged(kind: str, folder: Path) -> AsyncIterator[Stage]:
    """A stage whose nodes are closed in the end."""
    stage = Stage(kind, folder)
    try:
        yield stage
    finally:
        await stage.close()


def play(scene: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run a test on a loop of this kind; nothing that it leaves behind goes unnoticed."""
    factory = None
    if loop == "uvloop":
        from uvloop import new_event_loop

        factory = new_event_loop
    unhandled: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
        await asyncio.wait_for(scene, 3 * LIMIT_S)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(watched())
    assert unhandled == []


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
