"""What must hold, one property each, judged from the records of a run and never by the algorithm itself.

A checker sees each record as it happens and says what is wrong; `ended` is asked once, after the last. Names are those
that `--check` takes and that tables of mutants give.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from tenure import trace
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError


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

    def ended(self) -> str | None:
        """What is wrong with the whole, now that it is over."""
        return None


class OneAtATime(Checker):
    """No two nodes are authorised at one true instant."""

    name = "one-at-a-time"

    def __init__(self) -> None:
        self._held: dict[NodeId, trace.Held] = {}

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Held():
                self._held[record.node] = record
                for other in self._held.values():
                    if other.node != record.node and record.at_ns < min(other.until_ns, record.until_ns):
                        return (
                            f"node {record.node} may act under token {record.token} while node {other.node} may under "
                            f"token {other.token} for {(other.until_ns - record.at_ns) / NS_PER_S:g} s more"
                        )
            case trace.Lost() | trace.Crashed() | trace.Gone():
                self._held.pop(record.node, None)
            case _:
                ...
        return None


class TokensGrow(Checker):
    """Every tenure's token is greater than all before it."""

    name = "tokens-grow"

    def __init__(self) -> None:
        self._highest = 0
        self._current: dict[NodeId, int] = {}

    def see(self, record: trace.Record) -> str | None:
        match record:
            case trace.Held():
                if self._current.get(record.node) == record.token:
                    return None
                before, self._highest = self._highest, max(self._highest, record.token)
                self._current[record.node] = record.token
                if record.token <= before:
                    return f"node {record.node} has token {record.token}, and {before} was given before"
            case trace.Lost() | trace.Crashed() | trace.Gone():
                self._current.pop(record.node, None)
            case _:
                ...
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
    """Judges what nodes are in the end."""

    def __init__(self, converging: Iterable[NodeId]) -> None:
        self.converging = tuple(converging)
        self.last: dict[NodeId, trace.Became] = {}
        self.held: dict[NodeId, trace.Held] = {}
        self.now_ns = 0

    def see(self, record: trace.Record) -> str | None:
        self.now_ns = record.at_ns
        match record:
            case trace.Became():
                self.last[record.node] = record
            case trace.Held():
                self.held[record.node] = record
            case trace.Crashed() | trace.Gone():
                self.last.pop(record.node, None)
                self.held.pop(record.node, None)
            case trace.Lost():
                self.held.pop(record.node, None)
            case _:
                ...
        return None


class Agreement(_Final):
    """In the end all that live and reach one another recognise the same leader, which is one of them."""

    name = "agreement"

    def ended(self) -> str | None:
        leaders = {node: self.last[node].leader for node in self.converging if node in self.last}
        if len(set(leaders.values())) == 1 and set(leaders.values()) <= set(self.converging):
            return None
        return "in the end " + ", ".join(f"node {node} recognises {leader}" for node, leader in sorted(leaders.items()))


class Termination(_Final):
    """Once the faults have ended, an election ends: somebody leads, or holds where there is authority."""

    name = "termination"

    def __init__(self, converging: Iterable[NodeId], *, has_authority: bool) -> None:
        super().__init__(converging)
        self._has_authority = has_authority

    def ended(self) -> str | None:
        if self._has_authority:
            holders = [held.node for held in self.held.values() if held.until_ns > self.now_ns]
            return None if set(holders) & set(self.converging) else "in the end nobody holds a tenure"
        leading = [node for node in self.converging if node in self.last and self.last[node].leader == node]
        return None if leading else "in the end nobody leads"


ALWAYS: dict[str, type[Checker]] = {kind.name: kind for kind in (OneAtATime, TokensGrow, OnePerTerm, OneLeader)}
"""Those that object at the instant of the fault."""
NAMES = (*ALWAYS, Agreement.name, Termination.name)
_OF_GUARANTEE = {
    Guarantee.ONE_AT_A_TIME: OneAtATime.name,
    Guarantee.TOKENS_GROW: TokensGrow.name,
    Guarantee.ONE_PER_TERM: OnePerTerm.name,
    Guarantee.AGREEMENT: Agreement.name,
    Guarantee.TERMINATION: Termination.name,
}


def names_for(guarantees: Iterable[Guarantee]) -> tuple[str, ...]:
    """The checkers that judge these promises, in the order of NAMES."""
    wanted = {_OF_GUARANTEE[guarantee] for guarantee in guarantees}
    return tuple(name for name in NAMES if name in wanted)


def make(names: Iterable[str], converging: Iterable[NodeId], *, has_authority: bool) -> list[Checker]:
    """Fresh checkers of these names. Raises ConfigurationError for a name that is none."""
    made: list[Checker] = []
    for name in names:
        if name in ALWAYS:
            made.append(ALWAYS[name]())
        elif name == Agreement.name:
            made.append(Agreement(converging))
        elif name == Termination.name:
            made.append(Termination(converging, has_authority=has_authority))
        else:
            raise ConfigurationError(f"there is no checker {name!r}; there are: {', '.join(NAMES)}")
    return made
