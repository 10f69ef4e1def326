"""Fork and exec of the job.

By hand, and not by subprocess or posix_spawn: the job must start with *all* signals at their defaults (subprocess
resets three), take the terminal before its first instruction (posix_spawn in Python cannot), and the guardian may not
wait for the exec, which can hang on a remote file system while the deadline comes. A forked child of a process without
threads may run Python; the guardian has none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import signal
import struct
from collections.abc import Sequence
from typing import NoReturn

from tenure.supervise.wire import Program

_FAILURE = struct.Struct("=i")
INHERITED_FROM = 100
"""Descriptors that a job inherits get numbers from here on: shell scripts use 3 to 9 for themselves, and one that did
`exec 3>log` over the lock's descriptor would let go of the lock."""


def launch(program: Program, inherited: Sequence[int], *, foreground: bool) -> tuple[int, int]:
    """Fork the job: its pid, and a pipe that ends without a word once the exec has succeeded.

    The job leads its own process group, has the terminal on stdin in the foreground if `foreground`, and no descriptors
    but 0, 1, 2 and `inherited`. `failure` reads what the pipe says.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # Blocked, and not only ignored as in the guardian: a signal to end that comes before the exec must wait for the
    # default dispositions, not get lost (hazard L13).
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _become(program, inherited, writing, foreground=foreground)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(writing)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the child did it itself, and has executed
        os.setpgid(pid, pid)
    return pid, reading


def failure(pipe: int) -> int | None:
    """Why the exec failed: an error number; 0 if it did not fail; None if it is not known yet."""
    try:
        content = os.read(pipe, _FAILURE.size)
    except BlockingIOError:
        return None
    return int(_FAILURE.unpack(content)[0]) if len(content) == _FAILURE.size else 0


def move_up(descriptor: int) -> int:
    """The same open file at a number that scripts do not use; closes the old number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = INHERITED_FROM if limit == resource.RLIM_INFINITY or limit > 2 * INHERITED_FROM else limit // 2
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    os.close(descriptor)
    return high


def _become(program: Program, inherited: Sequence[int], pipe: int, *, foreground: bool) -> NoReturn:
    error = 0
    try:
        os.setpgid(0, 0)
        if foreground:
            with contextlib.suppress(OSError):  # the terminal has gone meanwhile
                os.tcsetpgrp(0, os.getpid())  # SIGTTOU is blocked: it would stop us here
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _close_all_but({0, 1, 2, pipe, *inherited})
        for descriptor in inherited:
            os.set_inheritable(descriptor, True)
        os.execvpe(program.command[0], program.command, dict(program.environment))  # noqa: S606  the user's command
    except OSError as failed:
        error = failed.errno or 0
    except ValueError:  # a zero byte, or `=` in a name
        error = errno.EINVAL
    finally:  # never back into the guardian's code
        os.write(pipe, _FAILURE.pack(error or errno.ENOEXEC))
        os._exit(127)


def _close_all_but(kept: set[int]) -> None:
    """Close what the wrapper's own caller left open; what we opened ourselves would close by the exec anyway."""
    lowest = 0
    for descriptor in sorted(kept):
        if lowest < descriptor:  # an empty range from 0 would close everything (CPython passes its end on as -1)
            os.closerange(lowest, descriptor)
        lowest = descriptor + 1
    os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))
