"""What a node costs that has nothing to do: the processor's time and memory of each process of an idle group."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks.groups.base import Group
from benchmarks.groups.etcd import Etcd
from benchmarks.groups.ours import TenureNodes
from benchmarks.groups.pysyncobj import PySyncObj
from benchmarks.groups.zookeeper import ZooKeeper
from benchmarks.servers import Absent

SECONDS = 20
GROUPS: tuple[tuple[str, type[Group], int], ...] = (
    ("tenure, TCP, 3 nodes", TenureNodes, 3),
    ("tenure, TCP, 5 nodes", TenureNodes, 5),
    ("tenure, TCP, 7 nodes", TenureNodes, 7),
    ("etcd 3.4, 3 members", Etcd, 3),
    ("ZooKeeper, 3 members", ZooKeeper, 3),
    ("PySyncObj, 3 members", PySyncObj, 3),
)


def used_s(pid: int) -> float:
    """The processor's time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """What of a process is in memory, shared pages too."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _row(name: str, kind: type[Group], members: int) -> None:
    with tempfile.TemporaryDirectory(prefix="tn-") as folder:
        try:
            async with kind(Path(folder), members) as group:
                leader = await group.known_leader()
                await asyncio.sleep(2)
                pids = {member: process.pid for member, process in group.processes.items()}
                before = {member: used_s(pid) for member, pid in pids.items()}
                await asyncio.sleep(SECONDS)
                share = {member: (used_s(pid) - before[member]) / SECONDS * 100 for member, pid in pids.items()}
                most = max(share[member] for member in group.names if member != leader)
                mib = max(map(resident_mib, pids.values()))
        except Absent as error:
            print(f"left out: {name}: {error}", flush=True)
            return
    print(f"{name:24}{share[leader]:10.2f}{most:12.2f}{mib:10.1f}", flush=True)


def main(trials: int) -> None:
    """Print the table; one look at each."""
    del trials
    print(f"{'':24}{'leader %':>10}{'follower %':>12}{'RSS MiB':>10}", flush=True)
    for name, kind, members in GROUPS:
        asyncio.run(_row(name, kind, members))
