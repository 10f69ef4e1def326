"""The majority lease over bully and ring in the simulator: whatever happens, never two holders, and one in the end."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from tenure.algorithms.majority_lease.pace import Pace
from tenure.simulator import Run, simulate
from tenure.simulator.scenario import parse_script
from tests.algorithms.lease_schedules import Schedule, violations
from tests.algorithms.mutants_lease import elector_trusted_for_ever

INNER = ("bully", "ring")
SEEDS = range(20)
PARTITION = parse_script("""
nodes 1 2 3 4 5
seed 7
until 60s
at 15s  partition 1 2 3 | 4 5
at 40s  heal
converge 1 2 3 4 5 from 40s
""")
DEAF = parse_script("""
nodes 1 2 3 4 5
seed 7
until 60s
at 0s  cut 1 -> 5
at 0s  cut 2 -> 5
at 0s  cut 3 -> 5
at 0s  cut 4 -> 5
converge 1 2 3 4 5 from 1s
""")


@pytest.mark.parametrize("inner", INNER)
def test_no_storm_violates_anything(inner: str) -> None:
    """Partitions, one-way and partial ones too, loss, copies, crashes, pauses, slow disks, drift, changes of voters.

    Nothing is violated, somebody holds in every run, and every kind of fault struck and every role was taken.
    """
    runs = [simulate(f"{inner}+lease", nodes=3 + 2 * (seed % 2), seed=seed, trace=False) for seed in SEEDS]

    assert [str(violation) for run in runs for violation in run.violations] == []
    assert [run.setup.seed for run in runs if run.measures.tenures == 0 or run.measures.overlap_ns > 0] == []
    struck = {fault for run in runs for fault in run.struck}
    assert struck >= {"crash", "pause", "partition", "partial", "one-way", "loss", "duplicate", "latency", "drift"}
    assert struck >= {"slow-disk", "stalled-disk", "ask", "voters", "join", "leave", "restart"}
    changes = {change for run in runs for change in run.measures.roles}
    assert changes >= {"following -> claiming", "claiming -> holding", "claiming -> following", "holding -> following"}


@pytest.mark.parametrize("inner", INNER)
def test_C25_alone_two_lead_under_a_partition_and_under_a_lease_one_holds(inner: str) -> None:
    """The same seed and the same partition: alone each side has a leader; the lease moves to the side of the majority.

    The elector inside has two leaders all the while: who should lead is one question, and who may act another.
    """
    alone = simulate(inner, scenario=PARTITION, check=["one-leader"])
    leased = simulate(f"{inner}+lease", scenario=PARTITION)

    assert "one-leader" in {violation.checker for violation in alone.violations}
    assert alone.measures.two_leaders_ns > 10_000_000_000
    assert leased.violations == []
    assert leased.measures.two_leaders_ns > 10_000_000_000
    assert (leased.measures.overlap_ns, leased.measures.tenures >= 2) == (0, True)


@pytest.mark.parametrize("inner", INNER)
def test_C17_a_leader_that_hears_nobody_does_not_keep_all_others_waiting(inner: str) -> None:
    """Node 5 is heard by all and hears nobody, so the elector goes on choosing it; some other node holds all the same.

    Without the rule that voters claim by themselves after long silence nobody ever holds.
    """
    with patch.object(Pace, "claims_from_ns", elector_trusted_for_ever):
        waiting = simulate(f"{inner}+lease", scenario=DEAF)
    run = simulate(f"{inner}+lease", scenario=DEAF)

    assert (waiting.measures.tenures, [one.checker for one in waiting.violations]) == (0, ["termination"])
    assert (run.measures.tenures > 0, run.violations) == (True, [])


def test_one_seed_gives_one_run() -> None:
    """Twice the same."""
    first, second = (_kept(seed=3) for _ in range(2))
    assert first.digest() == second.digest()


def _kept(seed: int) -> Run:
    return simulate("bully+lease", nodes=3, seed=seed, until=20)


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_no_drawn_schedule_violates_anything(first: int) -> None:
    """Messages in any order and again, whatever the elector says: see `lease_schedules`."""
    assert [(seed, line) for seed in range(first, first + 40) for line in violations(seed)] == []


def test_drawn_schedules_reach_what_they_are_about() -> None:
    """Tenures are won, lost in every way, and voters changed; otherwise nothing would be shown."""
    happened, numbers = dict[str, int](), set[int]()
    for seed in range(40):
        schedule = Schedule(seed, 2 + seed % 4)
        schedule.storm()
        for what, count in schedule.happened.items():
            happened[what] = happened.get(what, 0) + count
        numbers |= {cell.elector.configuration.number for cell in schedule.cells.values() if cell.elector}
    for what in ("won", "ran out", "was asked to step down", "crash", "TakeOver", "wish refused"):
        assert happened.get(what, 0) > 0, f"{what} never happened: {happened}"
    assert max(numbers) >= 3
