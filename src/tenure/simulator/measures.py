"""How long a group had no leader, or two, and how often it changed: measured from the records of a run."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from tenure import trace
from tenure.core.events import NodeId
from tenure.errors import Reason
from tenure.simulator.tenures import Tenures


class Measures:
    """Counts and integer nanoseconds of true time, from the first record on; `ended` closes the last stretch."""

    def __init__(self) -> None:
        self.leaderless_ns = 0
        """Nobody believed that it leads."""
        self.two_leaders_ns = 0
        """Two or more believed it."""
        self.disagreeing_ns = 0
        """Not all that live recognised the same leader that lives."""
        self.agreed_ns: int | None = None
        """When all did for the first time."""
        self.vacant_ns = 0
        """Nobody might act."""
        self.overlap_ns = 0
        """Two or more might act."""
        self.became_leader = 0
        """How often a node began to believe that it leads."""
        self.tenures = 0
        self.bodies = 0
        """Tenures that a holder opened."""
        self.overruns = 0
        """Bodies that still ran at their hard deadline."""
        self.stalls = 0
        """Bodies that were told to stop because their owner was silent."""
        self.roles = Counter[str]()
        """Changes of role, as "from -> to"."""
        self.rules = Counter[str]()
        """What became durable, why tenures ended before their deadline, why bodies were told to stop, what was made of
        a divided group, and how often a kernel told a node for certain of a death.
        """
        self._now_ns = 0
        self._recognised: dict[NodeId, NodeId | None] = {}
        self._role: dict[NodeId, str] = {}
        self._held = Tenures()
        self._opened: dict[NodeId, int] = {}
        self._told: dict[NodeId, int] = {}

    @property
    def leading(self) -> tuple[NodeId, ...]:
        """Who believes now that it leads."""
        return tuple(sorted(self._leaders()))

    def _leaders(self) -> list[NodeId]:
        return [node for node, leader in self._recognised.items() if leader == node]

    def see(self, record: trace.Record) -> None:
        """Take in what happened."""
        match record:
            case trace.Began(node=node):
                self._pass_time(record.at_ns)
                self._recognised[node] = None
                self._role[node] = "new"
            case trace.Became(node=node, role=role, leader=leader):
                self._pass_time(record.at_ns)
                self.became_leader += leader == node and self._recognised.get(node) != node
                self._recognised[node] = leader
                if role != self._role.get(node):
                    self.roles[f"{self._role.get(node)} -> {role}"] += 1
                    self._role[node] = role
            case trace.Held(node=node, token=token):
                self._pass_time(record.at_ns)
                self.tenures += node not in self._held or self._held[node].token != token
            case trace.Lost(why=why):
                self._pass_time(record.at_ns)
                self.rules[f"deposed: {why}"] += 1
            case trace.Crashed(node=node) | trace.Gone(node=node):
                self._pass_time(record.at_ns)
                self._recognised.pop(node, None)
                self._role.pop(node, None)
            case trace.Opened() | trace.Told() | trace.Overran():
                self._see_body(record)
            case trace.Wrote(kind=kind):
                self.rules[f"wrote {kind}"] += 1
            case trace.Suspects(is_certain=True):
                self.rules["told of a certain death"] += 1
            case trace.Sided(side=side):
                self.rules[f"{side}: {record.why}"] += 1
            case _:
                ...
        self._held.see(record)

    def _see_body(self, record: trace.Opened | trace.Told | trace.Overran) -> None:
        """What is said anew counts once."""
        match record:
            case trace.Opened(node=node, token=token):
                self.bodies += self._opened.get(node) != token
                self._opened[node] = token
            case trace.Told(node=node, token=token, reason=reason):
                if self._told.get(node) != token:
                    self.rules[f"told to stop: {reason}"] += 1
                    self.stalls += reason == Reason.STALLED.value
                self._told[node] = token
            case trace.Overran():
                self.overruns += 1
            case _:
                assert_never(record)

    def ended(self, at_ns: int) -> None:
        """The run is over."""
        self._pass_time(at_ns)

    def _pass_time(self, at_ns: int) -> None:
        if at_ns == self._now_ns:
            return
        passed_ns = at_ns - self._now_ns
        leaders = self._leaders()
        self.leaderless_ns += passed_ns * (not leaders)
        self.two_leaders_ns += passed_ns * (len(leaders) > 1)
        recognised = set(self._recognised.values())
        if len(recognised) == 1 and recognised == set(leaders):
            self.agreed_ns = self._now_ns if self.agreed_ns is None else self.agreed_ns
        else:
            self.disagreeing_ns += passed_ns
        self._pass_tenures(at_ns)
        self._now_ns = at_ns

    def _pass_tenures(self, at_ns: int) -> None:
        """Tenures end by themselves, between two records."""
        from_ns = self._now_ns
        for until_ns in sorted({min(held.until_ns, at_ns) for held in self._held.values()} | {at_ns}):
            if until_ns > from_ns:
                holders = sum(held.until_ns >= until_ns for held in self._held.values())
                self.vacant_ns += (until_ns - from_ns) * (holders == 0)
                self.overlap_ns += (until_ns - from_ns) * (holders > 1)
                from_ns = until_ns
