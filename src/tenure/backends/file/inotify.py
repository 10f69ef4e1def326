"""The kernel's news about files: one descriptor for all elections of a process, read by the loop.

Watches are made and dropped on the worker's thread, for a path lookup may block; news are read on the loop. A watch is
registered before whoever made it looks at the state again, so between the two nothing is missed.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
import threading
from collections.abc import Callable

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

News = Callable[[int], None]
"""Called on the loop with what happened; OVERFLOW where something happened that the kernel could not tell."""


class WatchedInode:
    """One interest in one file."""

    __slots__ = ("mask", "news", "wd")

    def __init__(self, wd: int, mask: int, news: News) -> None:
        self.wd = wd
        self.mask = mask
        self.news = news


class Inotify:
    """Made on the loop; `watch` and `drop` belong to the worker's threads, everything else to the loop."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tried_s = -_RETRY_S
        self._mutex = threading.Lock()  # between workers only: a stuck one may have been replaced
        self._watches: dict[int, dict[int, WatchedInode]] = {}
        self._closed = False

    @property
    def works(self) -> bool:
        return self._fd >= 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the loop read the news; does nothing when it does already, or when the kernel has just refused."""
        if self._fd >= 0 or self._closed or loop.time() - self._tried_s < _RETRY_S:
            return
        self._tried_s = loop.time()
        self._fd = int(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        if self._fd >= 0:
            self._loop = loop
            loop.add_reader(self._fd, self.drain)

    def watch(self, path: str, mask: int, news: News) -> WatchedInode | None:
        """Be told about `path`; None where there is no such file, or the kernel has no watch left: then poll."""
        if self._fd < 0:
            return None
        with _held(self._mutex):
            wd = int(self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask | _MASK_ADD)))
            if wd < 0:
                return None
            watch = WatchedInode(wd, mask, news)
            self._watches.setdefault(wd, {})[id(watch)] = watch
            return watch

    def drop(self, watch: WatchedInode) -> None:
        """Be told no more."""
        with _held(self._mutex):
            sharers = self._watches.get(watch.wd)
            if sharers is None or sharers.pop(id(watch), None) is None or sharers:
                return
            del self._watches[watch.wd]
            if self._fd >= 0:
                self._libc.inotify_rm_watch(self._fd, watch.wd)  # fails where the file is gone already: the same to us

    def close(self) -> None:
        """Close the descriptor; nobody is told anything any more."""
        self._closed = True
        if self._fd >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._watches.clear()

    def forked(self) -> None:
        """In a forked child: close the copy, and leave the loop's selector alone, which the parent shares."""
        self._closed = True
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._watches = {}

    def drain(self) -> None:
        """Tell everybody all that the kernel has told; on the loop."""
        if self._fd < 0:
            return
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            wd, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            if mask & OVERFLOW:
                for sharers in list(self._watches.values()):
                    _tell(sharers, OVERFLOW)
                continue
            if mask & IGNORED:
                self._watches.pop(wd, None)
            else:
                _tell(self._watches.get(wd, {}), mask)


def _tell(sharers: dict[int, WatchedInode], mask: int) -> None:
    for watch in list(sharers.values()):
        if mask & (watch.mask | OVERFLOW | UNMOUNT):
            watch.news(mask)


class _held:  # noqa: N801 -- reads as `with _held(mutex)`
    """A mutex that is not waited for without a limit: whoever holds it may be stuck in the kernel."""

    def __init__(self, mutex: threading.Lock) -> None:
        self._mutex = mutex

    def __enter__(self) -> None:
        if not self._mutex.acquire(timeout=2.0):
            raise BackendUnreachable(f"{os.strerror(errno.EBUSY)}: the file system does not answer; try again later")

    def __exit__(self, *_: object) -> None:
        self._mutex.release()


class Watches:
    """All that one party watches; only `news` is called on the loop, the rest belongs to the worker."""

    __slots__ = ("_held", "_inotify")

    def __init__(self, inotify: Inotify) -> None:
        self._inotify = inotify
        self._held: dict[str, WatchedInode] = {}

    def set(self, wanted: dict[str, tuple[int, News]]) -> bool:
        """Watch these paths and no others, each the file that bears its name now. False where one could not be had."""
        for path in [path for path in self._held if path not in wanted]:
            self._inotify.drop(self._held.pop(path))
        for path, (mask, news) in wanted.items():
            before = self._held.pop(path, None)
            watch = self._inotify.watch(path, mask, news)
            if watch is not None:
                self._held[path] = watch
            if before is not None:  # only now, or a shared watch would fall and come back
                self._inotify.drop(before)
        return len(self._held) == len(wanted)
