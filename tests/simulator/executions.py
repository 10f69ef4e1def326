"""Histories drawn from real executions of a register, and a judge that tries every order: what the checker is tested
by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import msgspec

from tenure.simulator.history import Operation


def execution(
    chance: Random,
    count: int,
    clients: int = 4,
    *,
    values: int = 3,
    keys: int = 1,
    unknown: float = 0.2,
    width: int = 40,
) -> list[Operation]:
    """What clients saw of registers that do one operation after another, each somewhere between its invocation and its
    answer. Some answers are lost; half of those operations took effect. A client who got none goes on as another.
    """
    state: dict[str, Any] = {}
    free_ns = dict.fromkeys(range(clients), 0)
    found: list[Operation] = []
    at_ns = 0
    for _ in range(count):
        client = chance.choice(list(free_ns))
        invoked_ns = max(free_ns.pop(client), at_ns - chance.randrange(width))
        at_ns = max(at_ns + chance.randrange(width // 4), invoked_ns)
        completed_ns = at_ns + chance.randrange(width)
        is_known = chance.random() >= unknown
        takes_effect = is_known or chance.random() < 0.5
        key, kind = str(chance.randrange(keys)), chance.choice(("read", "write", "cas"))
        argument = tuple(chance.randrange(values) for _ in range({"read": 0, "write": 1, "cas": 2}[kind]))
        before = state.get(key)
        result: Any = None
        if kind == "read":
            result = before
        elif kind == "cas":
            result = before == argument[0]
        if takes_effect and (kind == "write" or (kind == "cas" and result)):
            state[key] = argument[-1]
        found.append(
            Operation(
                client,
                key,
                kind,
                argument,
                result if is_known else None,
                invoked_ns,
                completed_ns if is_known else None,
            )
        )
        free_ns[client if is_known else max([client, *free_ns, *(one.client for one in found)]) + 1] = (
            completed_ns + chance.randrange(2)
        )
    return sorted(found, key=lambda one: one.invoked_ns)


def broken(chance: Random, operations: Sequence[Operation], values: int = 3) -> list[Operation]:
    """The same with one value of one operation changed; it may still be linearizable."""
    found = list(operations)
    at = chance.randrange(len(found))
    one = found[at]
    if one.kind == "read":
        found[at] = msgspec.structs.replace(one, result=chance.choice([None, *range(values)]))
    elif one.kind == "cas" and one.completed_ns is not None:
        found[at] = msgspec.structs.replace(one, result=not one.result)
    else:
        found[at] = msgspec.structs.replace(one, argument=tuple(chance.randrange(values) for _ in one.argument))
    return found


def is_linearizable(operations: Sequence[Operation]) -> bool:
    """By trying every order, with unknown operations or without: right by its simplicity, for a handful of them."""
    numbers = range(len(operations))
    earlier = [{first for first in numbers if first != at and comes_before(operations, first, at)} for at in numbers]
    known = {at for at in numbers if operations[at].completed_ns is not None}

    def goes_on(order: list[int]) -> bool:
        if not fits(operations[at] for at in order):
            return False
        done = set(order)
        nexts = (at for at in numbers if at not in done and earlier[at] <= done)
        return known <= done or any(goes_on([*order, at]) for at in nexts)

    return goes_on([])


def comes_before(operations: Sequence[Operation], first: int, second: int) -> bool:
    """Whether it was answered before the other was invoked, or at that instant to the same client."""
    one, other = operations[first], operations[second]
    if one.completed_ns is None:
        return False
    if one.completed_ns == other.invoked_ns and one.client == other.client:
        return first < second
    return one.completed_ns < other.invoked_ns


def fits(order: Iterable[Operation], state: Any = None) -> bool:
    """Whether a register could do them in this order."""
    for one in order:
        match one.kind:
            case "read":
                if one.completed_ns is not None and one.result != state:
                    return False
            case "write":
                (state,) = one.argument
            case _:
                is_done = state == one.argument[0]
                if one.completed_ns is not None and one.result != is_done:
                    return False
                state = one.argument[1] if is_done else state
    return True


def keeps_time(operations: Sequence[Operation], order: Sequence[Operation]) -> bool:
    """Whether none stands in `order` behind one that it came before, and all that were answered stand there."""
    places = {id(one): at for at, one in enumerate(order)}
    known = [at for at, one in enumerate(operations) if one.completed_ns is not None]
    return all(id(operations[at]) in places for at in known) and not any(
        places[id(operations[first])] > places[id(operations[second])]
        for first in known
        for second in range(len(operations))
        if id(operations[second]) in places and comes_before(operations, first, second)
    )
