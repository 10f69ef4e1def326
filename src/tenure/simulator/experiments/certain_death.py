"""What it is worth that a kernel tells of a leader's death for certain: less time without a leader and a tenure."""

from __future__ import annotations

from collections.abc import Sequence

from tenure.algorithms.raft import Settings
from tenure.core.events import NodeId
from tenure.simulator.experiments.fail_over import WRITE_NS, WRITE_TAIL_NS, FailOver, Gap
from tenure.simulator.experiments.lines import Case, Experiment, at_percent, times_ms
from tenure.simulator.network import MS

LEADERLESS_50, LEADERLESS_99, ACTS_50, ACTS_99 = "no leader p50", "no leader p99", "may act p50", "may act p99"
STATISTICS = (LEADERLESS_50, LEADERLESS_99, ACTS_50, ACTS_99)
PLACES: dict[str, tuple[tuple[NodeId, ...], ...]] = {
    "each on its own host": (),
    "all on one host": ((1, 2, 3, 4, 5),),
    "on two hosts": ((1, 2, 3), (4, 5)),
}


def _case(name: str) -> Case:
    return Case(
        name=name,
        trials=300,
        fail_over=FailOver(
            settings=Settings(),
            least_ns=MS // 2,
            most_ns=2 * MS,
            write_ns=WRITE_NS,
            write_tail_ns=WRITE_TAIL_NS,
            hosts=PLACES[name],
            until_acts=True,
        ),
    )


def _measure(gaps: Sequence[Gap]) -> dict[str, float | None]:
    """Milliseconds from the crash."""
    without, until_acts = times_ms(gap.gap_ns for gap in gaps), times_ms(gap.acts_ns for gap in gaps)
    values = (at_percent(in_turn, percent) for in_turn in (without, until_acts) for percent in (50, 99))
    return dict(zip(STATISTICS, values, strict=True))


CERTAIN_DEATH = Experiment(
    name="raft-certain-death",
    about="milliseconds without a leader and without a tenure, where the kernel tells of its death and where none does",
    notes=(
        """Five servers with the settings that ship; the leader crashes at a uniform point of its heartbeat interval. A
        message takes 0.5-2 ms, on one host too; a durable write takes 1.2 ms and an exponential time of mean 2.8 ms. A
        kernel tells each process of its host 0.1-5 ms after the crash.
        """,
        """No leader: until the first heartbeat of the next one lands. May act: until its tenure opens.""",
    ),
    statistics=STATISTICS,
    cases=tuple(map(_case, PLACES)),
    measure=_measure,
    x_label="milliseconds without a leader",
    y_label="% of trials that have a leader again",
    is_of_times=True,
)
