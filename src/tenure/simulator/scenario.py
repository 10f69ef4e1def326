"""Scenario scripts: what happens to a group, when, and what is expected, in plain text.

    # two sides of a partition
    algorithm bully
    nodes 1 2 3 4 5
    until 20s
    at 5s   partition 1 2 | 3 4 5
    at 9s   expect leaders 2 5
    at 10s  heal
    at 19s  expect leader 5

A line is one of: `algorithm NAME`, `nodes N...`, `seed N`, `until DURATION`, `detector NAME`, `hosts N... | N...` (the
nodes of one host, whose kernel tells each of them when another's process is gone), `at TIME FAULT`, `at TIME expect
...`, and `converge N... from TIME`: from then on nothing goes wrong, and these must come to agree. Of an algorithm that
serves clients also `at TIME write KEY 1 at N`, `write KEY 1..60 at N` and `read KEY at N`, or `clients for DURATION`:
the seed says what they ask for, and what the group's settings are, as it does in a hunt of runs that last so long.

What can be expected is one of: `leader N` (all that live recognise it), `leaders N...` (just these believe that they
lead), `no leader` (nobody does), `holder N` (just it may act), `no holder`, `one leader` (whoever it is), `term N` (the
latest of those that live); of one that serves also `voters N...` and, where old and new ones must both agree, `voters
N... | N...` (at the leader), and `N tells ...` (what it answered to who asked it last).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tenure.core.events import NodeId
from tenure.durations import to_ns
from tenure.errors import ConfigurationError
from tenure.simulator import callers, expectations
from tenure.simulator.callers import AnyCall
from tenure.simulator.expectations import Expectation
from tenure.simulator.faults import NUMBER, AnyFault, Join, Stroke, duration, parse
from tenure.simulator.given import MOST_SHOWN

LIMIT_BYTES = 1 << 24
LIMIT_LINES = 100_000
FIELDS = {"until": "until_ns", "clients": "clients_ns"}
"""What the lines of a script are called in a Scenario, where that is something else."""


class Called(NamedTuple):
    """Somebody asks a node for something at a true instant."""

    at_ns: int
    call: AnyCall


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a script says; None for what it leaves to the caller."""

    algorithm: str | None = None
    nodes: tuple[NodeId, ...] | None = None
    seed: int | None = None
    until_ns: int | None = None
    detector: str | None = None
    hosts: tuple[tuple[NodeId, ...], ...] = ()
    """As in `Surroundings`."""
    clients_ns: int | None = None
    """For so long clients go on whose wishes the seed draws, with the group's settings; None: there are none."""
    strokes: tuple[Stroke, ...] = ()
    calls: tuple[Called, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    healed_ns: int | None = None
    """From when on `converging` are judged for agreement and termination."""
    converging: tuple[NodeId, ...] = ()

    def script(self) -> str:
        """The same as text."""
        lines = [f"algorithm {self.algorithm}"] if self.algorithm else []
        lines += [f"nodes {' '.join(map(str, self.nodes))}"] if self.nodes else []
        lines += [f"seed {self.seed}"] if self.seed is not None else []
        lines += [f"until {duration(self.until_ns)}"] if self.until_ns is not None else []
        lines += [f"detector {self.detector}"] if self.detector else []
        if self.hosts:
            lines.append(f"hosts {' | '.join(' '.join(map(str, host)) for host in self.hosts)}")
        lines += [f"clients for {duration(self.clients_ns)}"] if self.clients_ns is not None else []
        if self.healed_ns is not None:
            lines.append(f"converge {' '.join(map(str, self.converging))} from {duration(self.healed_ns)}")
        timed = [(stroke.at_ns, str(stroke.fault)) for stroke in self.strokes]
        timed += [(called.at_ns, str(called.call)) for called in self.calls]
        timed += [(expected.at_ns, f"expect {expected}") for expected in self.expectations]
        lines += [f"at {duration(at_ns)} {words}" for at_ns, words in sorted(timed, key=lambda line: line[0])]
        return "".join(f"{line}\n" for line in lines)


def read(path: Path) -> Scenario:
    """The scenario in this file. Raises ConfigurationError, which names the line, and OSError."""
    with path.open("rb") as file:
        content = file.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise ConfigurationError(f"{path} has more than {LIMIT_BYTES} bytes, as no scenario has; is it another file?")
    try:
        scenario = parse_script(content.decode("utf-8"), name=str(path))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text in UTF-8; a scenario is a text such as `at 5s crash 3`") from error
    refuse_what_cannot_happen(scenario, scenario.nodes, scenario.until_ns, name=str(path))
    return scenario


def refuse_what_cannot_happen(
    scenario: Scenario, nodes: Sequence[NodeId] | None, until_ns: int | None, *, name: str = "the scenario"
) -> None:
    """What is said of a node that never is, or after the end, was meant otherwise. None: that is not known yet.

    Raises ConfigurationError.
    """
    known = {*(nodes or ()), *(one.fault.node for one in scenario.strokes if isinstance(one.fault, Join))}
    expected = [(one.at_ns, f"expect {one}", {*one.nodes, *one.old}) for one in scenario.expectations]
    called = [(one.at_ns, str(one.call), {one.call.node}) for one in scenario.calls]
    if nodes and (unknown := {node for host in scenario.hosts for node in host} - known):
        raise ConfigurationError(f"{name}: hosts: there is no node {min(unknown)}; add it to `nodes`, or let it join")
    for at_ns, words, named in [
        *((at_ns, str(fault), _nodes_of(fault)) for at_ns, fault in scenario.strokes),
        *called,
        *expected,
    ]:
        line = f"{name}: at {duration(at_ns)} {words}"
        if nodes and (unknown := named - known):
            raise ConfigurationError(f"{line}: there is no node {min(unknown)}; add it to `nodes`, or let it join")
        if until_ns is not None and at_ns > until_ns:
            raise ConfigurationError(f"{line}: the run ends at {duration(until_ns)}; say a later `until`")
        if at_ns < 0:
            raise ConfigurationError(f"{line}: a run begins at 0s; say a later instant")


def parse_script(text: str, *, name: str = "the scenario") -> Scenario:
    """The scenario in this text. Raises ConfigurationError, which names the line."""
    said: dict[str, Any] = {}
    timed: list[Stroke | Called | Expectation] = []
    lines = text.splitlines()
    if len(lines) > LIMIT_LINES:
        raise ConfigurationError(f"{name} has {len(lines)} lines, and {LIMIT_LINES} are allowed")
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            verb, *rest = words.split(maxsplit=1)
            if verb == "at":
                timed.append(_timed(" ".join(rest)))
            elif verb in said:
                raise ConfigurationError(f"{verb} is said twice; leave one of them out")
            else:
                said[verb] = _setting(verb, " ".join(rest))
        except ValueError as error:
            raise ConfigurationError(f"{name}, line {number}: {error}") from error
    timed.sort(key=lambda one: one.at_ns)
    made: Any = Scenario  # each setting is of the type that _setting gives it
    converging, healed_ns = said.pop("converge", ((), None))
    scenario: Scenario = made(
        **{FIELDS.get(verb, verb): value for verb, value in said.items()},
        strokes=tuple(one for one in timed if isinstance(one, Stroke)),
        calls=tuple(one for one in timed if isinstance(one, Called)),
        expectations=tuple(one for one in timed if isinstance(one, Expectation)),
        converging=converging,
        healed_ns=healed_ns,
    )
    return scenario


def _nodes_of(fault: AnyFault) -> set[NodeId]:
    """Every node that it names."""
    values = [getattr(fault, name) for name in fault.__struct_fields__ if name in _NAMING]
    return {node for value in values for node in _flat(value)}


_NAMING = frozenset({"node", "peer", "sender", "to", "voters", "groups"})


def _flat(value: object) -> Iterator[NodeId]:
    if isinstance(value, tuple):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, int):
        yield value


