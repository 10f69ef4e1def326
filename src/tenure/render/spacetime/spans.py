"""What a run amounts to: lives, roles, tenures, partitions and messages as spans of time, and who led when.

Every span is half open, `[from_ns, to_ns)`. `step` is the place in the trace of the record that began it.
"""

from __future__ import annotations

import enum

import msgspec

from tenure.core.events import NodeId
from tenure.render.spacetime.cuts import Groups
from tenure.trace import Sent


class Stance(enum.StrEnum):
    """What a node's role comes to, whatever the algorithm calls it; each has a colour, a pattern and a shape."""

    LEADING = "leading"
    """It recognises itself."""
    ELECTING = "electing"
    """It takes part in an election that is not decided, as far as it knows."""
    FOLLOWING = "following"
    OTHER = "other"


class Span(msgspec.Struct, kw_only=True):
    """A stretch of time."""

    from_ns: int
    to_ns: int
    step: int


class Life(Span, kw_only=True):
    """A node lives, or stands still, in its life number `life`."""

    node: NodeId
    life: int
    paused: bool = False


class Rank(Span, kw_only=True):
    """A node has one role."""

    node: NodeId
    role: str
    leader: NodeId | None
    term: int
    stance: Stance


class Authority(Span, kw_only=True):
    """A node may act under a token; `ending` says in a word or more how that ended."""

    node: NodeId
    token: int
    ending: str = ""


class Body(Span, kw_only=True):
    """The work that a node does while it may act; `told`: it was told to stop, and has not left yet."""

    node: NodeId
    token: int
    told: bool = False


class Together(Span, kw_only=True):
    """Just these nodes did the same at once: none is a gap, two or more an overlap."""

    nodes: tuple[NodeId, ...]


class Parted(Span, kw_only=True):
    """Links are cut; `sides` holds the groups where they are cut into such, and is empty otherwise."""

    text: str
    sides: Groups


class Named(Span, kw_only=True):
    """A phase of the run."""

    name: str


class Mark(msgspec.Struct, kw_only=True):
    """Something that happened at an instant, to a node or, where that is None, to the whole."""

    at_ns: int
    step: int
    what: str
    """"began", "crashed", "left", "paused", "resumed", "struck", "violated", "overran", or "note"."""
    text: str
    node: NodeId | None = None


class End(msgspec.Struct, kw_only=True):
    """What became of one copy of a message; `why` is empty where it arrived."""

    at_ns: int
    step: int
    why: str = ""


class Letter(msgspec.Struct, kw_only=True):
    """A message on its way, and what became of its copies."""

    sent: Sent
    step: int
    ends: list[End]


class History(msgspec.Struct, kw_only=True):
    """A run, or the window of it from `from_ns` to `to_ns`."""

    from_ns: int
    to_ns: int
    nodes: list[NodeId]
    lives: list[Life]
    ranks: list[Rank]
    tenures: list[Authority]
    bodies: list[Body]
    parted: list[Parted]
    phases: list[Named]
    marks: list[Mark]
    letters: list[Letter]
    leading: list[Together]
    """Who believes that it leads."""
    acting: list[Together]
    """Who may act: empty where the trace has no tenures."""


_QUIET = ("new", "quiet", "gone", "observ", "learn", "silent", "left")
"""How words for a node that takes no part begin."""
_ELECTING = ("candidate", "elect", "ask", "answer", "propos", "prepar", "campaign", "voting")
"""What words for a node in an election have in them."""


def stance(role: str, node: NodeId, leader: NodeId | None) -> Stance:
    """What a role comes to. Whom the node recognises decides first, then the word."""
    if leader == node:
        return Stance.LEADING
    word = role.lower()
    if any(part in word for part in _ELECTING):
        return Stance.ELECTING
    if leader is not None or "follow" in word:
        return Stance.FOLLOWING
    return Stance.OTHER if word.startswith(_QUIET) else Stance.ELECTING
