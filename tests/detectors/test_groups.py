"""Whole groups whose electors find out by heartbeats alone who is dead, in the simulator's world.

The world tells nobody who is dead: only heartbeats count.
"""

from __future__ import annotations

from typing import Any

import pytest

from tenure.algorithms import bully, ring
from tenure.core.elector import Elector
from tenure.core.events import Suspected
from tenure.detectors import heartbeat, phi
from tenure.detectors.watched import Watched, WatchedByPhi
from tenure.simulator.network import MS
from tenure.simulator.surroundings import Surroundings
from tests.algorithms.group import Group

DETECTORS: dict[str, tuple[type[Watched], Any]] = {
    "heartbeat": (Watched, heartbeat.Settings()),
    "phi": (WatchedByPhi, phi.Settings()),
}
INNER: dict[str, tuple[type[Elector], Any]] = {
    "bully": (bully.Bully, bully.Settings(delay_ns=20 * MS)),
    "ring": (ring.Ring, ring.Settings(hop_ns=20 * MS)),
}
every_group = pytest.mark.parametrize("detector", DETECTORS)
every_inner = pytest.mark.parametrize("inner", INNER)
LONG_MS = 3_000


def group(inner: str, detector: str, seed: int = 0) -> Group:
    """Five nodes that have elected the fifth."""
    outer, settings = DETECTORS[detector]
    net = Group(outer.over(*INNER[inner]), range(1, 6), settings, Surroundings(least_ns=0, most_ns=20 * MS), seed=seed)
    net.world.start()
    net.run(LONG_MS)
    assert net.agreed == 5
    return net


@every_group
@every_inner
def test_a_leader_that_dies_is_replaced(inner: str, detector: str) -> None:
    """Within the time that its silence takes to be noticed, and an election."""
    net = group(inner, detector)
    net.let("crash 5")
    net.run(1_000)
    assert net.agreed == 4


@every_group
@every_inner
def test_while_all_live_nothing_changes(inner: str, detector: str) -> None:
    """No false alarm in ten minutes, with a hundredth of all messages lost."""
    net = group(inner, detector)
    changes = len(net.history)
    net.let("lose 1%")
    net.run(600_000)
    assert len(net.history) == changes


@every_group
def test_who_comes_back_is_trusted_again(detector: str) -> None:
    """And takes over, by bully."""
    net = group("bully", detector)
    net.let("crash 5")
    net.run(LONG_MS)
    net.let("restart 5")
    net.run(LONG_MS)
    assert net.leaders == dict.fromkeys(range(1, 6), 5)
    for elector in net.world.electors.values():
        assert isinstance(elector, Watched)
        assert elector.suspects == set()


@every_group
def test_members_that_join_and_leave_are_watched_and_forgotten(detector: str) -> None:
    """A sixth leads when it comes, and the fifth when it has gone without a word of its death."""
    net = group("bully", detector)
    net.let("join 6")
    net.run(LONG_MS)
    assert net.agreed == 6
    net.let("leave 6")
    net.run(LONG_MS)
    assert net.leaders == dict.fromkeys(range(1, 6), 5)
    assert all(elector.members == set(range(1, 6)) for elector in net.world.electors.values())


@every_group
def test_a_partition_looks_like_deaths_and_bully_has_two_leaders(detector: str) -> None:
    """What no detector can know: each side takes the other for dead. When it is over, all agree again."""
    net = group("bully", detector)
    net.let("partition 1 2 | 3 4 5")
    net.run(LONG_MS)
    assert net.leaders == {1: 2, 2: 2, 3: 5, 4: 5, 5: 5}
    net.let("heal")
    net.run(LONG_MS)
    assert net.agreed == 5


@every_group
def test_a_false_alarm_ends_with_the_next_heartbeat(detector: str) -> None:
    """Whoever raised it."""
    net = group("bully", detector)
    net.give(1, Suspected(5))
    assert net.leaders[1] is None
    net.run(125)
    elector = net[1]
    assert isinstance(elector, Watched)
    assert (elector.suspects, elector.leader) == (set(), 5)


@every_group
def test_the_same_seed_gives_the_same_run(detector: str) -> None:
    """Event by event; another seed another one."""
    first, again, other = (group("bully", detector, seed=seed).history for seed in (1, 1, 2))
    assert (first == again, first == other) == (True, False)
