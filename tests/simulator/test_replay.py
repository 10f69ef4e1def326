"""A trace is judged as the run was that wrote it."""

from __future__ import annotations

import pytest

from tenure.simulator import simulate
from tenure.simulator.replay import judge
from tenure.simulator.scenario import parse_script

CUT_SHORT = parse_script("nodes 1 2 3\nuntil 11s\nat 10s crash 3\n")
"""It ends before anybody can have been elected in the place of node 3."""


@pytest.mark.parametrize("algorithm", ["bully", "ring"])
def test_what_is_not_judged_without_a_calm_is_not_judged_anew_either(algorithm: str) -> None:
    """That nobody leads in the end is no fault where the end came too soon, whichever checker would say so."""
    run = simulate(algorithm, scenario=CUT_SHORT)
    assert run.trace is not None
    assert (run.violations, judge(run.trace)) == ([], [])
    assert judge(run.trace, ["agreement", "greatest-leads", "termination"])
