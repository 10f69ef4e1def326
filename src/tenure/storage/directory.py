"""A node's data directory: one process at a time, said by a lock that the kernel frees when that process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Self

from tenure.storage.base import StorageError, StorageInUse

LOCK = "lock"


class DataDirectory:
    """The directory `path`, held until `close`. The descriptor is not handed to programs that are started; a child made
    by a bare fork has it too, and keeps the directory until it ends.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the directory if it is not there, and take it. Raises StorageInUse, or StorageError where that may not
        be done.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StorageError(
                f"the data directory {path} cannot be used ({error.strerror}); give a directory that this user may "
                "write to"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "not yet known"
            os.close(lock)
            raise StorageInUse(
                f"the data directory {path} is in use by another process (its pid there was {holder}, or it is a child "
                "of that); end it, or give this node a directory of its own"
            ) from error
        except OSError as error:
            os.close(lock)
            raise StorageError(f"{path} cannot be locked ({error.strerror}); use a local disk") from error
        with contextlib.suppress(OSError):  # it is locked; on a full disk its pid is not told
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return cls(path, lock)

    def share(self) -> int:
        """A descriptor that holds the directory too, until it is closed: for a thread that may write for longer."""
        return os.dup(self._lock)

    def close(self) -> None:
        """Let it go; it is free when all have."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
