"""Links between nodes over TCP, one for each direction, that are cut, stalled, delayed and reset on order.

A node sends on connections that it dialled, so each pair of nodes has two links, and one of them can be broken alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

CHUNK_BYTES = 64 << 10
ABORTS = struct.pack("ii", 1, 0)
"""SO_LINGER with no time at all: close(2) sends a reset."""


class Link:
    """From one node to another: what is dialled at `address` reaches `target`, (host, port) both."""

    def __init__(self, address: tuple[str, int], target: tuple[str, int]) -> None:
        self.address, self.target = address, target
        self.delay_s = 0.0
        """What each chunk takes."""
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._connections = set[asyncio.Task[None]]()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self.address)

    def cut(self) -> None:
        """Reset every connection, and each that is made from now on."""
        self._is_cut = True
        self.reset()

    def stall(self) -> None:
        """Let nothing through; what is sent waits in buffers, and comes late when this is over."""
        self._flows.clear()

    def heal(self) -> None:
        """A link as it should be."""
        self._is_cut, self.delay_s = False, 0.0
        self._flows.set()

    def reset(self) -> None:
        """Reset every connection that stands."""
        for task in self._connections:
            task.cancel()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            if not self._is_cut:
                await self._flows.wait()
                there, back = await asyncio.open_connection(*self.target)
                writers.append(back)
                pumps = [
                    asyncio.ensure_future(self._pump(reader, back)),
                    asyncio.ensure_future(self._pump(there, writer)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            ...  # the other side is down, or the link was reset: either way this connection ends
        finally:
            self._connections.discard(task)
            for one in writers:
                _abort(one)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._flows.wait()
            writer.write(data)
            await writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    made = writer.get_extra_info("socket")
    if made is not None:
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTS)
    writer.transport.abort()
