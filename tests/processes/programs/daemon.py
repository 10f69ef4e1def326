"""A job that daemonises the old way: two forks, a session of its own, and every descriptor closed.

Usage: daemon.py PIDFILE stay|leave [deaf]: the first process stays or leaves; a deaf daemon ignores SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.closerange(0, 256)
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    new = Path(sys.argv[1] + ".new")
    new.write_text(str(os.getpid()), encoding="ascii")
    new.rename(sys.argv[1])
    time.sleep(1000)
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
if sys.argv[2] == "stay":
    time.sleep(1000)
