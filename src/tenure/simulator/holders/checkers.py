"""What must hold of bodies, whatever elector is below their holders: one property each, read from the records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from tenure import trace
from tenure.core.events import NodeId
from tenure.durations import NS_PER_S, PPM
from tenure.simulator.checkers import Checker
from tenure.simulator.tenures import Tenures

ROUNDING_NS = 2
"""What instants of one clock may lose where they are told as those of true time."""
ENDED = (trace.Crashed, trace.Gone)
"""After these there is neither a body nor authority on a node."""


class OneBody(Checker):
    """At every true instant at most one body may act, and only while its own elector and no other gives authority; and
    of itself, with nobody telling it, it stops before its authority ends.

    What happens at one instant happens in no time: it is judged by what is so when time has passed.
    """

    name = "one-body"

    def __init__(self) -> None:
        self._held = Tenures()
        self._may_act: dict[NodeId, trace.Opened] = {}
        self._now_ns = 0

    def see(self, record: trace.Record) -> str | None:
        problem = self._pass_time(record.at_ns)
        self._held.see(record)
        match record:
            case trace.Opened():
                self._may_act[record.node] = record
            case trace.Told() | trace.Closed() | trace.Crashed() | trace.Gone():
                self._may_act.pop(record.node, None)
            case _:
                ...
        return problem

    def _pass_time(self, at_ns: int) -> str | None:
        from_ns, self._now_ns = self._now_ns, at_ns
        if at_ns == from_ns:
            return None
        for node, body in self._may_act.items():
            until_ns = min(body.until_ns, at_ns)
            if until_ns <= from_ns:
                continue
            who = f"the body of node {node} may act under token {body.token} until {body.until_ns / NS_PER_S:.6f} s"
            own = self._held.get(node)
            if own is None or own.token != body.token or own.until_ns < body.until_ns:
                return f"{who}, and its authority ends before"
            for other, held in self._held.items():
                if other != node and held.until_ns > from_ns:
                    return f"{who}, while node {other} has authority"
            for other, another in self._may_act.items():
                if other != node and another.until_ns > from_ns:
                    return f"{who}, and so may that of node {other} under token {another.token}"
        return None


class OneRuns(Checker):
    """A body begins only when every other has left, or has run past the instant by which it had to: so that work which
    stops in time never meets that of the next tenure, not even while it stops.
    """

    name = "one-runs"

    def __init__(self) -> None:
        self._running: dict[NodeId, tuple[int, int]] = {}  # by node: the token, and until when it may take

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Opened(node=node, token=token):
                is_new = node not in self._running
                self._running[node] = (token, record.until_ns)
                late = [n for n, (_, until_ns) in self._running.items() if n != node and until_ns > record.at_ns]
                if is_new and late:
                    return f"the body of node {node} began while that of node {late[0]} was still to stop in time"
            case trace.Told(node=node, token=token):
                self._running[node] = (token, record.hard_ns)
            case trace.Closed() | trace.Crashed() | trace.Gone():
                self._running.pop(record.node, None)
            case _:
                ...
        return None


class BodyTokensGrow(Checker):
    """Each body has a greater token than all before it."""

    name = "body-tokens-grow"

    def __init__(self) -> None:
        self._highest = 0
        self._current: dict[NodeId, int] = {}

    def see(self, record: trace.Record) -> str | None:
        if not isinstance(record, trace.Opened) or self._current.get(record.node) == record.token:
            return None
        self._current[record.node] = record.token
        before, self._highest = self._highest, max(self._highest, record.token)
        if record.token <= before:
            return f"the body of node {record.node} has token {record.token}, and one before had {before}"
        return None


class _Due(Checker):
    """Something must be done on a node by a true instant, or when the node goes on, if it stands still then."""

    def __init__(self) -> None:
        self.due_ns: dict[NodeId, int] = {}
        self._still: set[NodeId] = set()

    def see(self, record: trace.Record) -> str | None:
        late = next((n for n, due_ns in self.due_ns.items() if due_ns < record.at_ns and n not in self._still), None)
        if late is not None:
            self.due_ns.pop(late)
            return self.too_late(late)
        match record:
            case trace.Paused(node=node):
                self._still.add(node)
            case trace.Resumed(node=node):
                self._still.discard(node)
                if node in self.due_ns:
                    self.due_ns[node] = max(self.due_ns[node], record.at_ns)
            case trace.Crashed(node=node) | trace.Gone(node=node):
                self._still.discard(node)
                self.due_ns.pop(node, None)
            case _:
                return self.note(record)
        return None

    @abstractmethod
    def note(self, record: trace.Record) -> str | None:
        """Take in what happened to a body."""

    @abstractmethod
    def too_late(self, node: NodeId) -> str:
        """What was not done in time."""


class ToldInTime(_Due):
    """A body is told to stop a grace before its deadline at the latest; and none begins so late that it would be told
    before a single renewal could be answered.
    """

    name = "told-in-time"

    def __init__(self) -> None:
        super().__init__()
        self._open: set[NodeId] = set()
        self._ppm: dict[NodeId, int] = {}
        self._least_ns: dict[NodeId, int] = {}

    def note(self, record: trace.Record) -> str | None:
        match record:
            case trace.Clock(node=node):
                self._ppm[node] = record.ppm
            case trace.Stood(node=node):
                self._least_ns[node] = record.call_timeout_ns - ROUNDING_NS
            case trace.Opened(node=node):
                is_new = node not in self._open
                self._open.add(node)
                self.due_ns[node] = record.tell_by_ns
                left_ns = (record.tell_by_ns - record.at_ns) * (PPM + self._ppm.get(node, 0)) // PPM
                if is_new and left_ns < self._least_ns[node]:
                    return f"the body of node {node} began with {left_ns / NS_PER_S:g} s left until it must be told"
            case trace.Told(node=node):
                self.due_ns.pop(node, None)
            case trace.Closed(node=node):
                self.due_ns.pop(node, None)
                self._open.discard(node)
            case _:
                ...
        return None

    def see(self, record: trace.Record) -> str | None:
        if isinstance(record, ENDED):
            self._open.discard(record.node)
        return super().see(record)

    def too_late(self, node: NodeId) -> str:
        return f"the body of node {node} has less than its grace left, and was not told to stop"


class OverrunOnce(_Due):
    """A body that still runs at its hard deadline is reported then: neither before, nor later, nor twice."""

    name = "overrun-once"

    def __init__(self) -> None:
        super().__init__()
        self._hard_ns: dict[NodeId, int] = {}
        self._reported: set[NodeId] = set()

    def note(self, record: trace.Record) -> str | None:
        match record:
            case trace.Told(node=node):
                self._hard_ns[node] = record.hard_ns
                if node not in self._reported:
                    self.due_ns[node] = max(record.hard_ns, record.at_ns)
            case trace.Overran(node=node):
                self.due_ns.pop(node, None)
                if node in self._reported:
                    return f"the overrun of node {node} was reported twice"
                self._reported.add(node)
                if node not in self._hard_ns or record.at_ns < self._hard_ns[node]:
                    return f"an overrun of node {node} was reported before its hard deadline"
            case trace.Closed(node=node):
                self._forget(node)
            case _:
                ...
        return None

    def see(self, record: trace.Record) -> str | None:
        if isinstance(record, ENDED):
            self._forget(record.node)
        return super().see(record)

    def _forget(self, node: NodeId) -> None:
        self.due_ns.pop(node, None)
        self._hard_ns.pop(node, None)
        self._reported.discard(node)

    def too_late(self, node: NodeId) -> str:
        return f"the body of node {node} runs on after its hard deadline, and nobody was told"


class ReleasedLast(Checker):
    """A grant is given back only when the body that works under it has left."""

    name = "released-last"

    def __init__(self) -> None:
        self._running: dict[NodeId, int] = {}

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Opened():
                self._running[record.node] = record.token
            case trace.Released() if self._running.get(record.node) == record.token:
                return f"node {record.node} gave token {record.token} back while its body ran"
            case trace.Closed() | trace.Crashed() | trace.Gone():
                self._running.pop(record.node, None)
            case _:
                ...
        return None


class RenewedAlive(Checker):
    """A renewal leaves only for an owner that proves itself alive, and for no longer than the grace while it drains."""

    name = "renewed-alive"

    def __init__(self) -> None:
        self._budget: dict[NodeId, trace.Stood] = {}

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Stood():
                self._budget[record.node] = record
            case trace.Renews(node=node, silent_ns=silent_ns, draining_ns=draining_ns):
                if silent_ns > self._budget[node].stall_after_ns:
                    return f"node {node} renewed for an owner that was silent for {silent_ns / NS_PER_S:g} s"
                if draining_ns and draining_ns >= self._budget[node].grace_ns:
                    return f"node {node} renewed {draining_ns / NS_PER_S:g} s after its body was told to stop"
            case _:
                ...
        return None


class BodyWorks(Checker):
    """In the end a body works on one of the nodes of `converging`, or on any where that is empty."""

    name = "body-works"

    def __init__(self, converging: Iterable[NodeId]) -> None:
        self._converging = frozenset(converging)
        self._until_ns: dict[NodeId, int] = {}

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Opened():
                self._until_ns[record.node] = record.until_ns
            case trace.Told() | trace.Closed() | trace.Crashed() | trace.Gone():
                self._until_ns.pop(record.node, None)
            case _:
                ...
        return None

    def ended(self, at_ns: int) -> str | None:
        working = {node for node, until_ns in self._until_ns.items() if until_ns > at_ns}
        return None if working & (self._converging or working) else "in the end nobody's body works"


ALWAYS: dict[str, type[Checker]] = {
    kind.name: kind for kind in (OneBody, OneRuns, BodyTokensGrow, ToldInTime, OverrunOnce, ReleasedLast, RenewedAlive)
}
"""Those that object at the instant of the fault."""
NAMES = (*ALWAYS, BodyWorks.name)


def make(names: Iterable[str], converging: Iterable[NodeId]) -> list[Checker]:
    """Fresh checkers of those among these names that are about bodies."""
    return [ALWAYS[name]() if name in ALWAYS else BodyWorks(converging) for name in names if name in NAMES]
