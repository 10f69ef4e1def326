"""The stage on which a contract test plays: backends, candidates, and waiting for conditions with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from tenure.backends.base import Backend, Candidate, Grant, Leader, Reading
from tests.contracts.harness import BackendHarness, Puppet

T = TypeVar("T")

LIMIT_S = 20.0
"""No condition takes longer on a healthy backend, not on a loaded machine either."""
ELECTION = "nightly-report"


class Attempt:
    """A campaign under way."""

    def __init__(self, candidate: Candidate, task: asyncio.Task[Grant | None]) -> None:
        self.candidate = candidate
        self.task = task

    async def won(self) -> Grant:
        async with asyncio.timeout(LIMIT_S):
            grant = await asyncio.shield(self.task)
        assert grant is not None, f"{self.candidate.name} waited without `once` and was told that somebody else leads"
        return grant

    async def cancel(self) -> Grant | None:
        """Give the campaign up; returns the grant if it was won before that was noticed."""
        self.task.cancel()
        done, _ = await asyncio.wait([self.task], timeout=LIMIT_S)
        assert done, f"the campaign of {self.candidate.name} did not end {LIMIT_S} s after it was cancelled"
        return None if self.task.cancelled() else self.task.result()

    @property
    def is_waiting(self) -> bool:
        return not self.task.done()


class Listener(Generic[T]):
    """Hears what an iterator of a backend says, until it is stopped."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self.heard: list[T] = []
        self.ended = False
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._listen(source))

    async def _listen(self, source: AsyncIterator[T]) -> None:
        try:
            async for item in source:
                self.heard.append(item)
                self._news.set()
            self.ended = True
        finally:
            self._news.set()
            await close(source)

    async def until(self, condition: Callable[[list[T]], bool]) -> list[T]:
        """Wait until `condition` holds for what was heard so far, and return that."""
        async with asyncio.timeout(LIMIT_S):
            while not condition(self.heard):
                if self._task.done():
                    await self._task
                    raise AssertionError(f"it ended too early, after {self.heard}")
                self._news.clear()
                await self._news.wait()
        return self.heard

    async def until_end(self) -> list[T]:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.shield(self._task)
        return self.heard

    async def stop(self) -> list[T]:
        self._task.cancel()
        done, _ = await asyncio.wait([self._task], timeout=LIMIT_S)
        assert done, f"an iterator did not end {LIMIT_S} s after it was closed"
        if not self._task.cancelled():
            self._task.result()
        return self.heard


class Stage:
    """What a contract test is given."""

    def __init__(self, harness: BackendHarness) -> None:
        self.harness = harness
        self._open: list[Backend] = []
        self._puppets: list[Puppet] = []
        self._attempts: list[Attempt] = []
        self._listeners: list[Listener[Any]] = []
        self._numbers = itertools.count(1)
        self.backend = self.connect()
        self.other = self.connect()

    async def play(self, test: Callable[..., Awaitable[None]], arguments: Mapping[str, object]) -> None:
        """Run the test, then let go of everything that it has opened."""
        try:
            await test(**arguments)
        finally:
            for listener in self._listeners:
                with contextlib.suppress(Exception):  # it may have failed on purpose; the test has judged it
                    await listener.stop()
            for attempt in self._attempts:
                attempt.task.cancel()
            await asyncio.gather(*(attempt.task for attempt in self._attempts), return_exceptions=True)
            for puppet in self._puppets:
                await puppet.kill()
            for backend in self._open:
                await backend.close()
            await self.harness.close()

    # ------------------------------------------------------------------------------------------------ the cast

    def connect(self) -> Backend:
        backend = self.harness.connect()
        self._open.append(backend)
        return backend

    def candidate(
        self, name: str, *, election: str = ELECTION, priority: int = 0, metadata: Mapping[str, str] | None = None
    ) -> Candidate:
        nonce = uuid.uuid4().hex
        return Candidate(election=election, name=name, nonce=nonce, priority=priority, metadata=metadata or {})

    def campaign(self, candidate: Candidate, *, on: Backend | None = None) -> Attempt:
        """Begin to campaign, and wait for nothing."""
        backend = on if on is not None else self.backend
        attempt = Attempt(candidate, asyncio.create_task(backend.campaign(candidate, once=False)))
        self._attempts.append(attempt)
        return attempt

    async def win(
        self, name: str = "a", *, on: Backend | None = None, election: str = ELECTION, priority: int = 0
    ) -> Grant:
        """Campaign until won."""
        return await self.campaign(self.candidate(name, election=election, priority=priority), on=on).won()

    async def stand(
        self, name: str, *, on: Backend | None = None, election: str = ELECTION, priority: int = 0
    ) -> Attempt:
        """Campaign while somebody else leads, until it is listed as a candidate."""
        mark = uuid.uuid4().hex
        candidate = self.candidate(name, election=election, priority=priority, metadata={"mark": mark})
        attempt = self.campaign(candidate, on=on)

        async def is_listed() -> bool:
            reading = await self.other.read(election)
            return any(each.metadata.get("mark") == mark for each in reading.candidates)

        await self.until(is_listed, f"{name} is listed as a candidate")
        return attempt

    async def try_once(self, name: str, *, on: Backend | None = None, election: str = ELECTION) -> Grant | None:
        backend = on if on is not None else self.backend
        async with asyncio.timeout(LIMIT_S):
            return await backend.campaign(self.candidate(name, election=election), once=True)

    async def puppet(self, name: str, *, election: str = ELECTION) -> Puppet:
        puppet = await self.harness.puppet(self.candidate(name, election=election))
        self._puppets.append(puppet)
        return puppet

    def listen(self, source: AsyncIterator[T]) -> Listener[T]:
        listener = Listener(source)
        self._listeners.append(listener)
        return listener

    # --------------------------------------------------------------------------------------------- what is true

    async def leader(self, election: str = ELECTION) -> Leader | None:
        return (await self.other.read(election)).leader

    async def standing(self, election: str = ELECTION) -> list[str]:
        return [each.candidate for each in (await self.other.read(election)).candidates]

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until `condition` holds."""
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        while not await condition():
            assert asyncio.get_running_loop().time() < deadline, f"after {LIMIT_S} s it is still not so that {what}"
            await asyncio.sleep(0.005)

    async def until_vacant(self, election: str = ELECTION) -> None:
        async def is_vacant() -> bool:
            reading = await self.other.read(election)
            return reading.leader is None and not reading.candidates

        await self.until(is_vacant, "nobody leads and nobody stands")

    async def chance(self) -> Reading:
        """Give whoever might wrongly act the time to do so: there is no condition to wait for when nothing happens."""
        await asyncio.sleep(0.05)
        return await self.other.read(ELECTION)

    async def run_out(self) -> None:
        """Let the lease of every grant run out, where grants have one."""
        lease_s = self.backend.capabilities.default_lease_s
        if lease_s is not None:
            await self.harness.pass_time(lease_s * 1.1)

    @property
    def has_lease(self) -> bool:
        return self.backend.capabilities.default_lease_s is not None


async def close(source: AsyncIterator[Any]) -> None:
    """Close an iterator of a backend, if it can be closed."""
    end = getattr(source, "aclose", None)
    if end is not None:
        await end()
