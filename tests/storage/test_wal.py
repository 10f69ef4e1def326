"""The log on a real disk: group commit, segments, checkpoints, and a disk that stalls, fails or is full."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tenure.storage.base import StorageDamaged, StorageError, StorageFailed, StorageForeign, StorageInUse
from tenure.storage.directory import DataDirectory
from tenure.storage.wal import Limits, Wal
from tenure.storage.wal.format import BLOCK
from tests.conftest import missing
from tests.storage.disks import ClosingFiles, FaultyFiles, HeldFiles
from tests.storage.life import KINDS, LIMIT_S, SMALL, Life, life, read
from tests.storage.logs import Added, Marked

LARGE = Limits()


def names(path: Path) -> list[str]:
    """The log's files there."""
    return sorted(one.name for one in path.iterdir() if one.name.startswith("wal-"))


async def test_one_sync_makes_durable_all_that_waits(tmp_path: Path) -> None:
    """While one batch is under way, whatever comes is gathered, and leaves as one."""
    files = FaultyFiles()
    async with life(tmp_path, LARGE, files) as one:
        await one.until(one.write(1))
        files.goes_on.clear()
        one.write(2)
        await asyncio.to_thread(files.has_stalled.wait)
        before = files.batches
        last = one.write(*range(3, 1003))
        files.goes_on.set()
        await one.until(last)
        assert files.batches - before == 2
        assert one.wal.backlog_bytes == 0
    assert read(tmp_path, LARGE) == tuple(range(1, 1003))


async def test_C7_nothing_is_said_to_be_durable_while_the_disk_stalls(tmp_path: Path) -> None:
    """And the loop goes on: writing more blocks nobody; the backlog shows what waits."""
    files = FaultyFiles()
    async with life(tmp_path, LARGE, files) as one:
        await one.until(one.write(1))
        files.goes_on.clear()
        last = one.write(*range(2, 50))
        await asyncio.to_thread(files.has_stalled.wait)
        for _ in range(100):
            await asyncio.sleep(0)
        assert one.told == [1]
        assert one.wal.backlog_bytes > 48 * 3
        files.goes_on.set()
        await one.until(last)


async def test_checkpoints_keep_the_log_short(tmp_path: Path) -> None:
    """Whatever is written, few segments are there, used again and again; and nothing is lost."""
    async with life(tmp_path) as one:
        for value in range(300):
            await one.until(one.write(value))
        async with asyncio.timeout(LIMIT_S):  # the last checkpoint may be under way
            while len(names(tmp_path)) > 12:
                await one.until(one.write(one.written))
    assert any(name.endswith(".checkpoint") for name in names(tmp_path))
    async with life(tmp_path) as one:
        count = len(one.began_with)
        assert count >= 300
        assert one.began_with == tuple(range(count))
        assert one.wal.recovered.batches < 60
        await one.until(one.write(count))
    assert read(tmp_path) == tuple(range(count + 1))


async def test_checkpoints_go_on_while_records_are_written(tmp_path: Path) -> None:
    """Records come without a pause, of any length, and none is lost or read twice."""
    async with life(tmp_path) as one:
        for value in range(0, 4000, 40):
            one.write(*range(value, value + 40))
            one.written += 1
            one.wal.write(one.written, Marked(value, "x" * (value % 7 * 2000)))
            if value % 400 == 0:
                await one.until(one.written)
        await one.until(one.written)
    async with life(tmp_path) as one:
        assert one.began_with == tuple(range(4000))
        assert Marked(3960, "x" * (3960 % 7 * 2000)) in one.wal.kept


async def test_a_record_longer_than_a_segment_is_kept(tmp_path: Path) -> None:
    """A snapshot may be; it goes through several segments, and checkpoints."""
    texts = [chr(97 + at) * (50_000 + at) for at in range(6)]
    for text in texts:
        async with life(tmp_path) as one:
            one.write(1)
            one.written += 1
            one.wal.write(one.written, Marked(1, text))
            await one.until(one.written)
        async with life(tmp_path) as one:
            assert Marked(1, text) in one.wal.kept
    assert len(read(tmp_path)) == len(texts)


async def test_many_short_lives_leave_few_files(tmp_path: Path) -> None:
    """Each begins a segment of its own; those of earlier ones come into checkpoints."""
    for value in range(25):
        async with life(tmp_path) as one:
            assert one.began_with == tuple(range(value))
            await one.until(one.write(value))
    assert len(names(tmp_path)) <= 14


