"""How long nobody works when an application that leads its own group resigns, or is told to end.

Three processes are the members of the group, and the candidates. Beside them stand the elections of etcdctl and of
kazoo, whose servers are other processes.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack

from benchmarks import servers
from benchmarks.failover import SETTLE_S, takeovers
from benchmarks.measure import Table
from benchmarks.servers import free_port

NAMES = ("a", "b", "c")
LIMIT_S = 60.0


class Members:
    """The three processes; what they say comes with their name."""

    def __init__(self, addresses: dict[str, str], folder: str) -> None:
        self._members = json.dumps({name: [address, f"{folder}/{name}.d"] for name, address in addresses.items()})
        self._heard: queue.Queue[tuple[str, str]] = queue.Queue()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        for name in NAMES:
            self.start(name)
        self.leader, _ = self.next_leader(0)

    def start(self, name: str) -> None:
        """Until it stands."""
        program = [sys.executable, "-m", "benchmarks.candidates.tenure_member", self._members, str(NAMES.index(name))]
        process = self._processes[name] = subprocess.Popen(
            [*servers.MORTAL, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._listen, args=(name, process), daemon=True).start()

    def _listen(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._heard.put((name, line.strip()))

    def next_leader(self, after_ns: int) -> tuple[str, int]:
        """Who leads first after that instant, and when."""
        while True:
            name, word = self._heard.get(timeout=LIMIT_S)
            if word != "waiting" and int(word) > after_ns:
                return name, int(word)

    def resign(self) -> float:
        """Milliseconds until the next one works."""
        stdin = self._processes[self.leader].stdin
        assert stdin is not None
        began_ns = _now_ns()
        stdin.write("\n")
        stdin.flush()
        self.leader, at_ns = self.next_leader(began_ns)
        time.sleep(SETTLE_S)
        return (at_ns - began_ns) / 1e6

    def terminate(self) -> float:
        """The same by SIGTERM; then that process is started again."""
        ended = self.leader
        began_ns = _now_ns()
        self._processes[ended].send_signal(signal.SIGTERM)
        self.leader, at_ns = self.next_leader(began_ns)
        self.end(ended)
        self.start(ended)
        while self._heard.get(timeout=LIMIT_S) != (ended, "waiting"):
            pass
        time.sleep(SETTLE_S)
        return (at_ns - began_ns) / 1e6

    def end(self, name: str) -> None:
        """Wait for one that was told to end."""
        process = self._processes[name]
        process.wait(LIMIT_S)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()

    def close(self) -> None:
        """Kill them."""
        for process in self._processes.values():
            process.kill()
            process.wait()


def main(trials: int) -> None:
    """Print both tables."""
    with ExitStack() as ends:
        groups: list[tuple[str, Members]] = []
        for name, address in (("Unix sockets", _socket), ("TCP", _port)):
            folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="tn-"))
            members = Members({member: address(folder, member) for member in NAMES}, folder)
            ends.callback(members.close)
            groups.append((f"tenure member, {name}", members))
        print("\nthe leader resigns, until the next one works\n")
        table = Table("ms")
        for name, members in groups:
            table.row(name, [members.resign() for _ in range(trials)])
        _kazoo(table, trials)
        print("\nSIGTERM of the leader, until the next one works\n")
        table = Table("ms")
        for name, members in groups:
            table.row(name, [members.terminate() for _ in range(trials)])
        _etcdctl(table, trials)


def _socket(folder: str, member: str) -> str:
    return f"unix:{folder}/{member}"


def _port(folder: str, member: str) -> str:
    del folder, member
    return f"127.0.0.1:{free_port()}"


def _kazoo(table: Table, trials: int) -> None:
    try:
        with servers.zookeeper() as address:
            table.row("kazoo Election", takeovers("kazoo_election", address, "resign", trials))
    except (servers.Absent, ImportError) as error:
        print(f"left out: kazoo Election: {error}", flush=True)


def _etcdctl(table: Table, trials: int) -> None:
    """One server, and a candidate more for each trial; SIGTERM lets it resign."""
    try:
        with servers.etcd() as endpoint:
            table.row("etcdctl elect", _elections(endpoint, trials))
    except servers.Absent as error:
        print(f"left out: etcdctl elect: {error}", flush=True)


def _elections(endpoint: str, trials: int) -> list[float]:
    def stand(number: int) -> subprocess.Popen[str]:
        words = [*servers.MORTAL, "etcdctl", "--endpoints", endpoint, "elect", "bench", str(number)]
        return subprocess.Popen(words, env={**os.environ, "ETCDCTL_API": "3"}, stdout=subprocess.PIPE, text=True)

    def leads(process: subprocess.Popen[str]) -> int:
        assert process.stdout is not None
        process.stdout.readline()  # the key under which it stood; its proposal follows
        return _now_ns()

    gaps_ms = []
    with ExitStack() as ends:
        ends.callback((leader := stand(0)).kill)
        leads(leader)
        for number in range(1, trials + 1):
            ends.callback((following := stand(number)).kill)
            time.sleep(SETTLE_S)
            began_ns = _now_ns()
            leader.terminate()
            gaps_ms.append((leads(following) - began_ns) / 1e6)
            leader.wait()
            leader = following
    return gaps_ms


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
