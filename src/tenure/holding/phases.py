"""Where a candidate is in its life, and what its tenure is worth to its owner."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """What a tenure is worth now."""

    SAFE = "safe"
    UNCERTAIN = "uncertain"
    """Renewals fail; the deadline is still ahead."""
    LOST = "lost"


class Phase(enum.Enum):
    """Where a candidate is in its life; it only ever goes forward, but for a win given back at once (rules 2, 11)."""

    NEW = enum.auto()
    STANDING = enum.auto()
    HELD_BACK = enum.auto()
    LEADING = enum.auto()
    ENDING = enum.auto()
    RELEASING = enum.auto()
    OVER = enum.auto()


HELD = frozenset({Phase.HELD_BACK, Phase.LEADING, Phase.ENDING})
"""The phases in which there is a grant to renew."""
