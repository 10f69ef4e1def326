"""Gates of both kinds, and a stage for elections with fences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenure.fencing import FenceGate
from tests.election.conftest import play, told
from tests.election.stage import Stage

__all__ = ["play", "told"]

Gates = Callable[..., FenceGate]


@pytest.fixture(params=["memory", "file"])
def gates(request: pytest.FixtureRequest, tmp_path: Path) -> Gates:
    """Make a gate: of this process, or in a directory that later ones of the same test share."""

    def make(**options: Any) -> FenceGate:
        return FenceGate(None if request.param == "memory" else tmp_path / "gate", **options)

    return make


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A service that nobody else uses."""
    stage = Stage()
    yield stage
    stage.service.faults.clear()
    stage.service.resume()
