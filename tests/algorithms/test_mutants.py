"""Each rule of bully and ring, taken away: a named checker sees it in a recorded storm that is clean with the rule."""

from __future__ import annotations

import pytest

from tests.algorithms.mutants import MUTANTS, Mutant, applied
from tests.algorithms.network import Network
from tests.algorithms.storms import CHECKERS, SETTINGS, violations

ROW = [pytest.param(m, id=f"{m.setting}: {m.name} -> {m.checker} -> seed {m.seed}") for m in MUTANTS]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_is_caught_by_its_checker(mutant: Mutant) -> None:
    """Without the rule the recorded storm violates the named property."""
    with applied(mutant):
        assert [v for v in violations(mutant.setting, mutant.seed) if v.startswith(f"{mutant.checker}:")]


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutants_storm_is_clean_with_the_rule(mutant: Mutant) -> None:
    """It was the rule."""
    assert list(violations(mutant.setting, mutant.seed)) == []


@pytest.mark.parametrize("mutant", [param for param in ROW if "ring" in str(param.id)])
def test_a_ring_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Where all start together and nothing happens, all recognise the greatest: nobody would notice."""
    setting = SETTINGS[mutant.setting]
    with applied(mutant):
        net = Network(setting.kind, range(1, 6), settings=setting.settings)
        net.start()
        net.run(1_000)
        assert set(net.leaders.values()) == {5}


@pytest.mark.parametrize("mutant", [param for param in ROW if "bully" in str(param.id)])
def test_a_bully_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Where the leader of two dies and stays dead, the other one leads: nobody would notice."""
    setting = SETTINGS[mutant.setting]
    net = Network(setting.kind, (1, 2), settings=setting.settings)
    net.start()
    net.run(1_000)
    with applied(mutant):
        net.crash(2)
        net.run(3_000)
        assert net.leaders == {1: 1}


def test_every_mutant_names_a_checker_that_judges_it() -> None:
    """A misspelt name would never be violated."""
    for mutant in MUTANTS:
        assert mutant.checker in {checker.__name__ for checker in CHECKERS[mutant.setting]}
