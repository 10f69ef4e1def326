"""What a benchmark asks of a group."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

from benchmarks import servers

VALUE = bytes(100)
START_S = 60.0
"""How long a group, or a member that was started again, may take until it takes a write."""
WRITE_S = 5.0
"""How long one attempt at a write may take."""


class Asker(ABC):
    """A client that stays connected to one member."""

    @abstractmethod
    async def write(self) -> None:
        """Have VALUE written under one key, and return when the group says that it is. Raises whatever its library does
        where it is not, or nobody knows.
        """


class Group(ABC):
    """`names` are the members; each has a process of its own in `folder`."""

    is_synced = True
    """Whether what it says is written is on disk."""

    def __init__(self, folder: Path, members: int = 3) -> None:
        self.folder = folder
        self.names = tuple("abcdefg"[:members])
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.ends = AsyncExitStack()

    @abstractmethod
    def command(self, name: str) -> list[str]:
        """What starts a member, or starts it again with its own data."""

    @abstractmethod
    async def leader(self) -> str | None:
        """Who leads, as one of them knows."""

    @abstractmethod
    async def asker(self, name: str) -> Asker:
        """A client of that member; `ends` closes it."""

    def spawn(self, name: str) -> None:
        """Start the member's process."""
        self.processes[name] = subprocess.Popen(
            [*servers.MORTAL, *self.command(name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if self.talks else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    talks = False
    """Whether its processes are asked by lines on stdin, and answer on stdout."""

    async def __aenter__(self) -> Self:
        try:
            for name in self.names:
                self.spawn(name)
            for name in self.names:
                await self.until_it_takes_writes(name)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.ends.aclose()
        finally:
            for process in self.processes.values():
                process.kill()
            for process in self.processes.values():
                process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        with suppress(BrokenPipeError):
                            stream.close()

    def strike(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a member's process."""
        self.processes[name].send_signal(number)

    async def until_it_takes_writes(self, name: str) -> None:
        """Until a write through this member has succeeded. Raises Absent if that takes too long."""
        await self._until(lambda: self._takes_a_write(name), f"{type(self).__name__}: member {name} takes no writes")

    async def known_leader(self) -> str:
        """Who leads, once somebody does."""
        found: list[str] = []

        async def look() -> bool:
            leader = await self.leader()
            found.extend([leader] if leader is not None else [])
            return bool(found)

        await self._until(look, f"{type(self).__name__}: nobody leads")
        return found[0]

    async def _takes_a_write(self, name: str) -> bool:
        async with AsyncExitStack() as ends:
            mine, self.ends = self.ends, ends
            try:
                asker = await asyncio.wait_for(self.asker(name), WRITE_S)
                await asyncio.wait_for(asker.write(), WRITE_S)
            except Exception:  # noqa: BLE001  each library has errors of its own, and the limit is ours
                return False
            finally:
                self.ends = mine
        return True

    async def _until(self, come: Callable[[], Awaitable[bool]], what: str) -> None:
        end_s = time.monotonic() + START_S
        while not await come():
            if time.monotonic() > end_s:
                raise servers.Absent(what)
            await asyncio.sleep(0.05)
