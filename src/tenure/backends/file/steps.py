"""The steps of a tenure at which a process may die, one function each, called as `steps.<name>` from everywhere.

Tests wrap them to kill the process before or after; production code never replaces them. In their order: take_lock,
write_token, sync_token, show_lock, write_record, (the tenure), close_record, let_go, poke.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

FLOCK = struct.Struct("hhqqi4x")
"""The kernel's struct flock: l_type, l_whence, l_start, l_len (0 is to the end), l_pid."""


def take_lock(fd: int) -> bool:
    """Take the kernel's lock, which is the leadership; False where another description has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_token(fd: int, data: bytes, offset: int) -> None:
    """Write one slot of the counter in place."""
    write_whole(fd, data, offset)


def sync_token(fd: int) -> None:
    """Make the token durable; the win is not told before."""
    os.fdatasync(fd)


def write_record(fd: int, data: bytes, offset: int) -> None:
    """Write who leads."""
    write_whole(fd, data, offset)


def show_lock(fd: int) -> None:
    """Let readers see that the lock is held: an open-file-description lock can be asked for without being taken.

    Raises OSError where a process that is none of ours has locked the file.
    """
    mark(fd)


def mark(fd: int) -> None:
    """Lock the file of this descriptor for readers to see, as long as a copy of the descriptor is open."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


def is_marked(fd: int) -> bool:
    """Whether another description has marked the file."""
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return int(FLOCK.unpack(answer)[0]) != fcntl.F_UNLCK


def close_record(fd: int, data: bytes, offset: int) -> None:
    """Write that the tenure ended in good order."""
    write_whole(fd, data, offset)


def let_go(fd: int) -> None:
    """Let go of the lock by closing, never by unlocking: an unlock would free every copy of the descriptor at once,
    also the one by which a guardian still holds it.
    """
    os.close(fd)


def poke(path: str) -> None:
    """Wake those who watch `path`. Closing wakes them too, but a hair before the kernel has removed the lock."""
    os.utime(path)


def write_whole(fd: int, data: bytes, offset: int) -> None:
    """Write all of it, or raise OSError."""
    written = os.pwrite(fd, data, offset)
    if written != len(data):  # a full disk shows like this first; the next call says why
        written += os.pwrite(fd, data[written:], offset + written)
    if written != len(data):
        raise OSError(errno.EIO, f"only {written} of {len(data)} bytes could be written")
