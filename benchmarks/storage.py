"""Durable writes of a node's log, beside a bare `pwrite` with `fdatasync` and beside sqlite3 in WAL mode with
`synchronous=FULL`: one at a time, 64 together, and pipelined. Each is a record of one entry with a command of 100 B.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.measure import quantile
from tenure.algorithms.raft.messages import Appended, Command, HardState, Snapshot
from tenure.storage.base import StorageError
from tenure.storage.directory import DataDirectory
from tenure.storage.wal import Wal

SEGMENT = 16 << 20
PAYLOAD = bytes(100)
TOGETHER = 64
PIPELINED = 100_000
BACKLOG_BYTES = 4 << 20
"""The user's own limit while it pipelines."""
ROUNDS = 20
"""For each trial that was asked for: single writes are quick, and vary."""


def main(trials: int) -> None:
    """Print a row for each; `trials` times ROUNDS single writes, and as many of 64."""
    count = trials * ROUNDS
    print(f"{'':34}{'p50 us':>10}{'p99 us':>10}{'n':>7}  durable writes a second", flush=True)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # of the disk that holds the project, not of a RAM disk
        path = Path(folder)
        _bare(path, count)
        _sqlite(path / "one.db", count)
        asyncio.run(_log(path / "log", count, "asyncio"))
        with suppress(ImportError):
            import uvloop

            shutil.rmtree(path / "log")
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_log(path / "log", count, "uvloop"))
        _read(path / "log")


def _row(name: str, took_s: list[float], writes: int = 1) -> None:
    p50, p99 = (quantile(took_s, share) * 1e6 for share in (0.5, 0.99))
    rate = len(took_s) * writes / sum(took_s)
    print(f"{name:34}{p50:10.1f}{p99:10.1f}{len(took_s):7}  {rate:,.0f}", flush=True)


def _timed(count: int, act: Callable[[int], object]) -> list[float]:
    took_s = []
    for at in range(count):
        began_s = time.perf_counter()
        act(at)
        took_s.append(time.perf_counter() - began_s)
    return took_s


def _bare(path: Path, count: int) -> None:
    """What the disk takes without any log: a file that is reserved, and written behind what is there."""
    fd = os.open(path / "bare", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, bytes(SEGMENT), 0)
    os.fsync(fd)
    size = len(PAYLOAD) + 40

    def write(at: int) -> None:
        os.pwrite(fd, PAYLOAD, at * size % (SEGMENT - size))
        os.fdatasync(fd)

    _row("pwrite + fdatasync, bare", _timed(count, write))
    os.close(fd)


def _sqlite(path: Path, count: int) -> None:
    with _database(path) as database:
        insert = "INSERT INTO log (data) VALUES (?)"
        database.execute("CREATE TABLE log (at INTEGER PRIMARY KEY, data BLOB)")

        def together(_: int) -> None:
            database.execute("BEGIN")
            database.executemany(insert, [(PAYLOAD,)] * TOGETHER)
            database.execute("COMMIT")

        _row("sqlite3, WAL, FULL: one", _timed(count, lambda _: database.execute(insert, (PAYLOAD,))))
        _row(f"sqlite3, WAL, FULL: {TOGETHER} together", _timed(count, together), TOGETHER)


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        yield database
    finally:
        database.close()


class _Node:
    """Writes to a log, and waits for it."""

    def __init__(self, wal: Wal) -> None:
        self.wal = wal
        self.number = 0
        self._durable = 0
        self._wanted: tuple[int, asyncio.Future[None]] | None = None
        wal.begin(self._on_durable, self._on_failed)

    def _on_durable(self, number: int) -> None:
        self._durable = number
        if self._wanted is not None and number >= self._wanted[0]:
            self._wanted[1].set_result(None)
            self._wanted = None

    def _on_failed(self, error: StorageError) -> None:
        assert self._wanted is not None, error
        self._wanted[1].set_exception(error)

    def write(self) -> None:
        self.number += 1
        self.wal.write(self.number, Appended(0, 0, self.number, (Command(1, 1, self.number, PAYLOAD),)))

    async def until(self, number: int) -> None:
        if self._durable < number:
            waiting = asyncio.get_running_loop().create_future()
            self._wanted = (number, waiting)
            await waiting


async def _log(path: Path, count: int, loop: str) -> None:
    with DataDirectory.open(path) as directory:
        node = _Node(await asyncio.to_thread(Wal.open, directory, (HardState, Appended, Snapshot)))
        for writes, name in ((1, "one"), (TOGETHER, f"{TOGETHER} together")):
            took_s = []
            for _ in range(count):
                began_s = time.perf_counter()
                for _ in range(writes):
                    node.write()
                await node.until(node.number)
                took_s.append(time.perf_counter() - began_s)
            _row(f"tenure, {loop}: {name}", took_s, writes)
        began_s = time.perf_counter()
        for _ in range(PIPELINED):
            node.write()
            if node.wal.backlog_bytes > BACKLOG_BYTES:
                await node.until(node.number - 1000)
        await node.until(node.number)
        rate = PIPELINED / (time.perf_counter() - began_s)
        print(f"{f'tenure, {loop}: pipelined':34}{'':10}{'':10}{PIPELINED:7}  {rate:,.0f}", flush=True)
        await node.wal.close()


def _read(path: Path) -> None:
    with DataDirectory.open(path) as directory:
        began_s = time.perf_counter()
        recovered = Wal.open(directory, (HardState, Appended, Snapshot)).recovered
        print(f"\n{recovered}, in {time.perf_counter() - began_s:.2f} s", flush=True)
