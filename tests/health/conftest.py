"""A stage for each test, and a service that ends with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenure import Health, announcer, serve_health
from tenure.keeper import Keeper
from tests.election.stage import LIMIT_S, Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A service that nobody else uses, seen by a keeper that has seen nothing else."""
    Keeper.current().stop()
    stage = Stage()
    yield stage
    stage.service.faults.clear()
    stage.service.resume()
    assert announcer.ANNOUNCER.flush(LIMIT_S)


@pytest.fixture
def health(stage: Stage) -> Iterator[Health]:
    """Served at a port of its own."""
    del stage  # made first: the keeper is a new one
    with serve_health("127.0.0.1:0") as health:
        yield health
