"""Where a demonstration is played as a user plays it, and all its processes are found again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

LIMIT_S = 240.0
MARK = "TENANCY_TEST_MARK"
COMMAND = (sys.executable, "-m", "tenure", "demo")


class Scene:
    """A place for its temporary files, and a mark by which all its processes are found again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        folder.mkdir(exist_ok=True)

    def start(self, *options: str, **settings: str) -> subprocess.Popen[str]:
        """Start the demonstration, without a terminal."""
        environment = os.environ | {MARK: self.mark, "TMPDIR": str(self.folder)} | settings
        return subprocess.Popen(
            [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def living(self) -> list[int]:
        """Every living process of the scene, whoever its parent is."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                    found += [int(entry.name)] if state not in "ZX" else []
        return found

    def ends(self) -> bool:
        """Whether every process of the scene ends within the limit."""
        end_s = time.monotonic() + LIMIT_S
        while self.living() and time.monotonic() < end_s:
            time.sleep(0.02)
        return not self.living()

    def clear(self) -> None:
        """End what is left, after a test that failed."""
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
