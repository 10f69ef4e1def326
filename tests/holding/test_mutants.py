"""Each rule of the holder, taken away: a named checker sees it in a recorded run, and that run is clean with the rule.

`python -m pytest tests/holding/test_mutants.py -v` prints the table: rule, mutant -> checker -> seed.
"""

from __future__ import annotations

from functools import cache

import pytest

from tenure.holding import effects, events
from tests.holding.checkers import CHECKERS, Judged, judge
from tests.holding.mutants import MUTANTS, Mutant
from tests.holding.stage import T0, S, Stage, kinds
from tests.holding.virtual import simulate
from tests.mutation import applied

ROW = [pytest.param(m, id=f"rule {m.rule}: {m.name} -> {m.checker} -> seed {m.seed}") for m in MUTANTS]


@cache
def violated(seed: int) -> set[str]:
    """What the checkers find in the run of `seed` with the product as it is."""
    return {name for name, _ in judge(Judged.of(simulate(seed)))}


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_is_caught_by_its_checker(mutant: Mutant) -> None:
    """Without the rule the recorded run violates the named property."""
    with applied(mutant):
        assert mutant.checker in {name for name, _ in judge(Judged.of(simulate(mutant.seed)))}


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_a_mutants_run_is_clean_with_the_rule(seed: int) -> None:
    """The same seed without the mutation violates nothing: it was the rule."""
    assert violated(seed) == set()


@pytest.mark.parametrize("mutant", ROW)
def test_a_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """A mutation is one rule less, not a broken holder: where nothing goes wrong nobody would notice."""
    with applied(mutant):
        stage = Stage(takeover_delay_s=1)
        stage.lead()
        for second in (4, 8, 12):
            stage.at(second, events.OwnerTicked(T0 + second * S))
            assert kinds(stage.woke(second)[-1:] or stage.said[-1:]) == ["Renew"]
            stage.renewed(second + 0.1)
            assert stage.is_valid(second + 0.1)
        assert stage.deadline_s - 12 == pytest.approx(19, abs=1.2)
        stage.at(13, events.BodyLeft())
        stage.at(13, events.ReleaseDone(stage.last(effects.Release).call))
        assert stage.holder.over


def test_every_rule_has_a_mutant() -> None:
    """The docstring of `holder.py` numbers twelve rules; none is without somebody who breaks it."""
    assert {mutant.rule for mutant in MUTANTS} == set(range(1, 13))


def test_every_mutant_names_a_checker_that_exists() -> None:
    """A misspelt name would never be violated."""
    assert {mutant.checker for mutant in MUTANTS} <= {checker.__name__ for checker in CHECKERS}
