"""What the owners of nodes say to one another about elections: who stands, who leads, what is wished.

A node speaks of itself alone, of each election in one piece, and counts what it says; a pulse tells how far it has
counted, so that who missed something asks for it again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tenure.backends.base import Reading
from tenure.core.codec import Codec
from tenure.holding.events import Wish


class Stand(msgspec.Struct, frozen=True, array_like=True):
    """A candidate that waits at the node that says so; `since` by its wall clock, for the order in lists alone."""

    nonce: str
    name: str
    priority: int
    metadata: Mapping[str, str]
    since: float


class History(msgspec.Struct, frozen=True, array_like=True):
    """The last tenure of an election that a node knows of."""

    token: int
    clean: bool = False
    """Whether it was closed by its leader, after tenures that were."""
    to: str | None = None
    """The candidate in whose favour it was closed."""

    def over(self, other: History | None) -> History:
        """The later of two; of one tenure what tells of its end."""
        if other is None or self.token > other.token:
            return self
        return other if other.token > self.token or other.clean or other.to else self


class About(msgspec.Struct, frozen=True, array_like=True):
    """All that a node says of one election."""

    election: str
    stands: tuple[Stand, ...]
    history: History | None


class Note(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What goes from owner to owner."""


class Said(Note, frozen=True):
    """The statement of number `version`; the one before it that is still of interest was `after`."""

    life: int
    after: int
    version: int
    about: About


class Pulse(Note, frozen=True):
    """This life of me lives, and this was its last statement."""

    life: int
    version: int


class Again(Note, frozen=True):
    """Say again what you said after that statement of that life."""

    life: int
    version: int


class Look(Note, frozen=True):
    """Who leads this election? Asked of the node that may act."""

    id: int
    election: str


class Seen(Note, frozen=True):
    """The answer; None: this node may not act now, so it cannot tell."""

    id: int
    reading: Reading | None


class Wished(Note, frozen=True):
    """Let whoever leads this election under that token hear this wish."""

    id: int
    election: str
    token: int
    wish: Wish


class Heard(Note, frozen=True):
    """Whether it did."""

    id: int
    done: bool


KINDS = (Said, Pulse, Again, Look, Seen, Wished, Heard)
codec: Codec[Note] = Codec(KINDS)
