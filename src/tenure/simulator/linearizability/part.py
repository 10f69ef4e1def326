"""The operations of one key, numbered for the search: values, events in their order, who must wait for whom.

Operation B comes after A if A was answered before B was invoked, or if one client did A and then B. At one and the same
instant invocations come before answers: who acts just when somebody else is answered may have been first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tenure.simulator.history import Operation
from tenure.simulator.linearizability.verdict import HistoryError

READ, WRITE, SWAP, FAILED = range(4)
"""What an operation asks of the register: to hold `want`; nothing; to hold `want`; not to hold `want`. WRITE and
SWAP then leave `give` in it. A compare-and-set that changes nothing is a READ.
"""
ARGUMENTS = {"read": 0, "write": 1, "cas": 2}
_PLAIN = (int, str, bytes, bool, type(None))


def objection(operation: Operation) -> str:
    """What is wrong with this operation; "" for nothing."""
    one = operation
    if one.kind not in ARGUMENTS:
        return f"kind is {one.kind!r}; it is one of read, write, cas"
    if len(one.argument) != ARGUMENTS[one.kind]:
        return f"argument of a {one.kind} has {len(one.argument)} values; it has {ARGUMENTS[one.kind]}"
    if one.completed_ns is not None and one.completed_ns < one.invoked_ns:
        return f"completed_ns {one.completed_ns} is before invoked_ns {one.invoked_ns}"
    if one.kind == "cas" and one.completed_ns is not None and not isinstance(one.result, bool):
        return f"result of a cas is {one.result!r}; it is true or false, or completed_ns is null"
    return ""


def identity(value: object) -> object:
    """The same for the same values, and for them only: 1, 1.0 and true are three values."""
    if isinstance(value, _PLAIN):
        return type(value), value
    try:
        return None, msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, RecursionError) as error:
        raise HistoryError(f"{type(value).__name__} is no value of a register here: {error}") from error


def changes_nothing(operation: Operation) -> bool:
    """Whether it leaves the register as it is, whatever that holds: it can be left out of any order that fits."""
    if operation.kind == "cas" and operation.result is not False:
        expected, new = operation.argument
        return identity(expected) == identity(new)
    return operation.kind != "write"


class Part:
    """Known operations are numbered from 0, and apart from them those whose outcome is unknown.

    Events are numbered from 1 in their order; each known operation has a call and a return among them.
    """

    def __init__(self, operations: Sequence[Operation], initial: Any = None) -> None:
        self.known: list[Operation] = []
        self.unknown: list[Operation] = []
        self.values: dict[object, int] = {identity(initial): 0}
        self.shown: list[Any] = [initial]
        """The values by their numbers."""
        self.after: list[int] = []
        self.unknown_after: list[int] = []
        """For whom they wait beside those who were answered before: their own client's last, or -1."""
        self._part(operations)
        self._number_values()
        self._number_events()
        self.pools: dict[int, list[tuple[int, list[int]]]] = {}
        """For each value that unknown operations can give: what they want (-1: nothing) and who they are, the earliest
        first. Those that want and give the same are as good as one another.
        """
        by_kind: dict[tuple[int, int], list[int]] = {}
        for number in sorted(range(len(self.unknown)), key=self.unknown_at.__getitem__):
            by_kind.setdefault((self.unknown_give[number], self.unknown_want[number]), []).append(number)
        for (give, want), numbers in by_kind.items():
            self.pools.setdefault(give, []).append((want, numbers))

    def _part(self, operations: Sequence[Operation]) -> None:
        """Tell the known from the unknown, and who waits for the answer that its own client had at that very
        instant.
        """
        last: dict[int, tuple[int | None, int]] = {}
        for one in operations:
            wrong = objection(one)
            if wrong:
                raise HistoryError(f"an operation of client {one.client}: {wrong}")
            answered_ns, number = last.get(one.client, (None, -1))
            after = number if answered_ns == one.invoked_ns else -1
            if one.completed_ns is not None:
                last[one.client] = (one.completed_ns, len(self.known))
                self.known.append(one)
                self.after.append(after)
            elif not changes_nothing(one):
                self.unknown.append(one)
                self.unknown_after.append(after)

    def _number(self, value: object) -> int:
        number = self.values.setdefault(identity(value), len(self.shown))
        if number == len(self.shown):
            self.shown.append(value)
        return number

    def _number_values(self) -> None:
        asked = [self._asked(one) for one in self.known]
        self.kind = [kind for kind, _, _ in asked]
        self.want = [want for _, want, _ in asked]
        self.give = [give for _, _, give in asked]
        unknown = [self._asked(one) for one in self.unknown]
        self.unknown_want = [want for _, want, _ in unknown]
        self.unknown_give = [give for _, _, give in unknown]

    def _asked(self, one: Operation) -> tuple[int, int, int]:
        """Its kind, what it wants and what it gives."""
        match one.kind:
            case "read":
                return READ, self._number(one.result), -1
            case "write":
                return WRITE, -1, self._number(one.argument[0])
            case _:
                expected, new = map(self._number, one.argument)
                if one.result is False:
                    return FAILED, expected, -1
                return (READ, expected, -1) if expected == new else (SWAP, expected, new)

    def _number_events(self) -> None:
        """Sort them, and give each operation a place that none has which is open at the same time."""
        events: list[tuple[int, int, int]] = []
        for number, one in enumerate(self.known):
            assert one.completed_ns is not None, "its outcome is known"
            events += [(one.invoked_ns, 0, number), (one.completed_ns, 1, number)]
        events += [(one.invoked_ns, 0, ~number) for number, one in enumerate(self.unknown)]
        events.sort(key=lambda event: event[:2])
        self.call_at, self.return_at = [0] * len(self.known), [0] * len(self.known)
        self.unknown_at = [0] * len(self.unknown)
        self.events = len(events)
        self.is_open: list[int] = [0] * len(self.known)
        """Of each operation one bit, which no other has that is open at the same time."""
        self.called: list[int] = [-1] * (len(events) + 2)
        """The operation that a call belongs to, -1 for what is no call."""
        free: list[int] = []
        places = 0
        for at, (_, is_return, number) in enumerate(events, start=1):
            if number < 0:
                self.unknown_at[~number] = at
            elif is_return:
                self.return_at[number] = at
                free.append(self.is_open[number])
            else:
                self.call_at[number], self.called[at] = at, number
                if not free:
                    free.append(1 << places)
                    places += 1
                self.is_open[number] = free.pop()
