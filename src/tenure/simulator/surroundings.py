"""How a simulated world is when nothing goes wrong."""

from __future__ import annotations

import msgspec

from tenure.core.events import NodeId
from tenure.errors import ConfigurationError
from tenure.simulator.network import MS

Hosts = tuple[tuple[NodeId, ...], ...]
"""The nodes of each host that has more than one."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """How the world is when nothing goes wrong. Times are integer nanoseconds of true time."""

    least_ns: int = 1 * MS
    most_ns: int = 10 * MS
    """A message takes from the least to the most; within one region of a cloud it is 0.2 to 2 ms."""
    disk_least_ns: int = 1 * MS
    disk_most_ns: int = 5 * MS
    """A write takes so long until it is durable; a solid-state disk's fsync takes 0.5 to 5 ms."""
    detect_least_ns: int = 100 * MS
    detect_most_ns: int = 300 * MS
    """With `is_told`: from a crash, a return, a cut or its end until each node is told; what is over before is not."""
    is_told: bool = False
    """Whether the world itself tells nodes who is dead; otherwise detectors of their own must find out."""
    news_least_ns: int = 50 * MS
    news_most_ns: int = 300 * MS
    """From when a member joins or leaves until each other node is told."""
    hosts: Hosts = ()
    """Nodes that run on one host, whose kernel tells each of them for certain when the process of another is gone; who
    is not named runs on a host of its own."""
    kernel_least_ns: int = MS // 10
    kernel_most_ns: int = 5 * MS
    """From a crash until each other node of the host is told; a process that waits for another's end is woken within a
    millisecond, and a busy one looks a little later."""

    def __post_init__(self) -> None:
        for what in ("", "disk_", "detect_", "news_", "kernel_"):
            least_ns, most_ns = getattr(self, f"{what}least_ns"), getattr(self, f"{what}most_ns")
            if not 0 <= least_ns <= most_ns:
                raise ConfigurationError(f"{what}least_ns {least_ns}, {what}most_ns {most_ns}: give the least first")
        placed = [node for host in self.hosts for node in host]
        if len(placed) != len(set(placed)):
            raise ConfigurationError(f"hosts {self.hosts}: a node runs on one host; name it once")
