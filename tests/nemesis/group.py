"""A group of real nodes in one folder: their processes, disks and links, and what breaks each of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import IO, NamedTuple, Self

from tenure.audit import Acted, Ledger, Opened, Reader
from tenure.clock import BootClock
from tenure.runtime.remote import RemoteGroup
from tenure.simulator import names
from tests.nemesis.disk import Orders
from tests.nemesis.proxy import Link

PORT = 7101
ENDS_WITHIN_S = 20.0
"""A node that is told to end hands over first; on a busy machine everything takes longer."""
DISK_MIB = 24
"""Of the real disk that is filled, where there is one."""
FILLER = "filler"


class Kind(NamedTuple):
    """What a group runs, and how its nodes reach one another."""

    algorithm: str
    transport: str
    """"tcp": through links that break; "unix": directly, where the kernel vouches."""
    nodes: int = 3

    @property
    def serves(self) -> bool:
        """Whether it serves clients."""
        return self.algorithm == "raft"

    @property
    def traced(self) -> str:
        """The algorithm's name in traces: with the detector that stands around it."""
        return names.watched(names.algorithm(self.algorithm), names.DETECTORS[0]).name

    @property
    def options(self) -> list[str]:
        name, _, around = self.algorithm.partition("+")
        return ["--algorithm", name, *(["--authority", "majority"] if around == "lease" else [])]

    def __str__(self) -> str:
        return f"{self.algorithm} over {self.transport}, {self.nodes} nodes"


