"""Each rule of the detectors, taken away: a named test fails, which passes with the rule."""

from __future__ import annotations

import pytest

from tenure.core.events import Started, Suspected
from tests.detectors.mutants import MUTANTS, Mutant
from tests.detectors.probe import MS, Scene
from tests.mutation import applied

every_mutant = pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=f"{mutant.name} -> {mutant.test.__name__}") for mutant in MUTANTS]
)


@every_mutant
def test_a_mutant_fails_its_test(mutant: Mutant) -> None:
    """By an assertion of that test, and not by breaking down."""
    with applied(mutant), pytest.raises(AssertionError):
        mutant.test(**mutant.arguments)


@every_mutant
def test_the_test_passes_with_the_rule(mutant: Mutant) -> None:
    """It was the rule."""
    mutant.test(**mutant.arguments)


@every_mutant
def test_a_mutant_still_passes_the_happy_path(mutant: Mutant) -> None:
    """Two peers are heard for a while, then one falls silent and is suspected in two seconds: nobody would notice."""
    with applied(mutant):
        scene = Scene(mutant.kind)
        scene.give(Started())
        scene.all_beat(2, 3, times=20)
        scene.all_beat(2, times=20)
        assert {event for at_ns, event in scene.opinions if at_ns < 4_000 * MS} == {Suspected(3)}
