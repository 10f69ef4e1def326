"""The rules of the memory service that only it can show: time, wake-ups, threads and forks."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator

import pytest

from tenure.backends.base import Candidate, Grant
from tenure.backends.memory import MemoryBackend, MemoryService, shared_service
from tenure.clock import BootClock, ManualClock
from tenure.errors import BackendError, ConfigurationError

LIMIT_S = 20.0


def candidate(name: str, *, election: str = "e", priority: int = 0) -> Candidate:
    """A new attempt."""
    return Candidate(election=election, name=name, nonce=os.urandom(8).hex(), priority=priority)


async def turns(number: int = 5) -> None:
    """Let everybody run who can."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_L15_a_vacancy_wakes_one_of_a_hundred_waiters() -> None:
    """A release costs one request of one waiter, however many wait; so does the end of a lease."""

    async def scene() -> None:
        clock = ManualClock()
        service = MemoryService(clock=clock)
        backend = MemoryBackend(service)
        grant = await backend.campaign(candidate("leader"), once=True)
        assert grant is not None
        tasks = [asyncio.create_task(backend.campaign(candidate(f"w{number}"), once=False)) for number in range(100)]
        await turns()
        for release in (grant.release, None):
            before = service.requests["campaign"]
            if release is not None:
                await release()
            else:
                clock.advance(20.0)
            await turns()
            assert service.requests["campaign"] == before + 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scene())


def test_a_waiter_that_does_not_wake_is_passed_over_after_the_patience() -> None:
    """A candidate whose loop is stuck delays the others for the patience once, and is elected when it speaks again."""

    async def scene() -> None:
        clock = ManualClock()
        service = MemoryService(clock=clock, patience=1.0)
        backend = MemoryBackend(service)
        leader = await backend.campaign(candidate("leader"), once=True)
        assert leader is not None
        asleep = AsleepElsewhere(service)
        waiter = asyncio.create_task(backend.campaign(candidate("awake"), once=False))
        await turns()
        await leader.release()
        await turns()
        assert not waiter.done(), "the one that is asleep is first, and has its patience"
        clock.advance(1.0)
        grant = await asyncio.wait_for(waiter, LIMIT_S)
        assert grant is not None
        assert [each.candidate for each in service.read("e").candidates] == ["asleep"]
        again = asyncio.create_task(backend.campaign(candidate("again"), once=False))
        await turns()
        await grant.release()
        second = await asyncio.wait_for(again, LIMIT_S)
        assert second is not None, "who is known to sleep is not waited for again"
        asleep.wake()
        await second.release()
        assert (await asyncio.to_thread(asleep.won)).granted.token == second.granted.token + 1

    asyncio.run(scene())


class AsleepElsewhere:
    """A candidate in a thread whose loop is blocked while it waits."""

    def __init__(self, service: MemoryService) -> None:
        self._service = service
        self._blocked = threading.Event()
        self._wake = threading.Event()
        self._grants: list[Grant | None] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._campaign()))
        self._thread.start()
        assert self._blocked.wait(LIMIT_S)

    async def _campaign(self) -> None:
        backend = MemoryBackend(self._service)
        task = asyncio.create_task(backend.campaign(candidate("asleep"), once=False))
        await turns()
        self._blocked.set()
        self._wake.wait(LIMIT_S)  # blocks the loop on purpose
        self._grants.append(await asyncio.wait_for(task, LIMIT_S))

    def wake(self) -> None:
        self._wake.set()

    def won(self) -> Grant:
        self._thread.join(LIMIT_S)
        (grant,) = self._grants
        assert grant is not None
        return grant


def test_leases_run_out_on_the_real_clock_by_themselves() -> None:
    """Nobody has to call anything: the waiter is elected when the lease is over, and not before."""

    async def scene() -> None:
        service = MemoryService()
        held = await MemoryBackend(service, lease="100ms").campaign(candidate("a"), once=True)
        assert held is not None
        grant = await asyncio.wait_for(MemoryBackend(service).campaign(candidate("b"), once=False), LIMIT_S)
        assert grant is not None
        assert grant.granted.sent_ns >= held.granted.sent_ns + 100_000_000

    asyncio.run(scene())


def test_a_shorter_lease_won_later_runs_out_earlier() -> None:
    """The one timer follows the earliest of all leases, whichever loop set it."""

    async def scene() -> None:
        service = MemoryService()
        long, short = MemoryBackend(service, lease="1h"), MemoryBackend(service, lease="50ms")
        await long.campaign(candidate("a", election="long"), once=True)
        blocked = asyncio.create_task(long.campaign(candidate("b", election="long"), once=False))
        waiting = long.watch("short")
        await anext(waiting)
        await asyncio.to_thread(lambda: asyncio.run(_win(short, "short")))

        async with asyncio.timeout(LIMIT_S):
            assert (await anext(waiting)).leader is not None
            assert (await anext(waiting)).leader is None
        blocked.cancel()
        await asyncio.gather(blocked, return_exceptions=True)

    asyncio.run(scene())


async def _win(backend: MemoryBackend, election: str) -> None:
    assert await backend.campaign(candidate("a", election=election), once=True) is not None


