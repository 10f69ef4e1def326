"""A disk that is slow, full or failing on order: orders in a page that the nemesis and the node's process both map."""

from __future__ import annotations

import errno
import mmap
import time
from pathlib import Path

from tenure.storage.wal.files import Files

LONGEST_S = 30.0
"""Of one sync: whoever gave the order may be gone."""


class Orders:
    """What one node's disk is to do from its next call on, in this life of the node and the next."""

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(mmap.PAGESIZE)
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self._words = memoryview(self._page).cast("d")

    @property
    def slow_s(self) -> float:
        """So long every sync takes more than it would."""
        return self._words[0]

    @slow_s.setter
    def slow_s(self, value: float) -> None:
        self._words[0] = value

    @property
    def fails(self) -> bool:
        """Whether syncs fail."""
        return bool(self._words[1])

    @fails.setter
    def fails(self, value: bool) -> None:
        self._words[1] = value

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another file."""
        return bool(self._words[2])

    @is_full.setter
    def is_full(self, value: bool) -> None:
        self._words[2] = value

    @property
    def failed(self) -> int:
        """Syncs that failed on order, ever."""
        return int(self._words[3])

    @property
    def refused(self) -> int:
        """Files that found no room on order, ever."""
        return int(self._words[4])

    def tell_failed(self) -> None:
        """The disk has obeyed."""
        self._words[3] += 1

    def tell_refused(self) -> None:
        """The same."""
        self._words[4] += 1

    def heal(self) -> None:
        """A disk as it should be."""
        self.slow_s, self.fails, self.is_full = 0.0, False, False

    def close(self) -> None:
        self._words.release()
        self._page.close()


class OrderedFiles(Files):
    """The calls of a log, but for what is ordered."""

    def __init__(self, orders: Orders) -> None:
        super().__init__()
        self._orders = orders

    def allocate(self, fd: int, size: int) -> None:
        if self._orders.is_full:
            self._orders.tell_refused()
            raise OSError(errno.ENOSPC, "No space left on device, as ordered")
        super().allocate(fd, size)

    def write_synced(self, fd: int, data: memoryview, offset: int) -> None:
        self._obey()
        super().write_synced(fd, data, offset)

    def sync(self, fd: int) -> None:
        self._obey()
        super().sync(fd)

    def _obey(self) -> None:
        began_s = time.monotonic()
        while time.monotonic() < began_s + min(self._orders.slow_s, LONGEST_S):
            time.sleep(0.01)
        if self._orders.fails:
            self._orders.tell_failed()
            raise OSError(errno.EIO, "Input/output error, as ordered")
