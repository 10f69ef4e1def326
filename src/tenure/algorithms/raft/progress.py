"""What a leader knows of one peer, and how much is under way to it.

Figure 2's nextIndex and matchIndex; the three ways of sending are those of etcd/raft.
"""

from __future__ import annotations

import enum
from collections import deque

from tenure.algorithms.raft.messages import Snapshot
from tenure.algorithms.raft.settings import Settings
from tenure.durations import NEVER_NS


class Pace(enum.Enum):
    """How a leader sends to a peer."""

    PROBING = "probing"
    """One message at a time, until it is known where the logs agree."""
    STREAMING = "streaming"
    """Message after message, without waiting for answers, as far as the window goes."""
    INSTALLING = "installing"
    """The peer gets a snapshot."""


class Progress:
    """Of one peer, for as long as this node leads in one term."""

    def __init__(self, last_index: int, now_ns: int) -> None:
        self.match = 0
        """Up to where its durable log is known to be as this node's."""
        self.next = last_index + 1
        """The index of the next entry for it."""
        self.pace = Pace.PROBING
        self.waits = False
        """A probe, or a piece of a snapshot, is under way."""
        self.under_way = deque[tuple[int, int]]()
        """Of each message with entries that is not answered: its last index and its bytes."""
        self.bytes = 0
        self.snapshot: Snapshot | None = None
        """That it gets, to the end, whatever newer one there is meanwhile: else it might never have a whole one."""
        self.offset = 0
        """How many bytes of it the peer has."""
        self.told = 0
        """The commit index in the last message to it."""
        self.heard_ns = now_ns
        """When it answered last."""
        self.acknowledged_ns: int | None = None
        """When this node sent the latest message that it has answered: promises and tenures count from then."""
        self.promised_until_ns: int | None = None
        """Until when its promises last at least, by this node's clock."""
        self.wished_ns: int | None = None
        """How often it wishes for a heartbeat, if not as configured."""
        self.beaten_ns = now_ns
        """When the last heartbeat to it left."""
        self.pulses = 0
        """Heartbeats to it by which time-outs are tuned."""
        self.round_trip_ns: int | None = None
        """Of its last answer, until it is told."""
        self.round = 0
        """The latest round of reads that it has answered."""

    def wished_beat_ns(self) -> int:
        """When it wishes for the next heartbeat."""
        return NEVER_NS if self.wished_ns is None else self.beaten_ns + self.wished_ns

    def may_send(self, settings: Settings) -> bool:
        """Whether the next entries may go now."""
        if self.pace is Pace.STREAMING:
            return len(self.under_way) < settings.window and self.bytes < settings.window_bytes
        return self.pace is Pace.PROBING and not self.waits

    def sent(self, last_index: int, size: int) -> None:
        """Entries up to there have gone."""
        if self.pace is Pace.STREAMING:
            self.next = last_index + 1
            self.under_way.append((last_index, size))
            self.bytes += size
        else:
            self.waits = True

    def matched(self, index: int) -> None:
        """Its log agrees up to there: from now on it gets message after message."""
        self.match = max(self.match, index)
        if self.pace is Pace.PROBING:
            self._begin(Pace.STREAMING)
            self.next = self.match + 1
            return
        self.next = max(self.next, self.match + 1)
        while self.under_way and self.under_way[0][0] <= self.match:
            self.bytes -= self.under_way.popleft()[1]

    def probe(self, next_index: int) -> None:
        """Find out whether the logs agree just before `next_index`."""
        self._begin(Pace.PROBING)
        self.next = max(self.match + 1, next_index)

    def install(self, snapshot: Snapshot) -> None:
        """It lacks what is in the log no more."""
        self._begin(Pace.INSTALLING)
        self.snapshot, self.offset = snapshot, 0

    def _begin(self, pace: Pace) -> None:
        self.pace, self.waits, self.bytes, self.snapshot = pace, False, 0, None
        self.under_way.clear()
