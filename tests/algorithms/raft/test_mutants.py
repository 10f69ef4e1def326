"""Each rule of Raft, of a certain death, and of what storms put together, taken away: a named checker sees it in a
recorded run that is clean with the rule, or a named test fails that passes with it.
"""

from __future__ import annotations

import pytest

from tenure.simulator import simulate
from tests.algorithms.raft import mutants, mutants_deaths, mutants_overlooked, mutants_storms
from tests.algorithms.raft.mutants import Caught, Mutant, applied

MUTANTS = (*mutants.MUTANTS, *mutants_deaths.MUTANTS, *mutants_storms.MUTANTS)
CAUGHT = (*mutants.CAUGHT, *mutants_deaths.CAUGHT, *mutants_overlooked.CAUGHT)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_checker_sees_that_the_rule_is_gone(mutant: Mutant) -> None:
    """The checker of the table, and it has nothing to object to the product in the same run."""
    with applied(mutant):
        objected = {violation.checker for violation in mutant.run().violations}

    assert mutant.checker in objected
    assert mutant.run().violations == []


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.name)
def test_a_test_fails_when_the_rule_is_gone(mutant: Caught) -> None:
    """The test of the table, which passes with the rule."""
    mutant.test()
    with applied(mutant), pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        mutant.test()


@pytest.mark.parametrize("mutant", [*mutants.MUTANTS, *mutants.CAUGHT], ids=lambda mutant: mutant.name)
def test_where_nothing_goes_wrong_nobody_misses_the_rule(mutant: Mutant | Caught) -> None:
    """A leader is elected and clients are served: only a checker of rules, or a fault, can tell."""
    with applied(mutant):
        run = simulate("raft", nodes=3, seed=1, until=10, faults=(), trace=False)
    assert run.measures.tenures == 1
    assert sum(done.completed_ns is not None for done in run.history) > 50
    assert {violation.checker for violation in run.violations} <= {"durable-first"}


def test_there_are_enough_of_them() -> None:
    """At least twenty-five rules, each once."""
    names = [mutant.name for mutant in (*MUTANTS, *CAUGHT)]
    assert len(set(names)) == len(names) >= 25
