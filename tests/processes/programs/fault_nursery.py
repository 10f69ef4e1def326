"""Forks candidates fast: everything is imported once, and each candidate is a process that starts in milliseconds.

Usage: fault_nursery.py SOCKET (a descriptor number). Orders come as one JSON object a packet, the plan of
`fault_candidate`; each is answered by {"pid": ...} with a pidfd, and later by {"pid": ..., "status": ...}. When the
other end is gone every child is killed, and so ends this process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from typing import Any

from tests.processes.programs import fault_candidate  # with all that a candidate needs; nothing of it starts a thread


def main() -> int:
    """Serve orders until the other end is gone; in a child, do what was ordered."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    while True:
        ready = select.select([connection.fileno(), reading], [], [])[0]
        if reading in ready:
            os.read(reading, 4096)
        for pid in [pid for pid in children if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)]:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(children.pop(pid))
            _send(connection, {"pid": pid, "status": status}, [])
        if connection.fileno() in ready:
            order = _receive(connection)
            if not order:
                break
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (connection.detach(), reading, writing, *children.values()):
                    os.close(descriptor)
                return fault_candidate.main(json.loads(order))
            children[pid] = os.pidfd_open(pid)
            _send(connection, {"pid": pid}, [children[pid]])
    for pidfd in children.values():
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)
    return 0


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:  # the other end was closed with reports unread
        return b""


def _send(connection: socket.socket, report: dict[str, Any], descriptors: list[int]) -> None:
    try:
        socket.send_fds(connection, [json.dumps(report).encode()], descriptors)
    except BrokenPipeError:  # the end comes with the next packet
        return


if __name__ == "__main__":
    sys.exit(main())
