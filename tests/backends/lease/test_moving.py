"""An election that moves away while somebody else is about to win there: one of the two, never both."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tenure.backends.base import Gone, Moved
from tenure.backends.file import steps
from tenure.backends.lease import tenure_file
from tenure.backends.lease.tenure_file import TenureFile
from tenure.clock import ManualClock
from tenure.errors import BackendUnreachable
from tests.backends.lease.scenes import ELECTION, LEASE_S, LIMIT_S, backend, candidate, play, win

THERE = "file:///another/place"


def test_L17_a_tenure_that_is_made_after_its_election_moved_away_is_not_led(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate looks and finds nobody leading, sleeps, and makes its tenure once the move is over."""
    clock = ManualClock()
    about_to_make, moved = threading.Event(), threading.Event()
    make, retire = tenure_file.make, TenureFile.retire

    def make_late(*arguments: Any) -> TenureFile | None:
        about_to_make.set()
        assert moved.wait(LIMIT_S)
        return make(*arguments)

    def retire_slowly(self: TenureFile, url: str) -> bool:
        monkeypatch.setattr(tenure_file, "make", make_late)
        clock.advance(LEASE_S * 1.1)  # the mover sleeps after its last look at the clock, so others may try
        assert about_to_make.wait(LIMIT_S)
        done = retire(self, url)
        moved.set()
        return done

    async def scene() -> None:
        async with backend(tmp_path, clock) as old, backend(tmp_path, clock) as other:
            grant = await win(old, "mover")
            late = asyncio.create_task(other.campaign(candidate("late"), once=False))
            monkeypatch.setattr(TenureFile, "retire", retire_slowly)

            await grant.retire(THERE)

            with pytest.raises(Moved):
                await late

    play(scene())


def test_L17_a_move_that_comes_after_another_tenure_was_made_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mover sleeps for longer than its lease just before it says that the election moves: it says so no more."""
    clock = ManualClock()
    won = threading.Event()
    lead, retire = TenureFile.lead, TenureFile.retire

    def lead_and_tell(self: TenureFile) -> None:
        lead(self)
        won.set()

    def retire_late(self: TenureFile, url: str) -> bool:
        monkeypatch.setattr(TenureFile, "lead", lead_and_tell)
        clock.advance(LEASE_S * 1.1)
        assert won.wait(LIMIT_S)
        return retire(self, url)

    async def scene() -> None:
        async with backend(tmp_path, clock) as old, backend(tmp_path, clock) as other:
            grant = await win(old, "mover")
            late = asyncio.create_task(other.campaign(candidate("late"), once=False))
            monkeypatch.setattr(TenureFile, "retire", retire_late)

            with pytest.raises(Gone):
                await grant.retire(THERE)

            successor = await late
            assert successor is not None
            leader = (await old.read(ELECTION)).leader
            assert leader is not None
            assert leader.token == successor.granted.token
            await successor.release()
            await win(old, "next")

    play(scene())


def test_a_mover_whose_lease_is_over_moves_nothing(tmp_path: Path) -> None:
    """The whole move fits the lease, or is given up."""
    clock = ManualClock()

    async def scene() -> None:
        async with backend(tmp_path, clock) as old:
            grant = await win(old, "mover")
            clock.advance(LEASE_S * 1.1)

            with pytest.raises(Gone, match="run out"):
                await grant.retire(THERE)

            await win(old, "next")

    play(scene())


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5])
def test_a_move_that_the_disk_refuses_is_taken_back_by_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Wherever the disk fails: after the release the election is where it was."""
    calls = iter(range(1, 100))

    def failing(whole: Any) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if next(calls) == call:
                raise OSError(errno.EIO, "Input/output error")
            return whole(*arguments, **named)

        return wrapped

    async def scene() -> None:
        async with backend(tmp_path, ManualClock()) as old:
            grant = await win(old, "mover")
            with monkeypatch.context() as patch:
                patch.setattr(steps, "write_whole", failing(steps.write_whole))
                patch.setattr(os, "fsync", failing(os.fsync))
                with pytest.raises(BackendUnreachable, match="Input/output"):
                    await grant.retire(THERE)
            await grant.release(acted=False)

            await win(old, "next")

    play(scene())
