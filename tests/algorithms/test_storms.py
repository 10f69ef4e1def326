"""Hundreds of seeded storms inside each algorithm's model, and two beyond: whoever lives in the end recognises whom it
should. A failure prints the call that runs its seed again.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tenure.core.model import Guarantee
from tests.algorithms.flurries import FLURRIES, flurry
from tests.algorithms.storms import STORMS, storm, violated

SEEDS = 200
MOST_SENT = 4_000
"""Of one storm: no run of the product comes near, and a message that circles for ever, or an election that never ends,
would."""
every_storm = pytest.mark.parametrize("name", STORMS)


@every_storm
def test_no_storm_violates_anything(name: str) -> None:
    """AGREEMENT and TERMINATION, and for bully that it is the greatest."""
    assert [line for seed in range(SEEDS) for line in violated(name, seed)] == []


@every_storm
def test_every_fault_strikes_and_elections_are_held(name: str) -> None:
    """A storm in which nothing happens would prove nothing, and one that never ends is none either."""
    runs = [storm(name, seed) for seed in range(50)]
    struck = sum((run.struck for run in runs), Counter[str]())
    assert min(struck[kind] for kind in STORMS[name].faults) >= 50
    assert sum(run.measures.became_leader > 1 for run in runs) >= 40
    assert max(sum(run.sent.values()) for run in runs) < MOST_SENT
    entered = {change.partition(" -> ")[2] for run in runs for change in run.measures.roles}
    assert {role for run in runs for role in run.roles} - entered <= {"gone"}


@pytest.mark.parametrize("name", FLURRIES)
def test_no_flurry_violates_anything(name: str) -> None:
    """The same where nothing later mends what a stroke did."""
    assert [line for seed in range(5 * SEEDS) for line in violated(name, seed)] == []


@pytest.mark.parametrize("name", FLURRIES)
def test_in_flurries_everything_strikes(name: str) -> None:
    """And a leader is there before and after."""
    runs = [flurry(name, seed) for seed in range(100)]
    struck = sum((run.struck for run in runs), Counter[str]())
    kinds = ("crash", "restart", "blink", "join", "leave") + (
        ("false-alarm", "trust") if FLURRIES[name].is_wide else ()
    )
    assert min(struck[kind] for kind in kinds) >= 20
    assert sum(run.measures.became_leader > 1 for run in runs) >= 40


def test_bully_is_judged_by_its_own_rule_too() -> None:
    """That the greatest leads is a promise of it, and none of the ring's."""
    assert {name for name, one in STORMS.items() if Guarantee.GREATEST in one.kind.guarantees} == {"bully"}
