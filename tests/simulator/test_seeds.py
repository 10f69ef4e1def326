"""Some hundreds of seeds of every algorithm, each under the faults of its model: nothing that it promises is violated.

`make hunt` runs ten thousand of each. A failure prints the line that runs its seed again.
"""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest

from tenure.simulator import drawing, names, plan, simulate
from tenure.simulator.faults import AnyFault, Join

EACH = 10
UNTIL_S = 60
"""A third of it is calm: longer than a lease of somebody who stays cut off, and an election after it."""


@pytest.mark.parametrize("first", range(0, 30, EACH))
@pytest.mark.parametrize("algorithm", names.COMPARED)
def test_no_seed_violates_anything(algorithm: str, first: int) -> None:
    """All are clean, and somebody is elected in each."""
    found = list[str]()
    for seed in range(first, first + EACH):
        run = simulate(algorithm, seed=seed, until=UNTIL_S, trace=False)
        again = f"again: tenure simulate --algorithm {algorithm} --seed {seed} --until {UNTIL_S}s"
        found += [f"{violation}; {again}" for violation in run.violations]
        assert not run.is_void, again
    assert found == []


def test_every_algorithm_is_hunted() -> None:
    """One that is known by name and is in no list would be judged by nobody."""
    hunted = {part for name in names.COMPARED for part in name.split("+")}
    assert set(names.ALGORITHMS) <= hunted


@pytest.mark.parametrize("kind", drawing.KINDS)
def test_every_kind_begins_with_its_stroke(kind: str) -> None:
    """The table of what should have fired names what is drawn."""
    drawn = drawing.Draw(Random(1), (1, 2, 3), 10**11, keeps_majority=True)
    drawing.KINDS[kind].draw(drawn)
    begun = [type(stroke.fault) for stroke in drawn.strokes]
    first = begun[1] if begun[0] is Join and kind == "beset-change" else begun[0]  # its newcomer may join before it
    assert first is drawing.KINDS[kind].begins


def test_every_fault_is_drawn_or_ends_one() -> None:
    """A new kind of fault has a row in the table."""
    ends = {"Heal", "MendLink", "MendDisk", "AllClear"}
    assert {kind.__name__ for kind in get_args(AnyFault)} == {
        kind.begins.__name__ for kind in drawing.KINDS.values()
    } | ends


def test_faults_beyond_the_model_are_named() -> None:
    """What ends a fault is none, and a kind inside the model is not beyond it."""
    partitioned = simulate("bully", until=5, faults=["partition", "crash"], trace=False).setup
    assert plan.kinds_beyond(partitioned.kind, partitioned.plan.strokes) == ("partition",)
    drawn = simulate("bully", until=5, trace=False).setup
    assert plan.kinds_beyond(drawn.kind, drawn.plan.strokes) == ()
