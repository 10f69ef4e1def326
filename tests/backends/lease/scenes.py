"""A backend on a test's own directory and on a clock that the test moves, within one process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tenure.backends.base import Candidate
from tenure.backends.lease import LeaseBackend, LeaseGrant, open_lease
from tenure.backends.lease.stamp import Frame
from tenure.clock import ManualClock

ELECTION = "nightly"
LIMIT_S = 20.0
LEASE_S = 15.0


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene with a limit."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT_S):
            await scene

    asyncio.run(limited())


@asynccontextmanager
async def backend(directory: Path, clock: ManualClock, *, frame: Frame | None = None) -> AsyncIterator[LeaseBackend]:
    """A backend that hardly polls, so that what is seen in time came as news."""
    opened = open_lease(directory, clock=clock, frame=frame, poll_s=600.0)
    try:
        yield opened
    finally:
        await opened.close()


def candidate(name: str, *, lease_s: float | None = None) -> Candidate:
    """One attempt."""
    lease_ns = None if lease_s is None else round(lease_s * 1e9)
    return Candidate(election=ELECTION, name=name, nonce=uuid.uuid4().hex, lease_ns=lease_ns)


async def win(on: LeaseBackend, name: str = "a", *, lease_s: float | None = None) -> LeaseGrant:
    """Campaign until won."""
    grant = await on.campaign(candidate(name, lease_s=lease_s), once=False)
    assert grant is not None
    return grant


async def try_once(on: LeaseBackend, name: str = "b") -> LeaseGrant | None:
    """One try."""
    return await on.campaign(candidate(name), once=True)


def tenures(directory: Path) -> list[int]:
    """The tokens whose files are there."""
    return sorted(int(path.name) for path in (directory / ELECTION / "tenures").iterdir() if path.name.isdigit())
