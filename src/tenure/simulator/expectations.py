"""What a scenario expects at a true instant, as data, as words, and compared with what is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tenure.algorithms.raft import Raft
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError
from tenure.simulator.callers import NOTHING
from tenure.simulator.given import MOST_SHOWN
from tenure.simulator.world import World

SAYINGS = (
    "expect leader N, leaders N N, no leader, holder N, no holder, one leader, term 2, voters 1 2 3, "
    "voters 1 2 | 2 3, N tells done (or 7, none, ask N, ask later, busy, unknown, refused, nothing)"
)


What = Literal["leader", "leaders", "no leader", "one leader", "holder", "no holder", "term", "voters", "tells"]


class Expectation(NamedTuple):
    """What must be so at a true instant, in the words of `SAYINGS`."""

    at_ns: int
    what: What
    nodes: tuple[NodeId, ...] = ()
    said: str = ""
    """Of `term` the number, of `tells` what the node told."""
    old: tuple[NodeId, ...] = ()
    """Of `voters`: the old ones, where both must agree."""

    def __str__(self) -> str:
        match self.what:
            case "tells":
                return f"{self.nodes[0]} tells {self.said}"
            case "term":
                return f"term {self.said}"
            case "voters" if self.old:
                return f"voters {_numbers(self.old)} | {_numbers(self.nodes)}"
            case _:
                return " ".join((self.what, *map(str, self.nodes)))

    @property
    def is_of_raft(self) -> bool:
        """Whether only an elector that serves clients, by voters that can change, can be as expected."""
        return self.what in {"tells", "voters"}


_N = r"\d{1,9}"
_NODES = re.compile(rf"(leader|holder|leaders)((?: {_N})+)|(no leader|no holder|one leader)")
_TERM = re.compile(rf"term ({_N})")
_VOTERS = re.compile(rf"voters((?: {_N})+)(?: \|((?: {_N})+))?")
_TELLS = re.compile(rf"({_N}) tells (done|{_N}|none|ask {_N}|ask later|busy|unknown|refused|{NOTHING})")


def parse(at_ns: int, words: str) -> Expectation:
    """What these words expect. Raises ConfigurationError, which lists all that can be expected."""
    if match := _NODES.fullmatch(words):
        nodes = _nodes(match[2] or "")
        if match[1] in {None, "leaders"} or len(nodes) == 1:
            what: Any = match[1] or match[3]  # one of What: nothing else is matched
            return Expectation(at_ns, what, nodes)
    if match := _TERM.fullmatch(words):
        return Expectation(at_ns, "term", said=str(int(match[1])))
    if match := _VOTERS.fullmatch(words):
        old, new = (match[1], match[2]) if match[2] else ("", match[1])
        return Expectation(at_ns, "voters", _nodes(new), old=_nodes(old))
    if match := _TELLS.fullmatch(words):
        return Expectation(at_ns, "tells", (int(match[1]),), match[2])
    raise ConfigurationError(f"{words[:MOST_SHOWN]!r} is no expectation; write one of: {SAYINGS}")


def compare(what: tuple[World, Mapping[NodeId, str], Expectation, Callable[[str, int, str], None]]) -> None:
    """Object, by checker, instant and words, where what is expected is not so."""
    world, told, expected, object_to = what
    if (why := why_not(world, told, expected)) is not None:
        object_to("expectation", world.now_ns, f"expected {expected}; {why}")


def why_not(world: World, told: Mapping[NodeId, str], expected: Expectation) -> str | None:
    """What is, where it is not as expected. `told` is what each node told its last client."""
    if expected.what == "tells":
        found = told.get(expected.nodes[0], NOTHING)
        return None if found == expected.said else f"node {expected.nodes[0]} tells {found}"
    if expected.what == "term":
        terms = {number: elector.term for number, elector in world.electors.items()}
        return None if max(terms.values(), default=0) == int(expected.said) else f"terms are {terms}"
    if expected.what == "voters":
        return _why_not_voters(world, expected)
    return _why_not_leaders(world, expected)


def _why_not_voters(world: World, expected: Expectation) -> str | None:
    """Those of the leader of the latest term."""
    leading = [one for number, one in world.electors.items() if one.leader == number and isinstance(one, Raft)]
    if not leading:
        return "nobody leads"
    found = max(leading, key=lambda one: one.term).configuration
    if (set(found.voters), set(found.old)) == (set(expected.nodes), set(expected.old)):
        return None
    return f"the leader has voters {_numbers(found.voters)}" + (
        f", old ones {_numbers(found.old)}" if found.old else ""
    )


def _why_not_leaders(world: World, expected: Expectation) -> str | None:
    recognised = {number: elector.leader for number, elector in world.electors.items()}
    leading = tuple(number for number, leader in recognised.items() if leader == number)
    holding = tuple(
        number
        for number, node in sorted(world.nodes.items())
        if node.elector is not None and node.held is not None and node.held[1] > node.clock.at(world.now_ns)
    )
    match expected.what:
        case "leader":
            is_so = set(recognised.values()) == set(expected.nodes)
        case "leaders":
            is_so = leading == tuple(sorted(expected.nodes))
        case "no leader":
            is_so = not leading
        case "one leader":
            is_so = len(leading) == 1 and set(recognised.values()) == set(leading)
        case "holder":
            is_so = holding == expected.nodes
        case _:
            is_so = not holding
    return None if is_so else f"each recognises {recognised}; who holds: {list(holding)}"


def _nodes(words: str) -> tuple[NodeId, ...]:
    return tuple(int(word) for word in words.split())


def _numbers(nodes: tuple[NodeId, ...]) -> str:
    return " ".join(map(str, nodes))
