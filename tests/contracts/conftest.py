"""Runs the contract suite: every coroutine test plays on a `stage` of each kind of backend, on a plain asyncio loop."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from tests.contracts.harness import BackendHarness
from tests.contracts.harnesses import HARNESSES
from tests.contracts.stage import Stage


class Unplayed:
    """A stage before its loop runs: a test gets the `Stage` that this makes."""

    def __init__(self, kind: int, place: Path) -> None:
        self._kind = kind
        self._place = place

    def set_up(self) -> Stage:
        return Stage(HARNESSES[self._kind](self._place))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Moving elections is tested where they can move."""
    resting = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.path.name == "test_backend_move.py"
        and not _harness_of(item).moves
    ]
    if resting:
        config.hook.pytest_deselected(items=resting)
        items[:] = [item for item in items if item not in resting]


def _harness_of(item: pytest.Function) -> type[BackendHarness]:
    kind = item.callspec.params["stage"]
    assert isinstance(kind, int)
    return HARNESSES[kind]


@pytest.fixture(params=range(len(HARNESSES)), ids=[harness.kind for harness in HARNESSES])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Unplayed:
    """Where a contract test plays."""
    return Unplayed(request.param, tmp_path)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test of this folder to its end."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    wanted = inspect.signature(test).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def play() -> None:
        unplayed = arguments["stage"]
        assert isinstance(unplayed, Unplayed), "every coroutine test of this folder plays on a stage"
        stage = unplayed.set_up()
        await stage.play(test, {**arguments, "stage": stage})

    asyncio.run(play())
    return True
