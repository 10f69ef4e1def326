"""Which process that was: never a bare pid, for pids are used again (L31).

A process is known by boot, pid namespace, pid and start time together. Where the namespace is another one its pid means
nothing here, and the answer is that nobody knows.
"""

# ruff: noqa: PTH116, PTH123, PTH208 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import functools
import os

import msgspec

SURVIVORS_SHOWN = 5


class Process(msgspec.Struct, frozen=True):
    """One process, for ever."""

    boot: str
    namespace: int
    pid: int
    started: int
    """Clock ticks since boot, from /proc/<pid>/stat."""


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    """The kernel's name for the time since this boot."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def this_process() -> Process:
    """The calling process; asked again after a fork."""
    return _identify(os.getpid())


@functools.lru_cache(maxsize=1)
def _identify(pid: int) -> Process:
    return Process(boot_id(), _namespace(), pid, _started(pid) or 0)


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _stat(pid: int) -> tuple[bytes, int] | None:
    """State and start time, from one look (proc(5)); None where nobody has that pid."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return words[0], int(words[19])


def _started(pid: int) -> int | None:
    found = _stat(pid)
    return None if found is None else found[1]


def is_dead(process: Process) -> bool:
    """Whether that very process is certainly gone; False where it lives or nobody can tell from here."""
    if process.boot != boot_id():
        return True
    if process.namespace != this_process().namespace:
        return False
    return _started(process.pid) != process.started


def is_stopped(process: Process) -> bool:
    """Whether that very process is certainly stopped, by SIGSTOP or its kin, now; for how long nobody can tell."""
    if process.boot != boot_id() or process.namespace != this_process().namespace:
        return False
    return _stat(process.pid) == (b"T", process.started)


def death_watch(process: Process) -> int | None:
    """A descriptor that becomes readable when that very process dies; None where it cannot be had."""
    if process.boot != boot_id() or process.namespace != this_process().namespace:
        return None
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:  # it died in this instant, or the kernel has none left: the caller has a limit besides
        return None
    if _started(process.pid) != process.started:
        os.close(fd)
        return None
    return fd


def survivors(inode: tuple[int, int]) -> list[str]:
    """The processes that hold a lock on the file (device, inode), as "pid 12 (name)", as far as this user may see."""
    holders = (name for name in os.listdir("/proc") if name.isdigit() and _holds(name, inode))
    return [f"pid {name} ({_command(name)})" for name in holders]


def lock_holders(inode: tuple[int, int]) -> list[str]:
    """Whoever holds an flock on the file (device, inode), as `survivors` names them; by the kernel's own list, which
    tells of other users too, but not of other pid namespaces.
    """
    device, number = inode
    try:
        with open("/proc/locks") as file:
            found = [line.split() for line in file if f":{number} " in line]
    except OSError:  # not every kernel has that list: then nobody can tell
        return []
    listed = [(words[5], words[4]) for words in found if words[1] == "FLOCK"]  # who only waits has "->" there
    if not listed:
        return []
    name = f"{os.major(device):02x}:{os.minor(device):02x}:{number}"
    named = [f"pid {pid} ({_command(pid)})" for place, pid in listed if place == name]
    return survivors(inode) or named  # the list names who took the lock, who may be dead; btrfs lists another device


def _holds(pid: str, inode: tuple[int, int]) -> bool:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has just died, or is another user's
        return False
    return any(_is_locked(f"/proc/{pid}", name, inode) for name in names)


def _is_locked(process: str, name: str, inode: tuple[int, int]) -> bool:
    try:
        found = os.stat(f"{process}/fd/{name}")
        if (found.st_dev, found.st_ino) != inode:
            return False
        with open(f"{process}/fdinfo/{name}") as file:
            return "\nlock:" in file.read()  # standbys have the file open too, but do not hold it
    except OSError:  # closed meanwhile
        return False


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:  # it has just died
        return "gone"
    return words[:80] or "no command line"
