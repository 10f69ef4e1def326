"""What must hold, one property each, judged from the records of a run and never by the algorithm itself.

A checker sees each record as it happens, but for those of single messages, and says what is wrong; `ended` is asked
once, after the last. Names are those that `--check` takes and that tables of mutants give.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from tenure import trace
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator.tenures import Tenures

STEADY_NS = NS_PER_S
"""For how long they must agree in the end: longer than a detector and an election of the defaults need to undo it."""


class Violation(NamedTuple):
    """A checker's objection, and the true instant at which it saw the fault."""

    checker: str
    at_ns: int
    text: str

    def __str__(self) -> str:
        return f"{self.at_ns / NS_PER_S:.6f} s  {self.checker}: {self.text}"


class Checker(ABC):
    """One property of one run."""

    name: ClassVar[str]

    @abstractmethod
    def see(self, record: trace.Record) -> str | None:
        """Take in what happened; what is wrong with it, if anything."""

    def ended(self, at_ns: int) -> str | None:
        """What is wrong with the whole, now that it is over, which may be long after the last record."""
        del at_ns
        return None


class OneAtATime(Checker):
    """No two nodes are authorised at one true instant."""

    name = "one-at-a-time"

    def __init__(self) -> None:
        self._held = Tenures()

    def see(self, record: trace.Record) -> str | None:
        self._held.see(record)
        if isinstance(record, trace.Held):
            for other in self._held.values():
                if other.node != record.node and record.at_ns < min(other.until_ns, record.until_ns):
                    return (
                        f"node {record.node} may act under token {record.token} while node {other.node} may under "
                        f"token {other.token} for {(other.until_ns - record.at_ns) / NS_PER_S:g} s more"
                    )
        return None


class TokensGrow(Checker):
    """Every tenure's token is greater than all before it. One that has run out is over, and none is extended then."""

    name = "tokens-grow"

    def __init__(self) -> None:
        self._highest = 0
        self._held = Tenures()

    def see(self, record: trace.Record) -> str | None:
        problem = self._why_not(record) if isinstance(record, trace.Held) else None
        self._held.see(record)
        return problem

    def _why_not(self, held: trace.Held) -> str | None:
        current = self._held.get(held.node)
        if current is not None and current.token == held.token and held.at_ns < current.until_ns:
            return None
        before, self._highest = self._highest, max(self._highest, held.token)
        if held.token <= before:
            return f"node {held.node} has token {held.token}, and {before} was given before"
        return None


class OnePerTerm(Checker):
    """Whoever recognises a leader in one term recognises the same."""

    name = "one-per-term"

    def __init__(self) -> None:
        self._leaders: dict[int, NodeId] = {}

    def see(self, record: trace.Record) -> str | None:
        if isinstance(record, trace.Became) and record.leader is not None:
            leader = self._leaders.setdefault(record.term, record.leader)
            if leader != record.leader:
                return f"in term {record.term} node {record.node} recognises {record.leader}, and others {leader}"
        return None


class OneLeader(Checker):
    """No two nodes believe that they lead. No algorithm promises that without authority: it shows what they do not."""

    name = "one-leader"

    def __init__(self) -> None:
        self._leading: set[NodeId] = set()

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Became(node=node, leader=leader):
                if leader == node and node not in self._leading:
                    self._leading.add(node)
                    if len(self._leading) > 1:
                        return f"nodes {' and '.join(map(str, sorted(self._leading)))} believe that they lead"
                elif leader != node:
                    self._leading.discard(node)
            case trace.Crashed() | trace.Gone():
                self._leading.discard(record.node)
            case _:
                ...
        return None


class _Final(Checker):
    """Judges what the nodes of `converging` are in the end; where it is empty, all that live."""

    def __init__(self, converging: Iterable[NodeId]) -> None:
        self._converging = frozenset(converging)
        self._last: dict[NodeId, trace.Became] = {}
        self._held = Tenures()
        self._recognises_from_ns: dict[NodeId, int] = {}

    def see(self, record: trace.Record) -> str | None:
        self._held.see(record)
        match record:
            case trace.Became(node=node):
                if node not in self._last or self._last[node].leader != record.leader:
                    self._recognises_from_ns[node] = record.at_ns
                self._last[node] = record
            case trace.Crashed(node=node) | trace.Gone(node=node):
                self._last.pop(node, None)
                self._recognises_from_ns.pop(node, None)
            case _:
                ...
        return None

    def _leaders(self) -> dict[NodeId, NodeId | None]:
        """Whom each that lives recognises."""
        return {node: last.leader for node, last in sorted(self._last.items()) if self._counts(node)}

    def _counts(self, node: NodeId) -> bool:
        return not self._converging or node in self._converging


