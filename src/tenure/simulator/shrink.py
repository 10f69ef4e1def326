"""Shrinks what goes wrong in a run to a smallest schedule to which the same checker still objects.

Delta debugging (A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on
Software Engineering 28(2), 2002, doi:10.1109/32.988498, the algorithm ddmin) over what happens, in turns with fewer
nodes, shorter times and rounder numbers, until nothing of these helps.

What must hold in the end is judged after a calm. A schedule without it would be objected to for no fault of the
algorithm; so the calm keeps its length, and after each step it is drawn up anew to mend what is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import checkers, faults, plan
from tenure.simulator.checkers import Violation
from tenure.simulator.faults import AnyFault, Stroke
from tenure.simulator.network import MS
from tenure.simulator.run import run, set_up
from tenure.simulator.scenario import Scenario, refuse_what_cannot_happen

MOST_RUNS = 500
"""A minute or so for a group of five; most are done in much less."""
UNITS_NS = (10 * NS_PER_S, NS_PER_S, 100 * MS, 10 * MS, MS)
"""Instants and durations are rounded to one of these, the coarsest that still shows it."""


class Shrunk(NamedTuple):
    """The smallest schedule that was found, the objection to it, and how many runs that took."""

    scenario: Scenario
    violation: Violation
    runs: int


class _Case(msgspec.Struct, frozen=True):
    """A schedule without its calm: strokes in order of time, and when that ends (`healed_ns` of a plan, or the run)."""

    nodes: tuple[NodeId, ...]
    strokes: tuple[Stroke, ...]
    end_ns: int


def objection(scenario: Scenario, checker: str) -> Violation | None:
    """The first objection of this checker to the scenario; None where it has none."""
    check = (checker,) if checker in checkers.NAMES else ()
    done = run(set_up(scenario=scenario, check=check), keeps_trace=False)
    return next((violation for violation in done.violations if violation.checker == checker), None)


def shrink(scenario: Scenario, checker: str, most_runs: int = MOST_RUNS) -> Shrunk | None:
    """The smallest scenario to which `checker` objects that `most_runs` runs find; None if it does not to the first.

    The scenario says its nodes and its end; its expectations are kept only for the checker "expectation".
    """
    first = objection(scenario, checker)
    if first is None:
        return None
    search = _Search(scenario, checker, first, most_runs)
    before = None
    while search.best != before and search.runs < most_runs:
        before = search.best
        search.shorten()
        search.drop_strokes()
        search.drop_nodes()
        search.close_gaps()
        search.simplify()
    search.round_the_end()
    return Shrunk(search.scenario(search.best), search.violation, search.runs)


class _Search:
    """The best case so far, and the ways to a better one. Each step keeps the objection, or is not taken."""

    def __init__(self, scenario: Scenario, checker: str, violation: Violation, most_runs: int) -> None:
        assert scenario.nodes is not None, "the scenario says its nodes"
        assert scenario.until_ns is not None, "the scenario says its end"
        self._start, self._checker, self._most = scenario, checker, most_runs
        self.violation, self.runs = violation, 1
        self._healed_ns = scenario.healed_ns if checker in checkers.FINAL else None
        self._calm_ns = 0 if self._healed_ns is None else scenario.until_ns - self._healed_ns
        self._alone: tuple[NodeId, ...] = ()
        self._dies = False
        strokes, end_ns = scenario.strokes, scenario.until_ns
        if self._healed_ns is not None:
            calm = [one.fault for one in strokes if one.at_ns >= self._healed_ns]
            self._dies = not any(isinstance(fault, faults.Partition) for fault in calm)
            strokes, end_ns = tuple(one for one in strokes if one.at_ns < self._healed_ns), self._healed_ns
            gone = {stroke.fault.node for stroke in strokes if isinstance(stroke.fault, faults.Leave)}
            self._alone = tuple(node for node in scenario.nodes if node not in {*scenario.converging, *gone})
        self.best = _Case(scenario.nodes, strokes, end_ns)

    def scenario(self, case: _Case) -> Scenario:
        """The case with its calm, as it is run."""
        strokes, healed_ns, converging = case.strokes, None, ()
        if self._healed_ns is not None:
            strokes, healed_ns, converging = self._calmed(case)
        return msgspec.structs.replace(
            self._start,
            nodes=case.nodes,
            hosts=_without_others(self._start.hosts, case.nodes),
            strokes=strokes,
            until_ns=case.end_ns + self._calm_ns,
            healed_ns=healed_ns,
            converging=converging,
            expectations=self._start.expectations if self._checker == "expectation" else (),
        )

    def _calmed(self, case: _Case) -> Any:
        drawn = plan.with_calm(case.strokes, case.nodes, case.end_ns, self._alone, dies=self._dies)
        return drawn.strokes, drawn.healed_ns, drawn.converging

    def takes(self, case: _Case) -> bool:
        """Whether the checker still objects; then this is the best so far."""
        if self.runs >= self._most or case == self.best:
            return False
        scenario = self.scenario(case)
        try:
            refuse_what_cannot_happen(scenario, scenario.nodes, scenario.until_ns)
        except ConfigurationError:  # as a script it would be refused: it speaks of a node that does not join any more
            return False
        self.runs += 1
        violation = objection(scenario, self._checker)
        if violation is not None:
            self.best, self.violation = case, violation
        return violation is not None

    # Steps

    def shorten(self) -> None:
        """End with the objection."""
        if self._checker not in checkers.FINAL and self._checker != "expectation":
            end_ns = max(self.violation.at_ns, 1)
            kept = tuple(stroke for stroke in self.best.strokes if stroke.at_ns <= end_ns)
            self.takes(_Case(self.best.nodes, kept, end_ns))

    def round_the_end(self) -> None:
        """End a little later, at an instant that is easier to read."""
        self.takes(_Case(self.best.nodes, self.best.strokes, -(-self.best.end_ns // (100 * MS)) * 100 * MS))

    def drop_strokes(self) -> None:
        """Delta debugging: as few strokes as may be; afterwards none can be left out alone."""
        parts = 2
        while self.best.strokes and self.runs < self._most:
            strokes = self.best.strokes
            size = -(-len(strokes) // parts)
            for first in range(0, len(strokes), size):
                if self.takes(self._with(strokes[:first] + strokes[first + size :])):
                    parts = max(parts - 1, 2)
                    break
            else:
                if size == 1:
                    return
                parts = min(2 * parts, len(strokes))

    def drop_nodes(self) -> None:
        """As few nodes as may be, together with what happens to them."""
        for node in self.best.nodes:
            if len(self.best.nodes) > 1:
                left = tuple(other for other in self.best.nodes if other != node)
                strokes = tuple(_without(self.best.strokes, node))
                self.takes(_Case(left, strokes, self.best.end_ns))

    def close_gaps(self) -> None:
        """Let things follow one another sooner."""
        for place in range(len(self.best.strokes) + (self._healed_ns is not None)):
            at_ns = [0, *(stroke.at_ns for stroke in self.best.strokes), self.best.end_ns]
            gap_ns = at_ns[place + 1] - at_ns[place]
            for wanted_ns in (0, *reversed(UNITS_NS)):
                if wanted_ns < gap_ns and self.takes(self._sooner(place, gap_ns - wanted_ns)):
                    break

    def _sooner(self, place: int, by_ns: int) -> _Case:
        strokes = self.best.strokes
        later = tuple(Stroke(stroke.at_ns - by_ns, stroke.fault) for stroke in strokes[place:])
        end_ns = self.best.end_ns - (0 if self._checker == "expectation" else by_ns)  # what is expected has its instant
        return _Case(self.best.nodes, strokes[:place] + later, end_ns)

    def simplify(self) -> None:
        """Rounder instants, and simpler faults."""
        for place in range(len(self.best.strokes)):
            for change in (_rounder_instants, _simpler_faults):
                for stroke in change(self.best.strokes[place]):
                    strokes = [*self.best.strokes]
                    strokes[place] = stroke
                    in_order = all(one.at_ns <= other.at_ns for one, other in itertools.pairwise(strokes))
                    if in_order and stroke.at_ns <= self.best.end_ns and self.takes(self._with(tuple(strokes))):
                        break
        if self._healed_ns is not None:
            for unit_ns in UNITS_NS:
                end_ns = -(-self.best.end_ns // unit_ns) * unit_ns
                if end_ns == self.best.end_ns or self.takes(_Case(self.best.nodes, self.best.strokes, end_ns)):
                    break

    def _with(self, strokes: tuple[Stroke, ...]) -> _Case:
        return _Case(self.best.nodes, strokes, self.best.end_ns)


def _without(strokes: Iterable[Stroke], node: NodeId) -> Iterator[Stroke]:
    """What happens to the others."""
    for at_ns, fault in strokes:
        match fault:
            case faults.Partition(groups=groups):
                left = tuple(kept for group in groups if (kept := tuple(one for one in group if one != node)))
                if left:
                    yield Stroke(at_ns, faults.Partition(left))
            case faults.SetVoters(voters=voters) if node in voters and fault.node != node:
                if kept := tuple(one for one in voters if one != node):
                    yield Stroke(at_ns, faults.SetVoters(fault.node, kept))
            case _:
                named = {getattr(fault, name, None) for name in ("node", "peer", "sender", "to")}
                if node not in named:
                    yield Stroke(at_ns, fault)


def _rounder_instants(stroke: Stroke) -> Iterator[Stroke]:
    """The coarsest first; what is as round already is not among them."""
    for at_ns in _rounder(stroke.at_ns):
        yield Stroke(at_ns, stroke.fault)


def _simpler_faults(stroke: Stroke) -> Iterator[Stroke]:
    """The same kind of fault, with rounder numbers, the coarsest first."""
    replace: Callable[..., AnyFault] = msgspec.structs.replace
    match stroke.fault:
        case faults.Pause(for_ns=for_ns):
            changed: Sequence[AnyFault] = [replace(stroke.fault, for_ns=ns) for ns in _rounder(for_ns, least_ns=MS)]
        case faults.Latency(least_ns=least, most_ns=most) | faults.SlowDisk(least_ns=least, most_ns=most):
            changed = [replace(stroke.fault, most_ns=ns) for ns in _rounder(most) if ns >= least]
        case faults.Lose(chance=chance) | faults.Duplicate(chance=chance) if 0 < chance < 1:
            rounder = dict.fromkeys((1.0, round(chance, 1), round(chance, 2)))
            changed = [replace(stroke.fault, chance=one) for one in rounder if one != chance]
        case faults.Ask(to=to) if to is not None:
            changed = [faults.Ask(stroke.fault.node)]
        case _:
            return
    for fault in changed:
        yield Stroke(stroke.at_ns, fault)


def _rounder(ns: int, least_ns: int = 0) -> Iterator[int]:
    """Multiples of each unit next to it, below and above, until it is one itself."""
    for unit_ns in UNITS_NS:
        if ns % unit_ns == 0:
            return
        yield from (
            rounded for rounded in (ns // unit_ns * unit_ns, -(-ns // unit_ns) * unit_ns) if rounded >= least_ns
        )


def _without_others(hosts: Iterable[tuple[NodeId, ...]], nodes: tuple[NodeId, ...]) -> tuple[tuple[NodeId, ...], ...]:
    """The hosts with just these nodes on them, and those where any is left."""
    kept = (tuple(node for node in host if node in nodes) for host in hosts)
    return tuple(host for host in kept if host)
