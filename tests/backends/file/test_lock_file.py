"""L23: the lock file is deleted, replaced or moved underneath its leader; and other damage to the directory."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tenure.backends.base import Candidate, Grant
from tenure.backends.file import campaign, outcomes, queue, sentry, steps
from tenure.backends.file.identity import Process, death_watch
from tenure.backends.file.inotify import Inotify
from tenure.backends.file.place import Place
from tenure.clock import BootClock
from tenure.errors import BackendRefused, Reason, StaleToken
from tenure.holding.events import Deposed, Resign
from tests.backends.file.players import ELECTION, company
from tests.backends.file.scenes import backend, candidate, play, standing, until, win

ORPHAN_S = outcomes.ORPHAN_NS / 1e9


async def end_of(grant: Grant, attends: asyncio.Event | None = None) -> Deposed:
    """Attend until the grant is gone; `attends` is set at the first wish."""
    async for told in grant.attend():
        if isinstance(told, Deposed):
            return told
        if attends is not None:
            attends.set()
    raise AssertionError("attend ended without telling the end of the grant")


def delete(root: Path) -> None:
    """Remove the lock file."""
    (root / ELECTION / "lock").unlink()


def replace(root: Path) -> None:
    """Put another lock file in its place."""
    (root / ELECTION / "new").touch()
    (root / ELECTION / "new").rename(root / ELECTION / "lock")


def move(root: Path) -> None:
    """Give the lock file another name."""
    (root / ELECTION / "lock").rename(root / ELECTION / "elsewhere")


def move_election(root: Path) -> None:
    """Give the election's directory another name."""
    (root / ELECTION).rename(root / "other")


def move_root(root: Path) -> None:
    """Give the backend's directory another name."""
    root.rename(root.with_name("moved"))


def swap_root(root: Path) -> None:
    """Put an empty directory in place of the backend's."""
    move_root(root)
    root.mkdir()


def wipe(root: Path) -> None:
    """Remove the election with all its files, at once: candidates come back to a directory that is still there."""
    (root / ELECTION).rename(root / "wiped")
    shutil.rmtree(root / "wiped")


