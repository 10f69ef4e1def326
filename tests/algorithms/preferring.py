"""Groups that prefer, and what must hold of them, each under its own name: the figures of preference.

A check gives what is wrong in a few words, or nothing. Each is judged on the product by `test_preference`, and has
mutants that it catches in `mutants_preference`.
"""

from __future__ import annotations

import random

from tenure.algorithms.preference import Preference, Settings
from tenure.core.elector import Elector
from tenure.core.events import NodeId, Rated, Rating, Received, Suspected, Trusted
from tenure.simulator.network import MS
from tenure.simulator.node import RanAway
from tenure.simulator.surroundings import Surroundings
from tests.algorithms import group as simulated
from tests.algorithms.appointed import Appoint, Appointed

DELAY_MS = 1_000
SLOWEST_MS = 10
"""A message takes so long at most."""
SETTINGS = Settings(delay_ns=DELAY_MS * MS, tell_every_ns=200 * MS)
SURROUNDINGS = Surroundings(
    least_ns=1 * MS, most_ns=SLOWEST_MS * MS, detect_least_ns=20 * MS, detect_most_ns=60 * MS, is_told=True
)
QUIET_MS = 6 * DELAY_MS
"""Longer than it takes a group of five to come to rest."""


class Group:
    """Five nodes around an elector that obeys; node 1 was appointed and leads."""

    def __init__(
        self, ratings: dict[NodeId, Rating], *, inner: type[Elector] = Appointed, seed: int = 0, nodes: int = 5
    ) -> None:
        settings = Settings(
            ratings=ratings,
            delay_ns=SETTINGS.delay_ns,
            tell_every_ns=SETTINGS.tell_every_ns,
        )
        kind = Preference.over(inner)
        self.net = simulated.Group(kind, range(1, nodes + 1), settings, SURROUNDINGS, seed=seed)
        self.net.world.start()
        self.appoint(1)

    def appoint(self, leader: NodeId) -> None:
        """Let this one lead: everybody is told so at once, by somebody else."""
        term = 1 + max(elector.term for elector in self.net.world.electors.values())
        for node in sorted(self.net.world.electors):
            self.net.give(node, Received(node % len(self.net.world.members) + 1, Appoint(leader, term)))

    def run(self, for_ms: int) -> None:
        """Let so much time pass."""
        self.net.run(for_ms)

    def rate(self, node: NodeId, rating: Rating) -> None:
        """The node stands like this from now on."""
        self.net.give(node, Rated(rating))

    def flap(self, node: NodeId, down_ms: int) -> None:
        """All others suspect the node, and trust it again after so long."""
        for event in (Suspected(node), Trusted(node)):
            for other in sorted(self.net.world.electors.keys() - {node}):
                self.net.give(other, event)
            self.run(down_ms if isinstance(event, Suspected) else 0)

    def revive(self, node: NodeId) -> None:
        """A new life, which is told at once who leads."""
        latest = max((elector for elector in self.net.world.electors.values()), key=lambda elector: elector.term)
        self.net.let(f"restart {node}")
        if latest.leader is not None:
            self.net.give(node, Received(latest.me, Appoint(latest.leader, latest.term)))

    @property
    def leader(self) -> NodeId | None:
        """Whom all recognise; None where they do not agree."""
        return self.net.agreed

    def led(self) -> list[NodeId]:
        """Who began to recognise itself, in order."""
        return [node for _, node, leader in self.net.history if leader == node]


def schedule(ratings: dict[NodeId, Rating], seed: int) -> Group:
    """A group in which nodes flap, crash, come back and are rated up and down for a while, and which comes to rest.

    `ratings` are those in the end: who comes back has them, and who was rated in between is rated back.
    """
    chance, group = random.Random(seed), Group(ratings, seed=seed)
    net = group.net
    for _ in range(8):
        group.run(int(chance.random() * 2 * DELAY_MS))
        node = 1 + int(chance.random() * 5)
        match int(chance.random() * 4):
            case 0 if node in net.world.electors:
                group.flap(node, int(chance.random() * 100))
            case 1 if len(net.world.electors) > 3 and node in net.world.electors and node != group.leader:
                net.let(f"crash {node}")
            case 2 if node not in net.world.electors:
                group.revive(node)
            case 3 if node in net.world.electors:
                group.rate(node, Rating(freshness=int(chance.random() * 3), priority=int(chance.random() * 3)))
            case _:
                ...
    for node in sorted({*net.world.members} - net.world.electors.keys()):
        group.revive(node)
    for node in sorted(net.world.electors):
        group.rate(node, ratings.get(node, Rating()))
    group.appoint(1 + int(chance.random() * 5))
    group.run(QUIET_MS)
    return group


# What must hold


