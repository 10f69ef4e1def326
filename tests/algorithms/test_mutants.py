"""Each rule of bully and ring, taken away: a named checker sees it in a recorded storm that is clean with the rule."""

from __future__ import annotations

import pytest

from tenure.core.elector import Elector
from tenure.simulator import checkers, simulate
from tests.algorithms.flurries import FLURRIES
from tests.algorithms.group import Group
from tests.algorithms.mutants import MUTANTS, Mutant
from tests.algorithms.storms import STORMS, violated
from tests.mutation import applied

KINDS: dict[str, tuple[type[Elector], object]] = {
    **{name: (one.kind, one.settings) for name, one in STORMS.items()},
    **{name: (one.kind, one.settings) for name, one in FLURRIES.items()},
}

ROW = [pytest.param(m, id=f"{m.storm}: {m.name} -> {m.checker} -> seed {m.seed}") for m in MUTANTS]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_is_caught_by_its_checker(mutant: Mutant) -> None:
    """Without the rule the recorded storm violates the named property."""
    with applied(mutant):
        assert [line for line in violated(mutant.storm, mutant.seed) if line.startswith(f"{mutant.checker}:")]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutants_storm_is_clean_with_the_rule(mutant: Mutant) -> None:
    """It was the rule."""
    assert violated(mutant.storm, mutant.seed) == []


@pytest.mark.parametrize("mutant", [param for param in ROW if "ring" in str(param.id)])
def test_a_ring_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Where all start together and nothing happens, nothing is violated: nobody would notice."""
    with applied(mutant):
        run = simulate(KINDS[mutant.storm][0], detector="told", faults=())
    assert run.violations == []
    assert not run.is_void


@pytest.mark.parametrize("mutant", [param for param in ROW if "bully" in str(param.id)])
def test_a_bully_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Where the leader of two dies and stays dead, the other one leads: nobody would notice."""
    kind, settings = KINDS[mutant.storm]
    pair = Group(kind, (1, 2), settings)
    pair.world.start()
    pair.run(10_000)
    with applied(mutant):
        pair.let("crash 2")
        pair.run(10_000)
    assert pair.leaders == {1: 1}


def test_every_mutant_names_a_checker_that_judges_it() -> None:
    """A misspelt name would never be violated."""
    for mutant in MUTANTS:
        assert mutant.checker in checkers.names_for(KINDS[mutant.storm][0].guarantees)
