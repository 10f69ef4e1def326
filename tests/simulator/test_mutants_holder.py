"""The rules of the holder about deadlines, taken away over an elector: a named checker sees each in a recorded run.

`python -m pytest tests/simulator/test_mutants_holder.py -v` prints the table: mutant -> checker -> seed.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.holding import mutants as law
from tests.mutation import applied
from tests.simulator.mutants_holder import CAUGHT, DEADLINES, UNSEEN, Row, named, violated

ROWS = [pytest.param(row, id=f"{row.mutant} -> {row.checker} -> seed {row.seed}") for row in CAUGHT]
clean = cache(violated)


@pytest.mark.parametrize("row", ROWS)
def test_a_mutant_is_caught_by_its_checker(row: Row) -> None:
    """Without the rule the recorded run violates the named property, and with it the run is clean."""
    with applied(named(row.mutant)):
        assert row.checker in violated(row.seed)
    assert clean(row.seed) == set()


@pytest.mark.parametrize("name", UNSEEN)
def test_an_unseen_mutant_shows_nothing_here(name: str) -> None:
    """What is said to be invisible over an elector is: should that change, it belongs into the table."""
    with applied(named(name)):
        assert [seed for seed in range(10) if violated(seed)] == []


def test_every_mutant_about_deadlines_is_named() -> None:
    """Each is caught here, or it is said why it cannot be."""
    about = {mutant.name for mutant in law.MUTANTS if mutant.rule in DEADLINES}
    assert about <= {row.mutant for row in CAUGHT} | set(UNSEEN)
