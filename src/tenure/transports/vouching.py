"""Whether the process behind a Unix socket is gone, by the kernel's word and nothing less.

The kernel notes who called connect(2) on a Unix socket, and gives a pidfd of that process (SO_PEERPIDFD, Linux 6.5;
before it, SO_PEERCRED and pidfd_open). A pidfd can be read once every thread of the process has ended, and never before
(pidfd_open(2)): not when it is stopped, not when it executes another program, not when it closes its socket; and it is
of that one process, also when its number is used again. An end of file says none of this.

What remains to be shown is that whoever speaks on the socket *is* that process. A socket can be inherited or handed
on. So the speaker's own pid, as it sees it, must be that of the process behind the pidfd in its innermost namespace
(NSpid, proc(5)); and where the pidfd was opened by number, the start times must agree, too, so that a number used again
in between is noticed. Where anything is missing, nobody vouches, and nothing is ever told as certain.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from pathlib import Path
from typing import Protocol, overload

SO_PEERPIDFD = 77
"""Of asm-generic/socket.h; Python has no name for it before 3.14."""
_CREDENTIALS = struct.Struct("3i")


class Options(Protocol):
    """What is needed of a socket; that of uvloop is none of `socket.socket`."""

    @overload
    def getsockopt(self, level: int, option: int, /) -> int: ...
    @overload
    def getsockopt(self, level: int, option: int, length: int, /) -> bytes: ...


class Witness:
    """The kernel's word on one process: holds its pidfd until closed."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd

    def fileno(self) -> int:
        """Can be read once the process is gone."""
        return self._pidfd

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended, with all its threads."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        os.close(self._pidfd)


def peer_user(connection: Options) -> int:
    """The user id of the process that called connect(2), or listen(2), at the other end of a Unix socket."""
    return _credentials(connection)[1]


def witness(connection: Options, pid: int, started: int) -> Witness | None:
    """The witness for the process that speaks on this accepted Unix socket, and says of itself that it has that `pid`
    and `started` then; None where the kernel cannot vouch for it.
    """
    number = _credentials(connection)[0]
    try:
        pidfd, is_by_number = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD), False
    except OSError:
        try:
            pidfd, is_by_number = os.pidfd_open(number), True
        except (OSError, AttributeError):  # gone already, hidden, or no such call here
            return None
    found = Witness(pidfd)
    if _innermost_pid(pidfd) == pid and not (is_by_number and start_time(number) != started) and not found.is_gone:
        return found
    found.close()
    return None


def start_time(pid: int | None = None) -> int:
    """When a process, or this one, started, in clock ticks since boot; 0 where that cannot be known."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        content = Path(f"/proc/{'self' if pid is None else pid}/stat").read_bytes()
        return int(content.rpartition(b")")[2].split()[19])  # the name stands in brackets, and may contain some
    return 0


def _credentials(connection: Options) -> tuple[int, int, int]:
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, group = _CREDENTIALS.unpack(packed)
    return pid, user, group


def _innermost_pid(pidfd: int) -> int:
    """The pid of the process as it sees it itself; 0 where that cannot be known, -1 once it is gone."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0
