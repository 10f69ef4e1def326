"""What the checker finds."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from tenure.errors import TenureError
from tenure.simulator.history import Operation


class HistoryError(TenureError):
    """What was given is no history; the message says where and what is wrong with it."""


class Outcome(enum.Enum):
    """What is known of a history."""

    LINEARIZABLE = "linearizable"
    VIOLATION = "not linearizable"
    UNDECIDED = "undecided"
    """A limit was reached first; it may be either."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest part of one key's history that was found to be not linearizable by itself."""

    key: str
    part: tuple[Operation, ...]
    """By invocation. What had not been answered when the last of them was is as one whose outcome is unknown; in a part
    that would be long else, a compare-and-set may stand as a write of what it set (see `shortest`).
    """
    order: tuple[Operation, ...]
    """As many of them, in an order that a register could have done them in, as any order gets to."""
    blocked: Operation
    """The one that has to be next, or before, and fits nowhere."""
    holds: Any
    """What the register holds after `order`."""
    prefix: int
    """How many operations of this key were invoked before `blocked` was answered; those before it was are
    linearizable.
    """
    is_smallest: bool
    """Whether no operation can be left out of `part` by the rules of `shortest`; else a limit was reached first."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a history, and why."""

    outcome: Outcome
    operations: int
    keys: int
    steps: int
    """How often the search took one operation to be next."""
    orders: dict[str, tuple[Operation, ...]] = {}
    """Of a linearizable history: for each key an order that a register could have done its operations in. What had no
    effect that anybody needs, of those whose outcome is unknown, is left out.
    """
    failure: Failure | None = None
    why: str = ""
    """Of an undecided one: which limit was reached, and where."""
