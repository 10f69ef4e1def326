"""Leases: how long a killed or a paused leader of lease:// leads on, and what holding many elections costs."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from benchmarks.failover import SETTLE_S, Process
from benchmarks.measure import Table
from benchmarks.standby import watch

LEASE_S = 1.0
AT_ONCE = 5
"""Elections that are measured at the same time: a trial is a wait for a lease."""
ELECTIONS = 100


def takeovers(how: int, trials: int) -> list[float]:
    """Milliseconds from the signal to the leader until the next one's body runs, once for each trial."""
    with ThreadPoolExecutor(AT_ONCE) as together, tempfile.TemporaryDirectory() as folder:
        shares = [trials // AT_ONCE + (number < trials % AT_ONCE) for number in range(AT_ONCE)]
        urls = [f"lease://{folder}/{number}?lease={LEASE_S:g}s" for number in range(AT_ONCE)]
        found = list(together.map(_chain, urls, repeat(how), shares))
    return [gap_ms for gaps_ms in found for gap_ms in gaps_ms]


def _chain(url: str, how: int, trials: int) -> list[float]:
    gaps_ms = []
    leader = Process("tenure_asyncio", url)
    leader.line()
    for _ in range(trials):
        following = Process("tenure_asyncio", url)
        time.sleep(SETTLE_S)
        started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.kill(leader.pid, how)
        gaps_ms.append((int(following.line()) - started_ns) / 1e6)
        leader.end()
        leader = following
    leader.end()
    return gaps_ms


def main(trials: int) -> None:
    """Both accidents, and a process that leads a hundred elections."""
    print(f"lease:// with a lease of {LEASE_S:g} s: from the signal until the next body runs\n", flush=True)
    table = Table("ms")
    for name, how in (("SIGKILL of the leader", signal.SIGKILL), ("SIGSTOP of the leader", signal.SIGSTOP)):
        table.row(name, takeovers(how, trials))
    print(f"\none process that leads {ELECTIONS} elections on lease://, each renewed five times a lease (15 s)\n")
    with tempfile.TemporaryDirectory() as folder:
        leader = Process("tenure_many", f"lease://{folder}", ELECTIONS)
        try:
            leader.line()
            watch(f"leads {ELECTIONS}", [leader.pid])
        finally:
            leader.end()
