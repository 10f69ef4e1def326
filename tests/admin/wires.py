"""What lies between nodes that speak TCP: one wire for each direction of each pair, which a test can hold up, so that
bytes neither arrive nor are refused, as in a partition.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import permutations
from typing import Any

LIMIT_S = 30.0
Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


class Wires:
    """Between nodes that listen at these ports of 127.0.0.1, by name; `port(a, b)` is where a reaches b."""

    def __init__(self, listening: dict[str, int]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires")
        self._thread.start()
        self._open: dict[tuple[str, str], asyncio.Event] = {}
        self._servers: dict[tuple[str, str], asyncio.Server] = {}
        self._tasks = set[asyncio.Task[None]]()
        self._call(self._begin(listening))

    def port(self, source: str, target: str) -> int:
        number: int = self._servers[source, target].sockets[0].getsockname()[1]
        return number

    def hold(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Nothing passes from the first of each pair to the second, nor back on the connections that the first made."""
        for pair in pairs:
            self._loop.call_soon_threadsafe(self._open[pair].clear)

    def heal(self) -> None:
        """Everything passes, what was held first."""
        for is_open in self._open.values():
            self._loop.call_soon_threadsafe(is_open.set)

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT_S)

    async def _begin(self, listening: dict[str, int]) -> None:
        for source, target in permutations(listening, 2):
            is_open = self._open[source, target] = asyncio.Event()
            is_open.set()
            self._servers[source, target] = await asyncio.start_server(
                self._carrier(is_open, listening[target]), "127.0.0.1", 0
            )

    def _carrier(self, is_open: asyncio.Event, port: int) -> Carry:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await is_open.wait()
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await _first(_pass(reader, inner_writer, is_open), _pass(inner_reader, writer, is_open))
                finally:
                    inner_writer.close()
            except OSError:
                ...  # nobody listens there: the connection ends
            finally:
                writer.close()
                self._tasks.discard(task)

        return carry

    async def _end(self) -> None:
        for server in self._servers.values():
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await asyncio.sleep(0)  # transports that were closed end in the next turn


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
    while piece := await reader.read(65536):
        await is_open.wait()
        writer.write(piece)
        await writer.drain()


async def _first(*ways: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def all_to_and_from(name: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Every wire that ends at that node."""
    return [pair for pair in permutations(names, 2) if name in pair]
