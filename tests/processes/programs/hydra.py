"""A job that runs away: each process forks a successor into a session of its own, deaf to SIGTERM, and exits.

It runs away for at most 30 seconds, so that a failing test leaves nothing behind for long.
"""

from __future__ import annotations

import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
end_s = time.monotonic() + 30
if os.fork() != 0:
    time.sleep(30)
    os._exit(0)
while time.monotonic() < end_s:
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    time.sleep(0.002)
