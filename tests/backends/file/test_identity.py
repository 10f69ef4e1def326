"""What may be said of the process behind a record."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import msgspec

from tenure.backends.file.identity import is_stopped, this_process


def test_nobody_is_called_stopped_who_only_has_the_pid_of_one() -> None:
    """A stopped process that was given the leader's pid, or has it in another namespace, says nothing of the leader."""
    child = subprocess.Popen(["sleep", "1000"])
    try:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        words = Path(f"/proc/{child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        stopped = msgspec.structs.replace(this_process(), pid=child.pid, started=int(words[19]))

        assert is_stopped(stopped)
        assert not is_stopped(msgspec.structs.replace(stopped, started=stopped.started - 1))
        assert not is_stopped(msgspec.structs.replace(stopped, boot="another"))
        assert not is_stopped(msgspec.structs.replace(stopped, namespace=1))
        assert not is_stopped(this_process())
    finally:
        child.kill()
        child.wait()
    assert not is_stopped(stopped)
