"""What the log asks of the kernel, call by call: the one place where tests make a disk fail, stall or forget.

Data is written past the page cache where the file system allows that (O_DIRECT). That is quicker, and more honest: a
write that fails fails at once, and what is read back after a restart is what the disk has, not what a cache would have
liked it to have (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

from tenure.storage.wal.format import BLOCK, blocks

PIECE = 1 << 20
"""Bytes that are read or zeroed at a time."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
UNSUPPORTED = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})


class Files:
    """System calls; all block, and raise OSError."""

    def __init__(self) -> None:
        self.is_direct = True
        self._syncs_in_one = True

    def make(self, path: Path) -> int:
        """Open a file for writing, and make it if it is not there."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        if self.is_direct:
            try:
                return os.open(path, flags | os.O_DIRECT, 0o600)
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
                self.is_direct = False
        return os.open(path, flags, 0o600)

    def allocate(self, fd: int, size: int) -> None:
        """Have so many zeros in an empty file, and durably its place on the disk. Raises OSError of FULL."""
        os.posix_fallocate(fd, 0, size)
        zeros = memoryview(mmap.mmap(-1, min(PIECE, size)))
        for offset in range(0, size, PIECE):
            self.write(fd, zeros[: min(PIECE, size - offset)], offset)
        os.fsync(fd)

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of it, not yet durably. `data` is whole blocks in memory that begins at a block."""
        self._write(fd, data, offset, 0)

    def write_synced(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of it durably. One call does both where the kernel can, so that a thread waits but once for
        Python's lock.
        """
        if self._syncs_in_one:
            try:
                self._write(fd, data, offset, os.RWF_DSYNC)
            except OSError as error:
                if error.errno not in UNSUPPORTED - {errno.EINVAL}:
                    raise
                self._syncs_in_one = False
            else:
                return
        self._write(fd, data, offset, 0)
        self.sync(fd)

    def _write(self, fd: int, data: memoryview, offset: int, flags: int) -> None:
        done = 0
        while done < len(data):
            count = os.pwritev(fd, [data[done:]], offset + done, flags)
            if count % BLOCK or count == 0:
                raise OSError(errno.EIO, f"the disk took {count} of {len(data) - done} bytes")
            done += count

    def sync(self, fd: int) -> None:
        """What was written to the file is durable."""
        os.fdatasync(fd)

    def close(self, fd: int) -> None:
        """Let go of a file."""
        os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """In one step; durable after `sync_directory`."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Gone, durably after `sync_directory`."""
        path.unlink()

    def sync_directory(self, path: Path) -> None:
        """The names in it are durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_files(self, paths: Iterable[Path]) -> None:
        """What was written to these by an earlier life is durable."""
        for path in paths:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                self.sync(fd)
            finally:
                os.close(fd)

    def read(self, path: Path) -> memoryview:
        """All of a file, as the disk has it."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return self._read(path, flags | os.O_DIRECT)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        return self._read(path, flags)

    def _read(self, path: Path, flags: int) -> memoryview:
        fd = os.open(path, flags)
        try:
            if not flags & os.O_DIRECT:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # what is not dirty is read from the disk
            size = os.fstat(fd).st_size
            view = memoryview(mmap.mmap(-1, max(BLOCK, blocks(size))))
            done = 0
            while done < size:
                count = os.preadv(fd, [view[done : done + PIECE]], done)
                if count == 0:
                    break
                done += count
            return view[:done]
        finally:
            os.close(fd)
