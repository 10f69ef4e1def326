"""How good is a detector? Chen's measures of its quality of service, on one trace of arrivals.

W. Chen, S. Toueg and M. K. Aguilera, "On the quality of service of failure detectors", IEEE Transactions on Computers
51(5), May 2002, pages 561-580, doi:10.1109/TC.2002.1004595, section 2: how fast it is (detection time), and how right
(mistakes: how many, how long, and for which share of the time its answer is correct). A detector that suspects
everybody is the fastest and one that suspects nobody is never wrong: neither half says anything without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from tenure.core.events import NodeId
from tenure.detectors.base import Detector
from tenure.durations import NS_PER_S


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one peer that lived for `lived_ns` and then crashed."""

    detection_ns: int
    """From the crash until it is suspected for good (the paper's T_D); 0 where it was suspected already."""
    mistakes: int
    """How often it began to be suspected while it lived."""
    wrong_ns: int
    """For how long, all in all."""
    lived_ns: int

    @property
    def mistakes_per_s(self) -> float:
        """The rate of mistakes (the paper's lambda_M)."""
        return self.mistakes * NS_PER_S / self.lived_ns

    @property
    def mistake_ns(self) -> float:
        """The mean duration of a mistake (the paper's T_M); 0 where there was none."""
        return self.wrong_ns / self.mistakes if self.mistakes else 0.0

    @property
    def availability(self) -> float:
        """The share of the peer's life for which the answer "it lives" was given (the paper's P_A)."""
        return 1 - self.wrong_ns / self.lived_ns


def quality(detector: Detector, arrivals_ns: Sequence[int], *, begin_ns: int, crash_ns: int) -> Quality:
    """Run a new detector over the instants at which heartbeats of one peer arrive, in their order.

    The peer is watched from `begin_ns` and crashes at `crash_ns`; what it sent before may arrive later. Raises
    ValueError for instants that are out of order.
    """
    instants_ns = (begin_ns, *arrivals_ns)
    if crash_ns <= begin_ns or any(later < earlier for earlier, later in pairwise(instants_ns)):
        raise ValueError("arrivals must be in their order, none before begin_ns, and crash_ns after it")
    peer: NodeId = 1
    detector.watch(peer, begin_ns)
    mistakes = wrong_ns = 0
    for arrival_ns in arrivals_ns:
        suspect_ns, trust_ns = detector.suspect_ns(peer), min(arrival_ns, crash_ns)
        if suspect_ns < trust_ns:
            mistakes += 1
            wrong_ns += trust_ns - suspect_ns
        detector.hear(peer, arrival_ns)
    suspect_ns = detector.suspect_ns(peer)  # for good
    if suspect_ns < crash_ns:
        mistakes += 1
        wrong_ns += crash_ns - suspect_ns
    return Quality(
        detection_ns=max(0, suspect_ns - crash_ns),
        mistakes=mistakes,
        wrong_ns=wrong_ns,
        lived_ns=crash_ns - begin_ns,
    )
