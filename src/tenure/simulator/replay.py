"""Judges a trace that was written before: by the checkers of today, from its records alone."""

from __future__ import annotations

from collections.abc import Iterable

from tenure import trace
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.errors import ConfigurationError
from tenure.simulator import checkers, names
from tenure.simulator.checkers import Violation
from tenure.simulator.run import SHORTEST_CALM_NS


def judge(recorded: trace.Trace, check: Iterable[str] | None = None) -> list[Violation]:
    """What is wrong with the run of this trace, in order of time: what checkers find, and what only the run could know.

    `check` names checkers; None are those of the algorithm's guarantees, as far as it is one that is known here, and
    those that objected when it ran. What is expected in a scenario, and what an elector refused or raised, stands in
    the trace only as an objection of then, and is taken from there. Raises ConfigurationError for a name that is none.
    """
    before = [
        Violation(record.checker, record.at_ns, record.text)
        for record in recorded.records
        if isinstance(record, trace.Violated)
    ]
    wanted = _wanted(recorded, before) if check is None else tuple(dict.fromkeys(check))
    kind = _kind(recorded.head.algorithm)
    has_authority = kind is not None and Guarantee.ONE_AT_A_TIME in kind.guarantees
    _, converging = _calm(recorded)
    judges = checkers.make(wanted, converging or recorded.head.nodes, has_authority=has_authority)
    found: list[Violation] = []
    end_ns = 0
    for record in recorded.records:
        if isinstance(record, trace.Violated):
            continue
        end_ns = max(end_ns, record.at_ns)
        found += (Violation(one.name, record.at_ns, text) for one in judges if (text := one.see(record)))
    found += (Violation(one.name, end_ns, text) for one in judges if (text := one.ended(end_ns)))
    told = [violation for violation in before if violation.checker not in checkers.NAMES]
    return sorted([*found, *told], key=lambda violation: violation.at_ns)


def _kind(name: str) -> type[Elector] | None:
    try:
        return names.algorithm(name)
    except ConfigurationError:  # of a class that had no name here, or of a later version
        return None


def _calm(recorded: trace.Trace) -> tuple[int, tuple[NodeId, ...]]:
    """How long nothing went wrong before the end, and who had to converge; 0 for a trace that was cut before it."""
    healed = [record for record in recorded.records if isinstance(record, trace.Phase) and record.name == "healed"]
    ended = [record for record in recorded.records if isinstance(record, trace.Phase) and record.name == "end"]
    if not healed or not ended:
        return 0, ()
    return ended[-1].at_ns - healed[-1].at_ns, healed[-1].nodes


def _wanted(recorded: trace.Trace, before: Iterable[Violation]) -> tuple[str, ...]:
    kind = _kind(recorded.head.algorithm)
    promised = () if kind is None else checkers.names_for(kind.guarantees)
    if _calm(recorded)[0] < SHORTEST_CALM_NS:
        promised = tuple(name for name in promised if name not in checkers.FINAL)
    objected = {violation.checker for violation in before}
    return tuple(name for name in checkers.NAMES if name in promised or name in objected)


def without(recorded: trace.Trace, kinds: Iterable[str]) -> trace.Trace:
    """The trace without messages of these kinds, and without what became of them. Raises ConfigurationError for a kind
    of which there is none.
    """
    hidden, known = set(kinds), {record.kind for record in recorded.records if isinstance(record, trace.Sent)}
    if unknown := sorted(hidden - known):
        raise ConfigurationError(
            f"there is no message {unknown[0]!r} in this trace; there are: {', '.join(sorted(known))}"
        )
    ids = {record.id for record in recorded.records if isinstance(record, trace.Sent) and record.kind in hidden}
    moves = (trace.Sent, trace.Arrived, trace.Dropped)
    kept = [record for record in recorded.records if not (isinstance(record, moves) and record.id in ids)]
    return trace.Trace(recorded.head, kept)
