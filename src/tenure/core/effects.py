"""What comes out of an elector: what its driver has to do, in order. See the driver's duties in `elector`."""

from __future__ import annotations

import enum

import msgspec

from tenure.core.events import Answer, Message, NodeId, Record


class Send(msgspec.Struct, frozen=True):
    """Send `message` to the peer `to`, but not before the record of number `after` is durable; 0 waits for none."""

    to: NodeId
    message: Message
    after: int = 0


class Persist(msgspec.Struct, frozen=True):
    """Make `record` durable, and say so by Persisted. Numbers begin at 1 in each life and grow by one."""

    number: int
    record: Record


class Recognised(msgspec.Struct, frozen=True):
    """This node takes `leader` for the leader of round `term`; None: it knows of none.

    It answers who *should* lead, and nothing more: two nodes may disagree for as long as the algorithm's model allows.
    """

    leader: NodeId | None
    term: int


class Authorised(msgspec.Struct, frozen=True):
    """This node may act as leader until `deadline_ns` on its own clock, under the fencing token `token`."""

    token: int
    deadline_ns: int


class Deposed(msgspec.Struct, frozen=True):
    """This node may not act under `token` any more; `why` in a few words."""

    token: int
    why: str


class Side(enum.Enum):
    """What became of this node's side of a group that has come apart."""

    WHOLE = "whole"
    """Every member is seen, and all agree."""
    UNDECIDED = "undecided"
    """The view has not been stable for long enough."""
    STAYS = "stays"
    STEPS_DOWN = "steps down"


class Divided(msgspec.Struct, frozen=True):
    """The group has come apart, or together again: `sees` is whom this node sees, itself among them; `why` in a few
    words.
    """

    side: Side
    sees: tuple[NodeId, ...]
    why: str


class Answered(msgspec.Struct, frozen=True):
    """Tell the client whose request had the number `id`."""

    id: int
    answer: Answer


Effect = Send | Persist | Recognised | Authorised | Deposed | Divided | Answered
