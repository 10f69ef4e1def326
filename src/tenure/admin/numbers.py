"""What `/metrics` says of a node: what is, from its status; what happened, from its counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from tenure.core.words import by_kind
from tenure.metrics.exposition import Family, Labels, Sample, buckets
from tenure.runtime.counts import Counts
from tenure.runtime.node import RuntimeNode
from tenure.runtime.status import Member, Status


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of one life of a node, by name; taken in its loop."""

    sent: dict[str, int]
    received: dict[str, int]
    roles: dict[str, int]
    troubles: dict[str, int]
    leaders: int
    tenures: int
    depositions: int
    records: int
    syncs: int
    counts: Counts
    """Its histograms are read as they are."""


def totals(node: RuntimeNode) -> Totals:
    """Of a node; in the thread of its loop."""
    counts = node.driver.counts if node.is_started else Counts()
    return Totals(
        sent=by_kind(counts.sent),
        received=by_kind(counts.received),
        roles=dict(counts.roles),
        troubles=dict(node.transport.counts) if node.is_started else {},
        leaders=counts.leaders,
        tenures=counts.tenures,
        depositions=counts.depositions,
        records=node.driver.records if node.is_started else 0,
        syncs=0 if node.storage is None else node.storage.syncs,
        counts=counts,
    )


def families(seen: Status, sums: Totals) -> Iterator[Family]:
    """Everything, in the order in which it is read. Labels are bounded: by the members, and by what the code names."""
    yield from _standing(seen)
    yield from _peers(seen)
    yield from _counted(seen, sums)


def _standing(seen: Status) -> Iterator[Family]:
    yield _gauge("tenure_build_info", "1, with the version.", 1, version=seen.version)
    yield _gauge(
        "tenure_node_info",
        "1, with who the node is.",
        1,
        cluster=seen.cluster,
        node=seen.name,
        number=str(seen.number),
        algorithm=seen.algorithm or "",
    )
    yield _gauge(
        "tenure_node_running", "1 while the node takes part; 0 before, and after it failed.", _is_running(seen)
    )
    yield _gauge("tenure_node_age_seconds", "Time since this life of the node began.", seen.age_s)
    yield _gauge(
        "tenure_node_is_leader",
        "1 while this node may act as leader, by the clock at this scrape; else 0.",
        seen.authority is not None,
    )
    yield _gauge(
        "tenure_node_knows_leader", "1 while this node takes some node for the leader.", seen.leader is not None
    )
    yield _gauge("tenure_node_term", "The round of the algorithm that this node is in.", seen.term)
    if seen.authority is not None:
        yield _gauge("tenure_node_token", "Fencing token; absent without authority.", seen.authority.token)
    yield _gauge(
        "tenure_node_remaining_seconds",
        "Time left until the authority ends unless it is extended; 0 without any.",
        0.0 if seen.authority is None else seen.authority.left_s,
    )
    if seen.log is not None:
        log = seen.log
        positions = ("last", "durable", "committed", "applied", "snapshot")
        samples = [Sample((("position", name),), getattr(log, name)) for name in positions]
        yield Family("tenure_node_log_index", "gauge", "Indexes of the log, as this node has it.", samples)
        yield _gauge(
            "tenure_node_caught_up", "1 once what was committed before it started is applied.", log.is_caught_up
        )
    yield _gauge("tenure_node_disk_backlog_bytes", "Given to the disk, and not durable yet.", seen.disk.backlog_bytes)
    yield _gauge(
        "tenure_node_disk_stalled_seconds",
        "For how long nothing has become durable, though something was given; else 0.",
        seen.disk.stalled_s,
    )
    yield _gauge("tenure_node_disk_full", "1 while the disk has no space.", seen.disk.is_full)
    queues = {name: getattr(seen.queues, name) for name in ("requests", "handed_on", "answering", "messages")}
    yield _by("tenure_node_waiting", "gauge", "What waits in this node, by queue.", "queue", queues)


def _peers(seen: Status) -> Iterator[Family]:
    peers = [member for member in seen.members if not member.is_me]
    for name, text, field in (
        ("tenure_node_peer_reached", "1 while what is sent to the peer leaves.", "is_reached"),
        ("tenure_node_peer_heard", "1 while a connection from the peer stands.", "is_heard"),
        ("tenure_node_peer_waiting_bytes", "What waits to leave for the peer.", "waiting_bytes"),
    ):
        yield Family(name, "gauge", text, [Sample(_peer(one), float(getattr(one, field))) for one in peers])
    yield Family(
        "tenure_node_peer_heard_seconds",
        "gauge",
        "Time since the peer said something; absent before it first has.",
        [Sample(_peer(one), one.heard_s) for one in peers if one.heard_s is not None],
    )
    yield Family(
        "tenure_node_peer_suspected",
        "gauge",
        "1 while the failure detector suspects the peer; absent without a detector.",
        [Sample(_peer(one), one.suspicion.is_suspected) for one in peers if one.suspicion is not None],
    )
    yield Family(
        "tenure_node_peer_match_index",
        "gauge",
        "Up to where the peer's log is known to be durable; only of a leader with a log.",
        [Sample(_peer(one), one.replication.match) for one in peers if one.replication is not None],
    )
    yield Family(
        "tenure_node_peer_dropped_total",
        "counter",
        "Messages to the peer that were not taken: no connection, or too much waited.",
        [Sample(_peer(one), one.dropped) for one in peers],
    )


def _counted(seen: Status, sums: Totals) -> Iterator[Family]:
    yield _counter("tenure_node_leader_changes_total", "Times that another leader than before was known.", sums.leaders)
    yield _by("tenure_node_role_changes_total", "counter", "Times that it took each role.", "role", sums.roles)
    yield _counter("tenure_node_tenures_total", "Times that it might act under a new token.", sums.tenures)
    yield _counter("tenure_node_depositions_total", "Times that it might not act any more.", sums.depositions)
    yield _by("tenure_node_messages_sent_total", "counter", "Messages that left, by kind.", "kind", sums.sent)
    yield _by("tenure_node_messages_received_total", "counter", "Messages that came, by kind.", "kind", sums.received)
    yield _counter("tenure_node_messages_lost_total", "Messages that came to nothing in this node.", seen.queues.lost)
    yield _by("tenure_node_troubles_total", "counter", "What went wrong with connections.", "trouble", sums.troubles)
    yield _counter("tenure_node_disk_records_total", "Records that were given to the disk.", sums.records)
    yield _counter("tenure_node_disk_syncs_total", "Times that the disk was made to keep what was given.", sums.syncs)
    for name, text, watch in (
        ("tenure_node_durable_seconds", "Time until a record was durable; one at a time is timed.", sums.counts.writes),
        (
            "tenure_node_request_seconds",
            "Time until a request was answered; one at a time is timed.",
            sums.counts.requests,
        ),
    ):
        yield Family(name, "histogram", text, buckets(watch.histogram, ()))


def _is_running(seen: Status) -> bool:
    return seen.state == "running"


def _gauge(name: str, text: str, value: float, **labels: str) -> Family:
    return Family(name, "gauge", text, [Sample(tuple(labels.items()), value)])


def _counter(name: str, text: str, value: float) -> Family:
    return Family(name, "counter", text, [Sample((), value)])


def _by(name: str, kind: Literal["counter", "gauge"], text: str, label: str, values: Mapping[str, int]) -> Family:
    return Family(name, kind, text, [Sample(((label, key),), value) for key, value in sorted(values.items())])


def _peer(member: Member) -> Labels:
    return (("peer", member.name),)
