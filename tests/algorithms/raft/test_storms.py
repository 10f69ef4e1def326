"""Three hundred storms with everything that the model allows, all at once; and what disks do beyond it.

`make hunt` runs ten thousand. A failure prints the seed that it found, and the smallest schedule that shows it.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tenure.simulator import simulate
from tenure.simulator.hunt import hunt
from tenure.simulator.tally import Tally

SEEDS = 300
STORMS = {3: range(200), 5: range(200, SEEDS)}
"""Nodes in the beginning, and seeds; up to three more join."""


@pytest.mark.serial
@pytest.mark.timeout(600)
def test_no_storm_violates_anything_and_everything_fires() -> None:
    """Crashes with what they lose and tear, slow and stalled disks, partitions whole, partial and one-way, clocks that
    drift, pauses, loss, copies, reordering, transfers, voters that change, newcomers, and nodes that are lost for good.
    Each fault strikes, each role is taken, each message is sent, and each rule takes effect.
    """
    tally = Tally()
    for nodes, seeds in STORMS.items():
        done = hunt("raft", seeds, nodes=nodes, detector="told")
        assert done.found is None, (done.found, done.smallest)
        tally.add(done.tally)
    assert (tally.runs, tally.void) == (SEEDS, 0)
    assert tally.never() == []


def objections(faults: tuple[str, ...], seeds: int) -> Counter[str]:
    """How many of so many runs each checker objects to."""
    runs = [simulate("raft", nodes=3, seed=seed, until=30, faults=faults, trace=False) for seed in range(seeds)]
    return sum((Counter({violation.checker for violation in run.violations}) for run in runs), Counter[str]())


def test_a_disk_that_lies_is_found_out_and_costs_what_was_committed() -> None:
    """It says that a write is durable, and loses it in a crash: the checkers see the first word that rests on it, and
    some crash later a leader that lacks what clients were told is done.
    """
    found = objections(("lying-disk", "blink", "crash", "partition"), 12)
    assert found["durable-first"] >= 10
    assert found["leader-completeness"] >= 1
    assert found["state-machine-safety"] >= 1


def test_a_wiped_disk_under_the_old_number_costs_what_was_committed() -> None:
    """And its second vote in a term elects a second leader. Whoever lost its disk begins under a new number, as all do
    that are replaced in the storms above.
    """
    found = objections(("wiped-disk", "crash", "partition"), 12)
    assert found["leader-completeness"] >= 1
    assert found["election-safety"] >= 1
