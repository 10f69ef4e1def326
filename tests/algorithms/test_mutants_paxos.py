"""Each rule of Paxos and PaxosLease, taken away: a named checker sees it in a schedule that is clean with the rule."""

from __future__ import annotations

import pytest

from tenure.simulator import simulate
from tests.algorithms.mutants_paxos import MUTANTS, Mutant, violations
from tests.mutation import applied

ROW = [
    pytest.param(m, id=f"{m.kind.name}: {m.name} -> {m.checker} -> {getattr(m.schedule, '__name__', m.schedule)}")
    for m in MUTANTS
]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_is_caught_by_its_checker(mutant: Mutant) -> None:
    """Without the rule the recorded schedule violates the named property."""
    with applied(mutant):
        assert [found for found in violations(mutant, mutant.schedule) if found.startswith(f"{mutant.checker}:")]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutants_schedule_is_clean_with_the_rule(mutant: Mutant) -> None:
    """It was the rule."""
    assert violations(mutant, mutant.schedule) == []


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Where nothing goes wrong a leader is elected all the same: nobody would notice."""
    with applied(mutant):
        run = simulate(mutant.kind, nodes=3, seed=1, until=12, faults=(), trace=False)
    assert (run.violations, run.is_void) == ([], False)
