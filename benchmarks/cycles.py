"""Uncontended campaigns and releases a second: what being elected costs when nobody else wants it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable

from benchmarks.measure import quantile
from tenure import Election
from tenure.blocking import Election as BlockingElection

CYCLES = 300


def _sync_once(folder: str) -> float:
    """The floor: one write and one fdatasync in place, a second."""
    fd = os.open(f"{folder}/floor", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, bytes(128), 0)
    os.fsync(fd)
    started_s = time.perf_counter()
    for number in range(CYCLES):
        os.pwrite(fd, number.to_bytes(8, "little"), 64 * (number % 2))
        os.fdatasync(fd)
    os.close(fd)
    return CYCLES / (time.perf_counter() - started_s)


async def _asyncio(url: str) -> float:
    election = Election("bench", url)
    started_s = time.perf_counter()
    for _ in range(CYCLES):
        async with election.lead():
            pass
    return CYCLES / (time.perf_counter() - started_s)


def _blocking(url: str) -> float:
    election = BlockingElection("bench", url)
    started_s = time.perf_counter()
    for _ in range(CYCLES):
        with election.lead():
            pass
    return CYCLES / (time.perf_counter() - started_s)


def main(trials: int) -> None:
    """Print median and worst of `trials` rounds each."""
    with tempfile.TemporaryDirectory() as folder:
        rows: dict[str, Callable[[], float]] = {
            "write and fdatasync alone": lambda: _sync_once(folder),
            "file://, asyncio": lambda: asyncio.run(_asyncio(f"file://{folder}")),
            "file://, blocking": lambda: _blocking(f"file://{folder}"),
            "memory://, asyncio": lambda: asyncio.run(_asyncio("memory://bench")),
        }
        for name, measure in rows.items():
            rates = [measure() for _ in range(trials)]
            print(
                f"{name:26}  p50 {quantile(rates, 0.5):8.0f} /s   lowest {min(rates):8.0f} /s   n={trials}x{CYCLES}",
                flush=True,
            )
