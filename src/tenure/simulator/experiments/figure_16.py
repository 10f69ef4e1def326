"""Figure 16 of Ongaro and Ousterhout 2014: how long there is no leader, by the range of election time-outs."""

from __future__ import annotations

from collections.abc import Sequence

from tenure.durations import NS_PER_S
from tenure.simulator.experiments.fail_over import WRITE_NS, WRITE_TAIL_NS, FailOver, Gap, settings
from tenure.simulator.experiments.lines import MOST_TRIALS, Case, Experiment, at_percent, mean_ms, times_ms
from tenure.simulator.network import MS

STATISTICS = ("p50", "p90", "p99", "max", "mean")
PUBLISHED = {
    (150, 150): (41_100, 84_900, 528_000, 528_000, 54_000),
    (150, 151): (1_199, 3_132, 6_013, 8_231, 1_536),
    (150, 155): (287, 609, 1_242, 2_143, 345),
    (150, 175): (141, 291, 467, 610, 164),
    (150, 200): (146, 194, 352, 513, 156),
    (150, 300): (171, 244, 415, 603, 181),
    (12, 24): (30, 53, 87, 152, 35),
    (25, 50): (43, 74, 119, 276, 48),
    (50, 100): (67, 96, 169, 253, 71),
    (100, 200): (120, 166, 277, 335, 125),
}
"""Milliseconds, by the least and the most time-out in milliseconds: STATISTICS of 1,000 trials each."""
AS_CALIBRATED, AS_SHIPPED = "asks while it writes", "writes, then asks"
LIMIT_NS = 600 * NS_PER_S
"""Longer than the longest that was published."""

MOST_IN_STEP = 10
"""Trials where all time-outs are the same: one that is given up takes seconds, and most are."""


def _case(least_ms: int, most_ms: int, variant: str) -> Case:
    spread_ms = most_ms - least_ms
    return Case(
        name=f"{least_ms}-{most_ms} ms",
        variant=variant,
        trials=200 if spread_ms == 1 else 1_000,
        most=MOST_IN_STEP if spread_ms == 0 else MOST_TRIALS,
        fail_over=FailOver(
            settings=settings(least_ms, most_ms),
            least_ns=MS + MS // 4,
            most_ns=3 * MS + 3 * MS // 4,
            write_ns=WRITE_NS,
            write_tail_ns=WRITE_TAIL_NS,
            unequal=True,
            asks_while_writing=variant == AS_CALIBRATED,
            limit_ns=LIMIT_NS,
        ),
        published=dict(zip(STATISTICS, PUBLISHED[least_ms, most_ms], strict=True)),
    )


def _measure(gaps: Sequence[Gap]) -> dict[str, float | None]:
    times_ns = [gap.gap_ns for gap in gaps]
    in_turn = times_ms(times_ns)
    values = (*(at_percent(in_turn, percent) for percent in (50, 90, 99, 100)), mean_ms(times_ns))
    return dict(zip(STATISTICS, values, strict=True))


FIGURE_16 = Experiment(
    name="raft-figure-16",
    about="milliseconds without a leader after its crash, by the range of time-outs (Raft paper, figure 16)",
    notes=(
        """Five servers; the leader crashes at a uniform point of its heartbeat interval, half the least time-out. Two
        of the four survivors lack an entry and cannot win. The clock stops when the next leader's first heartbeat
        lands.
        """,
        """One-way latency is uniform on 1.25-3.75 ms; a durable vote costs 1.2 ms and an exponential time of mean 2.8
        ms. These were fitted on this very table: they are a calibration, and that the numbers agree is no
        prediction.
        """,
        f"""The calibration has a candidate ask for votes while it writes its own: "{AS_CALIBRATED}". The Raft that
        ships asks when its vote is durable: "{AS_SHIPPED}". Nothing else differs. Votes split more often then, so
        that narrow ranges take longer than was published.
        """,
        f"""Published are 1,000 trials a line; here as well if nothing else is said, but 200 for 150-151, which takes
        long, and {MOST_IN_STEP} at most for 150-150. A trial is given up after {LIMIT_NS // NS_PER_S} s of virtual
        time, longer than any that was published: where all time-outs are the same, perfect clocks keep the candidates
        in step for ever, unless the first round decides. Clocks of real machines do not.
        """,
    ),
    statistics=STATISTICS,
    cases=tuple(_case(*timeouts, variant) for variant in (AS_CALIBRATED, AS_SHIPPED) for timeouts in PUBLISHED),
    measure=_measure,
    x_label="milliseconds without a leader",
    y_label="% of trials that have a leader again",
    is_of_times=True,
)
