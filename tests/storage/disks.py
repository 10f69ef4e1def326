"""Disks that stall, fail, fill up, or lose at a crash what was not synced."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from random import Random

from tenure.storage.wal.files import Files
from tests.storage.logs import SECTOR


class FaultyFiles(Files):
    """Real files, whose disk stalls until `goes_on` is set, fails with `error`, or has no room while `is_full`."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.has_stalled = threading.Event()
        """Set when a batch has been held up."""
        self.error: int | None = None
        self.is_full = False
        self.has_been_full = threading.Event()
        self.has_been_full_again = threading.Event()
        self.batches = 0
        """How many were synced; a segment's head, which the keeper writes whenever it has made one, is none."""

    def write_synced(self, fd: int, data: memoryview, offset: int) -> None:
        is_batch = offset > 0
        if not self.goes_on.is_set():
            if is_batch:
                self.has_stalled.set()
            self.goes_on.wait()
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.batches += is_batch
        super().write_synced(fd, data, offset)

    def allocate(self, fd: int, size: int) -> None:
        if self.is_full:
            (self.has_been_full_again if self.has_been_full.is_set() else self.has_been_full).set()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().allocate(fd, size)


class ClosingFiles(FaultyFiles):
    """A disk that says of each close that it failed; the descriptor is gone all the same, as on Linux."""

    def __init__(self) -> None:
        super().__init__()
        self.has_closed_twice = False

    def close(self, fd: int) -> None:
        try:
            super().close(fd)
        except OSError as error:
            self.has_closed_twice = error.errno == errno.EBADF
        raise OSError(errno.EIO, os.strerror(errno.EIO))


class HeldFiles(FaultyFiles):
    """A disk that takes its time to give a checkpoint its name: until `goes_on_naming` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.is_naming = threading.Event()
        self.goes_on_naming = threading.Event()

    def rename(self, old: Path, new: Path) -> None:
        if new.suffix == ".checkpoint":
            self.is_naming.set()
            self.goes_on_naming.wait()
        super().rename(old, new)


class Sheet:
    """A file: what of it is on the disk, and what was written since, in order."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.pending: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        """In the cache."""
        self.pending.append((offset, data))

    def sync(self) -> None:
        """On the disk."""
        for offset, data in self.pending:
            _put(self.durable, offset, data)
        self.pending.clear()

    def crash(self, chance: Random) -> bytes:
        """What is there after the power went: of the rest any sectors made it."""
        share, left = chance.choice((0.0, 0.5, 0.9, 1.0)), bytearray(self.durable)
        for offset, data in self.pending:
            for at in range(0, len(data), SECTOR):
                if chance.random() < share:
                    _put(left, offset + at, data[at : at + SECTOR])
        return bytes(left)


def _put(sheet: bytearray, offset: int, data: bytes) -> None:
    sheet += bytes(max(0, offset + len(data) - len(sheet)))
    sheet[offset : offset + len(data)] = data


class VolatileFiles(Files):
    """Real files for those who read, and beside them what would be there had the power gone. It goes before the call
    of number `last`; every call after that fails.
    """

    def __init__(self, path: Path, last: int | None = None) -> None:
        super().__init__()
        self.is_direct = False
        self.syncs = True
        self.calls = 0
        self.last = last
        self._lock = threading.RLock()
        self._sheets = {one.name: Sheet(one.read_bytes()) for one in path.iterdir()}
        self._durable_names = dict(self._sheets)
        self._steps: list[tuple[str, str | None, Sheet]] = []  # (name, the new name or None, which)
        self._open: dict[int, Sheet] = {}

    @property
    def names_at_risk(self) -> int:
        """How many names were given or taken since the directory was synced."""
        return len(self._steps)

    def crash(self, chance: Random, into: Path, *, named: int | None = None) -> None:
        """Make the directory as it is found after the power went. Names change in their order, as a journal has it: so
        many of those at risk had, or as many as chance says.
        """
        names = dict(self._durable_names)
        if named is None:
            named = int(chance.random() * (len(self._steps) + 1))
        for old, new, sheet in self._steps[:named]:
            names.pop(old, None)
            if new is not None:
                names[new] = sheet
        into.mkdir()
        for name, sheet in names.items():
            (into / name).write_bytes(sheet.crash(chance))

    def _tick(self) -> None:
        self.calls += 1
        if self.last is not None and self.calls >= self.last:
            raise OSError(errno.EIO, "the power is gone")

    def _step(self, old: str, new: str | None) -> None:
        sheet = self._sheets.pop(old, None) or Sheet()
        if new is not None:
            self._sheets[new] = sheet
        self._steps.append((old, new, sheet))

    def make(self, path: Path) -> int:
        with self._lock:
            self._tick()
            if path.name not in self._sheets:
                self._step(path.name, path.name)
            fd = super().make(path)
            self._open[fd] = self._sheets[path.name]
            return fd

    def allocate(self, fd: int, size: int) -> None:
        with self._lock:
            self._tick()
            os.ftruncate(fd, size)
            self._open[fd].write(0, bytes(size))
            self._open[fd].sync()

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        with self._lock:
            self._tick()
            os.pwrite(fd, data, offset)
            self._open[fd].write(offset, bytes(data))

    def write_synced(self, fd: int, data: memoryview, offset: int) -> None:
        self.write(fd, data, offset)
        self.sync(fd)

    def sync(self, fd: int) -> None:
        with self._lock:
            self._tick()
            if self.syncs:
                self._open[fd].sync()

    def close(self, fd: int) -> None:
        with self._lock:
            self._open.pop(fd)
            super().close(fd)

    def rename(self, old: Path, new: Path) -> None:
        with self._lock:
            self._tick()
            super().rename(old, new)
            self._step(old.name, new.name)

    def unlink(self, path: Path) -> None:
        with self._lock:
            self._tick()
            super().unlink(path)
            self._step(path.name, None)

    def sync_directory(self, path: Path) -> None:
        del path  # there is but one
        with self._lock:
            self._tick()
            self._durable_names = dict(self._sheets)
            self._steps.clear()

    def sync_files(self, paths: Iterable[Path]) -> None:
        with self._lock:
            self._tick()
            for path in paths:
                self._sheets[path.name].sync()
