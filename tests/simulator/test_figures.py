"""The published counts, beside what the electors that ship send: exact ones are equal, means are near."""

from __future__ import annotations

import pytest

from tenure.simulator.figures import FIGURES


@pytest.mark.parametrize("n", [3, 4, 5, 8, 16])
@pytest.mark.parametrize("name", sorted(FIGURES))
def test_exact_figures_are_met_exactly(name: str, n: int) -> None:
    """Every message is counted when it leaves, also those to the dead, and announcements too."""
    for figure in FIGURES[name](n):
        if figure.exact:
            assert figure.measured == pytest.approx(figure.published, abs=1e-9), figure.case


def test_the_mean_of_random_rings_is_near() -> None:
    """n H_n and n more to announce; over 400 rings of 16 the mean is off by 1 % or so."""
    mean = next(figure for figure in FIGURES["ring"](16) if not figure.exact)

    assert mean.measured == pytest.approx(mean.published, rel=0.03)


def test_kinds_add_up() -> None:
    """What is told by kind is what was counted in all."""
    for figure in FIGURES["bully"](5):
        if "mean" not in figure.case:
            assert sum(figure.kinds.values()) == figure.measured
