"""The wrapper that people write by hand: `python -m tenure.demo.naive_wrapper LOCK CANDIDATE COMMAND...`.

It takes the lock, runs the command, and ends it when the lock is lost. Killed itself, it leaves the command running.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tenure.demo import lifeline
from tenure.demo.naive import RENEW_S, TimeoutLock


def main(lock_path: str, candidate: str, *command: str) -> int:
    """Run `command` while holding the lock; its exit code."""
    lifeline.end_on_sigterm()
    Path(f"{lock_path}.{candidate}.{os.getpid()}").touch()  # it stands from here on
    lock = TimeoutLock(Path(lock_path), f"{candidate}-{os.getpid()}")
    lock.acquire()
    job = subprocess.Popen(command)
    try:
        while True:
            try:
                return job.wait(RENEW_S)
            except subprocess.TimeoutExpired:
                if not lock.is_held:
                    job.terminate()
    finally:
        job.terminate()
        job.wait()
        lock.release()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
