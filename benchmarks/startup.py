"""How long the command takes to answer, beside the bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Table


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
        table = Table("ms")
        for name, command in {
            "python -c pass": [sys.executable, "-c", "pass"],
            "tenure --version": [tenure, "--version"],
            "tenure status": [tenure, "status", "bench", "--at", url],
            "tenure run ... -- true": [tenure, "run", "-q", "bench", "--at", url, "--", "true"],
        }.items():
            table.row(name, _times_ms(command, trials))
