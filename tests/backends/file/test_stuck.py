"""A device that does not answer: every thread is stuck, and still no lock is kept for good."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tenure.backends.file import FileBackend, counter, queue, tenures, tools
from tenure.backends.file.contest import Contest
from tenure.backends.file.place import Place
from tenure.backends.worker import SPARES, Worker
from tenure.errors import BackendUnreachable
from tests.backends.file.players import LIMIT_S
from tests.backends.file.scenes import backend, play, win

STUCK = "stuck"
"""The election on the part of the disk that does not answer."""


class Disk:
    """Lets whoever looks at STUCK wait until it `answers`."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = threading.Event()

    def touch(self, place: Place) -> None:
        if place.election == STUCK:
            self.asked.set()
            self.answers.wait(LIMIT_S)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that does not answer about STUCK, and backends that notice soon."""
    stalled = Disk()
    highest, close = counter.highest, tenures._close  # noqa: SLF001 -- the first step of a release

    def slow_highest(place: Place) -> int | None:
        stalled.touch(place)
        return highest(place)

    def slow_close(place: Place, *rest: Any) -> None:
        stalled.touch(place)
        close(place, *rest)

    monkeypatch.setattr(tools, "Worker", partial(Worker, limit_s=0.02))
    monkeypatch.setattr(counter, "highest", slow_highest)
    monkeypatch.setattr(tenures, "_close", slow_close)
    yield stalled
    stalled.answers.set()


@asynccontextmanager
async def all_stuck(on: FileBackend, disk: Disk) -> AsyncIterator[None]:
    """Every thread that `on` may have is stuck, and whoever asks it for something is refused."""
    looks = [asyncio.create_task(on.read(STUCK)) for _ in range(SPARES + 1)]
    try:
        while True:
            try:
                async with asyncio.timeout(0.02):
                    await on.read("other")
            except TimeoutError:
                continue
            except BackendUnreachable:
                break
        yield
    finally:
        disk.answers.set()
        await asyncio.gather(*looks, return_exceptions=True)


def test_a_release_that_no_thread_can_do_lets_go_all_the_same(tmp_path: Path, disk: Disk) -> None:
    """It says that it could not be done in order, and the next candidate leads, as if the leader had died."""

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as second:
            grant = await win(first, "a")
            async with all_stuck(first, disk):
                with pytest.raises(BackendUnreachable):
                    await grant.release()

                assert grant.keep_open == ()
                after = await win(second, "b")
                assert (after.granted.token, after.granted.clean) == (2, False)
                await grant.release()  # it is gone: there is nothing left to refuse

    play(scene())


def test_a_release_lets_go_whatever_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody thought of does not keep the lock either."""

    def fail(_place: Place) -> Iterator[tuple[str, queue.Presence]]:
        raise RuntimeError("nobody thought of this")

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as second:
            grant = await win(first, "a")
            with monkeypatch.context() as patch:
                patch.setattr(queue, "standing", fail)
                with pytest.raises(RuntimeError, match="nobody thought"):
                    await grant.release("b")
            assert (await win(second, "b")).granted.token == 2

    play(scene())


def test_a_release_that_hangs_is_not_told_as_done(tmp_path: Path, disk: Disk) -> None:
    """Who gave up waiting for one and asks again hears that the lock is still held; later that it is not."""

    async def scene() -> None:
        async with backend(tmp_path) as first, backend(tmp_path) as second:
            grant = await win(first, "a", election=STUCK)
            hanging = asyncio.create_task(grant.release())
            await asyncio.to_thread(disk.asked.wait, LIMIT_S)
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)

            with pytest.raises(BackendUnreachable, match="still held"):
                await grant.release()
            disk.answers.set()
            assert (await win(second, "b", election=STUCK)).granted.token == 2
            await grant.release()

    play(scene())


def test_a_campaign_that_was_refused_leaves_nothing_to_be_done(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried again and again while the device is gone, it queues nothing behind the stuck threads."""
    withdrawn: list[Contest] = []
    monkeypatch.setattr(Contest, "withdraw", withdrawn.append)

    async def scene() -> None:
        async with backend(tmp_path) as only:
            async with all_stuck(only, disk):
                for _ in range(3):
                    with pytest.raises(BackendUnreachable):
                        await win(only)
            await only.read("other")
            assert withdrawn == []

    play(scene())
