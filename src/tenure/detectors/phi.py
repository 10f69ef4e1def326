"""Phi accrual: how surprising is this silence, given how this peer's heartbeats used to come?

N. Hayashibara, X. Defago, R. Yared and T. Katayama, "The phi accrual failure detector", 23rd IEEE Symposium on Reliable
Distributed Systems, 2004, pages 66-78, doi:10.1109/RELDIS.2004.1353004.

The idea. Keep the last intervals between heartbeats of a peer, and take them for a sample of a distribution. Let p be
the probability that one which lives is silent for as long as this one is now; then phi = -log10(p), so that suspecting
at phi = 8 is wrong once in 10^8 heartbeats, as far as the distribution is true. Where messages are slow or unsteady
the detector grows patient, and where they are regular it is quick.

Differs from the paper. (1) The instant at which phi reaches the threshold is computed once for each heartbeat, by the
inverse of the distribution, and in integers: it is the same on every machine, and nobody polls. (2) A deviation below
`least_deviation_ns` is not believed, and `pause_ns` of silence is always borne; before two heartbeats have come, an
estimate stands for the sample (all three as in Akka). (3) An interval in which the peer was suspected, or in which this
node was deaf, is not added to the sample (the first as in Akka): it tells of the failure and not of the rhythm. (4) The
mean is never taken for less than `every_ns`. Nobody sends more often; a smaller mean only says that a queue was emptied
at once, and would make the detector suspect everybody right after that.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from statistics import NormalDist
from typing import ClassVar

from tenure.core.events import NodeId
from tenure.detectors import base

BILLION = 1_000_000_000
LEAST_THRESHOLD, MOST_THRESHOLD = 1, 100


class Distribution(enum.Enum):
    """How intervals between heartbeats are taken to be distributed."""

    NORMAL = "normal"
    """As in the paper."""
    EXPONENTIAL = "exponential"
    """As in Cassandra (A. Lakshman and P. Malik, "Cassandra: a decentralized structured storage system", ACM SIGOPS
    Operating Systems Review 44(2), 2010): only the mean counts, and one phi is 2.3 of them. Meant for heartbeats that
    travel by gossip, over paths of any length."""


class Settings(base.Settings, frozen=True, kw_only=True):
    """What is measured, and how surprising a silence makes a peer suspected."""

    threshold: float = 8.0
    """The phi from which on a peer is suspected: 8 in Akka and Cassandra, both of which advise 12 in clouds. Below 1,
    more than one heartbeat in ten would be suspected of never coming."""
    distribution: Distribution = Distribution.NORMAL
    window: int = 200
    """How many intervals are kept for each peer. Akka and Cassandra keep 1000, of a second; from 200 a deviation is
    known to about a twentieth of itself, and a changed network is learned five times sooner."""
    least_deviation_ns: int = 10_000_000
    """Measured deviations below are taken for this: a tenth of an interval, as in Akka. A sample that happens to be
    very regular would otherwise suspect everybody at the first jolt of the scheduler."""
    pause_ns: int = 300_000_000
    """A silence that is borne on top, whatever the sample: three intervals, as in Akka. It is for pauses of the peer
    (its garbage collector, its disk), which are too rare for the sample to know them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not LEAST_THRESHOLD <= self.threshold <= MOST_THRESHOLD:
            raise ValueError(f"threshold is {self.threshold}; give a phi from {LEAST_THRESHOLD} to {MOST_THRESHOLD}")
        if self.window < 2:  # noqa: PLR2004  one interval has no deviation
            raise ValueError(f"window is {self.window}; a deviation needs two intervals at least")
        if self.least_deviation_ns < 1:
            raise ValueError(f"least_deviation_ns is {self.least_deviation_ns}; it must be above 0, no clock is exact")
        if self.pause_ns < 0:
            raise ValueError(f"pause_ns is {self.pause_ns}; it must not be below 0")