class Group:
    """Nodes a, b, c, ... of one kind. All that it makes is in `folder`, and is gone, but for files, when it is left."""

    def __init__(self, folder: Path, kind: Kind, chance: Random, mutant: str | None = None) -> None:
        self.folder, self.kind, self._mutant = folder, kind, mutant
        self.names = "abcdefg"[: kind.nodes]
        self.traces, self.ledger_path = folder / "traces", folder / "ledger.jsonl"
        self.troubles: list[str] = []
        """What no fault explains, such as a node that ended by itself."""
        self.clock = BootClock()
        self.origin_ns = time.time_ns() - self.clock.now_ns()
        """What is added to the host's clock in traces; wall clocks can be set meanwhile."""
        self.links: dict[tuple[str, str], Link] = {}
        self.orders: dict[str, Orders] = {}
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self.ahead_s = dict.fromkeys(self.names, 0)
        """Of each node's clock in its next life."""
        self._said_before = dict.fromkeys(self.names, 0)
        """How long each node's log was when its last life began."""
        self._stopped = set[str]()
        self._expected = set[int]()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._mounts: list[Path] = []
        self._host = f"127.{chance.randrange(64, 128)}.{chance.randrange(256)}"
        self._holder: str | None = None

    def address(self, name: str) -> str:
        """Where a node listens."""
        if self.kind.transport == "unix":
            return f"unix:{self.folder}/{name}.sock"
        host, port = self._where(name)
        return f"{host}:{port}"

    def number(self, name: str) -> int:
        return self.names.index(name) + 1

    def _where(self, name: str) -> tuple[str, int]:
        return f"{self._host}.{self.number(name)}", PORT

    # Its life

    async def __aenter__(self) -> Self:
        self.traces.mkdir()
        self.ledger = Ledger(self.ledger_path)
        self._reader = Reader(self.ledger_path)
        try:
            for name in self.names:
                self.orders[name] = Orders(self.folder / f"{name}.orders")
                (self.folder / name).mkdir()
            self._mount(self.names[-1])
            if self.kind.transport == "tcp":
                for one, other in itertools.permutations(self.names, 2):
                    port = PORT + 10 * self.number(one)
                    self.links[one, other] = Link((self._where(other)[0], port), self._where(other))
                    await self.links[one, other].open()
            for name in self.names:
                await self.start(name)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in tuple(self.running):
            with contextlib.suppress(ProcessLookupError):
                await self.kill(name)
        for link in self.links.values():
            await link.close()
        for orders in self.orders.values():
            orders.close()
        for path in self._mounts:
            _run("umount", path)
        self.ledger.close()

    def _mount(self, name: str) -> None:
        """A disk of its own for this node's data, which can be filled. Where we may: see `__main__`."""
        if os.environ.get("NEMESIS_MOUNTS") == "1":
            where = self.folder / name
            _run("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", where)
            self._mounts.append(where)

    # Processes

    async def start(self, name: str) -> None:
        """Begin a life of this node."""
        ahead_s = self.ahead_s[name]
        line = [sys.executable, "-m", "tests.nemesis.node", "--orders", f"{self.folder}/{name}.orders"]
        line += ["--ledger", str(self.ledger_path), "--origin-ns", str(self.origin_ns)]
        line += ["--ahead-ns", str(ahead_s * 10**9), "--parent", str(os.getpid())]
        line += ["--mutant", self._mutant] if self._mutant else []
        line += ["--", "--name", name, "--listen", self.address(name), "--data", f"{self.folder}/{name}/data"]
        line += ["--trace", str(self.traces), *self.kind.options, *self._peers(name)]
        if ahead_s:
            line = ["unshare", "--time", "--boottime", str(ahead_s), "--monotonic", str(ahead_s), "--", *line]
        with self.log_of(name) as log:
            self._said_before[name] = log.tell()
            process = await asyncio.create_subprocess_exec(*line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running[name] = process
        self._watches[name] = asyncio.create_task(self._watch(name, process))

    def _peers(self, name: str) -> list[str]:
        found = []
        for other in self.names:
            if other != name:
                link = self.links.get((name, other))
                address = self.address(other) if link is None else "{}:{}".format(*link.address)
                found.append(f"--peer={other}={address}")
        return found

    def log_of(self, name: str) -> IO[bytes]:
        """What a node said, in all its lives."""
        return (self.folder / f"{name}.log").open("ab")

    async def _watch(self, name: str, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self.ledger.died(process.pid)
        if self.running.get(name) is process:
            del self.running[name]
        self._stopped.discard(name)
        if process.pid not in self._expected:
            self.troubles.append(
                f"node {name} (process {process.pid}) ended by itself with code {code}; see {name}.log"
            )

    async def _end(self, name: str, number: signal.Signals, within_s: float) -> int | None:
        process = self.running[name]
        self._expected.add(process.pid)
        process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.shield(self._watches[name])
        return process.returncode

    async def kill(self, name: str) -> None:
        """SIGKILL, which a stopped process dies of, too."""
        await self._end(name, signal.SIGKILL, ENDS_WITHIN_S)

    async def terminate(self, name: str) -> None:
        """SIGTERM: a leader hands over, and it ends with 0."""
        was_up = self.is_up(name)
        code = await self._end(name, signal.SIGTERM, ENDS_WITHIN_S)
        if code == -signal.SIGTERM and not was_up:
            return  # it was not yet there to hear it
        if code is None:
            self.troubles.append(f"node {name} did not end within {ENDS_WITHIN_S:g} s of SIGTERM")
            await self.kill(name)
        elif code != 0:
            self.troubles.append(f"node {name} ended with {code} when it was told to end; see {name}.log")

    def is_up(self, name: str) -> bool:
        """Whether it runs, and has said so in this life."""
        if name not in self.running:
            return False
        said = (self.folder / f"{name}.log").read_bytes()
        return b"in its life number" in said[self._said_before[name] :]

    async def await_failure(self, name: str, within_s: float) -> bool:
        """Whether a node whose disk fails has met that, and then it must have ended, not with 0."""
        process = self.running[name]
        before = self.orders[name].failed
        self._expected.add(process.pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.shield(self._watches[name])
        if process.returncode is None and self.orders[name].failed > before:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDS_WITHIN_S):
                    await asyncio.shield(self._watches[name])
        if process.returncode is None:
            if self.orders[name].failed > before:
                self.troubles.append(f"node {name} goes on though its disk has failed")
            self._expected.discard(process.pid)
            return False
        if process.returncode <= 0:
            self.troubles.append(f"node {name} ended with {process.returncode} when its disk failed")
        return True

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        self.running[name].send_signal(signal.SIGSTOP)
        self._stopped.add(name)

    def resume(self, name: str) -> None:
        """SIGCONT, if it still lives."""
        if name in self.running:
            self.running[name].send_signal(signal.SIGCONT)
        self._stopped.discard(name)

    # Disks

    def fill(self, name: str) -> bool:
        """Take all the room that is left on this node's own disk; whether it has one."""
        where = self.folder / name
        if where not in self._mounts:
            return False
        with (where / FILLER).open("wb") as file, contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))
        return True

    def make_room(self, name: str) -> None:
        """Take the filler away."""
        (self.folder / name / FILLER).unlink(missing_ok=True)

    # All at once

    def holder(self) -> str | None:
        """Who opened or extended a tenure last."""
        for record in self._reader.new():
            if isinstance(record, Opened | Acted):
                self._holder = record.candidate
        return self._holder

    async def heal(self) -> None:
        """Take every fault away, and start whoever is down."""
        for link in self.links.values():
            link.heal()
        for name in self.names:
            self.orders[name].heal()
            self.make_room(name)
            if name in self._stopped:
                self.resume(name)
            if name not in self.running:
                await self.start(name)


def _run(*line: str | Path) -> None:
    subprocess.run(line, check=True, timeout=ENDS_WITHIN_S)


def free(folder: Path) -> None:
    """Nothing of a run that went well is kept."""
    shutil.rmtree(folder)


def remote(group: Group, names: Sequence[str]) -> RemoteGroup:
    """A client of these nodes, the first of which is tried first; it says nothing."""
    return RemoteGroup([group.address(name) for name in names], say=lambda *_: None)


def numbered(group: Group) -> tuple[int, ...]:
    """The numbers of all nodes."""
    return tuple(group.number(name) for name in group.names)
