"""The ways between the nodes of a group, which can be parted: each is a port of its own that forwards to a node's.

What is sent into a way that is parted is not refused and does not arrive, as in a network that is cut; it arrives once
the way is whole again, as what TCP sends again does.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Collection, Iterable
from itertools import permutations
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
CALL_S = 10.0
"""How long any order to the links' thread may take."""


class Links:
    """Of nodes by name, on a thread of its own: `own` is where each listens, `ways` how one reaches another."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.own = {name: _free_port() for name in self.names}
        self.ways: dict[tuple[str, str], int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._whole: dict[tuple[str, str], asyncio.Event] = {}
        self._servers: list[asyncio.Server] = []
        self._carrying = set[asyncio.Task[None]]()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CALL_S)
            self._loop.close()

    def address(self, name: str) -> str:
        """Where a node listens."""
        return f"{HOST}:{self.own[name]}"

    def peers(self, name: str) -> dict[str, str]:
        """Where a node reaches each other one."""
        return {other: f"{HOST}:{self.ways[name, other]}" for other in self.names if other != name}

    def part(self, side: Collection[str]) -> None:
        """Let nothing pass between these and the others, in either direction."""
        self._call(self._set_whole([way for way in self._whole if (way[0] in side) != (way[1] in side)], whole=False))

    def heal(self) -> None:
        """Let everything pass."""
        self._call(self._set_whole(list(self._whole), whole=True))

    def _call(self, doing: Any) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(CALL_S)

    async def _open(self) -> None:
        for way in permutations(self.names, 2):
            whole = self._whole[way] = asyncio.Event()
            whole.set()
            server = await asyncio.start_server(self._accepted(way, whole), HOST, 0)
            self._servers.append(server)
            self.ways[way] = server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        await asyncio.sleep(0)  # connections that were ended are told so in the next turn

    async def _set_whole(self, ways: list[tuple[str, str]], *, whole: bool) -> None:
        for way in ways:
            if whole:
                self._whole[way].set()
            else:
                self._whole[way].clear()

    def _accepted(self, way: tuple[str, str], whole: asyncio.Event) -> Any:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._carrying.add(task)
            try:
                await _carry(self.own[way[1]], whole, reader, writer)
            except OSError:
                pass  # one side is gone, and with it the connection
            finally:
                writer.transport.abort()
                self._carrying.discard(task)

        return carry


async def _carry(port: int, whole: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Both directions of one connection, until either ends."""
    await whole.wait()
    there, back = await asyncio.open_connection(HOST, port)
    pumps = [asyncio.create_task(_pump(*ends, whole)) for ends in ((reader, back), (there, writer))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        back.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, whole: asyncio.Event) -> None:
    while data := await reader.read(CHUNK_BYTES):
        await whole.wait()
        writer.write(data)
        await writer.drain()


def _free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])
