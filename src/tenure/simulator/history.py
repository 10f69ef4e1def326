"""What clients of a simulated group asked and were told, with true times: what a linearizability checker judges."""

from __future__ import annotations

from typing import Any

import msgspec


class Operation(msgspec.Struct, frozen=True):
    """One operation of one client on one key. Instants are integer nanoseconds of true time."""

    client: int
    key: str
    kind: str
    """"read", "write" or "cas"."""
    argument: tuple[Any, ...]
    """Of a write the value, of a compare-and-set what is expected and the new value, of a read nothing."""
    result: Any
    """What a read found, whether a compare-and-set took effect; None for a write, and where the outcome is unknown."""
    invoked_ns: int
    completed_ns: int | None
    """None: the outcome is unknown; it may have happened at any later instant, or never."""
