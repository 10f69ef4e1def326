"""Judge a history: key by key, inside limits that end in "undecided"."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from tenure.simulator.history import Operation
from tenure.simulator.linearizability.part import Part
from tenure.simulator.linearizability.search import Budget, Found, Search
from tenure.simulator.linearizability.shortest import Exhausted, before, shortened
from tenure.simulator.linearizability.verdict import Failure, Outcome, Verdict

LIMIT_S = 60.0
LIMIT_STEPS = 10**12
"""More than any limit of time lets through."""
LIMIT_MEMORY = 1 << 30
"""Bytes."""
MOST_NAMED = 3
"""Keys that are named in a sentence."""


def check(
    history: Iterable[Operation],
    *,
    initial: Any = None,
    limit_s: float = LIMIT_S,
    limit_steps: int = LIMIT_STEPS,
    limit_memory: int = LIMIT_MEMORY,
    clock: Callable[[], float] = time.monotonic,
) -> Verdict:
    """Say whether `history` is that of one register for each key, with compare-and-set, which holds `initial` at first.

    The operations of one client stand in the order in which it asked for them. A read whose outcome is unknown says
    nothing and is left out; another operation may take effect at any instant after its invocation, or never. A
    compare-and-set that was answered False found another value than it expected.

    The limits hold for the whole: `limit_s` in seconds of `clock`, `limit_steps` of the search, `limit_memory` in
    bytes of what it remembers, beside the history itself. A key that violates decides, whatever others do; which
    part of it is the shortest is looked for inside the same limits. Raises HistoryError for what is no history.
    """
    by_key: dict[str, list[Operation]] = {}
    for operation in history:
        by_key.setdefault(operation.key, []).append(operation)
    whole = Budget(until_s=clock() + limit_s, steps=limit_steps, memory=limit_memory, clock=clock)
    parts: dict[str, Part] = {}
    found: dict[str, Found] = {}
    for key in sorted(by_key, key=lambda key: len(by_key[key])):  # what small keys leave over, great ones may use
        parts[key] = Part(by_key[key], initial)
        found[key] = Search(parts[key], _share(whole, len(by_key) - len(found))).run()
        whole.steps -= found[key].steps
    outcomes = {one.outcome for one in found.values()}
    orders: dict[str, tuple[Operation, ...]] = {}
    failure, why = None, ""
    if Outcome.VIOLATION in outcomes:
        outcome, failure = Outcome.VIOLATION, _failure(parts, found, whole)
    elif Outcome.UNDECIDED in outcomes:
        outcome, why = Outcome.UNDECIDED, _why(by_key, found)
    else:
        outcome, orders = Outcome.LINEARIZABLE, {key: one.order for key, one in found.items()}
    return Verdict(
        outcome=outcome,
        operations=sum(map(len, by_key.values())),
        keys=len(by_key),
        steps=limit_steps - whole.steps,
        orders=orders,
        failure=failure,
        why=why,
    )


def _share(whole: Budget, keys: int) -> Budget:
    """What one of so many keys may take; memory is given back after each."""
    now_s = whole.clock()
    left_s = whole.until_s - now_s
    return Budget(until_s=now_s + left_s / keys, steps=-(-whole.steps // keys), memory=whole.memory, clock=whole.clock)


def _why(by_key: dict[str, list[Operation]], found: dict[str, Found]) -> str:
    told = [
        f"{one.why} was reached in key {key!r} ({len(by_key[key])} operations)"
        for key, one in found.items()
        if one.outcome is Outcome.UNDECIDED
    ]
    more = len(told) - MOST_NAMED
    return "; ".join(told[:MOST_NAMED]) + (f"; and in {more} more keys" if more > 0 else "")


def _failure(parts: dict[str, Part], found: dict[str, Found], whole: Budget) -> Failure:
    """Of the keys that violate, the one that did so first, and the shortest part of it that does."""

    def answered_ns(key: str) -> int:
        return parts[key].known[found[key].blocked].completed_ns or 0

    key = min((key for key, one in found.items() if one.outcome is Outcome.VIOLATION), key=answered_ns)
    initial = parts[key].shown[0]
    part, shown, is_smallest = parts[key], found[key], True

    def fails(operations: list[Operation]) -> bool:
        nonlocal part, shown, is_smallest
        if whole.exhausted():
            raise Exhausted
        fewer = Part(operations, initial)
        one = Search(fewer, _share(whole, 1)).run()
        whole.steps -= one.steps
        is_smallest &= one.outcome is not Outcome.UNDECIDED
        if one.outcome is not Outcome.VIOLATION:
            return False
        part, shown = fewer, one
        return True

    prefix = before(part, shown.blocked)
    try:
        if fails(prefix):
            shortened(prefix, part.known[shown.blocked], fails)
    except Exhausted:
        is_smallest = False
    return Failure(
        key=key,
        part=tuple(sorted((*part.known, *part.unknown), key=lambda one: one.invoked_ns)),
        order=shown.order,
        blocked=part.known[shown.blocked],
        holds=part.shown[shown.holds],
        prefix=len(prefix),
        is_smallest=is_smallest,
    )
