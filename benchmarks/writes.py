"""Durable writes a second that a client has done by a group of three processes, asked over a socket.

One client process asks the leader for the same key and 100 bytes, so many at a time; a write counts when the group says
that it is done. Rows of groups that sync nothing are marked. `member` measures what an application writes in process.
"""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import time
from pathlib import Path

from benchmarks.groups.base import Asker, Group
from benchmarks.groups.etcd import Etcd, EtcdFromPyPI
from benchmarks.groups.ours import TenureNodes, TenureNodesOnOneHost
from benchmarks.groups.pysyncobj import PySyncObj
from benchmarks.groups.zookeeper import ZooKeeper
from benchmarks.measure import quantile
from benchmarks.servers import Absent

AT_ONCE = (1, 64, 256)
TRIAL_S = 0.1
"""Each of the trials takes so long; all of one row follow one another."""
WARM_S = 0.5
GROUPS: tuple[tuple[str, type[Group]], ...] = (
    ("tenure, TCP", TenureNodes),
    ("tenure, Unix sockets", TenureNodesOnOneHost),
    ("etcd 3.4, aetcd", Etcd),
    ("etcd 3.5, aetcd", EtcdFromPyPI),
    ("ZooKeeper, kazoo", ZooKeeper),
    ("PySyncObj, in process", PySyncObj),
)


async def _write(asker: Asker, until_s: float, took_s: list[float]) -> None:
    while (began_s := time.perf_counter()) < until_s:
        await asker.write()
        took_s.append(time.perf_counter() - began_s)


async def _rate(asker: Asker, at_once: int, for_s: float) -> tuple[list[float], float]:
    took_s: list[float] = []
    began_s = time.perf_counter()
    await asyncio.gather(*(_write(asker, began_s + for_s, took_s) for _ in range(at_once)))
    return took_s, len(took_s) / (time.perf_counter() - began_s)


async def _rows(name: str, kind: type[Group], trials: int) -> None:
    with tempfile.TemporaryDirectory(prefix="tn-") as folder:
        try:
            async with kind(Path(folder)) as group:
                asker = await group.asker(await group.known_leader())
                for at_once in AT_ONCE:
                    await _rate(asker, at_once, WARM_S)
                    took_s, rate = await _rate(asker, at_once, TRIAL_S * trials)
                    p50, p99 = quantile(took_s, 0.5) * 1e6, quantile(took_s, 0.99) * 1e6
                    said = name if kind.is_synced else f"{name}, not synced"
                    print(f"{said:34}{at_once:5}{p50:10.0f}{p99:10.0f}{rate:11,.0f}{len(took_s):9}", flush=True)
        except Absent as error:
            print(f"left out: {name}: {error}", flush=True)


def main(trials: int) -> None:
    """Print the table."""
    loop, run = "asyncio", asyncio.run
    if importlib.util.find_spec("uvloop"):
        import uvloop

        loop, run = "uvloop", uvloop.run
    print(f"the client's loop, and that of tenure's nodes: {loop}\n")
    print(f"{'':34}{'once':>5}{'p50 us':>10}{'p99 us':>10}{'writes/s':>11}{'n':>9}", flush=True)
    for name, kind in GROUPS:
        run(_rows(name, kind, trials))
