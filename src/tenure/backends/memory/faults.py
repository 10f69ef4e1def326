"""Faults that a test injects between a memory backend and its service.

A fault is put in front of an operation and spent on the calls that match, oldest rule first:

    service.faults.add("renew", LoseAnswer(), times=2)
    service.faults.add("campaign", Fail(BackendUnreachable("no route")), candidate="b")
    ...
    assert service.faults.count("renew") == 2

Operations: campaign, renew, release, retire, read, watch, ask, attend, publish, floor, shut, and withdraw (what a
backend sends by itself for a campaign that was abandoned). `ANY` stands for all of them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import msgspec

from tenure.errors import BackendUnreachable, ConfigurationError

ANY = "*"
OPERATIONS = (
    "campaign", "renew", "release", "retire", "read", "watch", "ask", "attend", "publish", "floor", "shut", "withdraw",
)  # fmt: skip  # a name a line would fill the page


class LoseRequest(msgspec.Struct, frozen=True):
    """The service never sees the request; the caller is told BackendUnreachable."""


class LoseAnswer(msgspec.Struct, frozen=True):
    """The service does what it was asked; the caller is told BackendUnreachable all the same."""


class Delay(msgspec.Struct, frozen=True):
    """The request, the answer, or both are under way for so many seconds of the service's clock.

    A caller that gives up meanwhile does not call a request back: it arrives when its time has come.
    """

    request_s: float = 0.0
    answer_s: float = 0.0


class Duplicate(msgspec.Struct, frozen=True):
    """The service sees the request twice, the second time at once after the first."""


class Fail(msgspec.Struct, frozen=True):
    """The call raises `error` and the service sees nothing; an unclassified error is one that `base` does not name."""

    error: Exception


class Hang(msgspec.Struct, frozen=True):
    """The call is stuck until `Faults.clear`, then goes on; `answered` when the service did its part before that.

    A stubborn one does not even end when it is cancelled, as a call into a foreign library may not.
    """

    answered: bool = False
    stubborn: bool = False


Fault = LoseRequest | LoseAnswer | Delay | Duplicate | Fail | Hang


class _Rule:
    __slots__ = ("candidate", "election", "fault", "left", "operation")

    def __init__(
        self, operation: str, fault: Fault, left: int | None, election: str | None, candidate: str | None
    ) -> None:
        self.operation = operation
        self.fault = fault
        self.left = left
        self.election = election
        self.candidate = candidate

    def matches(self, operation: str, election: str, candidate: str) -> bool:
        return (
            self.operation in (ANY, operation)
            and self.election in (None, election)
            and self.candidate in (None, candidate)
        )


class Faults:
    """The faults in front of one service, or of one backend only; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._hanging: list[Callable[[], None]] = []

    def add(
        self,
        operation: str,
        fault: Fault,
        *,
        times: int | None = None,
        election: str | None = None,
        candidate: str | None = None,
    ) -> None:
        """Put `fault` in front of `operation` for the next `times` matching calls, None for all of them."""
        if operation != ANY and operation not in OPERATIONS:
            raise ConfigurationError(f"no operation {operation!r}; choose one of {', '.join(OPERATIONS)} or {ANY!r}")
        with self._lock:
            self._rules.append(_Rule(operation, fault, times, election, candidate))

    def clear(self) -> None:
        """Take every fault away and let the calls that hang go on. The counts stay."""
        with self._lock:
            self._rules.clear()
            hanging, self._hanging = self._hanging, []
        for go_on in hanging:
            go_on()

    def when_cleared(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` at the next `clear`."""
        with self._lock:
            self._hanging.append(go_on)

    def take(self, operation: str, election: str, candidate: str = "") -> Fault | None:
        """The fault that this call meets, if any; it is spent and counted."""
        if not self._rules:  # the usual case, asked on every renewal
            return None
        with self._lock:
            for rule in self._rules:
                if rule.matches(operation, election, candidate):
                    if rule.left is not None:
                        rule.left -= 1
                        if rule.left <= 0:
                            self._rules.remove(rule)
                    self._counts[operation, type(rule.fault).__name__] += 1
                    return rule.fault
        return None

    def count(self, operation: str = ANY, kind: type[Fault] | None = None) -> int:
        """How many calls met a fault, by operation, by kind of fault, or both."""
        with self._lock:
            return sum(
                times
                for (where, name), times in self._counts.items()
                if operation in (ANY, where) and (kind is None or kind.__name__ == name)
            )


def lost(what: str) -> BackendUnreachable:
    """The error that a caller gets for a request or an answer that was lost."""
    return BackendUnreachable(f"the {what} was lost on an injected fault; whether the service acted is unknown")