async def test_an_unknown_error_of_a_write_ends_the_log_for_good(tmp_path: Path) -> None:
    """EIO, once: nothing more is tried, nothing is said to be durable, and a write is refused."""
    files = FaultyFiles()
    async with life(tmp_path, LARGE, files) as one:
        await one.until(one.write(1))
        files.error = errno.EIO
        one.write(2)
        error = await one.until_failed()
        files.error = None
        assert isinstance(error, StorageFailed)
        assert "Input/output error" in str(error)
        batches = files.batches
        with pytest.raises(StorageFailed):
            one.write(3)
        assert (one.told, len(one.failed), files.batches) == ([1], 1, batches)
    assert read(tmp_path, LARGE) == (1,)


async def test_a_directory_is_not_free_before_both_threads_have_ended(tmp_path: Path) -> None:
    """A log that has failed, and was left while its keeper hung in a checkpoint: who opens the directory meanwhile
    would have its files renamed and dropped under its feet.
    """
    files = HeldFiles()
    with DataDirectory.open(tmp_path) as directory:
        limits = Limits(segment_bytes=4 * BLOCK, checkpoint_segments=1)
        one = Life(await asyncio.to_thread(Wal.open, directory, KINDS, limits, files))
        for value in range(3):  # with the one that begins a life they fill a segment, and one more is in the next
            await one.until(one.write(value))
        await asyncio.to_thread(files.is_naming.wait)
        files.error = errno.EIO
        one.write(one.written)
        await one.until_failed()
    for thread in threading.enumerate():
        if thread.name == "tenure-wal-writer":
            await asyncio.to_thread(thread.join)
    with pytest.raises(StorageInUse):
        DataDirectory.open(tmp_path)
    files.goes_on_naming.set()
    await one.wal.close()
    assert len(read(tmp_path)) >= one.durable


@pytest.mark.parametrize("count", [1, 20])
async def test_a_close_that_fails_holds_nobody_up(count: int, tmp_path: Path) -> None:
    """All batches in the file were synced: it has nothing to say but that the disk is bad. What comes after it fails,
    and no descriptor is closed twice, for it may be another's by then.
    """
    files = ClosingFiles()
    async with life(tmp_path, files=files) as one:
        for value in range(count):
            with suppress(StorageFailed):
                one.write(value)
                await one.until(one.written)
    assert bool(one.failed) == (count > 1)
    assert not files.has_closed_twice
    assert len(read(tmp_path)) >= one.durable > 0


async def test_a_full_disk_is_survived_without_loss(tmp_path: Path) -> None:
    """What has no place waits; nothing of it is said to be durable; it goes on when there is room."""
    files = FaultyFiles()
    async with life(tmp_path, files=files) as one:
        await one.until(one.write(1))
        files.is_full = True
        last = 0
        for value in range(2, 60):
            last = one.write(value)
        one.written += 1
        one.wal.write(one.written, Marked(1, "x" * 20_000))
        await asyncio.to_thread(files.has_been_full.wait)
        assert one.wal.backlog_bytes > 20_000
        await asyncio.to_thread(files.has_been_full_again.wait)
        assert one.wal.waits_for_space
        assert one.durable < one.written
        files.is_full = False
        await one.until(one.written)
        assert not one.failed
        assert last < one.durable
    assert read(tmp_path) == tuple(range(1, 60))


