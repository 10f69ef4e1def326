"""What a standby costs while nothing happens: share of one core, and memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.failover import Process
from benchmarks.servers import MORTAL

SETTLE_S = 3.0
WATCH_S = 30.0


def _schedstat_s(pid: int) -> float:
    """CPU time of all threads in nanoseconds' resolution: a tick of 10 ms is too coarse for a sleeper."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _memory_mib(pid: int) -> tuple[float, float]:
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(rows["Rss"].split()[0]) / 1024, int(rows["Pss"].split()[0]) / 1024


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def watch(name: str, pids: list[int]) -> None:
    """Print what these processes cost together in half a minute."""
    time.sleep(SETTLE_S)
    before_s = sum(map(_schedstat_s, pids))
    time.sleep(WATCH_S)
    share = (sum(map(_schedstat_s, pids)) - before_s) / WATCH_S
    memory = [_memory_mib(pid) for pid in pids]
    rss, pss = (sum(column) for column in zip(*memory, strict=True))
    print(f"{name:32}  {share:8.4%} of a core   {pss:5.1f} MiB PSS   {rss:5.1f} MiB RSS summed", flush=True)


def main(trials: int) -> None:
    """Watch a standby of the library and one of `tenure run` for half a minute each; `trials` does not apply."""
    del trials
    with tempfile.TemporaryDirectory() as folder:
        url = f"file://{folder}"
        leader = Process("tenure_asyncio", url)
        leader.line()
        library = Process("tenure_asyncio", url)
        command = [*MORTAL, sys.executable, "-m", "tenure", "run", "-q", "bench-0", "--at", url, "--", "sleep", "1"]
        wrapper = subprocess.Popen(command)
        try:
            watch("Election.lead, waiting", [library.pid])
            watch("tenure run, wrapper and guardian", [wrapper.pid, *_children(wrapper.pid)])
        finally:
            wrapper.kill()
            wrapper.wait()
            library.end()
            leader.end()
