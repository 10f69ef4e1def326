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
...`, and `converge N... from TIME`: from then on nothing goes wrong, and these must come to agree. What can be
expected is one of: `leader N` (all that live recognise it), `leaders N...` (just these believe that they lead), `no
leader` (nobody does), `holder N` (just it may act), `no holder`, `one leader` (whoever it is).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from tenure.core.events import NodeId
from tenure.durations import to_ns
from tenure.errors import ConfigurationError
from tenure.simulator.faults import MOST_SHOWN, NUMBER, Join, Stroke, duration, nodes_of, parse

LIMIT_LINES = 100_000
What = Literal["leader", "leaders", "no leader", "one leader", "holder", "no holder"]


class Expectation(NamedTuple):
    """What must be so at a true instant, as the head of this file says."""

    at_ns: int
    what: What
    nodes: tuple[NodeId, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.what, *map(str, self.nodes)))


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a script says; None for what it leaves to the caller."""

    algorithm: str | None = None
    nodes: tuple[NodeId, ...] | None = None
    seed: int | None = None
    until_ns: int | None = None
    detector: str | None = None
    hosts: tuple[tuple[NodeId, ...], ...] = ()
    """As in `Surroundings`."""
    strokes: tuple[Stroke, ...] = ()
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
        if self.healed_ns is not None:
            lines.append(f"converge {' '.join(map(str, self.converging))} from {duration(self.healed_ns)}")
        timed = [(stroke.at_ns, str(stroke.fault)) for stroke in self.strokes]
        timed += [(expected.at_ns, f"expect {expected}") for expected in self.expectations]
        lines += [f"at {duration(at_ns)} {words}" for at_ns, words in sorted(timed, key=lambda line: line[0])]
        return "".join(f"{line}\n" for line in lines)


_EXPECT = re.compile(r"(leader|holder) (\d{1,9})|(leaders)((?: \d{1,9})+)|(no leader|no holder|one leader)")


def read(path: Path) -> Scenario:
    """The scenario in this file. Raises ConfigurationError, which names the line, and OSError."""
    try:
        scenario = parse_script(path.read_text(encoding="utf-8"), name=str(path))
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
    expected = [(one.at_ns, f"expect {one}", set(one.nodes)) for one in scenario.expectations]
    if nodes and (unknown := {node for host in scenario.hosts for node in host} - known):
        raise ConfigurationError(f"{name}: hosts: there is no node {min(unknown)}; add it to `nodes`, or let it join")
    for at_ns, words, named in [
        *((at_ns, str(fault), nodes_of(fault)) for at_ns, fault in scenario.strokes),
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
    strokes: list[Stroke] = []
    expectations: list[Expectation] = []
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
                _timed(" ".join(rest), strokes, expectations)
            elif verb in said:
                raise ConfigurationError(f"{verb} is said twice; leave one of them out")
            else:
                said[verb] = _setting(verb, " ".join(rest))
        except ValueError as error:
            raise ConfigurationError(f"{name}, line {number}: {error}") from error
    strokes.sort(key=lambda stroke: stroke.at_ns)
    expectations.sort(key=lambda expected: expected.at_ns)
    made: Any = Scenario  # each setting is of the type that _setting gives it
    converging, healed_ns = said.pop("converge", ((), None))
    scenario: Scenario = made(
        **{"until_ns" if verb == "until" else verb: value for verb, value in said.items()},
        strokes=tuple(strokes),
        expectations=tuple(expectations),
        converging=converging,
        healed_ns=healed_ns,
    )
    return scenario


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
        case "hosts":
            return tuple(_nodes(host) for host in rest.split("|"))
        case "converge":
            nodes, _, instant = rest.partition(" from ")
            return _nodes(nodes), to_ns(instant)
        case _:
            raise ConfigurationError(
                f"{verb!r} begins no line of a scenario; these do: algorithm, nodes, seed, until, detector, "
                "hosts, converge, at"
            )


def _nodes(words: str) -> tuple[NodeId, ...]:
    said = words.split()
    nodes = tuple(int(word) for word in said if NUMBER.fullmatch(word))
    if not nodes or len(nodes) != len(said) or len(set(nodes)) != len(nodes) or min(nodes) < 1:
        raise ConfigurationError(f"nodes {words[:MOST_SHOWN]}: give different numbers from 1 on, such as `nodes 1 2 3`")
    return nodes


def _timed(rest: str, strokes: list[Stroke], expectations: list[Expectation]) -> None:
    instant, *said = rest.split() or [""]
    at_ns, words = to_ns(instant), " ".join(said)
    if said[:1] != ["expect"]:
        strokes.append(Stroke(at_ns, parse(words)))
        return
    match = _EXPECT.fullmatch(words.removeprefix("expect").strip())
    if match is None:
        raise ConfigurationError(
            f"{words[:MOST_SHOWN]!r} is no expectation; write one of: expect leader N, leaders N N, no leader, "
            "holder N, no holder, one leader"
        )
    what: Any = match[1] or match[3] or match[5]  # one of What: nothing else is matched
    nodes = tuple(int(word) for word in (match[2] or match[4] or "").split())
    expectations.append(Expectation(at_ns, what, nodes))
