"""A leader makes its successor's token durable beforehand, so that a hand-over waits for no disk; and what if not."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tenure.backends.file import FileBackend, FileGrant, contest, counter, record, steps
from tenure.backends.file.place import Place
from tests.backends.file.players import ELECTION
from tests.backends.file.scenes import backend, candidate, play, standing, until, win


def place(root: Path) -> Place:
    """The files of the election."""
    return Place(str(root), ELECTION, private=False)


def now(root: Path) -> record.Record:
    """The newest record."""
    found = record.read(place(root))
    assert found is not None
    return found


@asynccontextmanager
async def attended(grant: FileGrant) -> AsyncIterator[None]:
    """Attend to the grant, as its keeper does, in the meantime."""

    async def attend() -> None:
        async for _ in grant.attend():
            pass

    task = asyncio.create_task(attend())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reserve(root: Path, grant: FileGrant) -> None:
    """Attend until the next token is reserved."""

    async def is_reserved() -> bool:
        return now(root).reserve == "durable"

    async with attended(grant):
        await until(is_reserved)


async def reserved_one(root: Path) -> None:
    """A tenure that reserved a token for the next and was closed in good order."""
    async with backend(root) as first:
        grant = await win(first, "first")
        await reserve(root, grant)
        await grant.release()


def count_syncs(patch: pytest.MonkeyPatch) -> list[int]:
    """Write down every sync of the counter."""
    synced: list[int] = []
    sync = steps.sync_token

    def counted(fd: int) -> None:
        sync(fd)
        synced.append(fd)

    patch.setattr(steps, "sync_token", counted)
    return synced


@pytest.mark.parametrize("end", ["release", "death"])
def test_a_reserved_token_is_taken_without_waiting_for_the_disk(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next token in order, after a resignation and after a death, and nothing was synced for it."""

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as second:
            grant = await win(first, "first")
            await reserve(tmp_path, grant)
            synced = count_syncs(monkeypatch)
            if end == "release":
                await grant.release()
            else:
                grant.drop()
            won = await win(second, "second")

            assert won.granted.token == grant.granted.token + 1
            assert won.granted.clean is (end == "release")
            assert synced == []
            reading = await second.read(ELECTION)
            assert reading.leader is not None
            assert (reading.leader.candidate, reading.leader.token) == ("second", 2)

    play(scene())


def test_the_token_is_durable_before_it_is_called_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note in the record comes after the sync."""
    happened: list[str] = []
    sync, write = steps.sync_token, steps.write_record

    def synced(fd: int) -> None:
        sync(fd)
        happened.append("synced")

    def written(fd: int, data: bytes, offset: int) -> None:
        state = record.unpack(data)
        assert state is not None
        happened.append(state.reserve)
        write(fd, data, offset)

    async def scene() -> None:
        async with backend(tmp_path) as only:
            grant = await win(only)
            monkeypatch.setattr(steps, "sync_token", synced)
            monkeypatch.setattr(steps, "write_record", written)
            await reserve(tmp_path, grant)

    play(scene())
    assert happened == ["begun", "synced", "durable"]


def rot(root: Path) -> None:
    """The newest record can no more be read; the one before it can."""
    data = bytearray((root / ELECTION / "leader").read_bytes())
    data[record.offset(now(root)) + 40] ^= 0xFF
    (root / ELECTION / "leader").write_bytes(data)


def test_L17_a_damaged_record_gives_no_token_twice(tmp_path: Path) -> None:
    """The older record tells of a reserved token, but not that it was given."""

    async def scene() -> None:
        await reserved_one(tmp_path)
        async with backend(tmp_path) as second:
            grant = await win(second, "second")
            assert grant.granted.token == 2
            grant.drop()
        rot(tmp_path)
        assert now(tmp_path).token == 1
        async with backend(tmp_path) as third:
            assert (await win(third, "third")).granted.token > 2

    play(scene())


def test_L17_a_token_is_not_taken_from_before_a_restart_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are not durable: whether the token was given, nobody knows after a power cut."""

    async def scene() -> None:
        await reserved_one(tmp_path)
        monkeypatch.setattr(contest, "boot_id", lambda: "another")
        async with backend(tmp_path) as second:
            won = await win(second, "second")
            assert won.granted.token == 3
            assert not won.granted.clean

    play(scene())


