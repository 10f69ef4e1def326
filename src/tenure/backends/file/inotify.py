"""The kernel's news about files: one descriptor for all elections of a process, read by the worker.

Watches are made and dropped there, too, for a path lookup may block. News are told on the loop; who can act on them at
once, without the loop, is told on the worker first. A watch is registered before whoever made it looks at the state
again, so between the two nothing is missed.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tenure.errors import BackendUnreachable

ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
OVERFLOW = 0x4000
IGNORED = 0x8000
_MASK_ADD = 0x20000000

_EVENT = struct.Struct("iIII")
_READ_BYTES = 65536
_RETRY_S = 5.0
"""How long to do without before asking again for an instance, where the user had too many (128 by default)."""
_BUSY_S = 2.0
"""How long one worker's thread waits for another that makes or drops a watch: that one is stuck by then."""

News = Callable[[int], None]
"""Told what happened; OVERFLOW where something happened that the kernel could not tell."""
NOBODY: Mapping[str, News] = {}


class WatchedInode:
    """One interest in one file."""

    __slots__ = ("at_once", "mask", "news", "wd")

    def __init__(self, wd: int, mask: int, news: News, at_once: News | None) -> None:
        self.wd = wd
        self.mask = mask
        self.news = news
        self.at_once = at_once


class Inotify:
    """Made and closed on the loop; everything else belongs to the worker's threads."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tried_s = -_RETRY_S
        self._mutex = threading.Lock()  # between workers only: a stuck one may have been replaced
        self._watches: dict[int, dict[int, WatchedInode]] = {}
        self._closed = False

    @property
    def works(self) -> bool:
        return self.fd >= 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the kernel for an instance, whose news `loop` is to be told.

        Does nothing when there is one, or when the kernel has just refused.
        """
        if self.fd >= 0 or self._closed or loop.time() - self._tried_s < _RETRY_S:
            return
        self._tried_s, self._loop = loop.time(), loop
        self.fd = int(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def watch(self, path: str, mask: int, news: News, at_once: News | None = None) -> WatchedInode | None:
        """Be told about `path`: `at_once` on the worker, which must not raise, then `news` on the loop.

        None where there is no such file, or the kernel has no watch left: then poll.
        """
        if self.fd < 0:
            return None
        with _held(self._mutex):
            wd = int(self._libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask | _MASK_ADD)))
            if wd < 0:
                return None
            watch = WatchedInode(wd, mask, news, at_once)
            self._watches.setdefault(wd, {})[id(watch)] = watch
            return watch

    def drop(self, watch: WatchedInode) -> None:
        """Be told no more."""
        with _held(self._mutex):
            sharers = self._watches.get(watch.wd)
            if sharers is None or sharers.pop(id(watch), None) is None or sharers:
                return
            del self._watches[watch.wd]
            if self.fd >= 0:
                self._libc.inotify_rm_watch(self.fd, watch.wd)  # fails where the file is gone already: the same to us

    def close(self) -> None:
        """Close the descriptor; nobody is told anything any more."""
        self._closed = True
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._watches.clear()

    def forked(self) -> None:
        """In a forked child: close the copy."""
        self.close()

    def drain(self) -> None:
        """Tell everybody all that the kernel has told."""
        if self.fd < 0:
            return
        try:
            data = os.read(self.fd, _READ_BYTES)
        except OSError:  # nothing to read, or closed just now
            return
        at = 0
        told: list[tuple[News, int]] = []
        while at < len(data):
            wd, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            if mask & OVERFLOW:
                for sharers in list(self._watches.values()):
                    told.extend(_concerned(sharers, OVERFLOW))
                continue
            if mask & IGNORED:
                self._watches.pop(wd, None)
            else:
                told.extend(_concerned(self._watches.get(wd, {}), mask))
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_tell, told)
        except RuntimeError:  # the loop was closed meanwhile: nobody listens any more
            return


def _concerned(sharers: dict[int, WatchedInode], mask: int) -> Iterator[tuple[News, int]]:
    """Who is to be told on the loop; who can act at once is told here and now."""
    for watch in list(sharers.values()):
        if mask & (watch.mask | OVERFLOW | UNMOUNT):
            if watch.at_once is not None:
                watch.at_once(mask)
            yield watch.news, mask


def _tell(told: list[tuple[News, int]]) -> None:
    for news, mask in told:
        news(mask)


@contextmanager
def _held(mutex: threading.Lock) -> Iterator[None]:
    """Not waited for without a limit: whoever holds it may be stuck in the kernel."""
    if not mutex.acquire(timeout=_BUSY_S):
        raise BackendUnreachable("the file system does not answer; try again later")
    try:
        yield
    finally:
        mutex.release()


class Watches:
    """All that one party watches; belongs to the worker."""

    __slots__ = ("_held", "_inotify")

    def __init__(self, inotify: Inotify) -> None:
        self._inotify = inotify
        self._held: dict[str, WatchedInode] = {}

    def set(self, wanted: Mapping[str, tuple[int, News]], at_once: Mapping[str, News] = NOBODY) -> bool:
        """Watch these paths and no others, each the file that bears its name now. False where one could not be had.

        `at_once` names those who act on the news of a path on the worker, before the loop is told.
        """
        for path in [path for path in self._held if path not in wanted]:
            self._inotify.drop(self._held.pop(path))
        for path, (mask, news) in wanted.items():
            before = self._held.pop(path, None)
            watch = self._inotify.watch(path, mask, news, at_once.get(path))
            if watch is not None:
                self._held[path] = watch
            if before is not None:  # only now, or a shared watch would fall and come back
                self._inotify.drop(before)
        return len(self._held) == len(wanted)
