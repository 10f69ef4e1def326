"""Each rule of a leader's certain death, taken away: a named checker sees it in a recorded run that is clean with the
rule, or a named test fails that passes with it.
"""

from __future__ import annotations

import pytest

from tests.algorithms.raft.mutants import Caught, Mutant, applied
from tests.algorithms.raft.mutants_deaths import CAUGHT, MUTANTS


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
    with applied(mutant), pytest.raises((AssertionError, KeyError)):
        mutant.test()
