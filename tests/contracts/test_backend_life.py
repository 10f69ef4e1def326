"""A backend's own life: usable after errors, closed, forked, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from tenure.errors import BackendError, BackendRefused
from tenure.holding.events import Resign
from tests.contracts.stage import ELECTION, LIMIT_S, Stage


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_the_url_names_the_backend(stage: Stage) -> None:
    """`url` has a scheme, and two backends on one service have the same."""
    assert "://" in stage.backend.url
    assert stage.backend.url == stage.other.url


async def test_elections_that_somebody_stood_for_are_listed(stage: Stage) -> None:
    """Led, released or only stood for: each is listed; one that was only looked at is not."""
    await stage.win("a", election="led")
    await (await stage.win("a", election="released")).release()
    await stage.other.read("looked-at")
    try:
        listed = await stage.other.elections()
    except BackendRefused:
        return  # it says that it cannot, which is allowed

    assert sorted(listed) == ["led", "released"]


async def test_a_backend_is_usable_after_errors(stage: Stage) -> None:
    """What was refused has no effect on what comes after it."""
    for _ in range(3):
        with pytest.raises(BackendRefused):
            await stage.backend.ask(ELECTION, Resign())
        with pytest.raises(BackendRefused):
            await stage.backend.floor(ELECTION, -1)
        grant = await stage.win("a")
        with pytest.raises(BackendRefused):
            await grant.publish("x" * 5000)
        with pytest.raises(BackendRefused):
            await stage.backend.floor(ELECTION, 10**6)
        await grant.release()

    assert (await stage.win("b")).granted.token < 10**6


async def test_closing_ends_what_is_held(stage: Stage) -> None:
    """A closed backend's grants end as if their holder died; its waiting campaigns end, and are listed no more."""
    doomed = stage.connect()
    held = await stage.win("a", on=doomed)
    waiting = await stage.stand("b", on=doomed)
    survivor = await stage.stand("c")

    await doomed.close()
    await stage.run_out()

    won = await survivor.won()
    assert won.granted.token > held.granted.token
    assert await stage.standing() == []
    with pytest.raises(BackendError):
        await asyncio.wait_for(waiting.task, LIMIT_S)


async def test_closing_twice_does_nothing(stage: Stage) -> None:
    """The second close neither fails nor touches anybody else."""
    grant = await stage.win("a")
    extra = stage.connect()
    await extra.close()
    await extra.close()

    leader = await stage.leader()
    assert leader is not None
    assert leader.token == grant.granted.token


async def test_a_closed_backend_refuses(stage: Stage) -> None:
    """After its close a backend says no, and does nothing."""
    extra = stage.connect()
    await extra.close()

    with pytest.raises(BackendError):
        await asyncio.wait_for(extra.campaign(stage.candidate("a"), once=True), LIMIT_S)
    with pytest.raises(BackendError):
        await asyncio.wait_for(extra.read(ELECTION), LIMIT_S)


async def test_L20_nothing_leaks(stage: Stage) -> None:
    """A hundred cycles of everything leave as many descriptors, threads and tasks as there were after the first ten."""

    async def cycle(number: int) -> None:
        backend = stage.connect() if number % 10 == 0 else stage.backend
        grant = await stage.win("a", on=backend)
        eye = stage.listen(stage.other.watch(ELECTION))
        ear = stage.listen(grant.attend())
        waiter = await stage.stand("b", on=backend)
        await stage.other.ask(ELECTION, Resign())
        await ear.until(lambda heard: len(heard) > 0)
        await waiter.cancel()
        await grant.publish(str(number))
        await ear.stop()
        await eye.stop()
        await grant.release()
        if backend is not stage.backend:
            await backend.close()

    def counts() -> tuple[int, int, int]:
        return open_descriptors(), threading.active_count(), len(asyncio.all_tasks())

    for number in range(10):
        await cycle(number)
    before = counts()
    for number in range(100):
        await cycle(number)

    async def is_back() -> bool:
        return all(now <= then for now, then in zip(counts(), before, strict=True))

    await stage.until(is_back, f"there are no more descriptors, threads and tasks than {before}")


async def test_L20_closing_everything_leaves_nothing(stage: Stage) -> None:
    """After its close a backend has no descriptor, thread or task of its own left."""
    for backend in (stage.other, extra := stage.connect()):
        await backend.read(ELECTION)
    await extra.close()
    before = open_descriptors(), threading.active_count(), len(asyncio.all_tasks())
    for number in range(10):
        extra = stage.connect()
        await stage.win("a", on=extra, election=f"e{number}")
        stage.listen(extra.watch(ELECTION))
        await stage.stand("b", on=extra, election=f"e{number}")
        await extra.close()
        if not extra.capabilities.apart:
            await stage.run_out()  # whoever leads one of them leads all

    async def is_back() -> bool:
        now = open_descriptors(), threading.active_count(), len(asyncio.all_tasks())
        return all(count <= then for count, then in zip(now, before, strict=True))

    await stage.until(is_back, f"there are no more descriptors, threads and tasks than {before}")


async def test_L26_a_forked_child_changes_nothing_for_its_parent(stage: Stage) -> None:
    """A child that drops what it inherited frees nothing of its parent's, and keeps nothing that the parent frees."""
    grant = await stage.win("a")
    attempt = await stage.stand("b")
    told, tell = os.pipe()
    stay, leave = os.pipe()
    child = os.fork()
    if child == 0:  # nothing of the test framework may run in here
        code = 1
        try:
            os.close(leave)
            stage.backend.forked()
            stage.other.forked()
            os.write(tell, b".")
            os.read(stay, 1)
            code = 0
        finally:
            os._exit(code)
    os.close(tell)
    os.close(stay)
    try:
        heard = await asyncio.wait_for(asyncio.to_thread(os.read, told, 1), LIMIT_S)
        assert heard == b".", "forked() failed in the child; its error stands above"

        assert await stage.try_once("c", on=stage.connect()) is None
        await grant.publish("still here")
        await grant.release()
        await attempt.won()
    finally:
        os.close(leave)
        os.close(told)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
