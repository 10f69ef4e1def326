"""The shortest part of a history that is not linearizable by itself.

First all that was invoked after the answer that no order gets past is left out, and what had not been answered by
then is as if it never was. Then whatever can be left out is, as long as what stays is not linearizable. Not
everything can: without its write, a read of a value contradicts every history. These can, since leaving them out of
a linearizable history leaves it linearizable, so that what stays is a violation only if the whole is one:

- what changes nothing: a read, or a compare-and-set that failed;
- what gives a value that nobody who stays can have seen: it was asked for only before, or after another one that
  stays had surely overwritten it. (A failed compare-and-set asks for any value but one.)

Where still more than a few stay, a compare-and-set becomes a write of what it set if what stays fails even so: an
order that fits with it fits with the write, too.

The last operation that gave what the blocked one asks for stays, so that one sees what came between.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from operator import is_

import msgspec

from tenure.simulator.history import Operation
from tenure.simulator.linearizability.part import Part, changes_nothing, identity

Operations = list[Operation]
FEW = 10
"""A part with more operations is made simpler, too, and not only shorter."""

MANY = 2_000
"""Of so many operations, most are left out by one guess before the rest is gone through."""


class Exhausted(Exception):
    """Raised by `fails` where a limit is reached."""


def before(part: Part, blocked: int) -> list[Operation]:
    """What was invoked before the answer to `blocked`, as it was known then, by invocation."""
    until = part.return_at[blocked]
    found: list[tuple[int, Operation]] = []
    for number, one in enumerate(part.known):
        if part.return_at[number] <= until:
            found.append((part.call_at[number], one))
        elif part.call_at[number] < until and not changes_nothing(one):
            found.append((part.call_at[number], msgspec.structs.replace(one, result=None, completed_ns=None)))
    found += [(at, one) for one, at in zip(part.unknown, part.unknown_at, strict=True) if at < until]
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def shortened(operations: Operations, blocked: Operation, fails: Callable[[Operations], bool]) -> Operations:
    """What is left when nothing more can be left out. `fails` tells whether operations are not linearizable; it may
    say no where it does not know.
    """
    pinned = giver(operations, blocked)
    kept = _reduced(_latest(list(operations), pinned, fails), partial(without, pinned=pinned), fails)
    if len(kept) > FEW:
        kept = _reduced(kept, partial(weakened, blocked=blocked), fails)
        kept = _reduced(kept, partial(without, pinned=giver(kept, blocked)), fails)
    return kept


def _latest(operations: Operations, pinned: Operation | None, fails: Callable[[Operations], bool]) -> Operations:
    """Of very many the last few, and who cannot be left out with those, if that fails; else all. It is quick, and may
    come to a longer part in the end.
    """
    if len(operations) < MANY:
        return operations
    count = FEW
    while count < len(operations):
        tried = without(operations, 0, len(operations) - count, pinned)
        if fails(tried):
            return tried
        count *= 4
    return operations


def _reduced(
    kept: Operations, simpler: Callable[[Operations, int, int], Operations], fails: Callable[[Operations], bool]
) -> Operations:
    """Make stretches of the operations simpler, great ones first, wherever what comes of it fails still."""
    size = len(kept) // 2
    while size >= 1:
        is_simpler = False
        start = 0
        while start < len(kept):
            tried = simpler(kept, start, start + size)
            if tried is not kept and fails(tried):
                is_simpler = True
                start += size if len(tried) == len(kept) else 0
                kept = tried
            else:
                start += size
        size = size if is_simpler and size == 1 else size // 2
    return kept


def giver(operations: Sequence[Operation], blocked: Operation) -> Operation | None:
    """Who was the last to give what `blocked` asks for: without it one would not see why that came too late."""
    asked = _asked(blocked)
    found = [one for one in operations if not changes_nothing(one) and identity(one.argument[-1]) == asked]
    return max((one for one in found if one is not blocked), key=lambda one: one.invoked_ns, default=None)


def without(operations: Operations, start: int, stop: int, pinned: Operation | None = None) -> Operations:
    """Leave out of the operations from `start` to `stop` all that can be; the very same list where nothing can be."""
    chosen = [one for one in operations[start:stop] if one is not pinned]
    others = [*operations[:start], *(one for one in operations[start:stop] if one is pinned), *operations[stop:]]
    left = [one for one in chosen if not changes_nothing(one)]
    overwritten = _Overwriting(others)
    while left:
        asking = _Asking([*others, *left])
        fewer = [one for one in left if asking.may_see(one, overwritten.at_ns(one))]
        if len(fewer) == len(left):
            break
        left = fewer
    stays = {id(one) for one in (*others, *left)}
    return operations if len(stays) == len(operations) else [one for one in operations if id(one) in stays]


def weakened(operations: Operations, start: int, stop: int, blocked: Operation) -> Operations:
    """Let the compare-and-sets from `start` to `stop` be writes; the very same list where there are none."""
    found = [
        msgspec.structs.replace(one, kind="write", argument=one.argument[1:], result=None)
        if start <= at < stop and one.kind == "cas" and not changes_nothing(one) and one is not blocked
        else one
        for at, one in enumerate(operations)
    ]
    return operations if all(map(is_, found, operations)) else found


class _Overwriting:
    """When the register surely has another value than an operation gave it: somebody wrote after it and was
    answered.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        known = [one for one in operations if one.completed_ns is not None and not changes_nothing(one)]
        known.sort(key=lambda one: one.invoked_ns)
        self._invoked_ns = [one.invoked_ns for one in known]
        ends = [one.completed_ns for one in known if one.completed_ns is not None]
        self._earliest_ns = [*reversed(list(accumulate(reversed(ends), min))), math.inf]

    def at_ns(self, one: Operation) -> float:
        if one.completed_ns is None:
            return math.inf
        return self._earliest_ns[bisect_right(self._invoked_ns, one.completed_ns)]


class _Asking:
    """Who asks for which value, and for how long."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        by_value: dict[object, list[Operation]] = {}
        for one in sorted(operations, key=lambda one: one.invoked_ns):
            asked = _asked(one)
            if asked is not None:
                by_value.setdefault(asked, []).append(one)
        self._spans = {
            value: (
                [one.invoked_ns for one in ones],
                list(accumulate((math.inf if one.completed_ns is None else one.completed_ns for one in ones), max)),
            )
            for value, ones in by_value.items()
        }

    def may_see(self, writer: Operation, until_ns: float) -> bool:
        """Whether somebody asks for what `writer` gave, or for any other value, before it is surely overwritten."""
        for value in (identity(writer.argument[-1]), _ANY):
            invoked_ns, latest_ns = self._spans.get(value, ([], []))
            count = bisect_right(invoked_ns, until_ns)
            if count and latest_ns[count - 1] >= writer.invoked_ns:
                return True
        return False


_ANY = "any"
"""What a failed compare-and-set asks for: any value but one."""


def _asked(one: Operation) -> object:
    """The identity of the value that it asks for; None if it asks for none."""
    match one.kind:
        case "read":
            return identity(one.result)
        case "cas":
            return _ANY if one.result is False else identity(one.argument[0])
        case _:
            return None
