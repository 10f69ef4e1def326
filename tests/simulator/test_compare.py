"""One workload for all: what the comparison says is what happened."""

from __future__ import annotations

import pytest

from tenure.errors import ConfigurationError
from tenure.simulator.compare import STRETCH_NS, STRETCHES, Comparison, compare, rows


@pytest.fixture(scope="module")
def both() -> list[Comparison]:
    """Bully and ring, five nodes, two seeds."""
    return list(compare(["bully", "ring"], [5], range(2)))


def test_every_stretch_of_the_workload_is_told(both: list[Comparison]) -> None:
    """In its order, for each algorithm and seed."""
    assert [(one.algorithm, one.seed) for one in both] == [("bully", 0), ("bully", 1), ("ring", 0), ("ring", 1)]
    assert all(tuple(stretch.event for stretch in one.stretches) == STRETCHES for one in both)


def test_a_change_of_leader_takes_time(both: list[Comparison]) -> None:
    """After the crash nobody leads until it is noticed and the election is over: the gap is measured, not assumed."""
    for one in both:
        crash = one.stretches[STRETCHES.index("crash")]
        assert 0.4 < crash.leaderless_s < 5
        assert crash.agreed_s is not None


def test_without_a_lease_there_are_two_leaders_while_the_leader_is_cut_off(both: list[Comparison]) -> None:
    """For most of the stretch; and when the links are whole again, all agree."""
    for one in both:
        cut, heal = one.stretches[STRETCHES.index("cut")], one.stretches[STRETCHES.index("heal")]
        assert cut.two_leaders_s > STRETCH_NS / 1e9 / 2
        assert heal.agreed_s is not None


def test_one_seed_gives_one_comparison(both: list[Comparison]) -> None:
    """Whatever ran before."""
    assert list(compare(["ring"], [5], [1])) == [both[3]]


def test_the_return_of_a_greater_node_costs_bully_an_election_and_ring_none(both: list[Comparison]) -> None:
    """Bully lets the greatest take over; on the ring who comes back is told of the leader."""
    bully, ring = rows(both)

    assert ring.return_leaderless_s == 0
    assert bully.return_messages > ring.return_messages


def test_rows_are_medians_of_the_seeds(both: list[Comparison]) -> None:
    """One row for each algorithm and number of nodes."""
    bully, ring = rows(both)
    values = sorted(one.stretches[1].leaderless_s for one in both[:2])

    assert (bully.seeds, ring.nodes) == (2, 5)
    assert bully.leaderless_s == pytest.approx(sum(values) / 2)
    assert bully.overlap_s is None


def test_too_few_nodes_are_refused() -> None:
    """Of two, neither half is a majority."""
    with pytest.raises(ConfigurationError, match="compare 3 or more"):
        list(compare(["bully"], [2]))
