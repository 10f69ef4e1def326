"""What goes into an elector: that it starts, what it received, what became durable, who is suspected, that time passed.

A node is known by its number. Numbers are unique and never used again, not even at the same address; which of two is
greater decides in some algorithms, and nothing else is read into them.
"""

from __future__ import annotations

import re

import msgspec

NodeId = int


def _tag(name: str) -> str:
    """The name under which a message travels and is shown: TAKE-OVER of a class TakeOver."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).upper()


class Message(msgspec.Struct, frozen=True, array_like=True, tag=_tag):
    """What one node says to another. Each algorithm declares its own, beside the class that reads them."""


class Record(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a node keeps through crashes; a later record takes the place of an earlier one of the same type."""

    def over(self, earlier: Record) -> Record:
        """What is kept of `earlier`, of the same type, and this: this alone, unless it only adds to what was there.

        Associative, since a storage puts neighbours together in any grouping: `c.over(b.over(a)) == c.over(b).over(a)`.
        """
        del earlier
        return self


class Request(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a client asks of a node. Each algorithm that serves clients declares its own."""

    id: int
    """The answer bears it; the driver gives no number twice within a life."""


class Answer(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What a client is told."""


class Started(msgspec.Struct, frozen=True):
    """The first event of an elector's life; `durable` holds the last record of each type that earlier lives synced."""

    durable: tuple[Record, ...] = ()


class Received(msgspec.Struct, frozen=True):
    """`message` came from `sender`: perhaps late, twice, or after later ones, as the fault model allows."""

    sender: NodeId
    message: Message


class Persisted(msgspec.Struct, frozen=True):
    """Every record up to `number` is durable."""

    number: int


class Woke(msgspec.Struct, frozen=True):
    """Time has passed; given when the clock has reached the elector's `wake_ns`, and allowed at any time."""


class Suspected(msgspec.Struct, frozen=True):
    """A failure detector believes that `peer` has crashed. It may be wrong."""

    peer: NodeId


class Trusted(msgspec.Struct, frozen=True):
    """The failure detector believes that `peer` lives, after all."""

    peer: NodeId


class Joined(msgspec.Struct, frozen=True):
    """`peer` is a member from now on."""

    peer: NodeId


class Left(msgspec.Struct, frozen=True):
    """`peer` is a member no more; the elector itself, where it is its own number."""

    peer: NodeId


class Asked(msgspec.Struct, frozen=True):
    """Somebody wishes that this node, if it leads, step down: in favour of `to`, or of nobody in particular."""

    to: NodeId | None = None


class Reconfigure(msgspec.Struct, frozen=True):
    """An operator wishes that these nodes be the voters; only the node that leads can see to it."""

    voters: tuple[NodeId, ...]


class Rating(msgspec.Struct, frozen=True, order=True, array_like=True):
    """How much a node is preferred for leader: of two the greater one, by the first field in which they differ."""

    eligible: bool = True
    """Whether it may lead at all."""
    freshness: int = 0
    """How much it knows, such as how far it has read a log: who is behind would lose what others have."""
    priority: int = 0
    """What the operator prefers."""


class Rated(msgspec.Struct, frozen=True):
    """The driver says how this node stands from now on. Only an elector with `Preference` around it makes use of it."""

    rating: Rating


class Requested(msgspec.Struct, frozen=True):
    """Clients ask these things of the node, in this order."""

    requests: tuple[Request, ...]


class PeerLost(msgspec.Struct, frozen=True):
    """The connection to `peer` broke, which alone says little: it may mend.

    `certain` only where the kernel vouches that its process is gone, and with it every job of its that could outlive
    it: never by an end of file, which `close` and `exec` give too. It speaks of the life that was heard last: the
    driver's duty 9.
    """

    peer: NodeId
    certain: bool = False


Demand = Requested | PeerLost
"""What is given besides to electors that serve clients, and to nobody else."""
Event = Started | Received | Persisted | Woke | Suspected | Trusted | Joined | Left | Asked | Reconfigure | Rated