class _Rhythm:
    """The last intervals between heartbeats of one peer, with their sums: integers, and so without rounding."""

    def __init__(self, settings: Settings) -> None:
        self.last_ns: int | None = None
        """When the heartbeat came from which the next interval is measured; None where there is none."""
        self._settings = settings
        self._intervals_ns = deque[int]()
        self._sum = self._squares = 0
        for quarters in (3, 5):  # the estimate: mean `every_ns`, deviation a quarter of it
            self.add(settings.every_ns * quarters // 4)

    def add(self, interval_ns: int) -> None:
        self._intervals_ns.append(interval_ns)
        self._sum += interval_ns
        self._squares += interval_ns * interval_ns
        if len(self._intervals_ns) > self._settings.window:
            oldest_ns = self._intervals_ns.popleft()
            self._sum -= oldest_ns
            self._squares -= oldest_ns * oldest_ns

    @property
    def mean_ns(self) -> int:
        return max(self._sum // len(self._intervals_ns), self._settings.every_ns)

    @property
    def deviation_ns(self) -> int:
        """Of the whole sample (divided by n), as in Akka."""
        count = len(self._intervals_ns)
        return max(math.isqrt(count * self._squares - self._sum**2) // count, self._settings.least_deviation_ns)


class Phi(base.Detector):
    """Suspects who is silent for so long that phi reaches the threshold."""

    name: ClassVar[str] = "phi"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        super().__init__(self.settings)
        self._rhythms = dict[NodeId, _Rhythm]()
        # How many deviations (normal) or means (exponential) beyond the mean (or 0) the threshold lies, in billionths:
        # the last digits of a logarithm may differ between machines, and so must not decide anything.
        if self.settings.distribution is Distribution.NORMAL:
            self._billionths = round(-NormalDist().inv_cdf(10.0**-self.settings.threshold) * BILLION)
        else:
            self._billionths = round(self.settings.threshold * math.log(10) * BILLION)

    def forget(self, peer: NodeId) -> None:
        super().forget(peer)
        self._rhythms.pop(peer, None)

    def excuse(self, peer: NodeId, deaf_ns: int) -> None:
        super().excuse(peer, deaf_ns)
        self._rhythms[peer].last_ns = None

    def phi(self, peer: NodeId, now_ns: int) -> float:
        """How surprising the silence of `peer` is now: for pictures, nothing is decided by it. Infinite where the
        probability is too small for a float, from about 300 on.
        """
        rhythm = self._rhythms[peer]
        silent_ns = max(0, now_ns - self._silent_from_ns[peer] - self.settings.pause_ns)
        if self.settings.distribution is Distribution.EXPONENTIAL:
            return silent_ns / rhythm.mean_ns / math.log(10)
        deviations = (silent_ns - rhythm.mean_ns) / rhythm.deviation_ns
        probability = math.erfc(deviations / math.sqrt(2)) / 2
        return max(0.0, -math.log10(probability)) if probability > 0 else math.inf

    def _begin(self, peer: NodeId) -> None:
        self._rhythms[peer] = _Rhythm(self.settings)

    def _measure(self, peer: NodeId, now_ns: int, *, is_late: bool) -> None:
        """Add the interval since the last heartbeat to the sample, unless it is one of a failure."""
        rhythm = self._rhythms[peer]
        if rhythm.last_ns is not None and not is_late:
            rhythm.add(now_ns - rhythm.last_ns)
        rhythm.last_ns = now_ns

    def _patience_ns(self, peer: NodeId) -> int:
        """The silence at which phi reaches the threshold: in whole nanoseconds, not before."""
        rhythm = self._rhythms[peer]
        if self.settings.distribution is Distribution.EXPONENTIAL:
            return self.settings.pause_ns - (-self._billionths * rhythm.mean_ns // BILLION)
        beyond_ns = -(-self._billionths * rhythm.deviation_ns // BILLION)
        return self.settings.pause_ns + rhythm.mean_ns + beyond_ns
