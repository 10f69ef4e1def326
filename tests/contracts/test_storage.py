"""What every storage keeps to: see the contract in `tenure.storage.base`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tenure.core.events import Record
from tenure.storage.base import Storage, StorageError
from tenure.storage.directory import DataDirectory
from tenure.storage.memory import MemoryDisk, MemoryStorage
from tenure.storage.wal import Wal
from tests.storage.disks import FaultyFiles
from tests.storage.logs import Added, Marked

LIMIT_S = 30.0


class InMemory:
    """A memory storage, life after life."""

    def __init__(self, path: Path) -> None:
        del path
        self._disk = MemoryDisk()
        self._storage: MemoryStorage | None = None

    async def open(self) -> Storage:
        """The next life."""
        self._storage = MemoryStorage(self._disk)
        return self._storage

    def stall(self) -> None:
        """Nothing becomes durable."""
        assert self._storage
        self._storage.stall()

    def go_on(self) -> None:
        """It does again."""
        assert self._storage
        self._storage.go_on()

    def fail(self) -> None:
        """What is written next fails."""
        assert self._storage
        self._storage.fail("as the test wishes")

    def release(self) -> None:
        """Nothing is held."""


class OnDisk:
    """A write-ahead log, life after life."""

    def __init__(self, path: Path) -> None:
        self._directory = DataDirectory.open(path)
        self._files = FaultyFiles()

    async def open(self) -> Storage:
        """The next life."""
        self._files = FaultyFiles()
        return await asyncio.to_thread(Wal.open, self._directory, (Marked, Added), None, self._files)

    def stall(self) -> None:
        """Nothing becomes durable."""
        self._files.goes_on.clear()

    def go_on(self) -> None:
        """It does again."""
        self._files.goes_on.set()

    def fail(self) -> None:
        """What is written next fails."""
        self._files.error = 5

    def release(self) -> None:
        """The directory, too."""
        self._files.goes_on.set()
        self._directory.close()


Harness = InMemory | OnDisk
Test = Callable[[Harness], Awaitable[None]]
Kind = type[InMemory] | type[OnDisk]
STORAGES: tuple[Kind, ...] = (InMemory, OnDisk)


class Heard:
    """What a storage has said."""

    def __init__(self, storage: Storage) -> None:
        self.told: list[int] = []
        self.failed: list[StorageError] = []
        self.is_inside = False
        self.storage = storage
        self._news = asyncio.Event()
        storage.begin(self._on_durable, self._on_failed)

    def _on_durable(self, number: int) -> None:
        assert not self.is_inside, "on_durable came from within write"
        self.told.append(number)
        self._news.set()

    def _on_failed(self, error: StorageError) -> None:
        assert not self.is_inside, "on_failed came from within write"
        self.failed.append(error)
        self._news.set()

    def write(self, number: int, record: Record) -> None:
        """Nothing is told meanwhile."""
        self.is_inside = True
        self.storage.write(number, record)
        self.is_inside = False

    async def until(self, number: int) -> None:
        """That is durable, or something failed."""
        async with asyncio.timeout(LIMIT_S):
            while not self.failed and not (self.told and self.told[-1] >= number):
                self._news.clear()
                await self._news.wait()


def run(kind: Kind, path: Path, test: Test) -> None:
    """One test of one storage."""
    harness = kind(path)
    try:
        asyncio.run(asyncio.wait_for(test(harness), 2 * LIMIT_S))
    finally:
        harness.release()


@pytest.fixture(params=STORAGES, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of them."""
    found: Kind = request.param
    return found


def test_the_first_life_begins_with_nothing(kind: Kind, tmp_path: Path) -> None:
    """And a storage that was never begun can be closed."""

    async def test(harness: Harness) -> None:
        storage = await harness.open()
        assert storage.kept == ()
        await storage.close()

    run(kind, tmp_path, test)


def test_each_life_begins_with_what_earlier_ones_made_durable(kind: Kind, tmp_path: Path) -> None:
    """For each type what its records amount to."""

    async def test(harness: Harness) -> None:
        for life in range(5):
            storage = await harness.open()
            if life:
                assert set(storage.kept) == {Marked(life - 1), Added(tuple(range(3 * life)))}
            heard = Heard(storage)
            heard.write(1, Marked(life))
            for value in range(3):
                heard.write(2 + value, Added((3 * life + value,)))
            await heard.until(4)
            await storage.close()

    run(kind, tmp_path, test)


def test_records_become_durable_in_their_order(kind: Kind, tmp_path: Path) -> None:
    """Numbers grow, none above what was written is told, and the last one comes."""

    async def test(harness: Harness) -> None:
        storage = await harness.open()
        heard = Heard(storage)
        number = 0
        for burst in (1, 1, 50, 3, 400, 1):
            for _ in range(burst):
                number += 1
                heard.write(number, Added((number,)))
            await heard.until(number)
        assert heard.told == sorted(set(heard.told))
        assert heard.told[-1] == number
        await storage.close()

    run(kind, tmp_path, test)


def test_close_waits_for_what_was_begun(kind: Kind, tmp_path: Path) -> None:
    """It is durable then, and was told; nothing more is taken."""

    async def test(harness: Harness) -> None:
        storage = await harness.open()
        heard = Heard(storage)
        for number in range(1, 101):
            heard.write(number, Added((number,)))
        await storage.close()
        assert heard.told[-1] == 100
        with pytest.raises(StorageError):
            storage.write(101, Added((101,)))
        await storage.close()
        assert (await harness.open()).kept == (Added(tuple(range(1, 101))),)

    run(kind, tmp_path, test)


def test_a_disk_that_stalls_shows_as_silence_and_a_backlog(kind: Kind, tmp_path: Path) -> None:
    """The loop goes on, and so does the disk afterwards."""

    async def test(harness: Harness) -> None:
        storage = await harness.open()
        heard = Heard(storage)
        heard.write(1, Marked(1))
        await heard.until(1)
        assert storage.backlog_bytes == 0
        harness.stall()
        for number in range(2, 30):
            heard.write(number, Marked(number))
        for _ in range(200):
            await asyncio.sleep(0)
        assert heard.told == [1]
        assert storage.backlog_bytes >= 28
        assert not storage.waits_for_space
        harness.go_on()
        await heard.until(29)
        assert storage.backlog_bytes == 0
        await storage.close()

    run(kind, tmp_path, test)


def test_C7_a_failure_is_said_once_and_for_all(kind: Kind, tmp_path: Path) -> None:
    """Nothing is durable after it, and writing is refused."""

    async def test(harness: Harness) -> None:
        storage = await harness.open()
        heard = Heard(storage)
        heard.write(1, Added((1,)))
        await heard.until(1)
        harness.stall()
        harness.fail()
        if isinstance(harness, OnDisk):
            heard.write(2, Added((2,)))
        harness.go_on()
        await heard.until(2)
        assert (heard.told, len(heard.failed)) == ([1], 1)
        with pytest.raises(StorageError):
            storage.write(3, Added((3,)))
        await storage.close()
        assert len(heard.failed) == 1

    run(kind, tmp_path, test)


def test_a_wrong_number_is_a_defect_of_the_user(kind: Kind, tmp_path: Path) -> None:
    """They begin with 1 and grow by one."""

    async def test(harness: Harness) -> None:
        storage = await harness.open()
        heard = Heard(storage)
        with pytest.raises(AssertionError):
            storage.write(2, Marked(1))
        heard.write(1, Marked(1))
        with pytest.raises(AssertionError):
            storage.write(1, Marked(1))
        await storage.close()

    run(kind, tmp_path, test)
