"""The contract of a failure detector: one node's opinion on which of its peers live, from when it heard them.

A peer sends heartbeats; who is silent for too long is suspected, until it is heard again. How long is too long is all
that detectors differ in. None of them can be right about everything: a slow peer looks like a dead one until it is
heard (T. D. Chandra and S. Toueg, "Unreliable failure detectors for reliable distributed systems", Journal of the ACM
43(2), 1996, pages 225-267).

Opinions change by themselves at one instant for each peer, which is known as soon as it was heard: whoever drives a
detector sleeps until then and never polls. Times are integer nanoseconds of one clock that does not go back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NEVER_NS


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What every detector is told; all nodes of one group must agree on it."""

    every_ns: int = 100_000_000
    """How often each node sends a heartbeat. etcd sends one each 100 ms; Akka, Cassandra and Consul each second, with a
    thousand nodes in mind; ZooKeeper's tick is two seconds. In a group of five this is forty small messages a second
    for each node."""

    def __post_init__(self) -> None:
        if self.every_ns < 1:
            raise ValueError(f"every_ns is {self.every_ns}; a heartbeat each nanosecond is the most there can be")


class Detector(ABC):
    """One node's opinion on each peer that it watches. Subclasses take their settings, all with defaults.

    Every method raises KeyError for a peer that is not watched, except `watch` and `forget`.
    """

    name: ClassVar[str]

    def __init__(self, settings: Settings) -> None:
        self.every_ns = settings.every_ns
        self._silent_from_ns = dict[NodeId, int]()  # of each peer: since when its silence counts
        self._suspect_ns = dict[NodeId, int]()

    def watch(self, peer: NodeId, now_ns: int) -> None:
        """Watch `peer`, which counts as heard now. Who is watched already is left alone."""
        if peer not in self._suspect_ns:
            self._begin(peer)
            self._count_from(peer, now_ns)

    def forget(self, peer: NodeId) -> None:
        """Watch `peer` no more, and keep nothing about it."""
        self._silent_from_ns.pop(peer, None)
        self._suspect_ns.pop(peer, None)

    def hear(self, peer: NodeId, now_ns: int) -> None:
        """A heartbeat of `peer` has come: it is trusted from now on."""
        self._measure(peer, now_ns, is_late=self.is_suspected(peer, now_ns))
        self._count_from(peer, now_ns)

    def excuse(self, peer: NodeId, deaf_ns: int) -> None:
        """So much of the silence of `peer` says nothing about it: this node could not hear anybody meanwhile."""
        self._silent_from_ns[peer] += deaf_ns
        self._suspect_ns[peer] += deaf_ns

    def suspect_ns(self, peer: NodeId) -> int:
        """From which instant on `peer` is suspected, if it is not heard before."""
        return self._suspect_ns[peer]

    def silent_ns(self, peer: NodeId, now_ns: int) -> int:
        """How long `peer` has been silent, without what was excused."""
        return max(0, now_ns - self._silent_from_ns[peer])

    def is_suspected(self, peer: NodeId, now_ns: int) -> bool:
        """The opinion on `peer` at `now_ns`, which lies not before the last time that it was heard."""
        return now_ns >= self._suspect_ns[peer]

    def next_ns(self, now_ns: int) -> int:
        """The next instant after `now_ns` at which an opinion changes by itself; NEVER_NS if none does."""
        return min((at_ns for at_ns in self._suspect_ns.values() if at_ns > now_ns), default=NEVER_NS)

    def _count_from(self, peer: NodeId, now_ns: int) -> None:
        self._silent_from_ns[peer] = now_ns
        self._suspect_ns[peer] = now_ns + self._patience_ns(peer)

    @abstractmethod
    def _begin(self, peer: NodeId) -> None:
        """Make room for what is measured of `peer`."""

    @abstractmethod
    def _measure(self, peer: NodeId, now_ns: int, *, is_late: bool) -> None:
        """Learn from a heartbeat that comes now; `is_late` where its sender was suspected meanwhile."""

    @abstractmethod
    def _patience_ns(self, peer: NodeId) -> int:
        """How long a silence of `peer` makes it suspected."""