def test_L17_a_reserved_token_is_given_only_with_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refuses the record: another token is synced, for nobody would know that this one was given."""

    def refuse(_fd: int, _data: bytes, _offset: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def scene() -> None:
        await reserved_one(tmp_path)
        async with backend(tmp_path) as second, backend(tmp_path) as third:
            with monkeypatch.context() as patch:
                patch.setattr(steps, "write_record", refuse)
                grant = await win(second, "second")
                grant.drop()
            assert (await win(third, "third")).granted.token > grant.granted.token

    play(scene())


@pytest.mark.parametrize("damage", [b"", b"\xff" * counter.SLOT_BYTES], ids=["gone", "rubbish"])
def test_L17_a_counter_that_is_not_as_it_was_left_is_not_believed(damage: bytes, tmp_path: Path) -> None:
    """One slot of the counter is bad, whichever: the reserved token is skipped."""

    async def scene(root: Path, slot: int) -> None:
        await reserved_one(root)
        data = bytearray((root / ELECTION / "token").read_bytes())
        data[slot : slot + counter.SLOT_BYTES] = damage.ljust(counter.SLOT_BYTES, b"\0")
        (root / ELECTION / "token").write_bytes(data)
        async with backend(root) as second:
            assert (await win(second, "second")).granted.token > 2

    for slot in counter.OFFSETS:
        play(scene(tmp_path / str(slot), slot))


class Disk:
    """A disk that hangs in the sync of the counter until it is told to go on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.hangs = threading.Event()
        self.go_on = threading.Event()
        self._sync = steps.sync_token
        patch.setattr(steps, "sync_token", self._hang)

    def _hang(self, fd: int) -> None:
        self.hangs.set()
        assert self.go_on.wait(10.0)
        self._sync(fd)


async def when(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""

    async def holds() -> bool:
        return condition()

    await until(holds)


def test_readers_see_the_leader_while_it_reserves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter is one ahead for as long as the disk takes: that is nobody's tenure."""

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as reader:
            grant = await win(first, "first")
            disk = Disk(monkeypatch)
            async with attended(grant):
                await when(disk.hangs.is_set)
                reading = await reader.read(ELECTION)
                disk.go_on.set()
                await grant.publish("value")
            assert reading.leader is not None
            assert (reading.leader.candidate, reading.leader.token, reading.leader.warning) == ("first", 1, "")
            assert now(tmp_path).reserve == "durable"
            reading = await reader.read(ELECTION)
            assert (reading.leader and reading.leader.value, reading.token) == ("value", 1)

    play(scene())


def test_a_disk_that_hangs_in_a_reservation_keeps_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader lets go meanwhile: a late write must not meet the next tenure's, so nobody wins before it is over."""

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as second:
            grant = await win(first, "first")
            disk = Disk(monkeypatch)
            async with attended(grant):
                await when(disk.hangs.is_set)
                grant.drop()
                assert await second.campaign(candidate("second"), once=True) is None
                waiting = asyncio.create_task(win(second, "second"))
                disk.go_on.set()
                assert (await waiting).granted.token > 1

    play(scene())


async def in_front(on: FileBackend, name: str) -> asyncio.Task[FileGrant]:
    """Stand, first in the queue."""
    task = asyncio.create_task(win(on, name))

    async def stands() -> bool:
        return name in await standing(on)

    await until(stands)
    return task


def test_who_was_cancelled_after_it_won_at_once_gives_back(tmp_path: Path) -> None:
    """The lock is taken on the kernel's news, without the loop; a cancellation that the loop sees before that wins."""

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as second, backend(tmp_path) as third:
            grant = await win(first, "first")
            waiting = await in_front(second, "second")
            grant.drop()
            limit_s = time.monotonic() + 5
            while now(tmp_path).candidate != "second" and time.monotonic() < limit_s:
                time.sleep(0.001)  # noqa: ASYNC251  the loop must not turn: that is what this is about
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert waiting.cancelled()
            won = await win(third, "third")
            assert now(tmp_path).candidate == "third"
            assert won.granted.token > 2

    play(scene())
