"""Durable writes a second through `Node.propose`, from the application that leads a group of three processes.

Each process has a log of its own on this machine's disk, and they speak over Unix sockets. A write is a put of a key
and 100 bytes; it has come about when a majority has it on disk and the machine has answered. `at once` many callers
wait for one write after the other, on the application's own event loop; `pipelined` are those of `propose_all`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import quantile
from tenure import Election, Node
from tenure.machines.kv import Put, encode

NAMES = ("a", "b", "c")
AT_ONCE = (1, 64, 256, 1024)
PIPELINED = 4096
"""Commands of one `propose_all`."""
TRIAL_S = 0.1
"""How long one trial lasts."""
LIMIT_S = 60.0
COMMAND = encode(Put("key", bytes(100)))


def member(folder: Path, name: str) -> Node:
    """One of the three, not entered yet."""
    peers = {other: f"unix:{folder}/{other}" for other in NAMES if other != name}
    return Node(name, listen=f"unix:{folder}/{name}", peers=peers, data=folder / f"{name}.d")


async def caller(node: Node, until_s: float, took_s: list[float]) -> None:
    """Propose one write after the other until the time is over."""
    while (began_s := time.perf_counter()) < until_s:
        await node.propose(COMMAND)
        took_s.append(time.perf_counter() - began_s)


async def trials(node: Node, at_once: int, count: int) -> tuple[list[float], float]:
    """How long each write took, and how many came about in a second, over all trials."""
    took_s: list[float] = []
    await asyncio.gather(*(caller(node, time.perf_counter() + TRIAL_S, []) for _ in range(at_once)))  # sessions open
    began_s = time.perf_counter()
    until_s = began_s + TRIAL_S * count
    await asyncio.gather(*(caller(node, until_s, took_s) for _ in range(at_once)))
    return took_s, len(took_s) / (time.perf_counter() - began_s)


async def pipelined(node: Node, count: int) -> tuple[float, int]:
    """How many writes came about in a second, and how many did."""
    done, began_s = 0, time.perf_counter()
    while time.perf_counter() < began_s + TRIAL_S * count:
        done += len(await node.propose_all([COMMAND] * PIPELINED))
    return done / (time.perf_counter() - began_s), done


async def measure(folder: Path, count: int) -> None:
    """Lead, and print a row for each number of callers."""
    async with asyncio.timeout(LIMIT_S + count), member(folder, "a") as node, Election("bench", at=node).lead():
        # the others have no candidate, so this node has come to lead
        for at_once in AT_ONCE:
            took_s, rate = await trials(node, at_once, count)
            p50, p99 = quantile(took_s, 0.5) * 1e6, quantile(took_s, 0.99) * 1e6
            print(f"{at_once:8} at once  {p50:10.0f}  {p99:10.0f}  {rate:10,.0f}  {len(took_s):8}", flush=True)
        rate, n = await pipelined(node, count)
        print(f"{'pipelined':>16}  {'':10}  {'':10}  {rate:10,.0f}  {n:8}", flush=True)


def main(count: int) -> None:
    """Print the table."""
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    print(f"{f'in process, {loop}':16}  {'p50 us':>10}  {'p99 us':>10}  {'writes/s':>10}  {'n':>8}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tn-") as name:
        others = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.member", name, other],
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for other in NAMES[1:]
        ]
        try:
            asyncio.run(measure(Path(name), count))
        finally:
            for other in others:
                other.send_signal(signal.SIGKILL)
                other.wait()


async def serve(folder: Path, name: str) -> None:
    """Be a member that leads nothing, until it is killed or who started it is gone."""
    async with member(folder, name):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