def best(ratings: dict[NodeId, Rating]) -> Rating:
    """The greatest rating of the five."""
    return max(ratings.get(node, Rating()) for node in range(1, 6))


def nobody_better_is_left(ratings: dict[NodeId, Rating], seed: int) -> str:
    """Eligibility before freshness before priority: who leads in the end stands as high as anybody."""
    group = schedule(ratings, seed)
    if group.leader is None:
        return f"they recognise {group.net.leaders}"
    rating = ratings.get(group.leader, Rating())
    return "" if rating == best(ratings) else f"node {group.leader} leads with {rating}"


def priority_does_no_harm(ratings: dict[NodeId, Rating], seed: int, node: NodeId) -> str:
    """Raising a node's priority never makes it less likely to lead: what it led it leads."""
    stands = ratings.get(node, Rating())
    raised = {**ratings, node: Rating(stands.eligible, stands.freshness, stands.priority + 1)}
    if schedule(ratings, seed).leader == node and schedule(raised, seed).leader != node:
        return f"node {node} led, and with more priority node {schedule(raised, seed).leader} does"
    return ""


def freshness_beats_priority(seed: int) -> str:
    """In every schedule: node 4 is the freshest, node 5 has all the priority."""
    group = schedule({4: Rating(freshness=2), 5: Rating(freshness=1, priority=99)}, seed)
    return "" if group.leader == 4 else f"they recognise {group.net.leaders}"


def an_ineligible_leader_gives_way(seed: int) -> str:
    """To any that may lead, even if it is the freshest and has the priority."""
    group = Group({1: Rating(eligible=False, freshness=9, priority=9)}, seed=seed)
    group.run(QUIET_MS)
    return "" if group.leader == 5 else f"they recognise {group.net.leaders}"


def takeover_happens_once_and_in_time(seed: int) -> str:
    """Within the delay and two round trips from when it was rated, and not before the delay has passed."""
    group = Group({}, seed=seed)
    group.run(3 * DELAY_MS)
    since_ns = group.net.world.now_ns
    group.rate(3, Rating(priority=1))
    group.run(QUIET_MS)
    took = [(at_ns - since_ns) / MS for at_ns, node, leader in group.net.history if leader == node and at_ns > since_ns]
    if len(took) != 1 or group.leader != 3:
        return f"{len(took)} changes, and they recognise {group.net.leaders}"
    return "" if DELAY_MS < took[0] <= DELAY_MS + 4 * SLOWEST_MS else f"it took {took[0]} ms"


def flapping_changes_nothing(seed: int) -> str:
    """A preferred node that is suspected, crashes or is rated down faster than the delay deposes nobody: hazard C25."""
    chance, group = random.Random(seed), Group({5: Rating(priority=9)}, seed=seed)
    for _ in range(12):
        group.run(int(chance.random() * 0.7 * DELAY_MS))
        match int(chance.random() * 3):
            case 0:
                group.flap(5, int(chance.random() * 100))
            case 1:  # back before anybody notices
                group.net.let("crash 5")
                group.revive(5)
            case _:
                group.rate(5, Rating())
                group.run(SLOWEST_MS * 2)
                group.rate(5, Rating(priority=9))
    return "" if group.led() == [1] else f"{group.led()} have led"


def blinking_changes_nothing(seed: int) -> str:
    """A preferred node that is back each time before anybody suspects it deposes nobody: its lives are not one."""
    group = Group({5: Rating(priority=9)}, seed=seed)
    for _ in range(8):
        group.run(DELAY_MS * 7 // 10)
        group.net.let("crash 5")
        group.revive(5)
    return "" if group.led() == [1] else f"{group.led()} have led"


def the_number_alone_deposes_nobody(seed: int) -> str:
    """All are rated alike: who was appointed leads on."""
    group = Group({}, seed=seed)
    group.run(QUIET_MS)
    return "" if group.led() == [1] else f"{group.led()} have led"


def a_new_leadership_begins_the_delay_anew(seed: int) -> str:
    """Node 5 leads by preference; when another is appointed all the same, that one leads for the delay at least."""
    group = Group({5: Rating(priority=9)}, seed=seed)
    group.run(QUIET_MS)
    if group.leader != 5:
        return f"they recognise {group.net.leaders}"
    group.appoint(2)
    group.run(DELAY_MS - 1)
    return "" if group.leader == 2 else f"they recognise {group.net.leaders}"


def what_would_be_refused_is_not_asked(inner: type[Elector]) -> str:
    """The elector inside would refuse, or does not obey: the leader leads on."""
    group = Group({5: Rating(priority=9)}, inner=inner)
    try:
        group.run(5 * DELAY_MS)
    except RanAway as ran_away:  # it asks again at once
        return str(ran_away)
    return "" if group.leader == 1 else f"they recognise {group.net.leaders}"
