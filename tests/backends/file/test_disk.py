"""A disk that is full, read-only, not ours, or out of descriptors."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenure.backends.file import open_file, steps
from tenure.backends.file.place import Place
from tenure.errors import BackendRefused, BackendUnreachable
from tests.backends.file.players import ELECTION, LIMIT_S
from tests.backends.file.scenes import backend, candidate, play, win

CROWD = str(Path(__file__).with_name("programs") / "crowd.py")


def failing(code: int) -> Callable[..., Any]:
    """A step of the disk that fails."""

    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fails


def test_a_full_disk_stops_no_later_win(tmp_path: Path) -> None:
    """Once an election exists its files have their size: leading, publishing and releasing write only what is there."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            grant = await win(only)
            await grant.publish("x" * 4000)
            await grant.release()
            files = {path: path.stat().st_size for path in (tmp_path / ELECTION).iterdir() if path.is_file()}
            grant = await win(only)
            await grant.publish("y" * 4096)
            await grant.release()
            assert files == {path: path.stat().st_size for path in (tmp_path / ELECTION).iterdir() if path.is_file()}

    play(scene())


def test_a_record_that_cannot_be_written_costs_nobody_the_leadership(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The win stands, readers see a leader whose name is unknown, publishing fails, and the release lets go."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            with monkeypatch.context() as full:
                full.setattr(steps, "write_record", failing(errno.ENOSPC))
                full.setattr(steps, "close_record", failing(errno.ENOSPC))
                grant = await win(only)
                reading = await only.read(ELECTION)
                assert reading.leader is not None
                assert reading.leader.token == grant.granted.token == 1
                assert "does not tell who" in reading.leader.warning
                with pytest.raises(BackendUnreachable, match="Free some space"):
                    await grant.publish("x")
                await grant.release()

            after = await win(only, "next")
            assert after.granted.token == 2
            assert not after.granted.clean

    play(scene())


def test_a_token_that_cannot_be_written_elects_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign fails with what to do, the lock is free again, and a later campaign is won."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            with monkeypatch.context() as full:
                full.setattr(steps, "sync_token", failing(errno.EIO))
                with pytest.raises(BackendUnreachable, match="kernel's log"):
                    await win(only)
            assert (await only.read(ELECTION)).leader is None
            assert (await win(only)).granted.token >= 1

    play(scene())


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file system (its error is injected: a superuser is stopped by no mode) says what to change."""

    async def scene() -> None:
        async with backend(tmp_path / "new") as only:
            monkeypatch.setattr(Place, "create", failing(errno.EROFS))
            with pytest.raises(BackendRefused, match="can be written"):
                await win(only)

    play(scene())


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    """Where a file stands in the way, nothing is made and the error says so."""
    (tmp_path / "file").write_text("in the way")

    async def scene() -> None:
        async with backend(tmp_path / "file" / "elections") as only:
            with pytest.raises(BackendRefused, match="Not a directory"):
                await win(only)

    play(scene())


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    """Nobody is led to lock or write another file by a symbolic link."""
    (tmp_path / ELECTION / "candidates").mkdir(parents=True)
    (tmp_path / ELECTION / "lock").symlink_to(tmp_path / "victim")

    async def scene() -> None:
        async with backend(tmp_path) as only:
            with pytest.raises(BackendRefused, match="symbolic links"):
                await win(only)

    play(scene())
    assert not (tmp_path / "victim").exists()


def test_what_belongs_to_one_user_is_closed_to_others(tmp_path: Path) -> None:
    """With the scope "user" directories and files are this user's only."""

    async def scene() -> None:
        own = open_file(tmp_path / "state" / "own", scope="user")
        try:
            await win(own)
        finally:
            await own.close()

    play(scene())
    made = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert len(made) > 5
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_beyond_the_descriptors_the_refusal_is_clear(tmp_path: Path) -> None:
    """With 64 descriptors some fifty elections are led; the next is refused with the limit; releasing frees all."""
    ran = subprocess.run(
        [sys.executable, CROWD, str(tmp_path), "64"], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )

    led, reason, token = ran.stdout.splitlines()
    assert 40 < int(led) < 64
    assert reason.startswith("descriptor limit (RLIMIT_NOFILE) reached: 64; raise it with ulimit -n")
    assert int(token) == 2


def test_a_thousand_elections_need_a_thousand_descriptors(tmp_path: Path) -> None:
    """One descriptor for each election that is led, and a few for the backend."""
    ran = subprocess.run(
        [sys.executable, CROWD, str(tmp_path), "1040"], capture_output=True, text=True, timeout=110, check=True
    )

    assert 1000 <= int(ran.stdout.split()[0]) < 1040


def test_once_it_only_asks_it_leaves_nothing(tmp_path: Path) -> None:
    """Reading an election that never was makes no file."""

    async def scene() -> None:
        async with backend(tmp_path / "none") as only:
            reading = await only.read(ELECTION)
            assert (reading.leader, reading.token, reading.candidates) == (None, 0, ())
            assert not (tmp_path / "none").exists()
            assert await only.campaign(candidate("a"), once=True) is not None

    play(scene())
