"""One harness for each kind of backend: this list is what the contract suite runs on."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from tenure.backends.base import Backend, Candidate
from tenure.backends.lease import DEFAULT_LEASE_S, LeaseBackend, open_lease
from tenure.backends.memory import MemoryBackend, MemoryService
from tenure.backends.registry import connect
from tenure.clock import ManualClock
from tests.contracts.harness import BackendHarness, Puppet
from tests.contracts.member_group import MemberHarness

LIMIT_S = 30.0
"""A Python process that starts on a loaded machine, imports the backend and is elected."""


class MemoryHarness(BackendHarness):
    """A service on a clock that the suite moves."""

    kind = "memory"

    def __init__(self, place: Path) -> None:
        del place  # it keeps nothing
        self.clock = ManualClock()
        self.service = MemoryService(clock=self.clock)

    def connect(self) -> MemoryBackend:
        return MemoryBackend(self.service)

    async def crash(self, backend: Backend) -> None:
        assert isinstance(backend, MemoryBackend)
        backend.kill()

    async def puppet(self, candidate: Candidate) -> Puppet:
        return MemoryPuppet(self.connect(), candidate)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def depose(self, election: str) -> None:
        self.service.revoke(election)

    async def close(self) -> None:
        """Nothing is left of it but this object."""


class MemoryPuppet(Puppet):
    """Another process is another connection here."""

    def __init__(self, backend: MemoryBackend, candidate: Candidate) -> None:
        self._backend = backend
        self._task = asyncio.create_task(backend.campaign(candidate, once=False))

    async def elected(self) -> int:
        grant = await asyncio.wait_for(asyncio.shield(self._task), LIMIT_S)
        assert grant is not None, "a campaign that waits ended without a grant"
        return grant.granted.token

    async def kill(self) -> None:
        self._backend.kill()
        await asyncio.gather(self._task, return_exceptions=True)


class LeaseHarness(BackendHarness):
    """A directory of the test's own, and a clock that the suite moves: a lease is not waited for."""

    kind = "lease"

    def __init__(self, place: Path) -> None:
        self.place = place / "elections"
        self.clock = ManualClock()

    def connect(self) -> LeaseBackend:
        return open_lease(self.place, clock=self.clock)

    async def crash(self, backend: Backend) -> None:
        await backend.close()  # what it held it leaves to its stamp, as a process that dies does

    async def puppet(self, candidate: Candidate) -> Puppet:
        return LeasePuppet(self.connect(), candidate)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def depose(self, election: str) -> None:
        """Only time takes a lease."""
        del election
        await self.pass_time(DEFAULT_LEASE_S * 1.1)

    async def close(self) -> None:
        """The test's directory is removed by the test framework."""


class LeasePuppet(Puppet):
    """A process of its own would read another clock; tests/backends/lease kills and stops real ones."""

    def __init__(self, backend: LeaseBackend, candidate: Candidate) -> None:
        self._backend = backend
        self._task = asyncio.create_task(backend.campaign(candidate, once=False))

    async def elected(self) -> int:
        grant = await asyncio.wait_for(asyncio.shield(self._task), LIMIT_S)
        assert grant is not None, "a campaign that waits ended without a grant"
        return grant.granted.token

    async def kill(self) -> None:
        await self._backend.close()
        await asyncio.gather(self._task, return_exceptions=True)


class FileHarness(BackendHarness):
    """A directory of the test's own, on the disk that temporary files are on."""

    kind = "file"

    def __init__(self, place: Path) -> None:
        self.place = place / "elections"
        self.url = self.place.as_uri()

    def connect(self) -> Backend:
        return connect(self.url)

    async def crash(self, backend: Backend) -> None:
        await backend.close()  # the kernel does the same with the descriptors of a process that dies

    async def puppet(self, candidate: Candidate) -> Puppet:
        return await ProcessPuppet.start(self.url, candidate)

    async def pass_time(self, seconds: float) -> None:
        """Nothing here depends on time."""

    async def depose(self, election: str) -> None:
        (self.place / election / "lock").unlink()

    async def close(self) -> None:
        """The test's directory is removed by the test framework."""


class ProcessPuppet(Puppet):
    """A real process, and a real SIGKILL."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str, candidate: Candidate) -> ProcessPuppet:
        program = str(Path(__file__).with_name("puppet.py"))
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                program,
                url,
                candidate.election,
                candidate.name,
                candidate.nonce,
                stdout=asyncio.subprocess.PIPE,
            )
        )

    async def elected(self) -> int:
        assert self._process.stdout is not None, "the puppet was started with a pipe"
        line = await asyncio.wait_for(self._process.stdout.readline(), LIMIT_S)
        assert line, "the puppet ended before it was elected; its error stands above"
        return int(line)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it is dead already
            self._process.kill()
        await self._process.wait()


HARNESSES: tuple[type[MemoryHarness | FileHarness | LeaseHarness | MemberHarness], ...] = (
    MemoryHarness,
    FileHarness,
    LeaseHarness,
    MemberHarness,
)
