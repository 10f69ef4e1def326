"""A small network on virtual time, for the tests of single algorithms: one seed draws delays, losses and copies.

The seam: tests make a `Network` of an elector's class, let nodes crash, start, join, leave and be cut off, `run` it,
and read `living`, `leaders`, `sent` and `history`: another network can take its place.
"""

from __future__ import annotations

import functools
import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tenure.core.effects import Recognised, Send
from tenure.core.elector import Elector
from tenure.core.events import Event, Joined, Left, Message, NodeId, Received, Started, Suspected, Trusted, Woke
from tenure.durations import NEVER_NS

MS = 1_000_000


class World(NamedTuple):
    """How the network behaves; times are pairs (least, most) in milliseconds."""

    delay_ms: tuple[int, int] = (10, 10)
    detect_ms: tuple[int, int] = (100, 300)
    """From a crash, a return, a cut or its end until each detector notices; what is over before it never sees."""
    loss: float = 0.0
    duplicates: float = 0.0
    fifo: bool = False


class Network:
    """Nodes of one algorithm. `settings` is handed to each; members are `nodes` until somebody joins or leaves."""

    def __init__(
        self, kind: type[Elector], nodes: Iterable[NodeId], *, settings: Any, world: World | None = None, seed: int = 0
    ) -> None:
        self.kind, self.settings, self.world = kind, settings, world or World()
        self.members = set(nodes)
        self.now_ns = 0
        self.living: dict[NodeId, Elector] = {}
        self.sent = Counter[str]()
        self.history: list[tuple[int, NodeId, NodeId | None]] = []
        """Who began to recognise whom, and when: (instant in ns, node, leader)."""
        self._chance = random.Random(seed)
        self._seed = seed
        self._lives = Counter[NodeId]()
        self._believed_dead = dict[NodeId, set[NodeId]]()  # what each node was told by its detector
        self._known = dict[NodeId, set[NodeId]]()  # the members that each was told of
        self._group = dict[NodeId, int]()
        self._last_ns = dict[tuple[NodeId, NodeId], int]()  # when the last message on a link arrives
        self._told_ns = Counter[NodeId]()  # when each hears the last news about members
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._digest = hashlib.sha256()

    # What a test does, and reads

    def start(self, *nodes: NodeId) -> None:
        """A new life of each of these, or of all members."""
        begun = nodes or tuple(sorted(self.members))
        for node in begun:
            self._lives[node] += 1
            make: Any = self.kind  # the settings are each algorithm's own
            chance = random.Random(f"{self._seed}/{node}/{self._lives[node]}")
            self.living[node] = make(node, sorted(self.members), chance, self.settings)
            self._believed_dead[node], self._known[node] = set(), set(self.members)
        for node in begun:
            self.give(node, Started())
            self._changed(node)

    def crash(self, node: NodeId) -> None:
        """Gone, with all it knew and what is under way to it; what it sent arrives."""
        del self.living[node]
        self._lives[node] += 1
        self._changed(node)

    def join(self, node: NodeId) -> None:
        """A new member, of which the others hear one by one."""
        self.members.add(node)
        self.start(node)
        self._tell_membership(Joined(node))

    def leave(self, node: NodeId) -> None:
        """A member goes; it knows at once, the others one by one."""
        self.members.discard(node)
        if node in self.living:
            self.give(node, Left(node))
            del self.living[node]
        self._tell_membership(Left(node))

    def partition(self, *groups: Iterable[NodeId]) -> None:
        """Messages pass only within a group from now on; without groups they pass everywhere again."""
        self._group = {node: number for number, group in enumerate(groups) for node in group}
        for node in sorted(self.members):
            self._changed(node)

    def give(self, node: NodeId, event: Event) -> None:
        """Hand it an event: tests give those that only one node sees, such as a false alarm."""
        effects = self.living[node].handle(event, self.now_ns)
        self._digest.update(f"{self.now_ns} {node} {event} {effects}\n".encode())
        for effect in effects:
            match effect:
                case Send(to=to, message=message):
                    self._send(node, to, message)
                case Recognised(leader=leader):
                    self.history.append((self.now_ns, node, leader))
                case _:
                    raise AssertionError(f"no use for {effect}")

    def run(self, until_ms: int) -> None:
        """Go on until nothing is left to do, or until this instant."""
        while self._agenda or self._next_wake_ns() < NEVER_NS:
            next_ns = self._agenda[0][0] if self._agenda else NEVER_NS
            wake_ns = self._next_wake_ns()
            if min(next_ns, wake_ns) > until_ms * MS:
                break
            if next_ns <= wake_ns:
                self.now_ns, _, act = heapq.heappop(self._agenda)
                act()
            else:
                self.now_ns = wake_ns
                self.give(min(node for node, elector in self.living.items() if elector.wake_ns <= wake_ns), Woke())
        self.now_ns = max(self.now_ns, until_ms * MS)

    @property
    def leaders(self) -> dict[NodeId, NodeId | None]:
        """Whom each living node recognises."""
        return {node: elector.leader for node, elector in sorted(self.living.items())}

    def digest(self) -> str:
        """Of every event and effect so far."""
        return self._digest.hexdigest()

    # How it goes on

    def _next_wake_ns(self) -> int:
        return min((elector.wake_ns for elector in self.living.values()), default=NEVER_NS)

    def _push(self, at_ns: int, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (at_ns, self._count, act))

    def _draw_ns(self, bounds_ms: tuple[int, int]) -> int:
        least, most = bounds_ms
        return least * MS + int(self._chance.random() * (most - least) * MS)

    def _send(self, sender: NodeId, to: NodeId, message: Message) -> None:
        assert sender != to, f"{sender} sends {message} to itself"
        self.sent[type(message).__name__] += 1
        copies = 1 + (self._chance.random() < self.world.duplicates) - (self._chance.random() < self.world.loss)
        life = self._lives[to]
        for _ in range(copies):
            arrives_ns = self.now_ns + self._draw_ns(self.world.delay_ms)
            if self.world.fifo:
                arrives_ns = self._last_ns[sender, to] = max(arrives_ns, self._last_ns.get((sender, to), 0))
            self._push(arrives_ns, lambda: self._arrive(sender, to, life, message))

    def _arrive(self, sender: NodeId, to: NodeId, life: int, message: Message) -> None:
        if to in self.living and self._lives[to] == life and self._linked(sender, to):
            self.give(to, Received(sender, message))

    def _linked(self, one: NodeId, other: NodeId) -> bool:
        return self._group.get(one) == self._group.get(other)

    def _changed(self, node: NodeId) -> None:
        """Detectors look again, each after its own delay: those of others at this node, its own at them."""
        for peer in sorted(self.members - {node}):
            self._look_later(peer, node)
            self._look_later(node, peer)

    def _look_later(self, observer: NodeId, peer: NodeId) -> None:
        self._push(self.now_ns + self._draw_ns(self.world.detect_ms), lambda: self._look(observer, peer))

    def _look(self, observer: NodeId, peer: NodeId) -> None:
        if observer not in self.living or peer not in self._known[observer]:
            return
        believed = self._believed_dead[observer]
        is_dead = peer not in self.living or not self._linked(observer, peer)
        if is_dead != (peer in believed):
            believed ^= {peer}
            self.give(observer, Suspected(peer) if is_dead else Trusted(peer))

    def _tell_membership(self, event: Joined | Left) -> None:
        for node in sorted(self.members - {event.peer}):
            at_ns = max(self.now_ns + self._draw_ns(self.world.detect_ms), self._told_ns[node])  # in order, at each
            self._told_ns[node] = at_ns
            self._push(at_ns, functools.partial(self._tell, node, event))

    def _tell(self, node: NodeId, event: Joined | Left) -> None:
        if node in self.living and (event.peer in self._known[node]) != isinstance(event, Joined):
            self._known[node] ^= {event.peer}  # otherwise a life that began since knows it already
            self._believed_dead[node].discard(event.peer)
            self.give(node, event)
            self._look_later(node, event.peer)
