"""The wrapper's side, with a guardian played by the test: a process that only sleeps, and reports that we write."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tenure.clock import ManualClock
from tenure.errors import ConfigurationError
from tenure.supervise import CommandNotExecutable, CommandNotFound, GuardianDied, JobNotStarted, JobSurvived
from tenure.supervise.connection import PATROL_S, SILENCE_S, STUBBORN_S, Connection
from tenure.supervise.processes import identify
from tenure.supervise.wire import Because, Channel, Ended, EndingBegun, Refused, Remaining, Report, Started, Stop

GRACE_S = 5.0
LIMIT_S = 30.0
"""How long what takes a millisecond may take on a loaded machine."""
NO_SUCH_PID = 2**22 + 1


class Played:
    """Both ends: the connection under test, and the guardian's end in our hands."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        ours, self.channel = Channel.pair()
        self._ours = ours
        self.process = process
        self.clock = ManualClock()
        self.pidfd = os.pidfd_open(process.pid)
        guardian = identify(process.pid)
        assert guardian is not None
        self.connection = Connection(ours, guardian, self.pidfd, self.clock)

    def report(self, *reports: Report) -> None:
        """Say something as the guardian."""
        for report in reports:
            assert self.channel.send(report)

    async def until_read(self) -> None:
        """Wait until the connection has read, and so taken into account, every report."""
        end_s = time.monotonic() + LIMIT_S
        while int.from_bytes(fcntl.ioctl(self.channel.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder):
            assert time.monotonic() < end_s, "a report was not read"
            await asyncio.sleep(0.001)

    async def start(self, *reports: Report) -> int:
        """Start a job, to which the guardian answers this."""
        self.report(*reports)
        return await self.connection.start(["job"], {}, GRACE_S, None, [])

    async def until_stop(self) -> None:
        """Read orders until the one to stop."""
        for _ in range(3000):
            while (received := self.channel.orders()) is not None:
                for descriptor in received[1]:
                    os.close(descriptor)
                if isinstance(received[0], Stop):
                    return
            await asyncio.sleep(0.01)
        raise AssertionError("no order to stop")

    def close(self) -> None:
        """Leave nothing behind."""
        self.connection.close()
        self._ours.close()
        self.channel.close()
        os.close(self.pidfd)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """The process that stands for the guardian."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@contextlib.asynccontextmanager
async def played(process: subprocess.Popen[bytes]) -> AsyncIterator[Played]:
    """A played guardian in the running loop."""
    stage = Played(process)
    try:
        yield stage
    finally:
        stage.close()


def test_what_cannot_be_killed_is_told(process: subprocess.Popen[bytes]) -> None:
    """A guardian that reports the same survivors again and again: JobSurvived names them, no wait is endless."""

    async def scene() -> None:
        async with played(process) as stage:
            await stage.start(Started(NO_SUCH_PID))
            stopping = asyncio.create_task(stage.connection.stop(signal.SIGTERM))
            await stage.until_stop()
            stage.report(EndingBegun(Because.ORDER))
            while not stopping.done():
                stage.report(Remaining([4711]))
                await stage.until_read()
                await asyncio.sleep(1.5 * PATROL_S)  # so that it looks at the guardian at each instant of the clock
                stage.clock.advance((GRACE_S + STUBBORN_S) / 40)
            with pytest.raises(JobSurvived, match="4711"):
                await stopping
            with pytest.raises(JobSurvived):
                await stage.connection.ended()
            assert process.poll() is None  # a guardian that answers is left alone
            stage.report(Ended(137, Because.ORDER))

    asyncio.run(scene())


@pytest.mark.parametrize("acknowledges", [False, True])
def test_a_silent_guardian_is_killed_and_replaced(process: subprocess.Popen[bytes], acknowledges: bool) -> None:
    """It is not stopped, it only says nothing: no order, or no end after the grace, is answered."""

    async def scene() -> None:
        async with played(process) as stage:
            await stage.start(Started(NO_SUCH_PID))
            stopping = asyncio.create_task(stage.connection.stop(signal.SIGTERM))
            await stage.until_stop()
            if acknowledges:
                stage.report(EndingBegun(Because.ORDER))
                await stage.until_read()
                stage.clock.advance(GRACE_S)
            assert process.poll() is None
            stage.clock.advance(SILENCE_S)
            await asyncio.wait_for(stopping, 30)

    asyncio.run(scene())
    assert process.wait(30) in {-signal.SIGKILL, 0}  # 0: the connection has reaped it already


def test_a_report_that_the_guardian_left_when_it_died_counts(process: subprocess.Popen[bytes]) -> None:
    """It ended the job, said so and was killed: the job's own code is the answer, and no further job can start."""

    async def scene() -> None:
        async with played(process) as stage:
            await stage.start(Started(NO_SUCH_PID))
            stage.report(Ended(3, Because.ITSELF))
            process.kill()
            assert await asyncio.wait_for(stage.connection.ended(), 30) == 3
            with pytest.raises(GuardianDied):
                await start_until_refused_for_good(stage)

    async def start_until_refused_for_good(stage: Played) -> None:
        for _ in range(3000):
            with contextlib.suppress(CommandNotFound):
                await stage.start(Refused("exec", 2))
            await asyncio.sleep(0.01)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sh", "-c", "read -r wait; exit 70"], "failed, .* whether the job had finished is not known"),
        (["sh", "-c", "read -r wait; kill -KILL $$"], "was killed"),
    ],
    ids=["failed", "killed"],
)
def test_a_guardian_that_failed_is_told_from_one_that_was_killed(words: list[str], says: str) -> None:
    """By its exit status: what somebody else did is not what tenure did."""

    async def scene(process: subprocess.Popen[bytes]) -> None:
        async with played(process) as stage:
            await stage.start(Started(NO_SUCH_PID))
            assert process.stdin is not None
            process.stdin.close()
            with pytest.raises(GuardianDied, match=says):
                await asyncio.wait_for(stage.connection.ended(), 30)

    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        asyncio.run(scene(process))


@pytest.mark.parametrize(
    ("refused", "error", "says"),
    [
        (Refused("exec", 2), CommandNotFound, "'job' was not found"),
        (Refused("exec", 13), CommandNotExecutable, "chmod"),
        (Refused("fork", 11), JobNotStarted, "Resource temporarily unavailable.*ulimit -u"),
        (Refused("no place; do this", 0), ConfigurationError, "no place; do this"),
    ],
)
def test_a_refusal_is_a_typed_error(
    process: subprocess.Popen[bytes], refused: Refused, error: type[Exception], says: str
) -> None:
    """Each names what failed, and what to do."""

    async def scene() -> None:
        async with played(process) as stage:
            with pytest.raises(error, match=says):
                await stage.start(refused)

    asyncio.run(scene())


def test_without_a_job_there_is_nothing_to_stop(process: subprocess.Popen[bytes]) -> None:
    """Orders between two jobs are no error: the loss and the end of a job may cross."""

    async def scene() -> None:
        async with played(process) as stage:
            await stage.connection.stop(signal.SIGTERM)
            stage.connection.forward(signal.SIGUSR1)
            stage.connection.set_deadline(5)
            assert stage.channel.orders() is None

    asyncio.run(scene())
