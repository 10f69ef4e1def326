"""What the tests of the library's front share: a service and a clock of their own, and waiting by condition."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tenure import Election, Tenure, subscribe
from tenure.announcer import ANNOUNCER
from tenure.backends.memory import MemoryBackend, MemoryService
from tenure.blocking import Election as BlockingElection
from tenure.clock import ManualClock
from tenure.handle import Hold
from tenure.holding.notices import Notice
from tenure.keeper import Keeper

LIMIT_S = 30.0
"""How long a test waits for something that happens at once on an idle machine."""
T = TypeVar("T")


class Stage:
    """One memory service, on a clock that stands still until the test moves it."""

    def __init__(self, **service_options: Any) -> None:
        self.clock = ManualClock()
        self.service = MemoryService(clock=self.clock, **service_options)

    def backend(self, **options: Any) -> MemoryBackend:
        """A connection of its own, as another process would have one."""
        return MemoryBackend(self.service, **options)

    def election(self, name: str = "e", candidate: str = "a", **options: Any) -> Election:
        return Election(name, self.backend(), candidate=candidate, **options)

    def blocking(self, name: str = "e", candidate: str = "a", **options: Any) -> BlockingElection:
        return BlockingElection(name, self.backend(), candidate=candidate, **options)

    def leader(self, name: str = "e") -> str | None:
        """Who leads by the service's own word; not by way of the library."""
        leader = self.service.read(name).leader
        return leader.candidate if leader is not None else None

    def waiting(self, name: str = "e") -> list[str]:
        """Who stands, by the service's own word."""
        return [one.candidate for one in self.service.read(name).candidates]

    def lose(self, tenure: Hold, name: str = "e") -> None:
        """Take the grant of `tenure`; when this returns the keeper has told its owner, whose loop has it queued."""
        self.service.revoke(name)
        wait_until(lambda: not tenure.is_valid())
        hear()


def hear() -> None:
    """Return once the keeper has done everything that it had in its queue."""
    Keeper.current().run(asyncio.sleep(0)).result(LIMIT_S)


def wait_until(condition: Callable[[], object], limit_s: float | None = None) -> None:
    """Wait, on this thread, until `condition` holds."""
    end_s = time.monotonic() + (limit_s or LIMIT_S)
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.002)


async def until(condition: Callable[[], object], limit_s: float | None = None) -> None:
    """The same on a loop, which goes on turning meanwhile."""
    end_s = time.monotonic() + (limit_s or LIMIT_S)
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        await asyncio.sleep(0.002)


async def settle() -> None:
    """Let this loop and the keeper do what they have to tell each other: one proof of life goes there and back."""
    for _ in range(2):
        hear()
        for _ in range(3):
            await asyncio.sleep(0)
    hear()


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


def cancelling() -> int:
    """How many cancellations of this task are still to be answered for."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def lead_until_lost(election: Election, begun: Callable[[Tenure], object] = lambda _: None) -> None:
    """Lead, tell that it began, and wait for what never comes."""
    async with election.lead() as tenure:
        begun(tenure)
        await forever()


@contextmanager
def heard() -> Iterator[list[Notice]]:
    """Every notice of this process, in order; complete after `ANNOUNCER.flush()`, which leaving the block does."""
    notices: list[Notice] = []
    end = subscribe(notices.append)
    try:
        yield notices
    finally:
        ANNOUNCER.flush(LIMIT_S)
        end()


def kinds(notices: list[Notice], election: str = "e") -> list[str]:
    """The names of what was told about one election, in order."""
    return [type(notice).__name__ for notice in notices if notice.election == election]


class InThread(threading.Thread):
    """Runs `work` and keeps what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001  the test looks at it
            self.error = error

    def outcome(self, limit_s: float = LIMIT_S) -> Any:
        """What it returned; raises what it raised."""
        self.join(limit_s)
        assert not self.is_alive(), "the thread has not ended"
        if self.error is not None:
            raise self.error
        return self.result


class SlowHandler(logging.Handler):
    """A log handler that blocks until it is let go, as one on a full pipe does."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = threading.Event()
        self.let_go = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self.blocked.set()
        self.let_go.wait(LIMIT_S)


Play = Callable[[Callable[[], Awaitable[Any]]], Any]
"""Runs a coroutine function on the loop that the test is run with."""
