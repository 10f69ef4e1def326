"""What must hold of a group of Raft nodes after every event of each, judged from what the nodes are and write.

The first five are figure 3 of Ongaro and Ousterhout 2014. Each is checked where it could have been broken: of a log
what is written, of commits what is new, of messages those that say something is durable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import (
    AnyEntry,
    Appended,
    HardState,
    Matched,
    RequestVote,
    Snapshot,
    Vote,
)
from tenure.core.composed import innermost
from tenure.core.effects import Effect, Persist
from tenure.core.elector import Elector
from tenure.core.events import Demand, Event, Message, NodeId
from tenure.simulator.founding import has_raft
from tenure.simulator.node import SimulatedNode
from tenure.simulator.raft_rules import RaftRules, Seen
from tenure.simulator.world import World

ELECTION_SAFETY = "election-safety"
LEADER_APPEND_ONLY = "leader-append-only"
LOG_MATCHING = "log-matching"
LEADER_COMPLETENESS = "leader-completeness"
STATE_MACHINE_SAFETY = "state-machine-safety"
MONOTONIC = "monotonic"
DURABLE_FIRST = "durable-first"
ONE_LEASE = "one-lease"
NAMES = (
    ELECTION_SAFETY,
    LEADER_APPEND_ONLY,
    LOG_MATCHING,
    LEADER_COMPLETENESS,
    STATE_MACHINE_SAFETY,
    MONOTONIC,
    DURABLE_FIRST,
    ONE_LEASE,
)
PROMISING = (Matched, Vote, RequestVote)
"""Messages that rest on what is durable."""


def inspector(world: World, object_to: Callable[[str, str], None], fired: Counter[str]) -> RaftInspector | None:
    """Who looks at the nodes of this world, and counts in `fired` which rules take effect; None where they are no Raft
    nodes.
    """
    return RaftInspector(world, object_to, RaftRules(fired)) if has_raft(world.kind) else None


class RaftInspector:
    """Looks at the nodes of one world; `object_to` is called with the name of a checker and what it saw."""

    def __init__(self, world: World, object_to: Callable[[str, str], None], rules: RaftRules) -> None:
        self._world, self._object = world, object_to
        self._seen: dict[NodeId, Seen] = {}
        self._leaders: dict[int, NodeId] = {}
        self._entries: dict[tuple[int, int], tuple[AnyEntry, int]] = {}  # by index and term: it, the term before it
        self._committed: dict[int, AnyEntry] = {}
        self._committed_in: dict[int, int] = {}  # by index: the term of the leader that committed it
        self._snapshots: dict[int, bytes] = {}
        self._last_committed = 0
        self._rules = rules

    def handled(self, node: SimulatedNode, elector: Elector, event: Event | Demand, effects: Sequence[Effect]) -> None:
        """The node has dealt with an event."""
        if not isinstance(elector, Raft):
            elector = innermost(elector)
            assert isinstance(elector, Raft)
        before, seen = self._seen.get(node.number), Seen.now(node.life, elector)
        if not effects and seen == before:
            return  # nothing was written or sent, and it is what it was
        self._seen[node.number] = seen
        if before is None or before.life != node.life:
            before = None
            self._check_log(node, elector, elector.log.base_index + 1)
        self._rules.see(before, event, elector, effects, node.clock.at(self._world.now_ns))
        if seen == before and not any(isinstance(effect, Persist) for effect in effects):
            return
        for effect in effects:
            if isinstance(effect, Persist) and isinstance(effect.record, Appended):
                self._check_appended(node, elector, effect.record, before, seen)
            elif isinstance(effect, Persist) and isinstance(effect.record, Snapshot):
                self._check_snapshot(node, effect.record)
        if before is not None and (seen.term < before.term or seen.commit < before.commit):
            was, now = (before.term, before.commit), (seen.term, seen.commit)
            self._object(MONOTONIC, f"node {node.number} had term and commit index {was}, and now {now}")
        if before is None or seen.commit != before.commit:
            self._check_commit(node, elector, 0 if before is None else before.commit)
        if seen.leads_in is not None and (before is None or before.leads_in != seen.leads_in):
            self._check_leader(node, elector)

    def sent(self, node: SimulatedNode, to: NodeId, message: Message) -> None:
        """The message leaves the node: what it says is durable must be so."""
        if not isinstance(message, PROMISING) or node.elector is None:
            return
        elector = innermost(node.elector)
        if not isinstance(elector, Raft):
            return
        if isinstance(message, Matched):
            if message.term == elector.term and message.match > _last_of(node.disk.record(Appended)):
                self._object(DURABLE_FIRST, f"node {node.number} acknowledged up to {message.match}, not yet durable")
            return
        hard = node.disk.record(HardState)
        term, voted_for = (hard.term, hard.voted_for) if isinstance(hard, HardState) else (0, None)
        if isinstance(message, RequestVote):
            to = node.number
        elif not message.granted:
            return
        if (term, voted_for) != (message.term, to) and term <= message.term:
            self._object(DURABLE_FIRST, f"node {node.number} voted for {to} in term {message.term}, not yet durable")

    def _check_appended(
        self, node: SimulatedNode, elector: Raft, record: Appended, before: Seen | None, now: Seen
    ) -> None:
        leads_on = before is not None and before.leads_in == now.leads_in is not None
        if before is not None and leads_on and record.first_index <= before.last_index and record.entries:
            self._object(LEADER_APPEND_ONLY, f"leader {node.number} replaced entry {record.first_index} of its own log")
        self._check_log(node, elector, record.first_index)

    def _check_log(self, node: SimulatedNode, elector: Raft, first: int) -> None:
        """If two logs contain an entry with the same index and term, they are identical up to it."""
        log = elector.log
        first = max(first, log.base_index + 1)
        term = log.term_at(first - 1)
        for index, entry in enumerate(log.slice(first, log.last_index), first):
            known, known_before = self._entries.setdefault((index, entry.term), (entry, term))
            if known != entry or known_before != term:
                self._object(
                    LOG_MATCHING,
                    f"entry {index} of term {entry.term} at node {node.number} is {entry} after one of term {term}, "
                    f"and elsewhere {known} after one of term {known_before}",
                )
            term = entry.term

    def _check_commit(self, node: SimulatedNode, elector: Raft, before: int) -> None:
        """No two nodes apply different entries for one index."""
        log = elector.log
        first = max(before, log.base_index) + 1
        for index, entry in enumerate(log.slice(first, elector.commit), first):
            known = self._committed.setdefault(index, entry)
            self._committed_in.setdefault(index, elector.term)  # its leader is the first that knows
            if known != entry:
                self._object(
                    STATE_MACHINE_SAFETY, f"node {node.number} applied {entry} at {index}, and another one {known}"
                )
        self._last_committed = max(self._last_committed, elector.commit)

    def _check_snapshot(self, node: SimulatedNode, snapshot: Snapshot) -> None:
        """What the same entries amount to is the same."""
        if self._snapshots.setdefault(snapshot.index, snapshot.data) != snapshot.data:
            self._object(STATE_MACHINE_SAFETY, f"node {node.number} has another state than others at {snapshot.index}")

    def _check_leader(self, node: SimulatedNode, elector: Raft) -> None:
        """One in a term; it has all that was committed in earlier ones; and nobody has a lease of an earlier one any
        more. Votes that were long under way may make a leader of a term that is over, which can do nothing as one.
        """
        leader = self._leaders.setdefault(elector.term, node.number)
        if leader != node.number:
            self._object(ELECTION_SAFETY, f"nodes {leader} and {node.number} both lead term {elector.term}")
        log = elector.log
        for index in range(log.base_index + 1, self._last_committed + 1):
            if self._committed_in.get(index, 0) >= elector.term:
                continue
            entry = self._committed.get(index)
            if index > log.last_index or (entry is not None and log.slice(index, index)[0] != entry):
                self._object(LEADER_COMPLETENESS, f"node {node.number} leads term {elector.term} without entry {index}")
                break
        for other in self._world.nodes.values():
            known = None if other.elector is None else innermost(other.elector)
            if other is node or not isinstance(known, Raft) or known.term >= elector.term:
                continue
            if known.may_read(other.clock.at(self._world.now_ns)):
                self._object(
                    ONE_LEASE, f"node {node.number} leads term {elector.term} while {other.number} has a lease"
                )


def _last_of(record: object) -> int:
    return record.first_index - 1 + len(record.entries) if isinstance(record, Appended) else 0
