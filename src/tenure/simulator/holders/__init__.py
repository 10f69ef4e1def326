"""Holders on simulated nodes: the law of holding a tenure, as it ships, over an elector that gives authority.

Every node is a candidate of one election, and its own elector is the service that it asks: what the elector authorises
is the grant. Nothing of the world knows of it: holders see its records, like every observer.

rider      drives one node's holder, and carries out what it wants
member     the grants: an elector's authority in the words of a backend
body       the work of one tenure, which stops well, badly or late
checkers   what must hold of bodies
"""

from __future__ import annotations

from tenure import trace
from tenure.core.events import Asked, NodeId
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.holding.budget import Budget
from tenure.simulator.holders.rider import Rider
from tenure.simulator.node import SimulatedNode
from tenure.simulator.world import World

SHARE = 2
"""Holders ask for this part of the time for which an elector gives authority first: so much is left, too, right before
the elector renews it, if that does so after half of the time."""


class Holders:
    """A holder on each node of a world; make it before the world starts. From `calm_ns` on bodies do as they are told.

    How long a lease is, is learned from the first authority that any elector gives; nobody stands before.
    """

    def __init__(self, world: World, calm_ns: int | None = None) -> None:
        self.world = world
        self.calm_ns = NEVER_NS if calm_ns is None else calm_ns
        self.budget: Budget | None = None
        self.riders: dict[NodeId, Rider] = {}
        world.observers.append(self._observe)

    def _observe(self, record: trace.Record) -> None:
        match record:
            case trace.Began(node=number):
                self.riders[number] = Rider(self.world, self.world.nodes[number], self.calm_ns)
                if self.budget is not None:
                    self.riders[number].stand_soon(self.budget)
            case trace.Held(node=number):
                if self.budget is None:
                    self._learn(self.world.nodes[number])
                self.riders[number].take()
            case trace.Lost(node=number, token=token, why=why):
                self.riders[number].deposed(token, why)
            case trace.Clock(node=number):
                if number in self.riders:
                    self.riders[number].clock_changed()
            case trace.Crashed(node=number) | trace.Gone(node=number):
                if number in self.riders:
                    self.riders.pop(number).is_over = True
            case _:
                ...

    def _learn(self, node: SimulatedNode) -> None:
        assert node.held is not None
        given_ns = node.held[1] - node.clock.at(self.world.now_ns)
        self.budget = Budget.of(given_ns / SHARE / NS_PER_S)
        for _, rider in sorted(self.riders.items()):
            rider.stand_soon(self.budget)

    def ask(self, node: SimulatedNode, to: NodeId | None) -> None:
        """Whoever has a body is asked first, and steps down when that has left."""
        rider = self.riders.get(node.number)
        if rider is None or not rider.asked(to):
            self.world.give(node, Asked(to))