@pytest.mark.parametrize(
    ("damage", "reasons"),
    [
        (delete, {Reason.DEPOSED}),
        (replace, {Reason.DEPOSED}),
        (move, {Reason.DEPOSED}),
        (move_election, {Reason.BACKEND_GONE}),
        (move_root, {Reason.BACKEND_GONE}),
        (swap_root, {Reason.BACKEND_GONE}),
        (wipe, {Reason.BACKEND_GONE, Reason.DEPOSED}),  # the lock goes first, and may be missed before the directory
    ],
)
@pytest.mark.parametrize("sees", [True, False], ids=["news", "blind"])
def test_L23_a_leader_learns_that_its_lock_file_is_gone(
    tmp_path: Path, damage: Callable[[Path], None], reasons: set[Reason], sees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is done to the file or above it, with the kernel's news or without: the leader is told, and in time."""
    if sees:
        monkeypatch.setattr(sentry, "IN_TURN", 0)  # so that nothing is seen by luck
    else:
        monkeypatch.setattr(Inotify, "start", lambda *_: None)

    async def scene() -> None:
        root = tmp_path / "root"
        async with backend(root) as leading:
            grant = await win(leading)
            attends = asyncio.Event()
            task = asyncio.create_task(end_of(grant, attends))
            await leading.ask(ELECTION, Resign())
            await attends.wait()
            await leading.read(ELECTION)  # its look after the wish is over now: what comes is told, or never seen
            began_ns = leading.clock.now_ns()
            damage(root)
            told = await task

            assert told.reason in reasons
            assert told.until_ns is not None
            assert told.until_ns <= began_ns + outcomes.ORPHAN_NS

    play(scene())


def test_L23_who_wins_on_another_file_waits_two_seconds(tmp_path: Path) -> None:
    """The last tenure is unclosed, held another file, and its process lives: it gets two seconds."""

    async def scene() -> None:
        async with backend(tmp_path) as old, backend(tmp_path) as new:
            await win(old, "old")
            delete(tmp_path)
            began_s = time.monotonic()
            won = await win(new, "new")

            assert time.monotonic() - began_s >= ORPHAN_S
            assert won.granted.token == 2
            assert not won.granted.clean

    play(scene())


def test_L23_who_wins_on_another_file_waits_no_longer_than_the_old_leader(tmp_path: Path) -> None:
    """The deposed leader closes its tenure: the wait ends with that, cleanly."""

    async def scene() -> None:
        async with backend(tmp_path) as old, backend(tmp_path) as new:
            grant = await win(old, "old")
            attends = asyncio.Event()
            told = asyncio.create_task(end_of(grant, attends))
            await old.ask(ELECTION, Resign())
            await attends.wait()
            delete(tmp_path)
            task = asyncio.create_task(win(new, "new"))
            await told
            await grant.release()
            won = await task

            assert won.granted.clean
            reading = await new.read(ELECTION)
            assert reading.leader is not None
            assert reading.leader.candidate == "new"

    play(scene())


def test_L23_the_death_of_the_old_process_ends_the_wait(tmp_path: Path) -> None:
    """A real process leads on a deleted file; when it is killed the next one leads."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        standby = players.stand("standby")
        delete(tmp_path)
        leader.kill()

        assert standby.hear("elected") == ["2", "False"]


class CountingClock(BootClock):
    """Knows how many still want to hear that it was moved."""

    def __init__(self) -> None:
        self.listeners = 0

    def on_move(self, callback: Callable[[], None]) -> Callable[[], None]:
        del callback
        self.listeners += 1

        def end() -> None:
            self.listeners -= 1

        return end


def test_L20_a_wait_for_the_old_leader_that_is_cancelled_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while it asks the kernel for news of the old leader's death, it is forgotten by the clock as well."""
    asked, answer = threading.Event(), threading.Event()

    def slow(process: Process) -> int | None:
        asked.set()
        answer.wait(10)
        return death_watch(process)

    monkeypatch.setattr(campaign, "death_watch", slow)

    async def scene() -> None:
        clock = CountingClock()
        async with backend(tmp_path) as old, backend(tmp_path, clock=clock) as new:
            await win(old, "old")
            delete(tmp_path)
            task = asyncio.create_task(win(new, "new"))
            await asyncio.to_thread(asked.wait, 10)
            assert clock.listeners == 1
            task.cancel()
            asyncio.get_running_loop().call_later(0.01, answer.set)  # the campaign waits a second for its withdrawal
            await asyncio.gather(task, return_exceptions=True)
            assert clock.listeners == 0

    play(scene())


def test_L23_standbys_follow_the_new_file(tmp_path: Path) -> None:
    """Those who waited at the deleted file are elected on the new one, each in its turn and once."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        first, second = players.stand("first"), players.stand("second")
        delete(tmp_path)
        leader.kill()

        assert first.elected() == 2
        assert second.hear("ready") == []
        assert second.has_said_nothing()
        first.ask("release", "released")
        assert second.elected() == 3


def test_L23_nobody_leads_on_a_deleted_file(tmp_path: Path) -> None:
    """A standby that holds the deleted file open wins on the new one, so that whoever comes later meets its lock."""

    async def scene() -> None:
        async with backend(tmp_path) as old, backend(tmp_path) as waiting, backend(tmp_path) as late:
            grant = await win(old, "old")
            task = asyncio.create_task(win(waiting, "standby"))

            async def stands() -> bool:
                return await standing(late) == ["standby"]

            await until(stands)
            replace(tmp_path)
            await grant.release()
            won = await task

            assert os.fstat(won.keep_open[0]).st_ino == (tmp_path / ELECTION / "lock").stat().st_ino
            assert await late.campaign(candidate("late"), once=True) is None

    play(scene())


def test_L26_a_copy_of_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    """Releasing closes and never unlocks: while a guardian or job holds a copy nobody else leads, then at once."""

    async def scene() -> None:
        async with backend(tmp_path) as old, backend(tmp_path) as new:
            grant = await win(old, "old")
            copy = os.dup(grant.keep_open[0])
            await grant.release()
            task = asyncio.create_task(win(new, "new"))

            async def stands() -> bool:
                return await standing(old) == ["new"]

            await until(stands)
            leader = (await old.read(ELECTION)).leader
            assert leader is not None
            assert f"has ended, but its lock is still held by pid {os.getpid()} (" in leader.warning
            assert not task.done()
            os.close(copy)
            assert (await task).granted.token == 2

    play(scene())


def test_L17_a_wiped_directory_does_not_take_the_tokens_back(tmp_path: Path) -> None:
    """Who stood when the directory was removed remembers the highest token, and gives the old leader its time."""

    async def scene() -> None:
        async with backend(tmp_path, poll_s=0.1) as old, backend(tmp_path, poll_s=0.1) as new:
            for _ in range(4):
                grant = await win(old, "old")
                await grant.release()
            await win(old, "old")
            task = asyncio.create_task(win(new, "new"))

            async def stands() -> bool:
                return await standing(old) == ["new"]

            await until(stands)
            began_s = time.monotonic()
            wipe(tmp_path)
            won = await task

            assert won.granted.token == 6
            assert time.monotonic() - began_s >= ORPHAN_S

    play(scene())


def test_a_directory_that_goes_in_the_middle_of_a_step_ends_no_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed between two calls of one look, the directory is made again, and the candidate is elected in it."""
    stand = queue.stand
    wiped: list[str] = []

    def wipes_once(place: Place, who: Candidate, name: str) -> int:
        if not wiped:
            wiped.append(name)
            wipe(tmp_path)
        return stand(place, who, name)

    monkeypatch.setattr(queue, "stand", wipes_once)

    async def scene() -> None:
        async with backend(tmp_path, poll_s=0.1) as old, backend(tmp_path, poll_s=0.1) as new:
            await win(old, "old")
            await win(new, "new")
            assert wiped

    play(scene())


def test_a_deposed_leader_writes_nothing_over_the_next(tmp_path: Path) -> None:
    """Its release changes neither the record of the leader after it nor its lock; its values are stale."""

    async def scene() -> None:
        async with backend(tmp_path) as old, backend(tmp_path) as new:
            stale = await win(old, "old")
            delete(tmp_path)
            await win(new, "new")
            await stale.release()
            with pytest.raises(StaleToken):
                await stale.publish("too late")
            leader = (await new.read(ELECTION)).leader

            assert leader is not None
            assert (leader.candidate, leader.token, leader.value) == ("new", 2, None)
            assert await old.campaign(candidate("third"), once=True) is None

    play(scene())


def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path) -> None:
    """An election's name never leaves the directory."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            for name in ("..", "../x", "a/b", "", ".hidden", "a" * 129):
                with pytest.raises(BackendRefused, match="cannot name"):
                    await only.read(name)

    play(scene())


def test_a_floor_waits_for_a_candidate_that_only_looks(tmp_path: Path) -> None:
    """It holds the lock for an instant, without having shown that it leads."""

    async def scene() -> None:
        async with backend(tmp_path) as only:
            await (await win(only, "a")).release()
            fd = os.open(tmp_path / ELECTION / "lock", os.O_RDWR)
            steps.take_lock(fd)
            flooring = asyncio.create_task(only.floor(ELECTION, 7))
            await asyncio.wait([flooring], timeout=0.05)
            os.close(fd)
            await flooring
            assert (await win(only, "b")).granted.token == 8

    play(scene())
