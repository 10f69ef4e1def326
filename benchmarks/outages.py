"""How long a group takes no writes: from SIGKILL or SIGSTOP of its leader until a write succeeds again.

Whoever is left is asked, through a client of its own that was connected before, for a new write every few
milliseconds, whatever became of those before; the first that succeeds ends the outage. So no client's habit of asking
again counts, only the group. Then the leader comes back, takes a write, and the next trial begins.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.groups.base import START_S, Asker, Group
from benchmarks.groups.etcd import Etcd, EtcdFromPyPI, QuickEtcd, QuickEtcdFromPyPI
from benchmarks.groups.ours import QuickTenureNodes, TenureNodes, TenureNodesOnOneHost
from benchmarks.groups.pysyncobj import PySyncObj
from benchmarks.groups.zookeeper import ZooKeeper
from benchmarks.measure import Table
from benchmarks.servers import Absent

EVERY_S = 0.005
"""From one attempt to the next, at each member that is left."""
MOST_UNDER_WAY = 200
"""Attempts that wait at one member; for one more the oldest is given up."""
SETTLE_S = 0.5
"""From when the leader of before takes writes again until the next trial."""

GROUPS: tuple[tuple[str, type[Group]], ...] = (
    ("tenure, Unix sockets", TenureNodesOnOneHost),
    ("tenure, TCP", TenureNodes),
    ("tenure, TCP, 100 ms", QuickTenureNodes),
    ("etcd 3.4", Etcd),
    ("etcd 3.4, 10/100 ms", QuickEtcd),
    ("etcd 3.5", EtcdFromPyPI),
    ("etcd 3.5, 10/100 ms", QuickEtcdFromPyPI),
    ("ZooKeeper", ZooKeeper),
    ("PySyncObj", PySyncObj),
)


async def outage_ms(group: Group, number: signal.Signals) -> float:
    """One trial."""
    leader = await group.known_leader()
    ends = group.ends = AsyncExitStack()
    async with ends:
        left = [await group.asker(name) for name in group.names if name != leader]
        for asker in left:
            await asker.write()
        began_s = time.perf_counter()
        group.strike(leader, number)
        ended_s = await _first_write(left)
    if number == signal.SIGKILL:
        group.processes[leader].wait()
        group.spawn(leader)
    else:
        group.strike(leader, signal.SIGCONT)
    await group.until_it_takes_writes(leader)
    await asyncio.sleep(SETTLE_S)
    return (ended_s - began_s) * 1e3


async def _first_write(askers: list[Asker]) -> float:
    """When the first write was done of those that begin from now on."""
    first: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def attempt(asker: Asker) -> None:
        try:
            await asker.write()
        except Exception:  # noqa: BLE001  each library has errors of its own; another attempt follows
            return
        if not first.done():
            first.set_result(time.perf_counter())

    under_way: dict[Asker, deque[asyncio.Task[None]]] = {asker: deque() for asker in askers}
    everything = set[asyncio.Task[None]]()
    try:
        async with asyncio.timeout(START_S):
            while not first.done():
                for asker, tasks in under_way.items():
                    if len(tasks) == MOST_UNDER_WAY:
                        tasks.popleft().cancel()
                    tasks.append(task := asyncio.create_task(attempt(asker)))
                    everything.add(task)
                    task.add_done_callback(everything.discard)
                await asyncio.wait([first], timeout=EVERY_S)
    finally:
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
    return first.result()


async def _row(table: Table, name: str, kind: type[Group], number: signal.Signals, trials: int) -> None:
    with tempfile.TemporaryDirectory(prefix="tn-") as folder:
        try:
            async with kind(Path(folder)) as group:
                table.row(name, [await outage_ms(group, number) for _ in range(trials)])
        except Absent as error:
            print(f"left out: {name}: {error}", flush=True)


def main(trials: int) -> None:
    """Print both tables."""
    for number, done in ((signal.SIGKILL, "killed"), (signal.SIGSTOP, "paused")):
        print(f"\nthe leader is {done} ({number.name}), until a write succeeds again\n", flush=True)
        table = Table("ms")
        for name, kind in GROUPS:
            asyncio.run(_row(table, name, kind, number, trials))
