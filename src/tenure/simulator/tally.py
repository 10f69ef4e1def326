"""What came of many runs, counted: each fault, role change, message and rule, and which of them never fired.

A run in which nothing was elected shows nothing, and a fault that never struck was never survived; so both are said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from tenure.algorithms.raft import Raft
from tenure.core.words import kind_of
from tenure.simulator import plan
from tenure.simulator.disk import LOST, TORN
from tenure.simulator.drawing import KINDS
from tenure.simulator.raft_rules import RULES
from tenure.simulator.run import Run, Setup


class Fired(msgspec.Struct, frozen=True):
    """How often something fired; `what` is "fault", "role", "message" or "rule"."""

    what: str
    name: str
    times: int


class Tally(msgspec.Struct):
    """Counts over runs. Durations are integer nanoseconds of virtual time."""

    runs: int = 0
    void: int = 0
    """Runs in which nothing was elected; they count as none."""
    virtual_ns: int = 0
    delivered: int = 0
    """Messages that arrived."""
    leaders: int = 0
    """How often a node began to believe that it leads."""
    tenures: int = 0
    leaderless_ns: int = 0
    two_leaders_ns: int = 0
    overlap_ns: int = 0
    """Two or more might act."""
    violations: int = 0
    counts: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """What fired, by `Fired.what` and then by its name; 0 for what should have fired and never did."""

    @classmethod
    def of(cls, run: Run) -> Tally:
        """What came of one run."""
        measures = run.measures
        tally = cls(
            runs=1,
            void=int(run.is_void),
            virtual_ns=run.setup.until_ns,
            delivered=run.delivered,
            leaders=measures.became_leader,
            tenures=measures.tenures,
            leaderless_ns=measures.leaderless_ns,
            two_leaders_ns=measures.two_leaders_ns,
            overlap_ns=measures.overlap_ns,
            violations=len(run.violations),
        )
        roles = {f"to {role}": 0 for role in run.roles}
        for change, times in measures.roles.items():
            reached = f"to {change.rpartition(' -> ')[2]}"
            roles[reached] = roles.get(reached, 0) + times
        found = {"fault": run.struck, "role": roles, "message": run.sent, "rule": measures.rules + _refused(run)}
        for what, counts in found.items():
            tally._add(what, counts)
        return tally

    def add(self, other: Tally) -> None:
        """Count the other's runs as well."""
        for field in msgspec.structs.fields(self):
            if field.name != "counts":
                setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        for what, counts in other.counts.items():
            self._add(what, counts)

    def expect(self, setup: Setup, kinds: tuple[str, ...] | None) -> None:
        """Give a row to everything that should fire in runs such as this one, under these kinds of faults."""
        kind = setup.kind
        names = plan.kinds_within(kind) if kinds is None else kinds
        self._add("fault", {KINDS[name].counted_as or name: 0 for name in names})
        self._add("message", {kind_of(message): 0 for message in kind.messages})
        self._add("rule", {f"wrote {kind_of(record)}": 0 for record in kind.records})
        if issubclass(kind, Raft):
            self._add("rule", dict.fromkeys(RULES, 0))
        if kind.records and {"crash", "blink"} & set(names):
            self._add("fault", {TORN: 0, LOST: 0})

    def fired(self) -> Iterator[Fired]:
        """All rows, by what they are and by name."""
        for what in ("fault", "role", "message", "rule"):
            for name, times in sorted(self.counts.get(what, {}).items()):
                yield Fired(what, name, times)

    def never(self) -> list[Fired]:
        """What should have fired and did not."""
        return [fired for fired in self.fired() if not fired.times]

    def _add(self, what: str, counts: dict[str, int]) -> None:
        known = self.counts.setdefault(what, {})
        for name, times in counts.items():
            known[name] = known.get(name, 0) + times


def _refused(run: Run) -> Counter[str]:
    return Counter({f"refused {wish}": times for wish, times in run.refused.items()})
