"""The messages of one clean fail-over of Raft, counted."""

from __future__ import annotations

from collections.abc import Sequence

from tenure.simulator.experiments.fail_over import FailOver, Gap, settings
from tenure.simulator.experiments.lines import Case, Experiment
from tenure.simulator.network import MS

STATISTICS = ("pre-vote", "its replies", "RequestVote", "replies", "heartbeats")
KINDS = ("CANVASS", "CANVASSED", "REQUEST-VOTE", "VOTE", "APPEND-ENTRIES")
"""The tags of these messages, in the same order."""
LATENCY_NS = MS


def _case(nodes: int, *, pre_vote: bool) -> Case:
    asked, answered = nodes - 1, nodes - 2
    values = (asked * pre_vote, answered * pre_vote, asked, answered, asked)
    return Case(
        name=f"{nodes} nodes",
        variant="with pre-vote" if pre_vote else "as in the paper",
        x=nodes,
        trials=20,
        fail_over=FailOver(
            settings=settings(10_000, 100_000, pre_vote=pre_vote, heartbeat_ms=1_000),
            nodes=nodes,
            least_ns=LATENCY_NS,
            most_ns=LATENCY_NS,
            limit_ns=1_000 * 1_000 * MS,
        ),
        published=dict(zip(STATISTICS, map(float, values), strict=True)),
    )


def _measure(gaps: Sequence[Gap]) -> dict[str, float | None]:
    """Of the clean ones, all of which must have the same counts: those with one candidate."""
    clean = {tuple(gap.sent.get(kind, 0) for kind in KINDS) for gap in gaps if gap.campaigns == 1}
    counts = clean.pop() if len(clean) == 1 else [None] * len(KINDS)
    return dict(zip(STATISTICS, counts, strict=True))


MESSAGES = Experiment(
    name="raft-fail-over-messages",
    about="messages of one clean fail-over: n-1 RequestVote, n-2 replies, n-1 heartbeats; pre-vote adds 2(n-1) - 1",
    notes=(
        """Counted when they leave, to the crashed leader as well, from the crash until the last survivor has heard of
        the next leader. Its first AppendEntries are its first heartbeats; what followers answer to them belongs to
        replication and is not counted.
        """,
        """Clean means one candidate; trials with more are left out, and all others must have the same counts.""",
    ),
    statistics=STATISTICS,
    cases=tuple(_case(nodes, pre_vote=pre_vote) for nodes in (3, 5, 9) for pre_vote in (False, True)),
    measure=_measure,
    is_exact=True,
    x_label="nodes",
    y_label="messages",
)
