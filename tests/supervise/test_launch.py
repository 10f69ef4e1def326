"""Fork and exec of the job."""

from __future__ import annotations

import subprocess
import sys

SIGNALLED_BEFORE_ITS_EXEC = """
import os, signal
from tenure.supervise.launch import launch
from tenure.supervise.wire import Program
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the guardian does
codes = set()
for _ in range(20):
    pid, pipe = launch(Program([b"sleep", b"20"], [(b"PATH", os.environb[b"PATH"])]), [], foreground=False)
    os.killpg(pid, signal.SIGTERM)  # most likely before the exec
    codes.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.close(pipe)
assert codes == {-signal.SIGTERM}, codes
"""


def test_L13_a_signal_to_end_that_comes_before_the_exec_is_not_lost() -> None:
    """It waits for the default dispositions, though guardian and forked child ignore it."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED_BEFORE_ITS_EXEC], check=False, timeout=60)

    assert done.returncode == 0
