"""Leaders that speak after their time: `stale.py FUNCTION FOLDER`. Stdout says how far they are."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from tenure import LeadershipLost, StaleToken
from tenure.blocking import Election
from tenure.fencing import FenceGate


def say(*words: object) -> None:
    """One line, at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def speak(folder: Path) -> None:
    """Lead, send a word to the resource, and wait to be killed."""
    with Election("e", f"file://{folder}/elections").lead() as tenure, socket.socket(socket.AF_UNIX) as resource:
        resource.connect(str(folder / "resource"))
        resource.sendall(f"{tenure.token}\n".encode())
        say("sent", tenure.token)
        signal.pause()


def restore(folder: Path) -> None:
    """Lead, take a snapshot, resign; the snapshot is restored when stdin ends, and goes on where it was.

    The snapshot is a fork of which Python is not told, and that has the pid of the process it was taken of: it knows as
    little of what happened as a virtual machine that is restored. The call keeps the interpreter's lock: no other
    thread is in the middle of anything of Python's own.
    """
    gate, pid = FenceGate(folder / "gate"), os.getpid()
    with (
        suppress(LeadershipLost),
        Election("e", f"lease://{folder}/leases", lease="60s", fences=[gate]).lead() as tenure,
    ):
        say("leading", tenure.token)
        snapshot = ctypes.PyDLL(None).fork()
        if snapshot == 0:
            os.getpid = lambda: pid
            while os.read(0, 1):
                continue
            say("believes", tenure.is_valid(), tenure.state.name, tenure.token)
            tenure.check()
            try:
                with gate.admit(tenure):
                    say("written", tenure.token)
            except StaleToken as error:
                say("refused", error)
            finally:
                os._exit(0)
    say("resigned")
    os.waitpid(snapshot, 0)


if __name__ == "__main__":
    {"speak": speak, "restore": restore}[sys.argv[1]](Path(sys.argv[2]))
