"""A few Raft nodes on one table: every message arrives at once unless its link is cut, every disk is done at once
unless it stands still, and time passes when the test says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from tenure.algorithms.raft import Raft, Role, Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import AnyEntry, Appended, HardState, NoOp, Snapshot
from tenure.core.effects import Answered, Effect, Persist, Send
from tenure.core.events import Answer, Demand, Event, Message, Persisted, Received, Record, Requested, Started, Woke

MS = 1_000_000


class Group:
    """Nodes 1 to n, all of them voters, or those of `settings`."""

    def __init__(
        self, nodes: int, settings: Settings | None = None, *, kept: dict[int, tuple[Record, ...]] | None = None
    ):
        self.settings = settings or Settings(voters=tuple(range(1, nodes + 1)))
        self.now_ns = 0
        self.cut = set[tuple[int, int]]()
        self.stalled = set[int]()
        self.down = set[int]()
        self.sent: list[tuple[int, int, Message]] = []
        self.effects: list[tuple[int, Effect]] = []
        self.answers: dict[int, Answer] = {}
        self.disks: dict[int, dict[type[Record], Record]] = {}
        self.nodes: dict[int, Raft] = {}
        self._unwritten: dict[int, list[Persist]] = {}
        self._waiting: dict[int, list[Send]] = {}
        self._durable: dict[int, int] = {}
        self._todo = deque[tuple[int, Event | Demand]]()
        for node in range(1, nodes + 1):
            self.disks[node] = {type(record): record for record in (kept or {}).get(node, ())}
        for node in range(1, nodes + 1):
            self.start(node)

    def start(self, node: int) -> None:
        """A new life, with what the disk has."""
        self.down.discard(node)
        self.nodes[node] = Raft(node, self.settings.voters, Random(node), self.settings)
        self._unwritten[node], self._waiting[node], self._durable[node] = [], [], 0
        self.give(node, Started(tuple(self.disks[node].values())))

    def crash(self, node: int) -> None:
        """What was not durable is gone."""
        self.down.add(node)

    def give(self, node: int, event: Event | Demand) -> None:
        """Hand over an event and all that comes of it."""
        self._todo.append((node, event))
        while self._todo:
            to, what = self._todo.popleft()
            if to in self.nodes and to not in self.down:
                self._carry_out(to, self.nodes[to].handle(what, self.now_ns))

    def _carry_out(self, node: int, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self.effects.append((node, effect))
            if isinstance(effect, Persist):
                self._unwritten[node].append(effect)
            elif isinstance(effect, Send):
                self._waiting[node].append(effect)
            elif isinstance(effect, Answered):
                assert effect.id not in self.answers, "answered twice"
                self.answers[effect.id] = effect.answer
        if node not in self.stalled and self._unwritten[node]:
            self._sync(node)
        self._let_go(node)

    def _sync(self, node: int) -> None:
        for persist in self._unwritten[node]:
            kind, disk = type(persist.record), self.disks[node]
            disk[kind] = persist.record.over(disk[kind]) if kind in disk else persist.record
        self._durable[node] = self._unwritten[node][-1].number
        self._unwritten[node] = []
        self._todo.append((node, Persisted(self._durable[node])))

    def _let_go(self, node: int) -> None:
        for send in self._waiting[node]:
            if send.after <= self._durable[node]:
                self.sent.append((node, send.to, send.message))
                if (node, send.to) not in self.cut:
                    self._todo.append((send.to, Received(node, send.message)))
        self._waiting[node] = [send for send in self._waiting[node] if send.after > self._durable[node]]

    def mend(self, node: int) -> None:
        """The disk goes on."""
        self.stalled.discard(node)
        if self._unwritten[node]:
            self._sync(node)
        self._let_go(node)
        self.pass_ms(0)

    def pass_ms(self, ms: int) -> None:
        """Let time pass, and wake whoever is due."""
        until_ns = self.now_ns + ms * MS
        while self._todo:
            self.give(*self._todo.popleft())
        while living := [node for me, node in self.nodes.items() if me not in self.down]:
            due = min(living, key=lambda node: (node.wake_ns, node.me))
            if due.wake_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, due.wake_ns)
            self.give(due.me, Woke())
        self.now_ns = until_ns

    def elect(self, node: int) -> Raft:
        """Let this node's patience end first, as often as it needs; it leads then."""
        for _ in range(50):
            if self.nodes[node].role is Role.LEADING:
                return self.nodes[node]
            self.now_ns = max(self.now_ns, *(one.promised_until_ns for one in self.nodes.values()))
            self.nodes[node]._election_ns = self.now_ns  # noqa: SLF001  the only way to say whose chance is the shortest
            self.give(node, Woke())
        raise AssertionError(f"node {node} is not elected: {[one.role for one in self.nodes.values()]}")

    def ask(self, node: int, *requests: Any) -> None:
        """Clients' requests, all at once."""
        self.give(node, Requested(requests))

    def said(self, kind: type[Message], sender: int | None = None) -> list[Any]:
        """Messages of a kind that left, by whom."""
        return [message for by, _, message in self.sent if type(message) is kind and sender in {None, by}]

    def role(self, node: int) -> Role:
        """What it is now."""
        return self.nodes[node].role

    def isolate(self, node: int) -> None:
        """Cut all its links."""
        self.cut |= {(node, other) for other in self.nodes} | {(other, node) for other in self.nodes}

    def told(self, kind: type[Any], node: int | None = None) -> list[Any]:
        """Effects of a kind, of whom."""
        return [effect for by, effect in self.effects if type(effect) is kind and node in {None, by}]


def entries(*terms: int) -> tuple[AnyEntry, ...]:
    """Entries of these terms."""
    return tuple(NoOp(term) for term in terms)


def with_log(settings: Settings, terms: Iterable[int], term: int) -> tuple[Record, ...]:
    """What a node has on its disk whose log has entries of these terms, and which is in `term`."""
    founded = Snapshot(0, 0, Configuration(settings.voters), b"")
    return (HardState(term, None), founded, Appended(0, 0, 1, entries(*terms)))
