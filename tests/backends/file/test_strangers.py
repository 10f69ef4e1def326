"""What somebody else put where an election keeps its files: pipes, directories, sockets, symbolic links."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tenure.errors import BackendRefused
from tenure.holding.events import Resign
from tests.backends.file.players import ELECTION
from tests.backends.file.scenes import backend, play, standing, win


def make_socket(path: Path) -> None:
    """A socket without anybody behind it."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def make_link(path: Path) -> None:
    """A symbolic link to nothing."""
    path.symlink_to("/nonexistent/target")


STRANGERS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "directory": Path.mkdir,
    "socket": make_socket,
    "link": make_link,
}


@pytest.fixture(params=sorted(STRANGERS))
def stranger(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Makes something that is no regular file."""
    return STRANGERS[request.param]


@pytest.mark.parametrize("name", ["leader", "lock", "token"])
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, name: str, stranger: Callable[[Path], None]) -> None:
    """Neither a campaign nor a look waits for a pipe's other end; the error names the path; other elections go on."""
    (tmp_path / ELECTION / "candidates").mkdir(parents=True)
    path = tmp_path / ELECTION / name
    stranger(path)

    async def scene() -> None:
        async with backend(tmp_path) as only:
            with pytest.raises(BackendRefused, match=f"remove {path}"):
                await win(only)
            with pytest.raises(BackendRefused, match=f"remove {path}"):
                await only.read(ELECTION)
            await win(only, election="other")

    play(scene())


def test_what_is_no_file_among_the_candidates_is_nobody(tmp_path: Path, stranger: Callable[[Path], None]) -> None:
    """First in the queue, as an unfinished file or under any name, it stands in nobody's way and is left alone."""
    candidates = tmp_path / ELECTION / "candidates"
    candidates.mkdir(parents=True)
    names = ["0000000000-0-x", ".tmp-x", "x"]
    for name in names:
        stranger(candidates / name)

    async def scene() -> None:
        async with backend(tmp_path) as only:
            grant = await win(only)
            assert await standing(only) == []
            await grant.release()
            assert (await win(only)).granted.clean

    play(scene())
    assert all(os.path.lexists(candidates / name) for name in names)


def test_what_is_no_file_is_nobodys_wish(tmp_path: Path, stranger: Callable[[Path], None]) -> None:
    """A wish has no authority: whatever lies there keeps nobody from leading and from stepping down."""
    (tmp_path / ELECTION / "candidates").mkdir(parents=True)
    path = tmp_path / ELECTION / "wish"
    stranger(path)

    async def scene() -> None:
        async with backend(tmp_path) as only:
            grant = await win(only)
            if not path.is_dir():  # everything else went with the win
                stranger(path)
            await grant.release()
            assert (await win(only)).granted.clean

    play(scene())


def test_who_cannot_leave_a_wish_hears_why(tmp_path: Path) -> None:
    """Where a directory has the wish's name the one who asks is told, and the leader leads on."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            await win(only)
            (tmp_path / ELECTION / "wish").mkdir()
            with pytest.raises(BackendRefused, match="wish"):
                await only.ask(ELECTION, Resign())
            assert (await only.read(ELECTION)).leader is not None

    play(scene())


def test_a_release_lets_go_although_a_pipe_has_the_records_name(tmp_path: Path) -> None:
    """The record has no authority: that it cannot be written costs the next one its clean start only."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            grant = await win(only)
            (tmp_path / ELECTION / "leader").unlink()
            os.mkfifo(tmp_path / ELECTION / "leader")
            await grant.release()
            (tmp_path / ELECTION / "leader").unlink()
            assert not (await win(only)).granted.clean

    play(scene())
