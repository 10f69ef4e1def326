"""What goes wrong with peers and strangers: counted each time, and said once in a while, with what to do about it.

Whoever is outside decides how often something goes wrong; so each line is said for one peer and one trouble, and again
only after a minute, with how often it happened meanwhile. Strangers are one peer in this: there is no end of them.
"""

from __future__ import annotations

import enum
import logging
from collections import Counter
from collections.abc import Callable

from tenure.transports.base import Say

AGAIN_AFTER_S = 60.0
LONGEST_LINE = 500
"""Characters of a line: some of it may be what the other side wrote."""


class Trouble(enum.Enum):
    """What can be wrong; the value is its stable spelling in refusals, counters and metrics."""

    FOREIGN = "foreign"
    """What speaks there does not speak this protocol."""
    MALFORMED = "malformed"
    VERSION = "version"
    CLUSTER = "cluster"
    FOUNDERS = "founders"
    MISDIRECTED = "misdirected"
    """It wanted another node than it reached."""
    NAMESAKE = "namesake"
    """It has this node's own number."""
    UNKNOWN = "unknown"
    """It is no member here."""
    REMOVED = "removed"
    """It was a member, and never will be again."""
    NAME = "name"
    GONE = "gone"
    """A life speaks that the kernel said had ended."""
    TWICE = "twice"
    """Two processes speak as one node."""
    USER = "user"
    """The process at the other end of a Unix socket is another user's."""
    CERTIFICATE = "certificate"
    PLAIN = "plain"
    """One side speaks TLS, and the other does not."""
    SLOW = "slow"
    """No hello within the time for it."""
    CROWDED = "crowded"
    """Too many connections that have not introduced themselves."""
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """The other side refuses this node."""
    FULL = "full"
    """Too much waits for a peer."""
    MESSAGE = "message"
    """The receiver could do nothing with what a peer sent."""


class Complaints:
    """Counts and says troubles. `now_s` is any clock that does not go back."""

    def __init__(self, say: Say, now_s: Callable[[], float]) -> None:
        self.counts = Counter[str]()
        self._say = say
        self._now_s = now_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def complain(self, who: str, trouble: Trouble, text: str, level: int = logging.WARNING) -> None:
        """Count it, and say `text` unless the same was said of `who` (a peer's name; "" for strangers) a while ago."""
        self.counts[trouble.value] += 1
        self.mention(who, trouble.value, text, level)

    def mention(self, who: str, topic: str, text: str, level: int = logging.INFO) -> None:
        """Say `text`, as rarely, and count nothing."""
        said_s, unsaid = self._said.get((who, topic), (None, 0))
        now_s = self._now_s()
        if said_s is not None and now_s - said_s < AGAIN_AFTER_S:
            self._said[who, topic] = (said_s, unsaid + 1)
            return
        self._said[who, topic] = (now_s, 0)
        more = f" ({unsaid} more like this since it was last said)" if unsaid else ""
        self._say(level, plain_text(text) + more)

    def forget(self, who: str) -> None:
        """Keep nothing of `who`, that is no member any more."""
        for key in [key for key in self._said if key[0] == who]:
            del self._said[key]


def plain_text(text: str) -> str:
    """One line that can be printed, whatever the other side wrote."""
    shown = "".join(character if character.isprintable() else "?" for character in text[: LONGEST_LINE + 1])
    return shown if len(shown) <= LONGEST_LINE else shown[:LONGEST_LINE] + "..."
