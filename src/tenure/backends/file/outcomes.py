"""How a step of a campaign ends, and what outlives one campaign."""

from __future__ import annotations

import msgspec

from tenure.backends.file import record
from tenure.backends.file.identity import Process
from tenure.durations import NS_PER_S
from tenure.holding.events import Granted

HEIR_NS = 2 * NS_PER_S
"""How long others hold back for the one in whose favour a leader stepped down."""
ORPHAN_NS = 2 * NS_PER_S
"""How long whoever wins on another lock file waits for a leader whose own was deleted: one second to notice, another to
stop. That leader reckons on it, too.
"""


class Seen:
    """The highest token of each election that this process knows of: a wiped directory cannot take it back."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}

    def note(self, election: str, token: int) -> None:
        if token > self._tokens.get(election, 0):
            self._tokens[election] = token

    def highest(self, election: str) -> int:
        return self._tokens.get(election, 0)


class Victory(msgspec.Struct, frozen=True):
    """The lock is ours, the token durable. Whoever gets this owns `fd`."""

    fd: int
    granted: Granted
    state: record.Record


class Declined(msgspec.Struct, frozen=True):
    """It was one try, and somebody else leads."""


class Orphaned(msgspec.Struct, frozen=True):
    """The lock is ours, but the last leader did not close its tenure and held another file: it may still act.

    Wait for the death of `process` or the end of its tenure, or two seconds; where it is None, two seconds. Then
    `finish`.
    """

    process: Process | None


class Wait(msgspec.Struct, frozen=True):
    """Not yet. `eager` tells in how many seconds to try although others are ahead."""

    front: bool
    """Who is first or named as heir tries again and again for some milliseconds after a change."""
    blind: bool = False
    """The kernel gave no watch: look often."""
    eager_s: float | None = None
    hold_s: float | None = None


Outcome = Victory | Declined | Orphaned | Wait
