"""Who tells nodes of members and of deaths, where no detector of theirs does: late, in order, and once each.

The kernel of a host tells of the end of its processes for certain, besides, and it is never wrong.
"""

from __future__ import annotations

from random import Random

from tenure import trace
from tenure.core.events import Joined, Left, NodeId, PeerLost, Suspected, Trusted
from tenure.detectors.watched import Watched
from tenure.simulator.node import SimulatedNode
from tenure.simulator.world import World


class News:
    """Brings a world's nodes the news about one another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._chance = Random(f"{world.seed}/news")
        if world.surroundings.is_told:
            world.on_change = self.changed
        if world.surroundings.hosts:
            world.on_death = self.died

    def changed(self, number: NodeId) -> None:
        """A node lives or dies, or is reached or not: each learns it after a time of its own."""
        for peer in self.world.members:
            if peer != number:
                self._look_later(peer, number)
                self._look_later(number, peer)

    def died(self, number: NodeId) -> None:
        """A node's process is gone: the kernel tells all others on its host, each after a time of its own."""
        fair, life = self.world.surroundings, self.world.nodes[number].life
        for host in (host for host in fair.hosts if number in host):
            for node in (self.world.nodes[peer] for peer in host if peer != number and peer in self.world.nodes):
                at_ns = self._draw(fair.kernel_least_ns, fair.kernel_most_ns)
                self.world.call_at(at_ns, self._tell_death, (node, node.life, number, life))

    def _tell_death(self, what: tuple[SimulatedNode, int, NodeId, int]) -> None:
        """Unless the node began since, and never knew that life, or has heard a later one: the driver's duty 9."""
        node, its_life, peer, life = what
        if node.elector is None or node.life != its_life or node.heard.get(peer, 0) > life:
            return
        self.world.tell(trace.Suspects(self.world.now_ns, node.number, peer, is_certain=True))
        self.world.give(node, PeerLost(peer, certain=True))

    def members_changed(self, event: Joined | Left) -> None:
        """Tell all members but the one it is about, each after a time of its own, and in order at each."""
        least_ns, most_ns = self.world.surroundings.news_least_ns, self.world.surroundings.news_most_ns
        for number in self.world.members:
            node = self.world.nodes[number]
            if number != event.peer:
                node.told_ns = max(self._draw(least_ns, most_ns), node.told_ns)
                self.world.call_at(node.told_ns, self._tell_member, (node, event))

    def false_alarm(self, node: SimulatedNode, event: Suspected | Trusted) -> bool:
        """Let a node suspect or trust a peer, whatever that does; whether it was news."""
        is_news = self._alarm(node, event)
        if is_news and isinstance(event, Trusted) and self.world.surroundings.is_told:
            self._look_later(node.number, event.peer)  # who has died meanwhile is not trusted for ever
        return is_news

    def _alarm(self, node: SimulatedNode, event: Suspected | Trusted) -> bool:
        """Let a node suspect or trust a peer, if that is news to it."""
        peer, is_dead = event.peer, isinstance(event, Suspected)
        if node.elector is None or peer == node.number or peer not in node.known:
            return False
        if is_dead == (peer in node.believed_dead):
            return False
        if isinstance(node.elector, Watched):  # the world tells what its own detector makes of it
            self.world.give(node, event)
            return True
        node.believed_dead ^= {peer}
        self.world.tell(trace.Suspects(self.world.now_ns, node.number, peer, not is_dead))
        self.world.give(node, event)
        return True

    def _draw(self, least_ns: int, most_ns: int) -> int:
        return self.world.now_ns + least_ns + int(self._chance.random() * (most_ns - least_ns))

    def _look_later(self, observer: NodeId, peer: NodeId) -> None:
        fair = self.world.surroundings
        self.world.call_at(self._draw(fair.detect_least_ns, fair.detect_most_ns), self._look, (observer, peer))

    def _look(self, of: tuple[NodeId, NodeId]) -> None:
        observer, peer = of
        node, seen = self.world.nodes[observer], self.world.nodes[peer]
        if node.elector is not None:
            is_dead = seen.elector is None or (peer, observer) in self.world.network.cut
            self._alarm(node, Suspected(peer) if is_dead else Trusted(peer))

    def _tell_member(self, what: tuple[SimulatedNode, Joined | Left]) -> None:
        node, event = what
        if node.elector is None or (event.peer in node.known) == isinstance(event, Joined):
            return  # it is down, or began since, and knows it already
        node.known ^= {event.peer}
        node.believed_dead.discard(event.peer)
        self.world.give(node, event)
        if self.world.surroundings.is_told:
            self._look_later(node.number, event.peer)
