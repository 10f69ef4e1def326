"""Links: when messages arrive, and what a partition cuts."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.simulator.network import Network, Weather


def network(**weather: float) -> Network:
    """With a chance of its own."""
    return Network(Weather(**weather), Random(1))  # type: ignore[arg-type]  # Weather checks them


@settings(deadline=None, database=None)
@given(groups=st.lists(st.sets(st.integers(1, 6)), max_size=3), late=st.integers(7, 9))
def test_messages_pass_within_groups_only(groups: list[set[int]], late: int) -> None:
    """Who is named in none is on one side more, and so is who comes later."""
    apart, seen = [], set[int]()
    for group in groups:
        apart.append(group - seen)
        seen |= group
    links = network()
    links.partition(apart, range(1, 7))
    links.add(late, range(1, 7))
    side = {node: next((k for k, group in enumerate(apart) if node in group), None) for node in [*range(1, 7), late]}
    assert links.cut == {(a, b) for a, b in permutations(side, 2) if side[a] != side[b]}


def test_a_healed_network_forgets_its_partition() -> None:
    """Who comes then reaches all."""
    links = network()
    links.partition([[1]], [1, 2])
    links.heal()
    links.add(3, [1, 2])
    assert links.cut == set()


def test_latencies_lie_within_their_bounds_and_reach_both() -> None:
    """Uniformly: each quarter of the range is met."""
    links = network(least_ns=100, most_ns=200)
    arrivals = [links.arrivals((1, 2), 1000)[0] for _ in range(400)]
    assert min(arrivals) >= 1100
    assert max(arrivals) <= 1200
    assert {(at - 1100) // 25 for at in arrivals} >= {0, 1, 2, 3}


def test_losses_and_copies_come_as_often_as_they_should() -> None:
    """Of 2,000 messages, within four deviations."""
    links = network(loss=0.25, duplicates=0.5)
    copies = [len(links.arrivals((1, 2), 0)) for _ in range(2000)]
    assert 420 <= copies.count(0) <= 580
    assert 660 <= copies.count(2) <= 840


def test_links_in_order_keep_it_and_others_do_not() -> None:
    """Each link for itself, also with copies."""
    ordered, free = network(least_ns=0, most_ns=100, fifo=True, duplicates=0.5), network(least_ns=0, most_ns=100)
    in_order = [at for now in range(200) for at in ordered.arrivals((1, 2), now)]
    assert in_order == sorted(in_order)
    assert ordered.arrivals((2, 1), 0)[0] <= 100
    anyhow = [at for now in range(200) for at in free.arrivals((1, 2), now)]
    assert anyhow != sorted(anyhow)


@pytest.mark.parametrize(
    "weather", [{"least_ns": 2, "most_ns": 1}, {"least_ns": -1}, {"loss": 1.1}, {"duplicates": -0.1}]
)
def test_impossible_weather_is_refused(weather: dict[str, float]) -> None:
    """The message says what would do."""
    with pytest.raises(ValueError, match=r"from 0|chances"):
        network(**weather)
