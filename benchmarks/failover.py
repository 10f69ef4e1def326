"""How long nobody works: from SIGKILL of the leading process, or its resignation, until the next one's body runs.

A row is printed as soon as it is known. Peers that replace a killed leader only after a time-out come last and at the
same time: each of their trials has an election of its own, and the next one begins while the last one still waits.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec

from benchmarks import servers
from benchmarks.measure import Table

SETTLE_S = 0.4
"""From `waiting` until the candidate surely stands."""


class Process:
    """One candidate, of `benchmarks.candidates.<program>`; `election` is its second argument."""

    def __init__(self, program: str, address: str, election: int = 0) -> None:
        self._process = subprocess.Popen(
            [*servers.MORTAL, sys.executable, "-m", f"benchmarks.candidates.{program}", address, str(election)],
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
WAITS_FOR_A_TIME_OUT = {"kazoo_election", "redis_lock"}
"""These replace a leader that was killed after ten seconds."""


def takeovers(program: str, address: str, how: str, trials: int) -> list[float]:
    """Milliseconds without a leader, once for each trial, one after the other."""
    gaps_ms = []
    with ExitStack() as ends:  # also when this is ended half way: candidates before their server and their directory
        leader = Process(program, address)
        ends.callback(leader.end)
        leader.line()
        for _ in range(trials):
            following = Process(program, address)
            ends.callback(following.end)
            time.sleep(SETTLE_S)
            started_ns = _now_ns()
            leader.kill() if how == "kill" else leader.resign()
            gaps_ms.append((int(following.line()) - started_ns) / 1e6)
            leader.end()
            leader = following
    return gaps_ms


def overlapping_kills(program: str, address: str, trials: int) -> list[float]:
    """As `takeovers` by SIGKILL, where the gap is so long that starting other trials meanwhile does not change it.

    A candidate writes down by itself when it leads, so it does not matter when that is read.
    """
    under_way = []
    for number in range(trials):
        leader = Process(program, address, number)
        leader.line()
        following = Process(program, address, number)
        time.sleep(SETTLE_S)
        under_way.append((leader, following, _now_ns()))
        leader.kill()
    gaps_ms = []
    for leader, following, started_ns in under_way:
        gaps_ms.append((int(following.line()) - started_ns) / 1e6)
        leader.end()
        following.end()
    return gaps_ms


def main(trials: int) -> None:
    """Print both tables, one after the other, with whoever is present."""
    with ExitStack() as all_servers:
        present: list[tuple[str, str, str]] = []
        for name, program, library, server in PEERS:
            try:
                if find_spec(library) is None:
                    raise servers.Absent(f"the library {library} is not installed")
                present.append((name, program, all_servers.enter_context(server())))
            except servers.Absent as error:
                print(f"left out: {name}: {error}", flush=True)
        print("\nthe leader resigns, until the next body runs\n")
        table = Table("ms")
        for name, program, address in present:
            table.row(name, takeovers(program, address, "resign", trials))
        print("\nSIGKILL of the leader, until the next body runs\n")
        table = Table("ms")
        for name, program, address in present:
            if program not in WAITS_FOR_A_TIME_OUT:
                table.row(name, takeovers(program, address, "kill", trials))
        _kill_at_the_same_time(table, [peer for peer in present if peer[1] in WAITS_FOR_A_TIME_OUT], trials)


def _kill_at_the_same_time(table: Table, peers: list[tuple[str, str, str]], trials: int) -> None:
    """A row for each of `peers`; their candidates die with the threads, and these with the benchmark."""

    def measure(name: str, program: str, address: str) -> None:
        table.row(name, overlapping_kills(program, address, trials))

    threads = [threading.Thread(target=measure, args=peer, daemon=True) for peer in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
