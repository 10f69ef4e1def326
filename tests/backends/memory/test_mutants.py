"""Take one rule of the memory service away, and a named test must fail; with the rule it passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tenure.backends.base import Candidate
from tenure.backends.memory import MemoryService
from tenure.backends.memory.connection import Connection
from tenure.backends.memory.record import ElectionRecord, Held
from tests.backends.memory import test_service
from tests.contracts import stage as contract
from tests.contracts import test_backend_campaign, test_backend_exclusion
from tests.contracts.harnesses import MemoryHarness

MUTANT_LIMIT_S = 2.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices."""

    hazard: str
    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[[], None]


def take_the_grant_of_a_namesake(patch: pytest.MonkeyPatch) -> None:
    """A candidate knows its own grant by its name, and not by the nonce of its attempt."""
    stand = MemoryService.stand

    def by_name(self: MemoryService, owner: object, candidate: Candidate, **rest: Any) -> Held | None:
        record = self._records.get(candidate.election)
        held = None if record is None else record.held
        return (
            held
            if held is not None and held.candidate.name == candidate.name
            else stand(self, owner, candidate, **rest)
        )

    patch.setattr(MemoryService, "stand", by_name)


def wake_everybody(patch: pytest.MonkeyPatch) -> None:
    """A vacancy is offered to all who wait."""
    offer = ElectionRecord.offer

    def to_all(self: ElectionRecord) -> None:
        offer(self)
        if self.held is None:
            for waiter in self:
                waiter.bell.ring()

    patch.setattr(ElectionRecord, "offer", to_all)


def leave_the_cancelled_in_the_queue(patch: pytest.MonkeyPatch) -> None:
    """A campaign that was cancelled is not withdrawn from the service."""
    patch.setattr(Connection, "withdraw", lambda *_: None)


def on_a_contract_stage(test: Callable[[contract.Stage], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test of the contract suite, played on this backend."""

    async def scene() -> None:
        stage = contract.Stage(MemoryHarness(Path()))
        await stage.play(test, {"stage": stage})

    return lambda: asyncio.run(scene())


MUTANTS = (
    Mutant(
        "L1",
        take_the_grant_of_a_namesake,
        on_a_contract_stage(test_backend_exclusion.test_L1_a_record_left_behind_is_never_taken_for_ones_own),
    ),
    Mutant("L15", wake_everybody, test_service.test_L15_a_vacancy_wakes_one_of_a_hundred_waiters),
    Mutant(
        "L18",
        leave_the_cancelled_in_the_queue,
        on_a_contract_stage(test_backend_campaign.test_L18_a_backend_is_used_again_after_a_cancelled_campaign),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.take_away.__name__)
def test_a_rule_taken_away_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule the named test passes, without it it fails."""
    mutant.test()

    monkeypatch.setattr(contract, "LIMIT_S", MUTANT_LIMIT_S)
    mutant.take_away(monkeypatch)
    with pytest.raises((AssertionError, TimeoutError)):
        mutant.test()
