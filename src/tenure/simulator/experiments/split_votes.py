"""How often votes split, by the latency as a share of the range of time-outs.

Ongaro 2014, section 9.2. Of `s` live servers of `n`, with `c` = s - floor(n/2) + 1, votes split if the c-th
time-out ends within one latency `l` of the first: c candidates leave too few voters for any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from tenure.simulator.experiments.fail_over import FailOver, Gap, settings
from tenure.simulator.experiments.lines import Case, Experiment
from tenure.simulator.network import MS

LEAST_MS, RANGE_MS = 1_000, 1_000
SHARES = (0.01, 0.1, 0.2)
SPLIT = "split %"


def published(live: int, nodes: int, share: float) -> float:
    """The chance of a split vote: the sum over k from c - 1 to s of C(s, k) l^k (1 - l)^(s - k)."""
    fewest = live - nodes // 2
    return sum(comb(live, k) * share**k * (1 - share) ** (live - k) for k in range(fewest, live + 1))


def _case(share: float) -> Case:
    latency_ns = round(share * RANGE_MS * MS)
    return Case(
        name=f"4 of 5 live, latency {share:g} of the range",
        x=share,
        trials=4_000,
        fail_over=FailOver(settings=settings(LEAST_MS, LEAST_MS + RANGE_MS), least_ns=latency_ns, most_ns=latency_ns),
        published={SPLIT: 100 * published(4, 5, share)},
    )


def _measure(gaps: Sequence[Gap]) -> dict[str, float | None]:
    return {SPLIT: 100 * sum(gap.terms > 1 for gap in gaps) / len(gaps)}


SPLIT_VOTES = Experiment(
    name="raft-split-votes",
    about="how often the first election after a crash elects nobody, in per cent (Ongaro 2014, section 9.2)",
    notes=(
        """Five servers with equal logs, of which the leader has crashed; every message takes the same time, writes
        take none, and all time-outs begin at one instant, when the last heartbeat lands.
        """,
        """The published formula is exact for this model, so what remains is chance: the standard error of N trials is
        39 / sqrt(N) percentage points at most, which is 0.6 of 4,000 and 0.3 of 20,000.
        """,
    ),
    statistics=(SPLIT,),
    cases=tuple(_case(share) for share in SHARES),
    measure=_measure,
    x_label="latency as a share of the range of time-outs",
    y_label="% of first elections that split",
)
