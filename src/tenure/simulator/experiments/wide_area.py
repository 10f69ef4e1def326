"""How long there is no leader across a continent: one-way latencies of 30 to 40 ms (Ongaro 2014, chapter 9)."""

from __future__ import annotations

from collections.abc import Sequence

from tenure.simulator.experiments.fail_over import FailOver, Gap, settings
from tenure.simulator.experiments.lines import Case, Experiment, mean_ms
from tenure.simulator.network import MS

MEAN = "mean ms"
PUBLISHED = {1: 475.0, 2: 650.0}
"""Milliseconds, by how many of five servers are down."""


def _case(down: int) -> Case:
    return Case(
        name=f"{down} of 5 down",
        trials=4_000,
        fail_over=FailOver(settings=settings(300, 600), least_ns=30 * MS, most_ns=40 * MS, also_down=down - 1),
        published={MEAN: PUBLISHED[down]},
    )


def _measure(gaps: Sequence[Gap]) -> dict[str, float | None]:
    return {MEAN: mean_ms(gap.gap_ns for gap in gaps)}


WIDE_AREA = Experiment(
    name="raft-wide-area",
    about="milliseconds without a leader in a wide area network (Ongaro 2014, chapter 9)",
    notes=(
        """Five servers with equal logs; one-way latency is uniform on 30-40 ms, time-outs on 300-600 ms, and writes
        take no time. The leader crashes at a uniform point of its heartbeat interval of 150 ms; in the second line
        one other server is down already.
        """,
    ),
    statistics=(MEAN,),
    cases=(_case(1), _case(2)),
    measure=_measure,
    x_label="milliseconds without a leader",
    y_label="% of trials that have a leader again",
    is_of_times=True,
)
