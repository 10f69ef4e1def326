"""What one life of a node has done, counted where it happens, at a cost that the busiest node does not feel.

Of writes and of requests one at a time is timed: the next one is taken when that one has ended.
"""

from __future__ import annotations

from collections import defaultdict

from tenure.core.events import Message, NodeId
from tenure.durations import NS_PER_S
from tenure.histogram import Histogram

FINER_S = (0.0001, 0.00025, 0.0005)
"""A fast disk keeps a record in a tenth of a millisecond."""


class Stopwatch:
    """Times one thing of many at once, by its number; greater numbers come later."""

    def __init__(self) -> None:
        self.histogram = Histogram(FINER_S)
        self._timed = 0
        self._since_ns = 0

    @property
    def is_free(self) -> bool:
        """Whether the next one may begin."""
        return self._timed == 0

    def begin(self, number: int, now_ns: int) -> None:
        """Time the one of this number."""
        self._timed, self._since_ns = number, now_ns

    def is_timed(self, number: int) -> bool:
        """Whether this is the one."""
        return self._timed == number

    def ends(self, number: int) -> bool:
        """Whether the one that is timed has this number, or an earlier one."""
        return 0 < self._timed <= number

    def end(self, now_ns: int) -> None:
        """It is over."""
        self.histogram.observe((now_ns - self._since_ns) / NS_PER_S)
        self._timed = 0


class Counts:
    """Of one life. Only the thread of the node's loop counts."""

    def __init__(self) -> None:
        self.sent: defaultdict[type[Message], int] = defaultdict(int)
        """Messages that the transport took."""
        self.received: defaultdict[type[Message], int] = defaultdict(int)
        self.roles: defaultdict[str, int] = defaultdict(int)
        """How often it took each role, in the algorithm's own words."""
        self.leaders = 0
        """How often it came to know of a leader that is not the one it knew of last."""
        self.tenures = 0
        """How often it was authorised under a new token."""
        self.depositions = 0
        self.writes = Stopwatch()
        self.requests = Stopwatch()
        self._role = ""
        self._leader: NodeId | None = None
        self._token = 0

    def became(self, role: str, leader: NodeId | None) -> None:
        """Role, leader or term has changed."""
        if role != self._role:
            self._role = role
            self.roles[role] += 1
        if leader not in {None, self._leader}:
            self._leader = leader
            self.leaders += 1

    def authorised(self, token: int) -> None:
        """Also where only the deadline has moved."""
        if token != self._token:
            self._token = token
            self.tenures += 1
