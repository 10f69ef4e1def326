"""Round trips and messages a second between two processes, beside bare asyncio in the same run.

The other process is an echo for round trips, and counts what comes for messages; `lone` are round trips of one message
at a time, `burst` are messages of which as many are under way as the connection takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

from benchmarks.measure import quantile
from tenure.transports.base import identify
from tenure.transports.certificates import make_certificates
from tenure.transports.stream import StreamTransport
from tenure.transports.tcp import TcpTransport
from tenure.transports.tls import Tls
from tenure.transports.unix import UnixTransport

CLUSTER, NAMES = "bench", ("a", "b")
PAYLOAD = bytes(100)
ROUND_TRIPS = 2000
MESSAGES = 50_000
AT_ONCE = 100
"""Messages that are sent in one turn of the loop."""
LIMIT_S = 60.0
HEADER = struct.Struct(">I")
LAST = b"last"
Kinds = dict[str, Callable[[Path, str], AsyncIterator["Pair"]]]


class Pair:
    """What a kind of connection can do: one round trip, and many messages one way."""

    def __init__(self, lone: Callable[[], Awaitable[None]], burst: Callable[[], Awaitable[None]]) -> None:
        self.lone = lone
        self.burst = burst


# Tenure's --------------------------------------------------------------------------------------------------------


class Waits:
    """A receiver that lets one wait for what comes."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.came: asyncio.Future[None] | None = None

    def connected(self, peer: int, incarnation: int) -> None:
        del peer, incarnation
        self.heard.set()

    def received(self, peer: int, payload: bytes) -> None:
        del peer, payload
        if self.came is not None and not self.came.done():
            self.came.set_result(None)

    def lost(self, peer: int, incarnation: int, certain: bool) -> None:
        """The end of a measurement."""

    def reached(self, peer: int) -> None:
        """Looked for where it matters."""

    def expelled(self, by: int) -> None:
        """Nobody is."""


class Echoes(Waits):
    """Sends back what is asked for alone, and of many the last."""

    transport: StreamTransport

    def received(self, peer: int, payload: bytes) -> None:
        if len(payload) == len(PAYLOAD) - 1 or payload == LAST:
            self.transport.send(peer, payload)


def node(kind: str, folder: Path, name: str, receiver: Waits) -> StreamTransport:
    """One of the two nodes, not opened yet, with the other known."""
    me = identify(CLUSTER, NAMES, name)
    other = NAMES[1 - NAMES.index(name)]
    made: StreamTransport
    if kind == "unix":
        made = UnixTransport(me, f"unix:{folder}/{name}", receiver)
        made.know(3 - me.number, other, f"unix:{folder}/{other}")
        return made
    tls = None
    if kind == "TLS":
        tls = Tls(
            authority=folder / "authority.pem",
            certificate=folder / f"{name}.pem",
            key=folder / f"{name}-key.pem",
            cluster=CLUSTER,
        )
    ports = dict(zip(NAMES, (folder / "ports").read_text(encoding="ascii").split(), strict=True))
    made = TcpTransport(me, f"127.0.0.1:{ports[name]}", receiver, tls=tls)
    made.know(3 - me.number, other, f"127.0.0.1:{ports[other]}")
    return made


