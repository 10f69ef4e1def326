"""The slow look at the lock files of all elections that are led, for what the kernel's news do not tell.

One timer for all. Where the kernel watches an election's directory, only a move of a directory above it goes unnoticed:
that is one look at the root, plus a few elections in turn as insurance. The rest are looked at each time.
"""

# ruff: noqa: PTH116 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING

from tenure.backends.file.tools import Tools

if TYPE_CHECKING:
    from tenure.backends.file.grant import FileGrant

LOOK_S = 0.5
"""A leader notices within a second that its lock file is gone; half of that leaves room for a busy machine."""
IN_TURN = 50


class Sentry:
    """Used on the loop, but for the job that looks."""

    def __init__(self, tools: Tools, root: str) -> None:
        self._tools = tools
        self._root = root
        self._root_inode: tuple[int, int] | None = None
        self._grants: dict[int, FileGrant] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False
        self.vouched_ns = 0
        """Until when all news of the kernel are known to have been heard, and the root to have stayed."""

    def add(self, grant: FileGrant) -> None:
        self._grants[id(grant)] = grant
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._tick)

    def remove(self, grant: FileGrant) -> None:
        self._grants.pop(id(grant), None)
        if not self._grants:
            self.stop()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ring_all(self) -> None:
        """Have every leader look; after the backend was closed each finds out."""
        for grant in self._grants.values():
            grant.ring()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_S, self._tick)
        if self._looking:  # the last look still waits for the disk
            return
        self._looking = True
        works = self._tools.inotify.works
        blind = [grant for grant in self._grants.values() if not (works and grant.is_watched)]
        self._tools.worker.post(partial(self._look, loop, blind, self._in_turn()))

    def _in_turn(self) -> list[FileGrant]:
        grants = list(self._grants.values())
        start = self._next if self._next < len(grants) else 0
        self._next = start + IN_TURN
        return grants[start : self._next]

    def _look(self, loop: asyncio.AbstractEventLoop, blind: list[FileGrant], others: list[FileGrant]) -> None:
        """On the worker, after all news that had come by then."""
        now_ns = self._tools.clock.now_ns()
        self._tools.inotify.drain()
        moved = self._has_moved()
        bad = [grant for grant in others if not _is_well(grant)]
        try:
            loop.call_soon_threadsafe(self._looked, now_ns, moved, [*blind, *bad])
        except RuntimeError:  # the loop was closed meanwhile
            return

    def remember_root(self) -> None:
        """Note which directory the root is, before a leader looks for its lock below it; on the worker."""
        if self._root_inode is None:
            self._has_moved()

    def _has_moved(self) -> bool:
        try:
            found = os.stat(self._root)
        except OSError:
            return True
        inode = (found.st_dev, found.st_ino)
        before, self._root_inode = self._root_inode, inode
        return before not in (None, inode)

    def _looked(self, now_ns: int, moved: bool, doubtful: list[FileGrant]) -> None:
        self._looking = False
        if moved:
            self.ring_all()
            return
        self.vouched_ns = now_ns
        for grant in doubtful:
            grant.ring()


def _is_well(grant: FileGrant) -> bool:
    try:
        return grant.is_ours()
    except OSError:
        return False
