"""One life of a log in a test: opened, begun, and listened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tenure.core.events import Record
from tenure.storage.base import StorageError
from tenure.storage.directory import DataDirectory
from tenure.storage.wal import Limits, Wal
from tenure.storage.wal.files import Files
from tenure.storage.wal.format import BLOCK
from tests.storage.logs import Added, Marked, values_of

KINDS: tuple[type[Record], ...] = (Marked, Added)
SMALL = Limits(segment_bytes=4 * BLOCK, checkpoint_segments=2)
LIMIT_S = 30.0


class Life:
    """A log, and what it has said."""

    def __init__(self, wal: Wal) -> None:
        self.wal = wal
        self.began_with = values_of(wal.kept)
        self.told: list[int] = []
        self.failed: list[StorageError] = []
        self.written = 0
        self._news = asyncio.Event()
        wal.begin(self._durable, self._failed)

    def _durable(self, number: int) -> None:
        self.told.append(number)
        self._news.set()

    def _failed(self, error: StorageError) -> None:
        self.failed.append(error)
        self._news.set()

    def write(self, *values: int) -> int:
        """A record for each; the last one's number."""
        for value in values:
            self.written += 1
            self.wal.write(self.written, Added((value,)))
        return self.written

    async def until(self, number: int) -> None:
        """That record is durable. Raises what failed."""
        async with asyncio.timeout(LIMIT_S):
            while not self.failed and self.durable < number:
                self._news.clear()
                await self._news.wait()
        if self.durable < number:
            raise self.failed[0]

    async def until_failed(self) -> StorageError:
        """It has failed."""
        async with asyncio.timeout(LIMIT_S):
            while not self.failed:
                self._news.clear()
                await self._news.wait()
        return self.failed[0]

    @property
    def durable(self) -> int:
        """The greatest number that was said to be."""
        return self.told[-1] if self.told else 0


@asynccontextmanager
async def life(path: Path, limits: Limits = SMALL, files: Files | None = None) -> AsyncIterator[Life]:
    """From opening to the end of closing."""
    with DataDirectory.open(path) as directory:
        one = Life(await asyncio.to_thread(Wal.open, directory, KINDS, limits, files))
        try:
            yield one
        finally:
            async with asyncio.timeout(LIMIT_S):
                await one.wal.close()


def read(path: Path, limits: Limits = SMALL) -> tuple[int, ...]:
    """The values that are kept there, read by another life."""
    with DataDirectory.open(path) as directory:
        return values_of(Wal.open(directory, KINDS, limits).kept)
