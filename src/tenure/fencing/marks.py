"""High-water marks, and who is inside: what a gate asks, and its answer for one process.

Rules, for each election:
 1. The mark never falls. It is raised, durably where it is kept in a file, before anything is done under a new token.
 2. An act whose token is below the mark does not begin.
 3. An act does not begin while one with an older token is inside. Since it has raised the mark first, no more of those
    begin, so its wait ends when the last of them does.
 4. Comparing, raising and entering are one step: nothing comes between them.
Acts with the same token do not wait for one another.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from tenure.backends.base import TOKEN_LIMIT
from tenure.backends.url import checked_name
from tenure.errors import ConfigurationError, StaleToken
from tenure.handle import Hold


class Obstacle(NamedTuple):
    """Why an act cannot begin yet: an older one is inside, or (None) the mark itself is in use."""

    inside: int | None


class Visit:
    """One act inside a gate. It ends when it is left, or its process dies; a forked child has no part in it."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave
        self._pid = os.getpid()

    def leave(self) -> None:
        """End it, from any thread; more than once does no harm."""
        leave, self._leave = self._leave, None
        if leave is not None and os.getpid() == self._pid:
            leave()

    def __del__(self) -> None:
        self.leave()  # one that nobody holds was abandoned between its entering and its being noted, as by Ctrl-C


class Marks(Protocol):
    """Where the marks are kept. No call waits for another act; each is tried again by who called it."""

    may_block: bool
    """Whether a call may wait for a disk, so that an event loop must not make it."""

    def enter(self, election: str, token: int) -> Visit | Obstacle:
        """Raise the mark, and begin an act if nothing is in its way. Raises StaleToken."""
        ...

    def stamp(self, election: str, token: int) -> Obstacle | None:
        """Raise the mark. Raises StaleToken where it is higher already."""
        ...

    def highest(self, election: str) -> int:
        """The mark; 0 where nothing was stamped."""
        ...


class MemoryMarks:
    """Marks of one process, shared by its threads and tasks."""

    may_block = False

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._highest: dict[str, int] = {}
        self._inside: dict[str, Counter[int]] = {}
        self._left: deque[tuple[str, int]] = deque()
        """Acts that have ended. Leaving takes no lock: the garbage collector may do it, where the lock is held."""
        _MEMORIES.add(self)

    def enter(self, election: str, token: int) -> Visit | Obstacle:
        with self._changing:
            self._raise(election, token)
            self._forget_who_left()
            inside = self._inside.setdefault(election, Counter())
            oldest = min(inside, default=token)
            if oldest < token:
                return Obstacle(oldest)
            inside[token] += 1
        return Visit(lambda: self._left.append((election, token)))

    def stamp(self, election: str, token: int) -> Obstacle | None:
        with self._changing:
            self._raise(election, token)
        return None

    def highest(self, election: str) -> int:
        return self._highest.get(election, 0)

    def _raise(self, election: str, token: int) -> None:
        highest = self._highest.get(election, 0)
        if token < highest:
            raise StaleToken(token, highest)
        self._highest[election] = token

    def _forget_who_left(self) -> None:
        while self._left:
            election, token = self._left.popleft()
            inside = self._inside[election]
            inside[token] -= 1
            if not inside[token]:
                del inside[token]

    def forked(self) -> None:
        """In a forked child: whoever is inside stayed with the parent, and so did who was changing the marks."""
        self._changing = threading.Lock()
        self._inside.clear()
        self._left.clear()


_MEMORIES: weakref.WeakSet[MemoryMarks] = weakref.WeakSet()


def _forked() -> None:
    for marks in list(_MEMORIES):
        marks.forked()


os.register_at_fork(after_in_child=_forked)


def borne(bearer: object, election: str | None) -> tuple[str, int]:
    """The election and the token that `bearer` acts for. Raises ConfigurationError for what is none."""
    if isinstance(bearer, Hold):
        if election not in {None, bearer.election}:
            raise ConfigurationError(
                f"this is a tenure of {bearer.election!r}, not of {election!r}; leave the name out"
            )
        return bearer.election, bearer.token
    if not isinstance(bearer, int) or isinstance(bearer, bool) or not 0 < bearer <= TOKEN_LIMIT:
        raise ConfigurationError(f"a tenure, or a token from 1 to {TOKEN_LIMIT}, is needed here, not {bearer!r}")
    if election is None:
        raise ConfigurationError("a bare token needs the name of its election: tokens of two elections mean nothing")
    return checked_name(election), bearer
