"""A stage for each test, and a loop of each kind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tenure import announcer
from tenure.keeper import Keeper
from tests.election.stage import LIMIT_S, Play, Stage


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    """What a test has caused is told before the next one listens: the announcer has a thread of its own."""
    yield
    assert announcer.ANNOUNCER.flush(LIMIT_S)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A service that nobody else uses."""
    stage = Stage()
    yield stage
    stage.service.faults.clear()
    stage.service.resume()


def _loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if kind == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


@pytest.fixture(params=["asyncio", pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))])
def play(request: pytest.FixtureRequest) -> Play:
    """Run a coroutine function on a fresh loop of each kind, within the limit."""

    def run(main: Callable[[], Awaitable[Any]]) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(LIMIT_S):
                return await main()

        with asyncio.Runner(loop_factory=_loop_factory(request.param)) as runner:
            return runner.run(limited())

    return run


@pytest.fixture
def fresh_keeper() -> Iterator[Keeper]:
    """A keeper of the test's own; ended after it."""
    Keeper.current().stop()
    gc.collect()
    keeper = Keeper.current()
    yield keeper
    keeper.stop()
