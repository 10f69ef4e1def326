"""The power goes at any instant, in any life, and takes whatever was not synced: sector by sector, name by name."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tenure.storage.base import StorageError
from tenure.storage.wal import Limits
from tenure.storage.wal.format import BLOCK
from tests.storage.disks import VolatileFiles
from tests.storage.life import SMALL, life, read
from tests.storage.logs import Marked

LIVES = 6
SEEDS = 20
"""Crashes of one schedule. One keeps a batch that was not synced with a chance of 0.37 at most, all with 2e-9."""
UNFOLDED = Limits(segment_bytes=4 * BLOCK, checkpoint_segments=50)
"""Nothing is in a checkpoint besides: that would keep what a segment loses."""


async def suffer(path: Path, seed: int) -> list[str]:
    """Some lives of one log, each ended by a crash or a kill; what does not hold of what it says."""
    chance = Random(seed)
    objections: list[str] = []
    written = durable = 0
    files: VolatileFiles | None = None
    here = path / "first"
    here.mkdir()
    for number in range(LIVES):
        if files is None:
            files = VolatileFiles(here)
        files.last = files.calls + 1 + int(chance.random() * chance.choice((15, 60, 120)))
        try:
            async with life(here, SMALL, files) as one:
                found = len(one.began_with)
                if one.began_with != tuple(range(found)) or not durable <= found <= written:
                    objections.append(f"life {number}: {one.began_with} of {written} written, {durable} durable")
                written = durable = found
                for _ in range(60):
                    if one.failed:
                        break
                    count = chance.choice((1, 1, 1, 3, 40))
                    one.write(*range(written, written + count))
                    if chance.random() < 0.1:
                        one.written += 1
                        one.wal.write(one.written, Marked(1, "x" * int(chance.random() * 40_000)))
                    written += count
                    if chance.random() < 0.7:
                        await one.until(one.written)
                        durable = written
        except StorageError as error:
            if "the power is gone" not in str(error) + str(error.__cause__):
                objections.append(f"life {number}: {error}")
        if chance.random() < 0.3:
            continue  # its process was killed: what it wrote is in the cache, and the next life has that
        here = path / f"{number}"
        files.crash(chance, here)
        files = None
    return objections


@pytest.mark.parametrize("seeds", [range(at, at + 15) for at in range(0, 60, 15)], ids=str)
def test_C1_what_was_said_to_be_durable_outlives_every_crash(seeds: range, tmp_path: Path) -> None:
    """And nothing else stops the node: a crash makes no damage."""
    for seed in seeds:
        path = tmp_path / str(seed)
        path.mkdir()
        assert asyncio.run(suffer(path, seed)) == [], seed


def test_C1_what_is_told_is_durable_in_each_file_that_it_is_in(tmp_path: Path) -> None:
    """A batch of one part, and one that goes through several segments; no checkpoint says it once more."""
    here = tmp_path / "here"
    here.mkdir()
    files = VolatileFiles(here)

    async def only() -> None:
        async with life(here, UNFOLDED, files) as one:
            await one.until(one.write(0))
            one.write(1)
            one.written += 1
            one.wal.write(one.written, Marked(1, "x" * 40_000))
            await one.until(one.write(2))
            files.last = 0

    asyncio.run(only())
    for seed in range(SEEDS):
        files.crash(Random(seed), tmp_path / str(seed))
        assert read(tmp_path / str(seed)) == (0, 1, 2)


def test_C7_what_a_life_has_read_outlives_the_next_crash(tmp_path: Path) -> None:
    """Its process was killed before the sync: the cache had the write, a life read it, and then the power went."""
    here = tmp_path / "here"
    here.mkdir()
    files = VolatileFiles(here)

    async def first() -> None:
        async with life(here, UNFOLDED, files) as one:
            await one.until(one.write(0))
            files.syncs = False  # killed between write and sync
            await one.until(one.write(1))
            files.last = 0

    async def second() -> None:
        files.syncs = True
        files.last = None
        async with life(here, UNFOLDED, files) as one:
            assert one.began_with == (0, 1)
            files.last = 0

    asyncio.run(first())
    asyncio.run(second())
    for seed in range(SEEDS):
        files.crash(Random(seed), tmp_path / str(seed))
        assert read(tmp_path / str(seed)) == (0, 1)


class Cut(VolatileFiles):
    """Nothing more is done once the name `at` has been given, or from when it is to be given on if `is_before`."""

    at, is_before = "", False

    def rename(self, old: Path, new: Path) -> None:
        is_it = self.at in new.name
        if is_it and self.is_before:
            self.last = 0
        super().rename(old, new)
        if is_it:
            self.last = 0


def test_C7_a_checkpoint_that_a_life_has_read_outlives_the_next_crash(tmp_path: Path) -> None:
    """Its process was killed before its name was durable: segments that it stands for are not used again before."""
    here = tmp_path / "here"
    here.mkdir()
    files = Cut(here)
    files.at = ".checkpoint"

    async def first() -> None:
        async with life(here, SMALL, files) as one:
            while not one.failed:
                one.write(one.written)
                with suppress(StorageError):
                    await one.until(one.written)
            durable.append(one.durable)

    async def second() -> None:
        files.last, files.at, files.is_before = None, ".log", True
        async with life(here, SMALL, files) as one:
            await one.until_failed()  # the next segment is made of an old one, and about to get its name

    durable: list[int] = []
    asyncio.run(first())
    assert any(one.name.endswith(".checkpoint") for one in here.iterdir())
    asyncio.run(second())
    for named in range(files.names_at_risk + 1):
        files.crash(Random(named), tmp_path / str(named), named=named)
        values = read(tmp_path / str(named))
        assert values == tuple(range(len(values)))
        assert len(values) >= durable[0]
