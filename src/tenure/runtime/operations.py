"""What operators ask of a node, and what they are told; and how that, and what clients ask of the algorithm, is framed.

    between nodes        0x80  request                      and back  0x81  id (8 bytes)  answer
    client to node       0x80  to (8 bytes)  request        and back  0x81  id (8 bytes)  answer
    client to node       0x82  to (8 bytes)  operation      and back  0x83  result
    between nodes        0x82  operation                    and back  0x83  result
    between nodes        0x84  note of the node's owner

A client names the node by number that is to answer, or 0 for the one that it speaks with: a client may talk to any
node, and reaches all of them through it. A request or an operation bears an id of the asker's; what comes back bears
the same. A request that nobody could answer comes back as a result, since every algorithm has answers of its own.
"""

from __future__ import annotations

import msgspec

from tenure.core.codec import Codec
from tenure.core.elector import WishRefused
from tenure.core.events import NodeId
from tenure.runtime.roster import Seat
from tenure.runtime.way import NotAsked

ASKS, ANSWERS, OPERATES, RESULTS, NOTES, ROSTER = 0x80, 0x81, 0x82, 0x83, 0x84, 0x85
"""First bytes; messages of the algorithm begin with their number, which is below."""
NUMBER_BYTES = 8
WHOEVER = 0
"""As `to`: the node that is spoken with."""


class Operation(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What an operator asks."""

    id: int


class TellStatus(Operation, frozen=True):
    """How does it stand with you? Answered by StatusIs."""


class TellRoster(Operation, frozen=True):
    """Who is a member, and where is each? Answered by RosterIs."""


class TellLeader(Operation, frozen=True):
    """Who leads, once it is another than `known`? Answered by LeaderIs, maybe much later."""

    known: NodeId | None = None


class HandOver(Operation, frozen=True):
    """If you lead, step down, in favour of `to`, or of nobody in particular. Answered by Done."""

    to: NodeId | None = None


class AddNode(Operation, frozen=True):
    """Let this node be a member from now on. Answered by Done once it is a voter, where there are voters."""

    number: NodeId
    name: str
    address: str


class RemoveNode(Operation, frozen=True):
    """Let the member of this name, or of this number, be none any more, and its number nobody's. Answered by Done."""

    node: str


class Result(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What an operator is told."""

    id: int


class StatusIs(Result, frozen=True):
    """A node's view of itself (`runtime.status.Status`), as JSON."""

    status: bytes


class RosterIs(Result, frozen=True):
    """All members, as far as this node knows, itself among them."""

    me: NodeId
    cluster: str
    """Its name."""
    founders: tuple[str, ...]
    algorithm: str
    seats: tuple[Seat, ...]
    """Those of removed nodes among them."""


class LeaderIs(Result, frozen=True):
    """Whom this node takes for the leader of that term, since just now."""

    leader: NodeId
    term: int


class Done(Result, frozen=True):
    """It has come about, or been begun where it takes its time."""


class Denied(Result, frozen=True):
    """Nothing was done, and nothing will be: `why` says what would help."""

    why: str


class Elsewhere(Result, frozen=True):
    """Nothing was done: ask `leader`, or anybody later if it is None."""

    leader: NodeId | None


class NotNow(Result, frozen=True):
    """Nothing was done: that node cannot be asked now; ask again later."""

    why: str


class Doubtful(Result, frozen=True):
    """It may come about, or not: whoever was asked has not answered, and will not."""

    why: str


def renumbered(result: Result, number: int) -> Result:
    """The same under the number that its asker gave it."""
    return msgspec.structs.replace(result, id=number)


def why_none(number: int, error: BaseException | None) -> Result:
    """What is told where no answer came: `error` as of a Way, None where nobody waits for it any more."""
    match error:
        case NotAsked():
            return NotNow(number, str(error))
        case WishRefused():
            return Denied(number, str(error))
        case _:
            return Doubtful(number, str(error or "who was asked has given up"))


OPERATIONS: Codec[Operation] = Codec((TellStatus, TellRoster, TellLeader, HandOver, AddNode, RemoveNode))
RESULT: Codec[Result] = Codec((StatusIs, RosterIs, LeaderIs, Done, Denied, Elsewhere, NotNow, Doubtful))
