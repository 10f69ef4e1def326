"""Three nodes in this process, each on a thread of its own, as the service that the contract suite runs on.

Their clock runs with the machine's, and is set forward in steps short enough for heartbeats to go round.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tenure.algorithms.raft import Raft, Role, Settings
from tenure.backends.base import Backend, Candidate
from tenure.backends.member import Authority, MemberBackend
from tenure.clock import BootClock
from tenure.durations import NS_PER_S
from tenure.errors import NodeStopped
from tenure.runtime.assembly import assemble
from tenure.runtime.node import RuntimeNode
from tenure.runtime.threads import LoopThread
from tests.contracts.harness import BackendHarness, Puppet

NAMES = ("a", "b", "c")
MS = NS_PER_S // 1000
SETTINGS = Settings(
    election_ns=2000 * MS, spread_ns=500 * MS, heartbeat_ns=100 * MS, promise_ns=1600 * MS, tenure_ns=12_000 * MS
)
STEP_S = 0.1
LIMIT_S = 30.0


class ForwardClock:
    """CLOCK_BOOTTIME, and what it was set forward by."""

    def __init__(self) -> None:
        self._true = BootClock()
        self._ahead_ns = random.randrange(10**12, 10**15)
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()

    def now_ns(self) -> int:
        return self._true.now_ns() + self._ahead_ns

    def advance(self, seconds: float) -> None:
        self._ahead_ns += round(seconds * NS_PER_S)
        for callback in tuple(self._callbacks.values()):
            callback()

    def on_move(self, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        self._callbacks[number] = callback
        return lambda: self._callbacks.pop(number, None) and None


class Member:
    """One of them."""

    def __init__(self, folder: Path, name: str, clock: ForwardClock) -> None:
        self.authority = Authority()
        self.thread = LoopThread(f"member-{name}")
        self.node: RuntimeNode = assemble(
            name,
            f"unix:{folder}/{name}",
            {other: f"unix:{folder}/{other}" for other in NAMES if other != name},
            Raft,
            SETTINGS,
            directory=folder / f"{name}.d",
            owner=self.authority,
            clock=clock,
        )
        self.authority.attach(self.node)

    async def start(self) -> None:
        self.thread.start()
        await self.thread.call(self._start)

    async def _start(self) -> None:
        await self.node.start()
        self.authority.begin()

    async def turn(self) -> None:
        """Let its loop turn once."""

        async def nothing() -> None:
            return

        await self.thread.call(nothing)

    async def stop(self) -> None:
        await self.thread.call(self._stop)
        await self.thread.stop(NodeStopped("the test is over"))

    async def _stop(self) -> None:
        self.authority.end()
        await self.node.stop()


class MemberHarness(BackendHarness):
    """A group that has a leader."""

    kind = "member"
    moves = False

    def __init__(self, place: Path) -> None:
        del place  # too long a path for sockets
        self._folder = tempfile.TemporaryDirectory(prefix="tn-")
        self.clock = ForwardClock()
        self.members = [Member(Path(self._folder.name), name, self.clock) for name in NAMES]
        self._turns = itertools.cycle(self.members)
        apart(self._start())

    async def _start(self) -> None:
        await asyncio.gather(*(member.start() for member in self.members))
        async with asyncio.timeout(LIMIT_S):
            while not any(member.node.driver.held for member in self.members):
                if all(member.node.elector.role == Role.FOLLOWING for member in self.members):
                    await self.pass_time(STEP_S)
                await asyncio.sleep(0.001)  # votes are written to disk, which takes its time

    def connect(self) -> Backend:
        """At one node after the other."""
        member = next(self._turns)
        return MemberBackend(member.node, member.authority, member.thread, cluster="test", scope="host")

    async def crash(self, backend: Backend) -> None:
        await backend.close()  # what it holds is not renewed any more, and its candidates are gone

    async def puppet(self, candidate: Candidate) -> Puppet:
        return MemberPuppet(self.connect(), candidate)

    async def pass_time(self, seconds: float) -> None:
        end_ns = self.clock.now_ns() + round(seconds * NS_PER_S)
        while (left_ns := end_ns - self.clock.now_ns()) > 0:
            self.clock.advance(min(STEP_S, left_ns / NS_PER_S))
            for _ in range(3):  # the leader speaks, the others answer, the leader hears them
                await asyncio.gather(*(member.turn() for member in self.members))

    async def depose(self, election: str) -> None:
        """Only time takes authority."""
        del election
        seconds = max(member.node.elector.authority_ns for member in self.members) / NS_PER_S
        await self.pass_time(seconds * 1.1)

    async def close(self) -> None:
        await asyncio.gather(*(member.stop() for member in self.members))
        self._folder.cleanup()


class MemberPuppet(Puppet):
    """Another process is another member here; tests/processes kills and stops real ones."""

    def __init__(self, backend: Backend, candidate: Candidate) -> None:
        self._backend = backend
        self._task = asyncio.create_task(backend.campaign(candidate, once=False))

    async def elected(self) -> int:
        grant = await asyncio.wait_for(asyncio.shield(self._task), LIMIT_S)
        assert grant is not None, "a campaign that waits ended without a grant"
        return grant.granted.token

    async def kill(self) -> None:
        await self._backend.close()
        await asyncio.gather(self._task, return_exceptions=True)


def apart(scene: Coroutine[Any, Any, None]) -> None:
    """Play it on a loop of its own, beside one that may be running here."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(scene)
        except BaseException as error:  # noqa: BLE001  it is raised below, where it is seen
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