def _setting(verb: str, rest: str) -> object:
    match verb:
        case "algorithm" | "detector":
            if not rest:
                raise ConfigurationError(f"{verb} names none; write for example `algorithm bully`, `detector phi`")
            return rest
        case "seed":
            if re.fullmatch(r"\d{1,18}", rest) is None:
                raise ConfigurationError(f"seed {rest[:MOST_SHOWN]}: give a whole number such as `seed 7`")
            return int(rest)
        case "until":
            return to_ns(rest)
        case "nodes":
            return _nodes(rest)
        case "clients":
            of, _, clients_for = rest.partition("for ")
            if of or not to_ns(clients_for):
                raise ConfigurationError(f"clients {rest[:MOST_SHOWN]}: write for example `clients for 60s`")
            return to_ns(clients_for)
        case "hosts":
            return tuple(_nodes(host) for host in rest.split("|"))
        case "converge":
            nodes, _, instant = rest.partition(" from ")
            return _nodes(nodes), to_ns(instant)
        case _:
            raise ConfigurationError(
                f"{verb!r} begins no line of a scenario; these do: algorithm, nodes, seed, until, detector, "
                "hosts, clients, converge, at"
            )


def _nodes(words: str) -> tuple[NodeId, ...]:
    said = words.split()
    nodes = tuple(int(word) for word in said if NUMBER.fullmatch(word))
    if not nodes or len(nodes) != len(said) or len(set(nodes)) != len(nodes) or min(nodes) < 1:
        raise ConfigurationError(f"nodes {words[:MOST_SHOWN]}: give different numbers from 1 on, such as `nodes 1 2 3`")
    return nodes


def _timed(rest: str) -> Stroke | Called | Expectation:
    instant, *said = rest.split() or [""]
    at_ns, words = to_ns(instant), " ".join(said)
    match said[:1]:
        case ["expect"]:
            return expectations.parse(at_ns, " ".join(said[1:]))
        case [verb] if verb in callers.VERBS:
            return Called(at_ns, callers.parse(words))
        case _:
            return Stroke(at_ns, parse(words))
