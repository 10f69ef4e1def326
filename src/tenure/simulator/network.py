"""Links between nodes: what becomes of each message. They only obey; who cuts them is in `faults`."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S

MS = NS_PER_S // 1000
Link = tuple[NodeId, NodeId]


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """How links are now. Latencies are integer nanoseconds, uniform from the least to the most; chances from 0 to 1."""

    least_ns: int = 1 * MS
    most_ns: int = 10 * MS
    loss: float = 0.0
    duplicates: float = 0.0
    fifo: bool = False
    """Whether messages from one node to another arrive in the order in which they were sent."""

    def __post_init__(self) -> None:
        if not 0 <= self.least_ns <= self.most_ns:
            raise ValueError(f"latencies go from {self.least_ns} to {self.most_ns} ns; give the least first, from 0 on")
        if not (0 <= self.loss <= 1 and 0 <= self.duplicates <= 1):
            raise ValueError("loss and duplicates are chances, from 0 to 1")


class Network:
    """All links of a group, each directed."""

    def __init__(self, weather: Weather, chance: Random) -> None:
        self.weather = weather
        self.cut: set[Link] = set()
        """The links that carry nothing."""
        self._group: dict[NodeId, int] = {}
        self._chance = chance
        self._last_ns: dict[Link, int] = {}

    def arrivals(self, link: Link, now_ns: int) -> tuple[int, ...]:
        """When the copies of a message that is sent now arrive; none, if it is lost."""
        weather = self.weather
        if weather.loss and self._chance.random() < weather.loss:
            return ()
        first_ns = self._arrival(link, now_ns)
        if weather.duplicates and self._chance.random() < weather.duplicates:
            return (first_ns, self._arrival(link, now_ns))
        return (first_ns,)

    def _arrival(self, link: Link, now_ns: int) -> int:
        weather = self.weather
        at_ns = now_ns + weather.least_ns
        if weather.most_ns > weather.least_ns:
            at_ns += int(self._chance.random() * (weather.most_ns - weather.least_ns))
        if weather.fifo:
            at_ns = self._last_ns[link] = max(at_ns, self._last_ns.get(link, 0))
        return at_ns

    def partition(self, groups: Iterable[Iterable[NodeId]], nodes: Iterable[NodeId]) -> None:
        """Cut every link between different groups; nodes that are in none form one of their own, also later ones."""
        self._group = {node: number for number, members in enumerate(groups, start=1) for node in members}
        everybody = sorted({*nodes, *self._group})
        self.cut = {(a, b) for a in everybody for b in everybody if self._is_apart(a, b)}

    def heal(self) -> None:
        """Mend all links."""
        self._group, self.cut = {}, set()

    def add(self, newcomer: NodeId, nodes: Iterable[NodeId]) -> None:
        """Put a node on its side of the last partition, if that is not healed."""
        for node in nodes:
            if self._is_apart(newcomer, node):
                self.cut |= {(newcomer, node), (node, newcomer)}

    def _is_apart(self, one: NodeId, other: NodeId) -> bool:
        return self._group.get(one) != self._group.get(other)
