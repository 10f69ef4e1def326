"""The process that `own` starts: when a hard deadline passes it ends its parent and the descendants that are left.

It knows each tenure's deadline as its parent told it last, compares CLOCK_BOOTTIME at least twice a second (timers stop
in suspend), and reads all orders before it judges the clock. A parent that has closed the channel, as by `exec`, is
watched on with the deadlines that it told. It ends with its parent, or when it can hear of no deadline any more.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import sys

from tenure.clock import BootClock
from tenure.supervise.processes import Process, descendants, identify, send, set_name

READY = b"ready"
PACKET_BYTES = 256
"""The longest order: a name of an election has 128 characters at most."""
_ORDER = struct.Struct("<Qq")  # which tenure, its hard deadline or -1 for none; then the election's name
_NONE = -1
_PATROL_NS = 500_000_000
"""How long poll may sleep while there is a deadline: timers stop in suspend, and the clock does not."""
_NS_PER_MS = 1_000_000
_ROUNDS = 100
"""How often to look for more descendants: each round stops those it found, so only a chain of forks needs many."""


def pack(tenure: int, deadline_ns: int | None, election: str) -> bytes:
    """One order."""
    return _ORDER.pack(tenure, _NONE if deadline_ns is None else deadline_ns) + election.encode()


def main() -> None:
    """Watch the parent; `argv`: the channel, a pidfd of the parent, and then what was the parent's `sys.path`."""
    channel, pidfd = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    channel.setblocking(False)
    parent = identify(os.getppid())  # only its death gives this process another parent, which the pidfd tells
    if parent is None or _has_ended(pidfd):
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)  # they are for the parent, whose end ends this; TTOU: it may say why
    set_name("tenure-guardian")
    channel.send(READY)
    missed = _watch(channel, pidfd)
    if missed:
        kill_with_descendants(parent)
        what = ", ".join(sorted(set(missed)))
        said = f"tenure: process {parent.pid} passed its hard deadline as leader of {what} and was killed\n"
        with contextlib.suppress(OSError):  # said afterwards: a full pipe must not keep it from killing
            os.write(2, said.encode())


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _watch(channel: socket.socket, pidfd: int) -> list[str]:
    """The elections whose deadline has passed; none when the parent has gone, or wants no guardian any more."""
    clock = BootClock()
    deadlines: dict[int, tuple[int, str]] = {}
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    hears = True
    while hears or deadlines:
        wait_ns = min((at_ns for at_ns, _ in deadlines.values()), default=None)
        if wait_ns is not None:
            wait_ns = max(0, min(wait_ns - clock.now_ns(), _PATROL_NS))
        ready = dict(poll.poll(None if wait_ns is None else -(-wait_ns // _NS_PER_MS)))
        if pidfd in ready:
            return []
        if hears and not _heard(
            channel, deadlines
        ):  # it may live on: `exec` closes the channel, and so may its program
            hears = False
            poll.unregister(channel)
        now_ns = clock.now_ns()
        missed = [election for at_ns, election in deadlines.values() if at_ns <= now_ns]
        if missed:
            return missed
    return []


def _heard(channel: socket.socket, deadlines: dict[int, tuple[int, str]]) -> bool:
    """Take all orders that wait; False where no more can come."""
    while True:
        try:
            packet = channel.recv(PACKET_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not packet:
            return False
        tenure, at_ns = _ORDER.unpack_from(packet)
        if at_ns == _NONE:
            deadlines.pop(tenure, None)
        else:
            deadlines[tenure] = (at_ns, packet[_ORDER.size :].decode())


def kill_with_descendants(root: Process) -> None:
    """SIGKILL to a process and the descendants that it still has. It is stopped first, so that it forks no more.

    Who lost its parent before is somebody else's descendant by now, and is not found.
    """
    ended = {identify(os.getpid())}
    send(root, signal.SIGSTOP)
    for _ in range(_ROUNDS):
        if identify(root.pid) != root:  # somebody else has ended it: its number may be another's
            break
        found = set(descendants(root.pid)) - ended
        if not found:
            break
        for process in found:
            send(process, signal.SIGKILL)
        ended |= found
    send(root, signal.SIGKILL)
