"""A leader that believes, by everything that it can know, that it leads still; only its token tells."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tenure import LeadershipLost, StaleToken, State
from tenure.backends.memory import Faults, Hang, MemoryBackend
from tenure.blocking import Election, Tenure
from tenure.clock import ManualClock
from tenure.fencing import Fence, FenceGate, SqlFence
from tests.election.stage import Stage, wait_until

Act = Callable[[Tenure], None]


def by_gate(folder: Path) -> tuple[Fence, Act]:
    """A gate in a directory."""
    gate = FenceGate(folder)

    def act(tenure: Tenure) -> None:
        with gate.admit(tenure):
            pass

    return gate, act


def by_database(folder: Path) -> tuple[Fence, Act]:
    """A table in a database."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(folder / "app.db")

    fence = SqlFence(connect)
    with closing(connect()) as connection, connection:
        fence.create(connection)

    def act(tenure: Tenure) -> None:
        with closing(connect()) as connection, connection:
            fence.check(connection, tenure)

    return fence, act


@contextmanager
def believing(stage: Stage, clock: ManualClock, fence: Fence) -> Iterator[Tenure]:
    """A leader that hears nothing of its service, on a clock of its own that stands still."""
    faults = Faults()
    for operation in ("attend", "renew"):
        faults.add(operation, Hang(), times=None)
    backend = MemoryBackend(stage.service, clock=clock, faults=faults, url="memory://as-if-elsewhere")
    with suppress(LeadershipLost), Election("e", backend, candidate="old", fences=[fence]).lead() as tenure:
        yield tenure
        faults.clear()


@pytest.mark.parametrize("fenced", [by_gate, by_database])
def test_L29_a_leader_on_a_machine_that_was_paused_is_refused(
    stage: Stage, tmp_path: Path, fenced: Callable[[Path], tuple[Fence, Act]]
) -> None:
    """A virtual machine that is paused, or restored, has no clock of its own that tells: its tenure is valid to it."""
    fence, act = fenced(tmp_path)
    with believing(stage, ManualClock(), fence) as old:
        act(old)
        stage.clock.advance(3600)
        wait_until(lambda: stage.leader() is None)
        with stage.blocking(candidate="new", fences=[fence]).lead() as new:
            assert old.is_valid()
            assert old.state is State.SAFE
            old.check()

            with pytest.raises(StaleToken, match=f"{old.token} is stale: {new.token}"):
                act(old)
            act(new)


@pytest.mark.parametrize("fenced", [by_gate, by_database])
def test_L19_a_leader_whose_session_was_dropped_unnoticed_is_refused(
    stage: Stage, tmp_path: Path, fenced: Callable[[Path], tuple[Fence, Act]]
) -> None:
    """The service, or a pooler before it, has dropped the session; no word of that comes through."""
    fence, act = fenced(tmp_path)
    with believing(stage, ManualClock(), fence) as old:
        stage.service.revoke("e")
        with stage.blocking(candidate="new", fences=[fence]).lead():
            assert old.is_valid()
            with pytest.raises(StaleToken):
                act(old)