async def test_a_log_on_a_full_disk_can_be_closed_and_says_what_failed(tmp_path: Path) -> None:
    """It does not wait for ever; what was durable is there."""
    files = FaultyFiles()
    async with life(tmp_path, files=files) as one:
        await one.until(one.write(1))
        files.is_full = True
        one.written += 1
        one.wal.write(one.written, Marked(1, "x" * 40_000))
        await asyncio.to_thread(files.has_been_full.wait)
    assert isinstance(one.failed[0], StorageFailed)
    assert one.told == [1]
    assert read(tmp_path) == (1,)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        missing("root, who may mount a small file system")
    path = tmp_path / "small"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path], check=False, capture_output=True)
    if made.returncode:
        missing(f"the right to mount: {made.stderr.decode()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.may_skip("only root may mount")
async def test_a_really_full_disk_is_survived_without_loss(small_disk: Path) -> None:
    """A file system on which nothing more fits, until somebody makes room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(120_000))
    async with life(small_disk, Limits(segment_bytes=8 * BLOCK, checkpoint_segments=50)) as one:
        value = 0
        while not one.wal.waits_for_space:
            value += 1
            one.write(value)
            await asyncio.sleep(0.001)  # real writes: until the real disk is full
        one.written += 1
        one.wal.write(one.written, Marked(1, "x" * 40_000))  # more than the rest of any segment
        for _ in range(40):
            value += 1
            one.write(value)
        assert not one.failed
        assert one.durable < one.written
        ballast.unlink()
        await one.until(one.written)
    assert read(small_disk, Limits(segment_bytes=8 * BLOCK, checkpoint_segments=50)) == tuple(range(1, value + 1))


async def test_a_checkpoint_that_reads_back_wrongly_ends_the_log(tmp_path: Path) -> None:
    """No segment is dropped that could not be read: a disk that has lost what it was given is found out."""
    async with life(tmp_path, Limits(segment_bytes=4 * BLOCK, checkpoint_segments=3)) as one:
        for value in range(4):
            await one.until(one.write(value))
        first = tmp_path / names(tmp_path)[0]
        with first.open("r+b") as file:
            file.seek(BLOCK + 10)
            file.write(b"\xff")
        with suppress(StorageFailed):
            for value in range(4, 40):
                await one.until(one.write(value))
        await one.until_failed()
        assert isinstance(one.failed[0].__cause__, StorageDamaged)
    assert first.exists()


async def test_a_log_needs_no_direct_writes(tmp_path: Path) -> None:
    """Where a file system takes none, or no sync in one call, it does the same in more of them."""
    files = FaultyFiles()
    files.is_direct = files._syncs_in_one = False  # noqa: SLF001  what a kernel would have answered
    async with life(tmp_path, files=files) as one:
        for value in range(30):
            await one.until(one.write(value))
    assert read(tmp_path) == tuple(range(30))


async def test_what_is_too_long_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing is begun, and the number stays free."""
    limits = Limits(segment_bytes=4 * BLOCK, record_bytes=1000)
    async with life(tmp_path, limits) as one:
        with pytest.raises(StorageError, match="too long to be kept"):
            one.wal.write(1, Marked(1, "x" * 1000))
        await one.until(one.write(1))
    with pytest.raises(StorageError, match="open it anew"):
        one.write(2)


async def test_what_is_kept_has_a_limit_that_is_said(tmp_path: Path) -> None:
    """A state machine that grows without end is told, rather than a disk filled."""
    limits = Limits(segment_bytes=4 * BLOCK, checkpoint_segments=1, record_bytes=1000, kept_bytes=1000)
    async with life(tmp_path, limits) as one:
        for value in range(1 << 40, 1 << 60, 1 << 50):
            if not one.failed:
                one.write(*range(value, value + 1000))
                await asyncio.sleep(0)
        await one.until_failed()
        assert "raise kept_bytes" in str(one.failed[0])


async def test_it_gives_back_all_it_took(tmp_path: Path) -> None:
    """Descriptors and threads."""
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208  names alone
    for value in range(10):
        async with life(tmp_path) as one:
            await one.until(one.write(value))
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208  as above
    assert threading.active_count() <= threads


@pytest.mark.parametrize("name", ["wal-1.log", "wal-00000000000000000001.log.bak", "wal-old"])
def test_a_foreign_file_is_refused(name: str, tmp_path: Path) -> None:
    """It may be the log that an operator meant to put back."""
    with DataDirectory.open(tmp_path) as directory:
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(StorageForeign, match="move it away"):
            Wal.open(directory, KINDS, SMALL)


async def test_a_missing_permission_is_said(tmp_path: Path) -> None:
    """The file is named, and nothing changed."""
    async with life(tmp_path) as one:
        await one.until(one.write(1))
    (tmp_path / names(tmp_path)[0]).chmod(0)
    is_root = os.geteuid() == 0
    with DataDirectory.open(tmp_path) as directory:
        if is_root:
            os.seteuid(65534)
        try:
            with pytest.raises(StorageError, match="Permission denied"):
                Wal.open(directory, KINDS, SMALL)
        finally:
            if is_root:
                os.seteuid(0)


@pytest.mark.parametrize(
    "wrong",
    [{"segment_bytes": 1000}, {"segment_bytes": BLOCK}, {"checkpoint_segments": 0}, {"record_bytes": 0}],
    ids=str,
)
def test_limits_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    """With what to give instead."""
    with pytest.raises(ValueError, match="; give "):
        Limits(**wrong)


async def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    """The node has some of its own there."""
    (tmp_path / "node.json").write_text("{}")
    async with life(tmp_path) as one:
        for value in range(40):
            await one.until(one.write(value))
    assert (tmp_path / "node.json").read_text() == "{}"
    assert Added((1,)).over(Added((0,))) == Added((0, 1))
