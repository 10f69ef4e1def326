"""Descendants, and signals that cannot hit a stranger.

Two rules. First, a number is not an identity (hazard L31): a process is its pid *and* its start time, checked after a
pidfd was opened, so that a pid used again is never signalled; and a process group is signalled only while its leader,
our child, is not reaped, because the kernel gives no number to anybody else that is still somebody's.
Second, nobody escapes by losing its parent: wrapper and guardian are child subreapers (prctl(2)), so an orphan of the
job becomes the guardian's child, and an orphan of the guardian becomes the wrapper's.

No parent-death signal (PR_SET_PDEATHSIG) anywhere, on purpose. It fires when the *thread* that forked ends (hazard
L24); the kernel clears it when the job changes its credentials, and it reaches only children, not grandchildren; and it
is sent after the dying parent's locks and sockets were released, when the next leader may already run (hazard L33).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_HAS_CHILDREN_FILES = Path("/proc/thread-self/children").exists()  # not in a kernel without CONFIG_PROC_CHILDREN
MEMBERS = 100_000
"""A limit on how many processes one look collects; the rest is found by the next."""


class Process(NamedTuple):
    """One process, for ever: the start time is in clock ticks since boot."""

    pid: int
    start: int


class Stat(NamedTuple):
    """What is needed of /proc/PID/stat (proc(5))."""

    name: str
    state: str
    parent: int
    threads: int
    start: int

    @property
    def is_living(self) -> bool:
        """A zombie is dead, but for one whose first thread ended before the others."""
        return self.state not in "ZX" or self.threads > 1


def _prctl(option: int, argument: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), f"prctl {option}")


def become_subreaper() -> None:
    """From now on every orphan among this process's descendants becomes its child."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """What `ps` shows in its column `comm`; the kernel keeps 15 characters."""
    _prctl(_PR_SET_NAME, name.encode())


def stat(pid: int) -> Stat | None:
    """What /proc says of a process, or None where there is none."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # the last: /proc hides other users' processes
        return None
    # The name stands in brackets and may itself contain brackets and blanks.
    before, _, after = content.rpartition(b")")
    fields = after.split()
    name = before.partition(b"(")[2].decode(errors="replace")
    return Stat(name, fields[0].decode(), int(fields[1]), int(fields[17]), int(fields[19]))


def is_stopped(process: Process) -> bool:
    """Whether it is stopped by a signal or a debugger, and cannot obey."""
    found = stat(process.pid)
    return found is not None and found.start == process.start and found.state in "Tt"


def identify(pid: int) -> Process | None:
    """The process that has this pid now."""
    found = stat(pid)
    return None if found is None else Process(pid, found.start)


def children_of(pid: int) -> list[int]:
    """The children of a process, zombies among them; not reliable while they come and go, so look again."""
    if not _HAS_CHILDREN_FILES:
        return [child for child, parent in _parents() if parent == pid]
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # this thread has ended meanwhile
                found += map(int, (thread / "children").read_bytes().split())
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (found := stat(int(entry.name))) is not None:
            yield int(entry.name), found.parent


def send(process: Process, number: int) -> bool:
    """Signal this very process; False where we are not allowed to, and True also when it is gone already."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if identify(process.pid) == process:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        os.close(descriptor)
    return True


def descendants(pid: int) -> list[Process]:
    """All living descendants of a process; those that are not looked at while they fork."""
    return _living(children_of(pid))


def _living(unseen: list[int]) -> list[Process]:
    """These processes and their descendants, without the dead."""
    found: list[Process] = []
    while unseen and len(found) < MEMBERS:
        pid = unseen.pop()
        if (seen := stat(pid)) is not None:
            if seen.is_living:
                found.append(Process(pid, seen.start))
            unseen += children_of(pid)
    return found


class Family:
    """The descendants of this process, but for children that it had before (`spared`) and what those fork."""

    def __init__(self, spared: frozenset[Process] = frozenset()) -> None:
        self._spared = spared

    def children(self) -> list[int]:
        """Our own children, zombies among them."""
        found = children_of(os.getpid())
        return [pid for pid in found if identify(pid) not in self._spared] if self._spared else found

    def members(self) -> list[Process]:
        """All living descendants."""
        return _living(self.children())

    def reap(self, keep: int | None) -> None:
        """Collect dead children, but for `keep`."""
        for pid in self.children():
            if pid != keep:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def is_empty(self) -> bool:
        """Whether no child is left, by the word of the kernel where nothing is spared."""
        if self.children():
            return False
        if self._spared:
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False


class GroupLeader:
    """The job's main process, which leads the job's process group.

    Its zombie is kept until nothing else is left: it pins the number of the group.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        """How it ended, in the shell's convention: n, or 128 + the signal that killed it."""
        self._is_reaped = False

    @property
    def zombie(self) -> int | None:
        """The child that nobody else may reap."""
        return None if self._is_reaped else self.pid

    @property
    def has_ended(self) -> bool:
        return self.status is not None or self._is_reaped

    def look(self) -> None:
        """Learn whether it has ended."""
        if self.has_ended:
            return
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # not our child: the guardian reaped it before it died
            self._is_reaped = True
            return
        if found is not None:
            self.status = found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status

    def stop_signal(self) -> int | None:
        """The signal by which it was stopped since the last call."""
        if self.has_ended:
            return None
        try:
            found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)
        except ChildProcessError:  # it ended after the last look: who asks for stopped ones only is not shown a zombie
            return None
        return None if found is None else found.si_status

    def signal_group(self, number: int) -> None:
        """Signal its process group, and itself where it has left its group; who may not be signalled is left alone."""
        if self._is_reaped:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(self.pid) != self.pid:
                os.kill(self.pid, number)

    def reap(self) -> None:
        """Let go of it and of its group's number."""
        if not self._is_reaped:
            os.waitpid(self.pid, 0)
            self._is_reaped = True
