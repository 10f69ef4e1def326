"""Several candidates on several backends in every order that Hypothesis thinks of: one holds, and tokens grow."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tenure.backends.base import Backend, Grant
from tests.contracts.harness import BackendHarness
from tests.contracts.harnesses import HARNESSES
from tests.contracts.stage import ELECTION, LIMIT_S, Attempt, Stage

T = TypeVar("T")

SLOTS = st.integers(0, 3)
"""Each slot is a process with a backend, of which each has at most one candidate."""


class Slot:
    """One process: its backend, and the campaign or the grant that it has."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.attempt: Attempt | None = None
        self.grant: Grant | None = None


class Elections(RuleBasedStateMachine):
    """The model is what the contract says about one election: at most one holds, tokens grow, nobody is forgotten."""

    make: Callable[[Path], BackendHarness]

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.stage = self.play(self._set_up())
        self.slots = [Slot(self.stage.connect()) for _ in range(4)]
        self.orphan: Grant | None = None
        """A grant whose process was killed and whose lease may still run."""
        self.highest = 0
        self.numbers = itertools.count()

    async def _set_up(self) -> Stage:
        return Stage(type(self).make(Path(self.directory.name)))

    def play(self, scene: Coroutine[Any, Any, T]) -> T:
        async def limited() -> T:
            async with asyncio.timeout(LIMIT_S):
                return await scene

        return self.runner.run(limited())

    def teardown(self) -> None:
        async def nothing() -> None:
            """The stage lets go of everything when its test ends."""

        try:
            self.play(self.stage.play(nothing, {}))
        finally:
            self.runner.close()
            self.directory.cleanup()

    # ----------------------------------------------------------------------------------------------- the rules

    @rule(slot=SLOTS, priority=st.integers(0, 2))
    def campaign(self, slot: int, priority: int) -> None:
        chosen = self.slots[slot]
        if chosen.attempt is None and chosen.grant is None:
            candidate = self.stage.candidate(f"c{next(self.numbers)}", priority=priority)

            async def begin() -> Attempt:
                return self.stage.campaign(candidate, on=chosen.backend)

            chosen.attempt = self.play(begin())
            self.settle()

    @rule(slot=SLOTS)
    def cancel(self, slot: int) -> None:
        chosen = self.slots[slot]
        if chosen.attempt is not None:
            attempt, chosen.attempt = chosen.attempt, None
            grant = self.play(attempt.cancel())
            if grant is not None:
                self.won(chosen, grant)
            self.settle()

    @rule(slot=SLOTS, to=SLOTS)
    def release(self, slot: int, to: int) -> None:
        chosen, preferred = self.slots[slot], self.slots[to].attempt
        if chosen.grant is not None:
            grant, chosen.grant = chosen.grant, None
            self.play(grant.release(preferred.candidate.name if preferred else None))
            self.settle()

    @rule(slot=SLOTS)
    def renew(self, slot: int) -> None:
        grant = self.slots[slot].grant
        if grant is not None and grant.granted.lease_ns is not None:
            self.play(grant.renew())

    @rule(slot=SLOTS)
    def kill(self, slot: int) -> None:
        chosen = self.slots[slot]
        self.play(self.stage.harness.crash(chosen.backend))
        if chosen.attempt is not None:
            self.play(self.ended(chosen.attempt))
        if chosen.grant is not None and self.stage.has_lease:
            self.orphan = chosen.grant
        self.slots[slot] = Slot(self.stage.connect())
        self.settle()

    @precondition(lambda self: self.stage.has_lease)
    @rule()
    def run_out(self) -> None:
        self.play(self.stage.run_out())
        self.orphan = None
        for slot in self.slots:
            slot.grant = None
        self.settle()

    # ------------------------------------------------------------------------------------------------ the model

    async def ended(self, attempt: Attempt) -> None:
        await asyncio.gather(attempt.task, return_exceptions=True)

    def won(self, slot: Slot, grant: Grant) -> None:
        holders = [each for each in self.slots if each.grant is not None]
        assert not holders, "a candidate won while somebody held the grant"
        assert self.orphan is None, "a candidate won while a killed leader's lease still ran"
        assert grant.granted.token > self.highest, "a token did not grow"
        self.highest = grant.granted.token
        slot.grant = grant

    def settle(self) -> None:
        """Wait until somebody leads if anybody stands and nobody is in the way; then take the win in."""
        is_free = self.orphan is None and all(slot.grant is None for slot in self.slots)
        if is_free and any(slot.attempt for slot in self.slots):
            self.play(self.stage.until(self.somebody_won, "somebody is elected where several stand"))
        for slot in self.slots:
            if slot.attempt is not None and not slot.attempt.is_waiting:
                grant = slot.attempt.task.result()
                assert grant is not None, "a campaign that waits ended without a grant"
                slot.attempt = None
                self.won(slot, grant)

        self.play(self.stage.until(self.all_are_listed, "those who wait are listed, and nobody else"))

    async def all_are_listed(self) -> bool:
        waiting = {slot.attempt.candidate.name for slot in self.slots if slot.attempt is not None}
        return set(await self.stage.standing()) == waiting

    async def somebody_won(self) -> bool:
        return any(slot.attempt is not None and not slot.attempt.is_waiting for slot in self.slots)

    @invariant()
    def what_is_read_is_true(self) -> None:
        """The service says what the model knows: who leads, and with which token."""
        reading = self.play(self.stage.other.read(ELECTION))
        assert reading.token == self.highest
        tokens = [slot.grant.granted.token for slot in self.slots if slot.grant is not None]
        if self.orphan is not None:
            tokens.append(self.orphan.granted.token)
        assert ([reading.leader.token] if reading.leader else []) == tokens


EXAMPLES = {"memory": (100, 40)}
"""How many examples of how many steps; few of a backend that has real disks or servers."""


@pytest.mark.parametrize("make", HARNESSES, ids=[harness.kind for harness in HARNESSES])
def test_one_holds_and_tokens_grow_in_every_order(make: type[BackendHarness]) -> None:
    """Campaign, cancel, release, renew, kill and time in any order never give two grants, nor a token twice."""
    examples, steps = EXAMPLES.get(make.kind, (10, 20))
    machine = type("ElectionsOn" + make.kind.title(), (Elections,), {"make": make})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
