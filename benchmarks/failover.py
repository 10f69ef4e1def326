"""How long nobody works: from SIGKILL of the leading process, or its resignation, until the next one's body runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec

from benchmarks import servers
from benchmarks.measure import table

SETTLE_S = 0.4
"""From `waiting` until the candidate surely stands."""


class Process:
    """One candidate, of `benchmarks.candidates.<program>`."""

    def __init__(self, program: str, address: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.candidates.{program}", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        assert self.line() == "waiting"

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()

    def resign(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"file://{folder}"


Peer = tuple[str, str, str, Callable[[], AbstractContextManager[str]]]
PEERS: tuple[Peer, ...] = (
    ("tenure file://, asyncio", "tenure_asyncio", "tenure", _folder),
    ("tenure file://, blocking", "tenure_blocking", "tenure", _folder),
    ("PostgreSQL advisory lock", "postgres_lock", "psycopg", servers.postgres),
    ("kazoo Election", "kazoo_election", "kazoo", servers.zookeeper),
    ("redis-py Lock", "redis_lock", "redis", servers.redis),
)
SLOW = {("kazoo_election", "kill"), ("redis_lock", "kill")}
"""These wait for a time-out of ten seconds; three trials tell what there is to tell, and n says so."""


def takeovers(program: str, address: str, how: str, trials: int) -> list[float]:
    """Milliseconds without a leader, once for each trial."""
    gaps_ms = []
    leader = Process(program, address)
    leader.line()
    for _ in range(trials):
        following = Process(program, address)
        time.sleep(SETTLE_S)
        started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        leader.kill() if how == "kill" else leader.resign()
        gaps_ms.append((int(following.line()) - started_ns) / 1e6)
        leader.end()
        leader = following
    leader.end()
    return gaps_ms


def main(trials: int) -> None:
    """Print both tables, with whoever is present."""
    rows: dict[str, list[tuple[str, list[float]]]] = {"kill": [], "resign": []}
    for name, program, library, server in PEERS:
        try:
            if find_spec(library) is None:
                raise servers.Absent(f"the library {library} is not installed")
            with server() as address:
                for how, found in rows.items():
                    count = min(trials, 3) if (program, how) in SLOW else trials
                    found.append((name, takeovers(program, address, how, count)))
        except servers.Absent as error:
            print(f"left out: {name}: {error}")
    for how, found in rows.items():
        print(f"\n{'SIGKILL of the leader' if how == 'kill' else 'the leader resigns'}, until the next body runs\n")
        table(found, "ms")
