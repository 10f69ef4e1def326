"""Traces that nodes wrote each for itself, as one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tenure import trace


def join(traces: Sequence[trace.Trace]) -> trace.Trace:
    """What several nodes of one group, or several lives of one, wrote each for itself, on one time line.

    That is as good as their wall clocks agreed when they began. A node whose trace breaks off was killed then. Raises
    trace.TraceError for traces of more than one algorithm, or of simulated runs.
    """
    heads = [one.head for one in traces]
    if len({head.algorithm for head in heads}) != 1 or not all(head.origin_ns for head in heads):
        raise trace.TraceError(
            "only traces that nodes of one group wrote can be joined; give those of one `tenure node` each"
        )
    origin_ns = min(head.origin_ns for head in heads)
    records: list[trace.Record] = []
    for one in traces:
        records += (_later(record, one.head.origin_ns - origin_ns) for record in one.records)
        begun = next((record for record in one.records if isinstance(record, trace.Began)), None)
        if begun is not None and not isinstance(records[-1], trace.Crashed):
            records.append(trace.Crashed(records[-1].at_ns, begun.node))
    records.sort(key=lambda record: record.at_ns)
    nodes = sorted({node for head in heads for node in head.nodes})
    until_ns = records[-1].at_ns if records else 0
    return trace.Trace(
        trace.Head(trace.VERSION, heads[0].algorithm, tuple(nodes), 0, until_ns, origin_ns=origin_ns), records
    )


def _later(record: trace.Record, by_ns: int) -> trace.Record:
    if isinstance(record, trace.Held):
        return trace.Held(record.at_ns + by_ns, record.node, record.token, record.until_ns + by_ns)
    return msgspec.structs.replace(record, at_ns=record.at_ns + by_ns)