@contextlib.asynccontextmanager
async def tenure(kind: str, folder: Path) -> AsyncIterator[Pair]:
    """Our transport of this kind, with an echo in another process."""
    receiver = Waits()
    transport = node(kind, folder, "a", receiver)
    await transport.open()
    await asyncio.wait_for(receiver.heard.wait(), LIMIT_S)
    loop = asyncio.get_running_loop()

    async def answer(payload: bytes) -> None:
        receiver.came = loop.create_future()
        assert transport.send(2, payload)
        await receiver.came

    receiver.came = loop.create_future()
    while not receiver.came.done():  # until both directions stand, something is dropped on the way there or back
        transport.send(2, LAST)
        await asyncio.wait([receiver.came], timeout=0.05)
    await asyncio.sleep(0.1)  # for the other answers, if there are any

    async def lone() -> None:
        await answer(PAYLOAD[1:])

    async def burst() -> None:
        for _ in range(MESSAGES // AT_ONCE):
            for _ in range(AT_ONCE):
                assert transport.send(2, PAYLOAD)
            await asyncio.sleep(0)
        await answer(LAST)

    try:
        yield Pair(lone, burst)
    finally:
        await transport.close()


async def echo_tenure(kind: str, folder: Path) -> None:
    """The other process of the same."""
    receiver = Echoes()
    receiver.transport = node(kind, folder, "b", receiver)
    await receiver.transport.open()
    await until_told()


# Bare asyncio ----------------------------------------------------------------------------------------------------


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Mutual TLS 1.3 with the same certificates, for the side that listens and that which dials."""
    made = []
    for protocol, name in ((ssl.PROTOCOL_TLS_SERVER, "b"), (ssl.PROTOCOL_TLS_CLIENT, "a")):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "authority.pem")
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}-key.pem")
        made.append(context)
    return made[0], made[1]


@contextlib.asynccontextmanager
async def streams(kind: str, folder: Path) -> AsyncIterator[Pair]:
    """asyncio's StreamReader and StreamWriter with the same frames, and nothing else."""
    if kind == "unix":
        reader, writer = await asyncio.open_unix_connection(f"{folder}/streams")
    else:
        port = int((folder / "streams-port").read_text(encoding="ascii"))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=contexts(folder)[1] if kind == "TLS" else None
        )

    async def answer(payload: bytes) -> None:
        writer.write(HEADER.pack(len(payload)) + payload)
        (size,) = HEADER.unpack(await reader.readexactly(HEADER.size))
        await reader.readexactly(size)

    async def lone() -> None:
        await answer(PAYLOAD[1:])

    async def burst() -> None:
        frame = HEADER.pack(len(PAYLOAD)) + PAYLOAD
        for _ in range(MESSAGES // AT_ONCE):
            for _ in range(AT_ONCE):
                writer.write(frame)
            await writer.drain()
        await answer(LAST)

    try:
        yield Pair(lone, burst)
    finally:
        writer.close()


async def echo_streams(kind: str, folder: Path) -> None:
    """The other process of the same."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(HEADER.size)
                payload = await reader.readexactly(HEADER.unpack(head)[0])
                if len(payload) == len(PAYLOAD) - 1 or payload == LAST:
                    writer.write(head + payload)

    if kind == "unix":
        server = await asyncio.start_unix_server(serve, f"{folder}/streams")
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=contexts(folder)[0] if kind == "TLS" else None)
        (folder / "streams-port").write_text(str(server.sockets[0].getsockname()[1]), encoding="ascii")
    await until_told()
    server.close()


class EchoProtocol(asyncio.Protocol):
    """The least that asyncio can do: what came goes back, without frames."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class AskProtocol(asyncio.Protocol):
    """Its other end."""

    came: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        del data
        if self.came is not None and not self.came.done():
            self.came.set_result(None)


@contextlib.asynccontextmanager
async def protocols(kind: str, folder: Path) -> AsyncIterator[Pair]:
    """asyncio's protocols, without frames; for round trips alone."""
    loop = asyncio.get_running_loop()
    transport: asyncio.Transport
    if kind == "unix":
        transport, protocol = await loop.create_unix_connection(AskProtocol, f"{folder}/protocols")
    else:
        port = int((folder / "protocols-port").read_text(encoding="ascii"))
        context = contexts(folder)[1] if kind == "TLS" else None
        transport, protocol = await loop.create_connection(AskProtocol, "127.0.0.1", port, ssl=context)

    async def lone() -> None:
        protocol.came = loop.create_future()
        transport.write(PAYLOAD)
        await protocol.came

    async def burst() -> None:
        """Without frames there is nothing to count."""

    try:
        yield Pair(lone, burst)
    finally:
        transport.close()


async def echo_protocols(kind: str, folder: Path) -> None:
    """The other process of the same."""
    loop = asyncio.get_running_loop()
    if kind == "unix":
        server = await loop.create_unix_server(EchoProtocol, f"{folder}/protocols")
    else:
        context = contexts(folder)[0] if kind == "TLS" else None
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, ssl=context)
        (folder / "protocols-port").write_text(str(server.sockets[0].getsockname()[1]), encoding="ascii")
    await until_told()
    server.close()


# The table -------------------------------------------------------------------------------------------------------

ECHOES = {"tenure": echo_tenure, "streams": echo_streams, "protocols": echo_protocols}
ASKERS = {"tenure": tenure, "streams": streams, "protocols": protocols}
TITLES = {"tenure": "tenure", "streams": "asyncio streams", "protocols": "asyncio protocols"}


async def until_told() -> None:
    """Say that this process is ready, and go on until the one that started it is gone."""
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(0, ended.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await ended


def run(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    """On asyncio's own loop, or on uvloop's."""
    factory = None
    if loop == "uvloop":
        from uvloop import new_event_loop

        factory = new_event_loop

    async def started() -> None:
        await main()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(started())


def measure(who: str, kind: str, loop: str, trials: int) -> tuple[list[float], list[float]]:
    """The times of all round trips in microseconds, and how many messages went in a second, of each trial."""
    trips_us: list[float] = []
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificates(folder, CLUSTER, NAMES)
        (folder / "ports").write_text(" ".join(map(str, free_ports())), encoding="ascii")
        command = [sys.executable, "-m", "benchmarks.transports", who, kind, loop, name]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as other:
            try:
                assert other.stdout is not None
                assert other.stdout.readline() == "ready\n"

                async def main() -> None:
                    async with ASKERS[who](kind, folder) as pair:
                        for _ in range(ROUND_TRIPS // 10):
                            await pair.lone()
                        for _ in range(trials):
                            for _ in range(ROUND_TRIPS // 10):
                                started_s = time.perf_counter()
                                await pair.lone()
                                trips_us.append((time.perf_counter() - started_s) * 1e6)
                            started_s = time.perf_counter()
                            await pair.burst()
                            rates.append(MESSAGES / (time.perf_counter() - started_s))

                run(loop, lambda: asyncio.wait_for(main(), LIMIT_S + trials))
            finally:
                other.send_signal(signal.SIGKILL)
    return trips_us, rates


def free_ports() -> list[int]:
    """Two ports that nobody listens on."""
    import socket

    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], two.getsockname()[1]]


def main(trials: int) -> None:
    """Print a row for each kind and loop."""
    loops = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
    print(f"{'':34}  {'p50 us':>8}  {'p99 us':>8}  {'trips/s':>9}  {'messages/s':>11}  {'n':>6}", flush=True)
    for loop in loops:
        for kind in ("unix", "tcp", "TLS"):
            for who, title in TITLES.items():
                trips_us, rates = measure(who, kind, loop, trials)
                p50, p99 = quantile(trips_us, 0.5), quantile(trips_us, 0.99)
                rate = "" if who == "protocols" else f"{quantile(rates, 0.5):11,.0f}"
                print(
                    f"{f'{kind}, {title}, {loop}':34}  {p50:8.1f}  {p99:8.1f}  {1e6 / p50:9,.0f}  {rate:>11}  "
                    f"{len(trips_us):6}",
                    flush=True,
                )


if __name__ == "__main__":
    run(sys.argv[3], lambda: ECHOES[sys.argv[1]](sys.argv[2], Path(sys.argv[4])))
