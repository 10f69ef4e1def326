"""One candidate's place among those who stand: everything that may block, so all of it runs on the worker.

Everybody watches the two before, so that whoever moves up to the second place learns it, even if those two sleep or
die; what the first ones watch besides is their campaign's affair. So a change wakes a few, however many stand (L15). A
candidate proves by a mark on its own file that it *lives*; nobody waits for that mark, so one that is frozen keeps
nobody from anything.

Every look that follows `take` is newer than its watches, so no change falls in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from tenure.backends.base import Candidate
from tenure.backends.file import queue
from tenure.backends.file.inotify import (
    ATTRIB,
    CLOSE_WRITE,
    DELETE_SELF,
    MOVE_SELF,
    NOBODY,
    Inotify,
    News,
    Watches,
)
from tenure.backends.file.place import Place

WATCHED_AHEAD = 2
"""The third must learn of the first one's going at once, or a second that sleeps would be all that watches."""
PRESENCE_MASK = CLOSE_WRITE | ATTRIB | DELETE_SELF | MOVE_SELF

Wanted = dict[str, tuple[int, News]]
"""What to watch: the events of a path, and whom to tell."""


class Line:
    """Made on the loop; every method belongs to the worker."""

    def __init__(
        self,
        place: Place,
        candidate: Candidate,
        since_ns: int,
        *,
        inotify: Inotify,
        news: Callable[[str], News],
        besides: Callable[[int], Wanted] = lambda _position: {},
        at_once: Mapping[str, News] = NOBODY,
    ) -> None:
        """`besides` says what else to watch at a position, once the queue was looked at; `at_once` as in `Watches`."""
        self.entry = queue.entry(candidate, since_ns)
        self._place = place
        self._candidate = candidate
        self._watches = Watches(inotify)
        self._news = news
        self._besides = besides
        self._at_once = at_once
        self._presence = -1

    @property
    def stands(self) -> bool:
        """Whether there is anything in the queue to withdraw."""
        return self._presence >= 0

    def is_anybody_ahead(self) -> bool:
        """Whether somebody who lives would be elected before a newcomer like this one."""
        names = [name for name in queue.tidied(self._place) if name < self.entry]
        return any(queue.lives(self._place, name) for name in names)

    def take(self) -> tuple[int, bool]:
        """Stand; returns the position (0 is first) and whether every change from now on will be told."""
        for left in range(2, -1, -1):
            position, ahead = self._find()
            watching = self._watch(ahead, self._besides(position))
            live = all(queue.lives(self._place, name) for name in ahead)
            if live or left == 0:  # at the last they die faster than they can be watched
                return position, watching and live
        raise AssertionError("the loop returns")

    def withdraw(self) -> None:
        """Stand no more; may be called again."""
        self._watches.set({})
        if self._presence >= 0:
            fd, self._presence = self._presence, -1
            queue.leave(self._place, self.entry, fd)

    def _find(self) -> tuple[int, list[str]]:
        """The position, exact for 0 and 1, and the names of the two living ones before."""
        names = self._names()
        index = position = names.index(self.entry)
        ahead: list[str] = []
        while index > 0 and len(ahead) < WATCHED_AHEAD:
            index -= 1
            if queue.lives(self._place, names[index]):
                ahead.append(names[index])
            else:
                position -= 1
        return position, ahead

    def _names(self) -> list[str]:
        """The queue, with this candidate in it; it comes back to its place where somebody removed its file."""
        for _ in range(3):
            try:
                names = queue.entries(self._place)
            except FileNotFoundError:
                self._place.create()
                names = []
            if self._presence >= 0 and self.entry in names:
                return names
            if self._presence >= 0:
                os.close(self._presence)
                self._presence = -1
            self._presence = queue.stand(self._place, self._candidate, self.entry)
        return [self.entry]

    def _watch(self, ahead: list[str], besides: Wanted) -> bool:
        wanted = besides | {f"{self._place.candidates}/{self.entry}": (PRESENCE_MASK, self._news("self"))}
        for name in ahead:
            wanted[f"{self._place.candidates}/{name}"] = (PRESENCE_MASK, self._news("ahead"))
        return self._watches.set(wanted, self._at_once)