class Agreement(_Final):
    """In the end all that live and reach one another recognise the same leader, which is one of them; and they have
    done so for a while, so that no moment between two elections is taken for the end of them.
    """

    name = "agreement"

    def ended(self, at_ns: int) -> str | None:
        leaders = self._leaders()
        if len(set(leaders.values())) != 1 or not set(leaders.values()) <= leaders.keys():
            return "in the end " + (_listed(leaders) or "nobody lives")
        latest = max(leaders, key=lambda node: self._recognises_from_ns[node])
        steady_ns = at_ns - self._recognises_from_ns[latest]
        if steady_ns < STEADY_NS:
            return f"they agree in the end, but node {latest} only since {steady_ns / NS_PER_S:g} s"
        return None


class GreatestLeads(_Final):
    """In the end all that live and reach one another recognise the greatest number among them."""

    name = "greatest-leads"

    def ended(self, at_ns: int) -> str | None:
        del at_ns
        leaders = self._leaders()
        return None if leaders and set(leaders.values()) == {max(leaders)} else "in the end " + _listed(leaders)


HANDOVER_NS = 2 * NS_PER_S
"""How long nobody may hold after a holder has ended its tenure: a claim that overtook the release is tried again."""


class Termination(_Final):
    """Once the faults have ended, an election ends: somebody leads, or holds where there is authority.

    A leader that makes way for a better one, at once or at its deadline, leaves a gap, and a run may end in it.
    """

    name = "termination"

    def __init__(self, converging: Iterable[NodeId], *, has_authority: bool) -> None:
        super().__init__(converging)
        self._has_authority = has_authority
        self._lost_ns = -HANDOVER_NS

    def see(self, record: trace.Record) -> str | None:
        if isinstance(record, trace.Lost) and record.node in self._held:
            self._lost_ns = record.at_ns
        return super().see(record)

    def ended(self, at_ns: int) -> str | None:
        if self._has_authority:
            holders = [node for node, held in self._held.items() if held.until_ns > at_ns and self._counts(node)]
            is_gap = at_ns - self._lost_ns < HANDOVER_NS
            return None if holders or is_gap else "in the end nobody holds a tenure"
        leading = [node for node, leader in self._leaders().items() if leader == node]
        return None if leading else "in the end nobody leads"


def _listed(leaders: Mapping[NodeId, NodeId | None]) -> str:
    return ", ".join(f"node {node} recognises {leader}" for node, leader in leaders.items())


ALWAYS: dict[str, type[Checker]] = {kind.name: kind for kind in (OneAtATime, TokensGrow, OnePerTerm, OneLeader)}
"""Those that object at the instant of the fault."""
FINAL: dict[str, type[_Final]] = {kind.name: kind for kind in (Agreement, GreatestLeads, Termination)}
"""Those that object in the end: not of a run whose calm is too short."""
NAMES = (*ALWAYS, *FINAL)
_OF_GUARANTEE = {
    Guarantee.ONE_AT_A_TIME: OneAtATime.name,
    Guarantee.TOKENS_GROW: TokensGrow.name,
    Guarantee.ONE_PER_TERM: OnePerTerm.name,
    Guarantee.AGREEMENT: Agreement.name,
    Guarantee.GREATEST: GreatestLeads.name,
    Guarantee.TERMINATION: Termination.name,
}


def names_for(guarantees: Iterable[Guarantee]) -> tuple[str, ...]:
    """The checkers that judge these promises, in the order of NAMES."""
    wanted = {_OF_GUARANTEE[guarantee] for guarantee in guarantees}
    return tuple(name for name in NAMES if name in wanted)


def make(names: Iterable[str], converging: Iterable[NodeId], *, has_authority: bool) -> list[Checker]:
    """Fresh checkers of these names. Raises ConfigurationError for a name that is none."""
    made: list[Checker] = []
    nodes = tuple(converging)
    for name in names:
        if name not in NAMES:
            raise ConfigurationError(f"there is no checker {name!r}; there are: {', '.join(NAMES)}")
        if name in ALWAYS:
            made.append(ALWAYS[name]())
        elif name == Termination.name:
            made.append(Termination(nodes, has_authority=has_authority))
        else:
            made.append(FINAL[name](nodes))
    return made
