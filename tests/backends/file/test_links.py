"""A backend's directory that is reached through a symbolic link: one place, whichever way it was spelt."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tenure.errors import Reason
from tenure.holding.events import Deposed
from tests.backends.file.players import ELECTION, company
from tests.backends.file.scenes import backend, candidate, play, win


def linked(tmp_path: Path) -> tuple[Path, Path]:
    """A directory, and a link to it."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    return real, link


def is_open(fd: int) -> bool:
    """Whether this process has that descriptor."""
    return Path(f"/proc/self/fd/{fd}").is_symlink()


def test_L26_a_forked_child_lets_go_through_a_link(tmp_path: Path) -> None:
    """The kernel names descriptors by their paths without links; the child finds them all the same."""
    _, link = linked(tmp_path)
    with company(link) as players:
        parent = players.start("parent")
        parent.elected()
        child = int(parent.ask("fork told", "child")[0])
        try:
            standby = players.stand("standby")
            parent.kill()

            assert standby.elected() == 2
        finally:
            os.kill(child, signal.SIGKILL)


def test_L26_a_forked_child_lets_go_of_what_was_moved(tmp_path: Path) -> None:
    """What is held is known by its descriptor: neither a link that is turned nor a moved directory hides it."""
    real, link = linked(tmp_path)

    async def scene() -> None:
        async with backend(link) as parents:
            grant = await win(parents)
            (fd,) = grant.keep_open
            real.rename(tmp_path / "moved")
            link.unlink()
            child = os.fork()
            if child == 0:  # nothing of the test framework may run in here
                parents.forked()
                os._exit(is_open(fd))
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0

    play(scene())


def test_two_spellings_of_a_directory_are_one_place(tmp_path: Path) -> None:
    """Whoever comes through the link finds the leader that came without it."""
    real, link = linked(tmp_path)

    async def scene() -> None:
        async with backend(real) as direct, backend(link) as through:
            await win(direct, "a")
            assert await through.campaign(candidate("b"), once=True) is None
            leader = (await through.read(ELECTION)).leader
            assert leader is not None
            assert leader.candidate == "a"

    play(scene())


def test_a_link_that_is_turned_ends_the_tenure(tmp_path: Path) -> None:
    """Newcomers elect elsewhere from now on, so who leads behind the old link is told to stop."""
    _, link = linked(tmp_path)
    (tmp_path / "other").mkdir()

    async def scene() -> None:
        async with backend(link) as only:
            grant = await win(only)
            ends = asyncio.ensure_future(anext(aiter(grant.attend())))
            await only.read(ELECTION)
            link.unlink()
            link.symlink_to(tmp_path / "other")

            told = await ends

            assert isinstance(told, Deposed)
            assert told.reason is Reason.BACKEND_GONE

    play(scene())
