"""Drawn schedules: any message under way arrives next, or never, or twice; any disk ends a write; anybody is slow.

What a simulator with latencies meets now and then, this meets all the time: the order of everything is the seed's. Time
moves in leaps, so that whoever is late is as late as can be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tenure.core.effects import Authorised, Deposed, Effect, Persist, Recognised, Send
from tenure.core.elector import Elector, UnexpectedMessage, WishRefused
from tenure.core.events import (
    Asked,
    Event,
    Message,
    NodeId,
    Persisted,
    Received,
    Record,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.durations import NEVER_NS

MS = 1_000_000
MOST_UNDER_WAY = 60
"""Messages: of more, the oldest are lost."""


class Tenure(NamedTuple):
    """Who may act, from which life, under which token, and until which true instant."""

    node: NodeId
    life: int
    token: int
    until_ns: int


class Place:
    """One node: its clock, its disk, and its elector of this life."""

    def __init__(self, ppm: int) -> None:
        self.ppm = ppm
        self.life = 0
        self.elector: Elector | None = None
        self.durable: dict[type[Record], Record] = {}
        self.writing = deque[Persist]()
        self.synced = 0
        self.waiting: list[Send] = []

    def clock(self, true_ns: int) -> int:
        return true_ns + true_ns * self.ppm // 1_000_000

    def true(self, shown_ns: int) -> int:
        return -(-shown_ns * 1_000_000 // (1_000_000 + self.ppm))


class Schedule:
    """Electors of one kind in a world that obeys nothing but the seed. `objections` are what its two checkers saw."""

    def __init__(self, kind: type[Elector], seed: int, *, nodes: int = 3, settings: Any = None, ppm: int = 0) -> None:
        self.kind, self.settings, self.seed = kind, settings, seed
        self.chance = Random(f"{seed}/schedule")
        self.now_ns = 0
        self.under_way: list[tuple[NodeId, NodeId, Message]] = []
        self.places = {node: Place(ppm * ((node % 3) - 1)) for node in range(1, nodes + 1)}
        self.leaders: dict[int, NodeId] = {}
        self.tenures: list[Tenure] = []
        self.highest = 0
        self.won = 0
        self.objections: list[str] = []
        self._syncs = 0.05 + self.chance.random() * 0.2  # how often: some seeds have slow disks, and some calm nodes
        self._crashes = self.chance.random() ** 2 * 0.1
        for node in self.places:
            self.start(node)

    def leader(self, node: NodeId) -> NodeId | None:
        """Whom a node recognises."""
        elector = self.places[node].elector
        return None if elector is None else elector.leader

    # What may happen

    def run(self, steps: int) -> list[str]:
        """Let so much happen; what was seen."""
        for _ in range(steps):
            self.step()
        return self.objections

    def step(self) -> None:
        drawn = self.chance.random()
        node = self._any(sorted(self.places))
        self.now_ns += int(self.chance.random() * 10 * MS)
        if drawn < 0.6 and self.under_way:
            age = self.chance.random() ** (1 if self.chance.random() < 0.3 else 8)  # mostly one of the last
            self.deliver(-1 - int(age * len(self.under_way)), again=self.chance.random() < 0.2)
        elif drawn < 0.6 + self._syncs:
            self.sync(node)
        elif drawn < 0.85:
            if self._wakes_ns(node) < self.now_ns + 300 * MS or self.chance.random() < 0.02:
                self.wake(node)
        elif drawn < 0.85 + self._crashes:
            self.crash(node)
            self.start(node)
        elif drawn < 0.96:
            self.give(node, Asked())
        elif drawn < 0.965:
            self.now_ns += int(self.chance.random() * 3_000 * MS)
        else:
            peer = self._any([other for other in self.places if other != node])
            self.give(node, Suspected(peer) if self.chance.random() < 0.7 else Trusted(peer))

    def _wakes_ns(self, node: NodeId) -> int:
        elector = self.places[node].elector
        return NEVER_NS if elector is None else self.places[node].true(elector.wake_ns)

    def _any(self, things: list[NodeId]) -> NodeId:
        return things[int(self.chance.random() * len(things))]

    def deliver(self, place: int, *, again: bool = False) -> None:
        """A message arrives; it may come `again`."""
        sender, to, message = self.under_way[place] if again else self.under_way.pop(place)
        self.give(to, Received(sender, message))

    def arrive(self, kind: type[Message], sender: NodeId, to: NodeId, *, again: bool = False) -> None:
        """The last such message arrives, if there is one: for schedules that are written."""
        found = [i for i, (s, t, m) in enumerate(self.under_way) if (s, t, type(m)) == (sender, to, kind)]
        if found:
            self.deliver(found[-1], again=again)

    def wake_until(self, node: NodeId, kind: type[Message]) -> None:
        """Wake a node, up to fifty times, until it has such a message to say."""
        for _ in range(50):
            self.under_way = [one for one in self.under_way if (one[0], type(one[2])) != (node, kind)]
            self.wake(node)
            self.sync(node)
            if any((sender, type(message)) == (node, kind) for sender, _, message in self.under_way):
                return

    def sync(self, node: NodeId, *, is_told: bool = True) -> None:
        """All that a node is writing becomes durable; where it is not told yet, answers may overtake that news."""
        place = self.places[node]
        if place.writing:
            for persist in place.writing:
                place.durable[type(persist.record)] = persist.record
            place.synced = place.writing[-1].number
            place.writing.clear()
            ready = [send for send in place.waiting if send.after <= place.synced]
            place.waiting = [send for send in place.waiting if send.after > place.synced]
            self._send(node, ready)
            if is_told:
                self.give(node, Persisted(place.synced))

    def wake(self, node: NodeId) -> None:
        """Time passes until this node has something to do; others are late."""
        place = self.places[node]
        if place.elector is not None and place.elector.wake_ns < NEVER_NS:
            self.now_ns = max(self.now_ns, place.true(place.elector.wake_ns))
            self.give(node, Woke())

    def crash(self, node: NodeId) -> None:
        """Gone, with all that was not durable."""
        place = self.places[node]
        place.elector = None
        place.writing.clear()
        place.waiting.clear()

    def start(self, node: NodeId) -> None:
        """A new life."""
        place = self.places[node]
        place.life, place.synced = place.life + 1, 0
        make: Any = self.kind
        place.elector = make(node, sorted(self.places), Random(f"{self.seed}/{node}/{place.life}"), self.settings)
        self.give(node, Started(tuple(place.durable.values())))

    def give(self, node: NodeId, event: Event) -> None:
        place = self.places[node]
        if place.elector is None:
            return
        try:
            effects = place.elector.handle(event, place.clock(self.now_ns))
        except WishRefused:
            return
        except UnexpectedMessage as error:  # it is told of another leader than it knows of
            self.objections.append(f"one-per-term: {error}")
            return
        for effect in effects:
            self._carry_out(node, place, effect)

    def _carry_out(self, node: NodeId, place: Place, effect: Effect) -> None:
        match effect:
            case Persist():
                place.writing.append(effect)
            case Send(after=after):
                if after > place.synced:
                    place.waiting.append(effect)
                else:
                    self._send(node, [effect])
            case Recognised(leader=leader, term=term):
                if leader is not None and self.leaders.setdefault(term, leader) != leader:
                    self.objections.append(f"one-per-term: {term} is of {self.leaders[term]}, and of {leader}")
            case Authorised(token=token, deadline_ns=deadline_ns):
                self._hold(Tenure(node, place.life, token, place.true(deadline_ns)))
            case Deposed(token=token):
                self.tenures = [t for t in self.tenures if (t.node, t.token) != (node, token)]
            case _:
                raise AssertionError(f"no use for {effect}")

    def _send(self, sender: NodeId, sends: list[Send]) -> None:
        self.under_way += [(sender, send.to, send.message) for send in sends]
        self.under_way = self.under_way[-MOST_UNDER_WAY:]

    # The checkers

    def _hold(self, tenure: Tenure) -> None:
        self.objections += self._overlaps(tenure)
        mine = [t for t in self.tenures if (t.node, t.life) == tenure[:2]]
        if not mine:
            self.won += 1
            if tenure.token <= self.highest:
                self.objections.append(f"tokens-grow: {tenure.token} after {self.highest}")
            self.highest = max(self.highest, tenure.token)
        self.tenures = [t for t in self.tenures if t not in mine and t.until_ns > self.now_ns] + [tenure]

    def _overlaps(self, tenure: Tenure) -> Iterator[str]:
        """A tenure ends at its deadline though its node crash: what it has begun may outlive it, such as a child."""
        for other in self.tenures:
            if other[:2] != tenure[:2] and other.until_ns > self.now_ns:
                life = self.places[other.node].life
                dead = "" if life == other.life else ", by what a life before this began,"
                name = "not beside the dead" if dead else "one-at-a-time"
                yield (
                    f"{name}: {tenure.node} may act under {tenure.token} and"
                    f" {other.node}{dead} under {other.token}, for {other.until_ns - self.now_ns} ns"
                )
