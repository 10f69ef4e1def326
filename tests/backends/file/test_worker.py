"""The thread that does what may block: order, answers, abandonment, stuck threads, the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from tenure.backends import worker as worker_module
from tenure.backends.worker import SPARES, Worker
from tenure.errors import BackendUnreachable

LIMIT_S = 20.0


def play(scene: Callable[[Worker], Coroutine[Any, Any, None]], limit_s: float = 5.0) -> None:
    """Run `scene` with a worker, and close that."""

    async def whole() -> None:
        worker = Worker("under-test", limit_s=limit_s)
        try:
            async with asyncio.timeout(LIMIT_S):
                await scene(worker)
        finally:
            worker.close()
            await worker.ended()

    asyncio.run(whole())


def test_it_answers_and_raises() -> None:
    """Results and exceptions come back to who awaits; jobs never run on the loop's thread."""

    async def scene(worker: Worker) -> None:
        assert await worker.run(lambda: 7) == 7
        assert await worker.run(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        assert await worker.run(lambda: 8) == 8

    play(scene)


def test_jobs_run_in_their_order() -> None:
    """A later job never overtakes an earlier one."""

    async def scene(worker: Worker) -> None:
        done: list[int] = []
        await asyncio.gather(*(worker.run(partial(done.append, number)) for number in range(100)))
        assert done == list(range(100))

    play(scene)


def test_the_answer_of_an_abandoned_job_is_given_to_lost() -> None:
    """Who is cancelled does not wait; what the job took is given back when it comes, on the thread."""

    async def scene(worker: Worker) -> None:
        go = threading.Event()
        lost: list[str] = []
        task = asyncio.create_task(worker.run(lambda: (go.wait(LIMIT_S), "taken")[1], lost=lost.append))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        go.set()
        await worker.run(lambda: None)
        await worker.run(lambda: None)
        assert lost == ["taken"]

    play(scene)


def test_an_answer_that_comes_with_the_cancellation_is_given_to_lost() -> None:
    """Cancelled in the very turn of the loop in which the answer came: it is not forgotten either. The job itself
    orders the cancellation for right after its answer, so the two meet in one turn.
    """

    async def scene(worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        lost: list[str] = []
        taken: list[str] = []

        def job() -> str:
            loop.call_soon_threadsafe(lambda: loop.call_soon(task.cancel))
            return "taken"

        async def ask() -> None:
            taken.append(await worker.run(job, lost=lost.append))

        task = asyncio.create_task(ask())
        await asyncio.gather(task, return_exceptions=True)
        await worker.run(lambda: None)
        await worker.run(lambda: None)
        assert taken + lost == ["taken"]

    for _ in range(50):
        play(scene)


def test_a_stuck_thread_is_replaced() -> None:
    """A job behind a stuck one runs after the limit, though nobody calls again; the stuck one's answer still comes."""

    async def scene(worker: Worker) -> None:
        go = threading.Event()
        stuck = asyncio.create_task(worker.run(lambda: go.wait(LIMIT_S)))
        await asyncio.sleep(0)
        assert await worker.run(lambda: "behind") == "behind"
        go.set()
        assert await stuck

    play(scene, limit_s=0.05)


async def refusal(worker: Worker) -> BackendUnreachable:
    """Ask again and again without waiting long for an answer, until a call is refused."""
    while True:
        try:
            async with asyncio.timeout(0.02):
                await worker.run(lambda: None)
        except BackendUnreachable as error:
            return error
        except TimeoutError:
            continue


def test_only_so_many_threads_may_be_stuck() -> None:
    """Beyond the limit a call is refused at once, with what to do; when they come back all works again."""

    async def scene(worker: Worker) -> None:
        go = threading.Event()
        stuck = []
        for _ in range(SPARES + 1):
            stuck.append(asyncio.create_task(worker.run(lambda: go.wait(LIMIT_S))))
            await asyncio.sleep(0)

        assert "kernel's log" in str(await refusal(worker))
        go.set()
        await asyncio.gather(*stuck)
        assert await worker.run(lambda: 5) == 5

    play(scene, limit_s=0.02)


def test_nothing_piles_up_without_limit_behind_stuck_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody waits for is queued up to a limit and then left undone; what gives something back never is."""
    monkeypatch.setattr(worker_module, "BACKLOG", 50)

    async def scene(worker: Worker) -> None:
        go = threading.Event()
        done: list[int] = []
        lost: list[bool] = []
        stuck = []
        for _ in range(SPARES + 1):
            stuck.append(asyncio.create_task(worker.run(lambda: go.wait(LIMIT_S), lost=lost.append)))
            await asyncio.sleep(0)
        await refusal(worker)
        for number in range(200):
            worker.post(partial(done.append, number))
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        go.set()
        while len(lost) < len(stuck):  # noqa: ASYNC110 -- counted on the thread: nothing here could set an event
            await asyncio.sleep(0.002)
        assert 0 < len(done) <= 50
        worker.post(partial(done.append, 200))
        await worker.run(lambda: None)
        assert done[-1] == 200

    play(scene, limit_s=0.02)


def test_a_closed_worker_refuses_and_its_thread_ends() -> None:
    """After the close a call is refused, what was queued has run, and no thread is left."""
    before = threading.active_count()

    async def scene(worker: Worker) -> None:
        done: list[int] = []
        worker.post(lambda: done.append(1))
        worker.close()
        await worker.ended()
        assert done == [1]
        with pytest.raises(BackendUnreachable, match="closed"):
            await worker.run(lambda: None)

    play(scene)
    assert threading.active_count() == before


def test_L20_two_hundred_workers_leave_no_thread() -> None:
    """Threads end with their workers."""
    before = threading.active_count()

    async def scene(worker: Worker) -> None:
        await worker.run(lambda: None)

    for _ in range(200):
        play(scene)

    assert threading.active_count() <= before
