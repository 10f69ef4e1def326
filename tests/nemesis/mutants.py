"""Rules that a node may lack, so that it can be seen that the nemesis objects.

python -m tests.nemesis --for 60s --mutant stale-reads
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import Read
from tenure.algorithms.raft.sessions import Sessions
from tenure.storage.wal import Wal
from tests.algorithms.raft import mutants as raft


class Mutant(NamedTuple):
    """What stands in the place of which rules."""

    rules: tuple[tuple[type, str, Any], ...]
    seen_by: str
    """What objects to it."""
    faults: tuple[str, ...] = ()
    """Those that show it soonest; none named: all."""


def _answer_from_what_is_here(self: Raft, requests: list[Read], now_ns: int) -> None:
    """Every node answers reads from its own copy, and asks nobody."""
    del now_ns
    for request in requests:
        self._answer_read(request)


def _remember_nothing(self: Wal) -> tuple[()]:
    """A node that comes back has forgotten its votes and its log."""
    del self
    return ()


MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        "stale-reads": Mutant(((Raft, "_read", _answer_from_what_is_here),), "history", ("stall", "cut")),
        "amnesia": Mutant(((Wal, "kept", property(_remember_nothing)),), "history", ("kill", "cut")),
        "open-at-once": Mutant(((Raft, "_lead", raft.open_at_once),), "traces", ("pause", "cut")),
        "apply-twice": Mutant(((Sessions, "execute", raft.apply_every_retry),), "history"),
    }
)
