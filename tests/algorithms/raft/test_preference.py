"""Preference around Raft: the figures of preference hold in the simulator, by the checks that judge it everywhere.

Where those checks appoint a leader by decree, here it is elected, and hands over to the one that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import msgspec
import pytest

from tenure.algorithms.preference import Preference, Role
from tenure.algorithms.raft import Raft
from tenure.algorithms.raft import Settings as RaftSettings
from tenure.algorithms.raft.messages import Execute, NotLeader, Opened, OpenSession, Read
from tenure.core.composed import innermost
from tenure.core.effects import Answered
from tenure.core.elector import DutyBroken, Serving, WishRefused
from tenure.core.events import Left, NodeId, PeerLost, Rating, Requested, Started
from tenure.detectors.watched import Watched
from tenure.machines import kv
from tenure.simulator.network import MS
from tenure.simulator.surroundings import Surroundings
from tests.algorithms import group as simulated
from tests.algorithms import preferring
from tests.algorithms.appointed import Appointed

NODES = range(1, 6)
AROUND_RAFT = Preference.over(Raft, RaftSettings(voters=tuple(NODES)))
SURROUNDINGS = Surroundings(
    least_ns=1 * MS,
    most_ns=preferring.SLOWEST_MS * MS,
    disk_least_ns=0,  # a round trip is one of messages
    disk_most_ns=0,
    detect_least_ns=20 * MS,
    detect_most_ns=60 * MS,
    is_told=True,
)


class Group(preferring.Group):
    """Five nodes of Raft, of which node 1 leads and holds."""

    def __init__(self, ratings: dict[NodeId, Rating], *, seed: int = 0) -> None:
        fair = preferring.SETTINGS
        settings = type(fair)(ratings=ratings, delay_ns=fair.delay_ns, tell_every_ns=fair.tell_every_ns)
        self.net = simulated.Group(AROUND_RAFT, NODES, settings, SURROUNDINGS, seed=seed)
        self.net.world.start()
        self._since = 0
        self.appoint(1)
        self._since = len(self.net.history)

    def appoint(self, leader: NodeId) -> None:
        """Whoever leads is asked to hand over to this one."""
        asks_ns = 0
        for _ in range(10_000):
            self.run(1)
            holders = [node for node, elector in self.net.world.electors.items() if elector.role != Role.FOLLOWING]
            if leader in holders:
                return
            if holders and self.net.world.now_ns >= asks_ns:
                self.net.let(f"ask {holders[0]} to {leader}")
                asks_ns = self.net.world.now_ns + 2_000 * MS
        raise AssertionError(f"node {leader} is not elected: they recognise {self.net.leaders}")

    def revive(self, node: NodeId) -> None:
        """A new life; the leader tells it who leads."""
        self.net.let(f"restart {node}")

    def led(self) -> list[NodeId]:
        """Who began to recognise itself, in order, after node 1."""
        return [1, *(node for _, node, leader in self.net.history[self._since :] if leader == node)]


def over_raft(check: Callable[[int], str], seed: int) -> str:
    """What the check finds of Raft. The delay is longer than a tenure, which else would be waited for."""
    delay_ms = RaftSettings().tenure_ns // MS
    settings = msgspec.structs.replace(preferring.SETTINGS, delay_ns=delay_ms * MS)
    with patch.multiple(preferring, Group=Group, DELAY_MS=delay_ms, QUIET_MS=6 * delay_ms, SETTINGS=settings):
        return check(seed)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "check",
    [
        preferring.freshness_beats_priority,
        preferring.takeover_happens_once_and_in_time,
        preferring.flapping_changes_nothing,
        preferring.blinking_changes_nothing,
        preferring.the_number_alone_deposes_nobody,
        preferring.an_ineligible_leader_gives_way,
        preferring.a_new_leadership_begins_the_delay_anew,
    ],
    ids=lambda check: check.__name__,
)
def test_the_figures_of_preference_hold(check: Callable[[int], str], seed: int) -> None:
    """And its order and its hysteresis: hazard C25."""
    assert over_raft(check, seed) == ""


@pytest.mark.parametrize("seed", range(6))
def test_raising_a_nodes_priority_never_makes_it_less_likely_to_lead(seed: int) -> None:
    """What it led in a schedule it leads with more priority too; here each node is tried."""
    ratings = {node: Rating(priority=(seed + node) % 3) for node in NODES}
    node = 1 + seed % 5
    with patch.object(preferring, "Group", Group):
        assert preferring.nobody_better_is_left(ratings, seed) == ""
        assert preferring.priority_does_no_harm(ratings, seed, node) == ""


def test_who_is_behind_is_brought_up_to_date_before_it_leads() -> None:
    """Raft's own freshness: node 5 is preferred and lacks what node 1 has committed meanwhile."""
    group = Group({5: Rating(priority=9)}, seed=1)
    group.net.let("crash 5")
    leader = group.net.world.nodes[1]
    assert group.net.world.ask(leader, (OpenSession(1), Read(2, kv.encode(kv.Get("k")))))
    group.run(200)
    committed = innermost(group.net[1]).commit  # type: ignore[attr-defined]  # Raft's
    group.revive(5)
    group.run(preferring.QUIET_MS)
    assert group.leader == 5
    assert innermost(group.net[5]).commit > committed  # type: ignore[attr-defined]  # the same


# What passes through


def asked(elector: Serving, *requests: OpenSession | Execute) -> list[object]:
    """What clients are told at once."""
    return [effect.answer for effect in elector.handle(Requested(requests), 0) if isinstance(effect, Answered)]


@pytest.mark.parametrize("kind", [AROUND_RAFT, Watched.over(AROUND_RAFT)], ids=lambda kind: kind.name)
def test_clients_and_deaths_reach_raft(kind: type) -> None:
    """Whatever stands around it, before the beginning, in life and when it has left."""
    import random

    elector = kind(3, NODES, random.Random(1))
    assert isinstance(elector, Serving)
    with pytest.raises(DutyBroken, match="before Started"):
        elector.handle(PeerLost(1, certain=True), 0)
    elector.handle(Started(), 0)
    assert asked(elector, OpenSession(1)) == [NotLeader(None)]
    elector.handle(PeerLost(1, certain=True), 0)
    assert innermost(elector)._lost == {1}  # type: ignore[attr-defined]  # noqa: SLF001  what it made of it
    elector.handle(Left(3), 1)
    assert asked(elector, OpenSession(2)) == [NotLeader(None)]
    assert list(elector.handle(PeerLost(2, certain=True), 1)) == []


def test_a_leader_with_preference_serves() -> None:
    """It opens a session for a client."""
    group = Group({}, seed=2)
    answers: list[object] = []
    group.net.world.on_answer = lambda node, answered: answers.append((node, type(answered.answer)))
    group.net.world.ask(group.net.world.nodes[1], (OpenSession(1),))
    group.run(100)
    assert answers == [(1, Opened)]


def test_who_serves_nobody_refuses_clients() -> None:
    """Preference around an elector without any."""
    import random

    elector = Preference.over(Appointed)(1, NODES, random.Random(1))
    elector.handle(Started(), 0)
    assert not isinstance(elector, Serving)
    with pytest.raises(WishRefused, match="serves no clients"):
        elector.handle(Requested((OpenSession(1),)), 0)