def test_a_clock_moved_from_another_thread_wakes_the_waiter() -> None:
    """A test may move the clock wherever it runs."""

    async def scene() -> None:
        clock = ManualClock()
        service = MemoryService(clock=clock)
        backend = MemoryBackend(service)
        await backend.campaign(candidate("a"), once=True)
        waiter = asyncio.create_task(backend.campaign(candidate("b"), once=False))
        await turns()
        await asyncio.to_thread(clock.advance, 16.0)
        assert await asyncio.wait_for(waiter, LIMIT_S) is not None

    asyncio.run(scene())


def test_exclusion_holds_between_threads() -> None:
    """Four loops in four threads compete for one election: never two inside, and tokens only grow."""
    service = MemoryService()
    inside: list[int] = []
    tokens: list[int] = []

    async def compete(number: int) -> None:
        backend = MemoryBackend(service)
        for _ in range(100):
            grant = await backend.campaign(candidate(f"c{number}"), once=False)
            assert grant is not None
            inside.append(number)
            assert inside == [number]
            tokens.append(grant.granted.token)
            inside.remove(number)
            await grant.release()

    def in_a_loop_of_its_own(number: int) -> None:
        asyncio.run(compete(number))

    async def scene() -> None:
        threads = (asyncio.to_thread(in_a_loop_of_its_own, number) for number in range(4))
        async with asyncio.timeout(60):
            await asyncio.gather(*threads)

    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change places in the middle of everything
    try:
        asyncio.run(scene())
    finally:
        sys.setswitchinterval(usual_s)
    assert tokens == list(range(1, 401))


class CrowdedClock(BootClock):
    """A clock that lets other threads in while it is read, and notes if one of them reads it meanwhile."""

    def __init__(self) -> None:
        self._inside = 0
        self.was_crowded = False

    def now_ns(self) -> int:
        self._inside += 1
        self.was_crowded = self.was_crowded or self._inside > 1
        time.sleep(0.001)
        self._inside -= 1
        return super().now_ns()


def test_one_operation_at_a_time() -> None:
    """Two threads are never in the midst of the service at once; the clock, which is read inside, sleeps to tell."""
    clock = CrowdedClock()
    service = MemoryService(clock=clock)

    def work(number: int) -> None:
        for token in range(10):
            service.floor(f"e{number}", token)
            service.read("e")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)

    assert not clock.was_crowded


def test_a_thousand_elections_need_no_task_and_one_timer() -> None:
    """Winning and renewing a thousand elections starts no task; their loop keeps a single timer for all of them."""

    async def scene() -> None:
        service = MemoryService()
        backend = MemoryBackend(service)
        loop = asyncio.get_running_loop()
        grants = [await backend.campaign(candidate("a", election=f"e{n}"), once=True) for n in range(1000)]
        for _ in range(3):
            for grant in grants:
                assert grant is not None
                await grant.renew()
        assert len(asyncio.all_tasks()) == 1
        timers = [each for each in getattr(loop, "_scheduled", ()) if not each.cancelled()]
        assert len(timers) <= 1

    asyncio.run(scene())


def test_L20_many_tenures_leave_no_objects_behind() -> None:
    """Alarms of leases that ended early are swept out, and whoever stopped watching or attending is forgotten."""

    async def scene() -> None:
        service = MemoryService()
        backend = MemoryBackend(service, lease="1h")

        async def cycle() -> None:
            grant = await backend.campaign(candidate("a"), once=True)
            assert grant is not None
            for listening in (backend.watch("e"), grant.attend()):
                assert isinstance(listening, AsyncGenerator)
                task = asyncio.create_task(drain(listening))
                await turns(2)
                task.cancel()
                await asyncio.wait([task])
            await grant.release()

        for _ in range(200):
            await cycle()
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(1000):
            await cycle()
        gc.collect()
        assert len(gc.get_objects()) - before < 500

    asyncio.run(scene())


async def drain(listening: AsyncGenerator[object, None]) -> None:
    """Listen until cancelled."""
    async for _ in listening:
        await asyncio.sleep(0)


def test_a_forked_child_has_services_of_its_own() -> None:
    """L26: `memory://name` in a child is another service, even if another thread held its lock at the fork."""
    service = shared_service("forked")
    child = os.fork()
    if child == 0:  # nothing of the test framework may run in here
        code = 1
        try:
            code = 0 if shared_service("forked") is not service else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert shared_service("forked") is service


def test_forked_does_not_touch_the_lock() -> None:
    """In a child the service's lock may be held for ever by a thread that does not exist there."""

    async def scene() -> None:
        clock = ManualClock()
        service = MemoryService(clock=clock)
        backend = MemoryBackend(service)
        await backend.campaign(candidate("a"), once=True)
        held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            def while_locked() -> None:
                held.set()
                let_go.wait(LIMIT_S)

            service.alarm(1.0, while_locked)
            clock.advance(1.0)

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(LIMIT_S)
        began = time.monotonic()
        backend.forked()
        assert time.monotonic() - began < LIMIT_S / 2
        let_go.set()
        thread.join()
        with pytest.raises(BackendError):
            await backend.read("e")

    asyncio.run(scene())


def test_a_lease_of_nothing_is_refused() -> None:
    """It would end before it begins."""
    with pytest.raises(ConfigurationError):
        MemoryBackend(MemoryService(), lease=0)
