"""How long the command takes to answer, beside the bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import table


def _times_ms(command: list[str], trials: int) -> list[float]:
    found = []
    for _ in range(trials + 1):
        started_s = time.perf_counter()
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found.append((time.perf_counter() - started_s) * 1e3)
    return found[1:]  # the first one reads the disk


def main(trials: int) -> None:
    """Print the table."""
    tenure = str(Path(sys.executable).with_name("tenure"))
    with tempfile.TemporaryDirectory() as folder:
        url = f"file://{folder}"
        subprocess.run([tenure, "run", "-q", "bench", "--at", url, "--", "true"], check=True)
        rows = [
            ("python -c pass", _times_ms([sys.executable, "-c", "pass"], trials)),
            ("tenure --version", _times_ms([tenure, "--version"], trials)),
            ("tenure status", _times_ms([tenure, "status", "bench", "--at", url], trials)),
            ("tenure run ... -- true", _times_ms([tenure, "run", "-q", "bench", "--at", url, "--", "true"], trials)),
        ]
    table(rows, "ms")
