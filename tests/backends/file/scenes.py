"""A backend on a test's own directory, within one process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tenure.backends.base import Candidate
from tenure.backends.file import FileBackend, FileGrant, open_file
from tenure.clock import Clock
from tests.backends.file.players import ELECTION, LIMIT_S


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene with a limit."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT_S):
            await scene

    asyncio.run(limited())


@asynccontextmanager
async def backend(directory: Path, *, poll_s: float = 600.0, clock: Clock | None = None) -> AsyncIterator[FileBackend]:
    """A backend that hardly polls, so that what is seen in time came as news."""
    opened = open_file(directory, poll_s=poll_s, clock=clock)
    try:
        yield opened
    finally:
        await opened.close()


def candidate(name: str, *, election: str = ELECTION, priority: int = 0) -> Candidate:
    """One attempt."""
    return Candidate(election=election, name=name, nonce=uuid.uuid4().hex, priority=priority)


async def win(on: FileBackend, name: str = "a", *, election: str = ELECTION) -> FileGrant:
    """Campaign until won."""
    grant = await on.campaign(candidate(name, election=election), once=False)
    assert grant is not None
    return grant


async def standing(on: FileBackend) -> list[str]:
    """The names of those who stand."""
    return [each.candidate for each in (await on.read(ELECTION)).candidates]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` holds; the scene's limit is the limit."""
    while not await condition():  # noqa: ASYNC110 -- the condition is on the disk: nothing here could set an event
        await asyncio.sleep(0.002)
