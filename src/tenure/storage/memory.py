"""A storage that lasts as long as its `MemoryDisk`: for electors without records, and for tests."""

from __future__ import annotations

import asyncio
from collections import deque

from tenure.core.events import Record
from tenure.storage.base import Count, OnDurable, OnFailed, Storage, StorageError, StorageFailed
from tenure.storage.folding import Folding


class MemoryDisk:
    """What outlives a node's life, for as long as the process lives."""

    def __init__(self) -> None:
        self.folding = Folding()


class MemoryStorage(Storage):
    """Durable in the loop's next turn, unless `stall` holds it up; its user may have it `fail`, too."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self._disk = disk or MemoryDisk()
        self.kept = self._disk.folding.result()
        self._count = Count()
        self._durable = 0
        self._writing = deque[tuple[int, Record]]()
        self._is_stalled = False
        self._failed: StorageFailed | None = None
        self._is_due = False
        self._is_closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def begin(self, on_durable: OnDurable, on_failed: OnFailed) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_durable, self._on_failed = on_durable, on_failed

    def write(self, number: int, record: Record) -> None:
        if self._failed is not None or self._is_closed:
            raise self._failed or StorageError("this storage is closed; open it anew")
        self._count.take(number)
        self._writing.append((number, record))
        self._empty.clear()
        self._look_soon()

    @property
    def backlog_bytes(self) -> int:
        """Records, each counted as one byte: nothing is encoded here."""
        return len(self._writing)

    async def close(self) -> None:
        self._is_closed = True
        await self._empty.wait()

    def stall(self) -> None:
        """Nothing becomes durable from now on."""
        self._is_stalled = True

    def go_on(self) -> None:
        """No longer stalled."""
        self._is_stalled = False
        self._look_soon()

    def fail(self, why: str) -> None:
        """The disk fails."""
        self._failed = StorageFailed(why)
        self._look_soon()

    def _look_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._is_due = False
        if self._failed is not None:
            self._empty.set()
            self._on_failed(self._failed)
        elif self._writing and not self._is_stalled:
            for _, record in self._writing:
                self._disk.folding.add(record)
            last, _ = self._writing[-1]
            self._writing.clear()
            self._empty.set()
            self._on_durable(last)
