"""Each rule of the majority lease, taken away: a named checker sees it in a recorded schedule, clean with the rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tenure.core.events import Trusted
from tests.algorithms.lease_schedules import Schedule
from tests.algorithms.lease_scripts import SCRIPTS
from tests.algorithms.mutants_lease import MUTANTS, Mutant, violations
from tests.mutation import applied


def shown(mutant: Mutant) -> str:
    """A seed, or a script's name."""
    return f"seed {mutant.shown_by}" if isinstance(mutant.shown_by, int) else mutant.shown_by.__name__


ROW = [pytest.param(mutant, id=f"{mutant.name} -> {mutant.checker} -> {shown(mutant)}") for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_is_caught_by_its_checker(mutant: Mutant) -> None:
    """Without the rule the recorded schedule violates the named property, and nothing before it."""
    with applied(mutant):
        assert violations(mutant)[0].startswith(f"{mutant.checker}:")


@pytest.mark.parametrize("mutant", [param for param in ROW if "seed" in str(param.id)])
def test_a_mutants_seed_is_clean_with_the_rule(mutant: Mutant) -> None:
    """It was the rule."""
    assert violations(mutant) == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_clean_with_all_rules(script: Callable[[], Schedule]) -> None:
    """It was the rule, and somebody won: a script in which nobody does shows nothing."""
    schedule = script()
    assert (schedule.violations, schedule.happened["won"] > 0) == ([], True)


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Three nodes, of which one should lead, and nothing goes wrong: nobody would notice."""
    with applied(mutant):
        schedule = Schedule(1)
        for number in schedule.cells:
            schedule.give(number, Trusted(1))
        schedule.calm(3_000)
        assert (schedule.holders(), schedule.violations) == ([1], [])


def test_every_script_shows_a_mutant() -> None:
    """None is there for nothing."""
    assert {mutant.shown_by for mutant in MUTANTS if not isinstance(mutant.shown_by, int)} == {*SCRIPTS}
