"""What an elector tells operators of itself, beyond its role, its leader and its term: who votes, where its log stands,
whom its detector suspects. Nothing decides by it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tenure.core.events import NodeId


class LogPositions(msgspec.Struct, frozen=True, kw_only=True):
    """Indexes of a replicated log, as this node has it; 0 for none."""

    last: int
    """Of the last entry that is here."""
    durable: int
    """Up to where entries are durable here."""
    committed: int
    """Up to where it is known here that they are committed."""
    applied: int
    """Up to where this node's machine has applied them."""
    snapshot: int
    """Up to where they are in the latest snapshot."""
    is_caught_up: bool
    """Whether all is applied that was committed, by the first leader's word in this life, when that came; of a leader,
    whether an entry of its own term is committed."""


class PeerPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What a leader knows of the log of one peer."""

    match: int
    """Up to where it is known to be durable there."""
    next: int
    """The index of the next entry for it."""
    pace: str
    """How it is sent to, in the algorithm's own word."""
    silent_ns: int
    """Since when it has answered nothing."""


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a failure detector thinks of one peer."""

    is_suspected: bool
    silent_ns: int
    """For how long it has not been heard, pauses of this node not counted."""
    suspect_in_ns: int
    """Until it is suspected, if it stays silent; 0 from then on."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """All that an elector has to tell; what does not exist in its algorithm is empty."""

    voters: tuple[NodeId, ...]
    """Whose votes count in any configuration that is in force; where there are no votes, all members."""
    learners: tuple[NodeId, ...] = ()
    """Who gets the log and has no vote."""
    log: LogPositions | None = None
    peers: dict[NodeId, PeerPosition] = {}
    """Of a leader with a log."""
    detector: str | None = None
    """The name of the failure detector around it."""
    opinions: dict[NodeId, Opinion] = {}

    def among(self, voters: Iterable[NodeId]) -> Account:
        """The same, where others have the votes."""
        return msgspec.structs.replace(self, voters=tuple(sorted(set(voters))))
