"""Calls cross from thread to thread in batches, and the end of a thread is told to whoever waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from unittest.mock import patch

import pytest

from tenure.errors import NodeStopped, TenureError
from tenure.runtime.threads import Bridge, Crossing, LoopThread, bridge_to
from tests.runtime.group import on_a_loop


@on_a_loop
async def test_however_many_calls_wait_the_loop_is_woken_once() -> None:
    """In the order in which they were posted; whoever posts later wakes it again; one that fails takes none with it."""
    loop, came = asyncio.get_running_loop(), list[int]()
    bridge = Bridge(loop)

    def fails() -> None:
        raise ZeroDivisionError

    with patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as woken:
        for number in range(1000):
            bridge.post(came.append, number)
            bridge.post(fails)
        await asyncio.sleep(0)
        assert came == list(range(1000))
        bridge.post(came.append, 1000)
        await asyncio.sleep(0)
        assert came[-1] == 1000
    assert woken.call_count == 2


@on_a_loop
async def test_calls_of_many_threads_all_cross() -> None:
    """None is lost between one that posts and the loop that empties the queue."""
    loop, came = asyncio.get_running_loop(), list[int]()
    bridge = bridge_to(loop)

    def posts() -> None:
        for number in range(2000):
            bridge.post(came.append, number)

    await asyncio.gather(*(asyncio.to_thread(posts) for _ in range(4)))
    await asyncio.sleep(0)
    assert sorted(came) == sorted(list(range(2000)) * 4)


@on_a_loop
async def test_what_is_called_there_runs_there_and_is_cancelled_from_here() -> None:
    """What it returns or raises comes back."""
    thread = LoopThread("tenure-test")
    thread.start()
    cancelled = threading.Event()

    async def where(fails: bool) -> str:
        if fails:
            raise ZeroDivisionError
        return threading.current_thread().name

    async def sleeps(begun: Callable[[], None]) -> None:
        begun()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    assert await thread.call(where, False) == "tenure-test"
    with pytest.raises(ZeroDivisionError):
        await thread.call(where, True)
    begun: Crossing[None] = Crossing()
    task = asyncio.create_task(thread.call(sleeps, lambda: begun.told(None)))
    await begun.future
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(cancelled.wait, 20)
    await thread.stop(NodeStopped("it is over"))
    assert not thread.is_alive


@on_a_loop
async def test_who_waits_hears_of_the_end() -> None:
    """Those under way, and those that come later."""
    thread = LoopThread("tenure-test")
    thread.start()
    waiting = asyncio.create_task(thread.call(asyncio.sleep, 60))
    await asyncio.sleep(0)
    await thread.stop(NodeStopped("it is over"))
    for call in (waiting, thread.call(asyncio.sleep, 0)):
        with pytest.raises(TenureError, match="it is over"):
            await call
