"""What nodes of a majority lease say to one another, and what a voter keeps for ever."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tenure.core.events import Message, NodeId, Record
from tenure.core.quorum import Quorum


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """Who votes: configuration `number`, as the holder under `token` proposed it; both are 0 for the first one of all.
    With `old` it is joint: majorities of the voters and of the old ones are needed.
    """

    number: int
    token: int
    voters: tuple[NodeId, ...]
    old: tuple[NodeId, ...] = ()

    def quorum(self) -> Quorum:
        """Whose leases make a holder."""
        return Quorum(self.voters, self.old) if self.old else Quorum(self.voters)

    def is_newer_than(self, other: Configuration) -> bool:
        """Whether this one may be in force where the other is not any more."""
        return (self.number, self.token) > (other.number, other.token)


class Lessee(NamedTuple):
    """Whom a voter has granted its lease: a claim, not a node, so that a node's next life is another lessee."""

    node: NodeId
    token: int
    claim: int


class Claim(Message, frozen=True):
    """From a node that should lead to a voter: grant me your lease under this token. `claim` is a number drawn for this
    claim alone; `sent_ns` is the sender's clock, and comes back in the answer.
    """

    token: int
    claim: int
    sent_ns: int
    configuration: Configuration


class Renew(Message, frozen=True):
    """From the holder to a voter: extend it. A configuration that bears the holder's own token is proposed by this."""

    token: int
    claim: int
    sent_ns: int
    configuration: Configuration


class Granted(Message, frozen=True):
    """From a voter: it is yours for one duration from when you asked. `accepted` is the number of the configuration
    that this voter has made durable for the holder under this token, 0 for none.
    """

    token: int
    claim: int
    sent_ns: int
    accepted: int


class Refused(Message, frozen=True):
    """From a voter: not to this claim. With the greatest token that the voter has granted, and its configuration; its
    lease to another lasts for `left_ns` by its clock, 0 where nobody has it.
    """

    claim: int
    token: int
    configuration: Configuration
    left_ns: int


class Release(Message, frozen=True):
    """From a claimant or holder that has ended: your lease is free. The token stays used. `to` is called to claim next,
    and first: None for nobody.
    """

    token: int
    claim: int
    to: NodeId | None = None


class TakeOver(Message, frozen=True):
    """From who steps down or aside, to whom shall lead instead: claim at once."""


class Vote(Record, frozen=True, tag="VOTE"):
    """The claim that a voter granted last, which is that with the greatest token, and the newest configuration that it
    has accepted. Token 0: it has granted none yet.
    """

    token: int
    node: NodeId
    claim: int
    configuration: Configuration
