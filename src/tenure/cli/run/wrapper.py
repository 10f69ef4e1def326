"""The wrapper of `tenure run`: campaigns, has the guardian run the job while it leads, and passes signals on.

Rules of this file:
 - no job is started after the end was ordered (hazard L13), and none before the tenure was looked at once more;
 - a job that was told to stop because of a loss has not succeeded, whatever code it ended with (L14);
 - the tenure is left only after the guardian has seen nobody left (L5).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from tenure.body import Tenure
from tenure.cli.exits import Exit, say
from tenure.cli.run.policy import PAUSE_S, Policy
from tenure.election import Election
from tenure.errors import LeadershipLost, Reason, TenureError
from tenure.reports import Pauses
from tenure.supervise import Because, Guardian, GuardianDied
from tenure.supervise.processes import children_of

ENDING = (signal.SIGTERM,)
"""Signals that end the job with its grace, and the wrapper with it."""
FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
)
"""Signals that the job decides about; while there is no job, the first three end the wrapper."""
FATAL_WHILE_STANDING = frozenset({signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT})
PATIENCE_S = 0.3
"""Who is not elected by then is a standby, and says for whom it waits."""
ON_LOST_LIMIT_S = 30.0
"""How long the command of --on-lost may take before it is killed; nobody is campaigned for meanwhile."""
LEFT_LIMIT_S = 1.0
"""How long what that command left behind may take to die of SIGKILL, which is a matter of milliseconds."""


class Wrapper:
    """One `tenure run`."""

    def __init__(
        self, guardian: Guardian, election: Election, command: Sequence[str], policy: Policy, grace_s: float
    ) -> None:
        self._guardian = guardian
        self._election = election
        self._command = list(command)
        self._policy = policy
        self._grace_s = grace_s
        self._task: asyncio.Task[object] | None = None
        self._has_job = False
        self._has_command = False
        """Whether the command of --on-lost runs."""
        self._ended_by: int | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._finished: int | None = None
        """The code of a job that ended by itself while the tenure was valid: that decides, whatever comes after."""

    async def main(self) -> int:
        """Campaign, lead, run; returns the exit code."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (*ENDING, *FORWARDED):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        self._say(f"standing for {self._election.name!r} as {self._election.candidate!r} at {self._election.url}")
        try:
            while True:
                self._waiting = asyncio.create_task(self._say_for_whom())
                try:
                    async with self._election.lead(wait=self._policy.wait_s) as tenure:
                        return await self._lead(tenure)
                except LeadershipLost as lost:
                    code = await self._after_loss(lost)
                    if code is not None:
                        return code
        except asyncio.CancelledError:
            if self._ended_by is None:
                raise
            return self._finished if self._finished is not None else 128 + self._ended_by
        finally:
            if self._waiting is not None:
                self._waiting.cancel()

    async def _say_for_whom(self) -> None:
        """Whoever looks at a standby wants to know whom it waits for."""
        await asyncio.sleep(PATIENCE_S)
        try:
            leader = await self._election.leader()
        except TenureError:  # the campaign meets the same trouble, and tells of it
            return
        if leader is not None:
            self._say(f"{leader.candidate!r} leads (token {leader.token}); waiting")

    async def _lead(self, tenure: Tenure) -> int:
        """Run the job, again where the policy says so, and hold the tenure afterwards."""
        assert self._waiting is not None
        self._waiting.cancel()
        self._say(f"elected for {tenure.election!r} with token {tenure.token}")
        pauses = Pauses(*PAUSE_S)
        loop = asyncio.get_running_loop()
        while True:
            started_s = loop.time()
            code = await self._run_job(tenure)
            if self._ended_by is not None:
                return code
            if self._guardian.because is not Because.ITSELF:
                tenure.resign()  # the guardian ended the job: whatever this side believes, nobody does the work
            if self._guardian.because is not Because.ITSELF or not tenure.is_valid():
                await tenure.wait_lost()  # the loss that ended the job is on its way to us
            if not self._policy.runs_again(code):
                break
            pause_s = pauses.after(loop.time() - started_s)
            self._say(f"the job ended with {code}; running it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
        self._finished = code
        if self._policy.hold_s > 0:
            self._say(f"the job ended with {code}; keeping the tenure for {self._policy.hold_s:g} s")
            await asyncio.sleep(self._policy.hold_s)
        return code

    async def _run_job(self, tenure: Tenure) -> int:
        """Start the job and wait until nothing of it is left, whatever happens meanwhile."""
        self._has_job = True
        following = asyncio.create_task(self._follow_deadline(tenure))
        try:
            await self._guardian.start(
                self._command,
                self._environment(tenure),
                grace_s=self._grace_s,
                hard_deadline_ns=tenure.deadline_ns,
                keep_open=tenure.keep_open,
            )
            if self._ended_by is not None:  # it came while the job was being started
                self._stop_soon(self._ended_by)
            return await self._guardian.ended()
        except asyncio.CancelledError:
            if not tenure.is_valid() and tenure.deadline_ns is not None:
                self._guardian.set_deadline(tenure.deadline_ns)  # a loss may leave less than the job's grace
            await _to_its_end(self._guardian.stop())
            raise
        finally:
            following.cancel()
            self._has_job = False

    async def _follow_deadline(self, tenure: Tenure) -> None:
        """Tell the guardian each new deadline; it kills by itself at the last one that it was told."""
        told_ns = tenure.deadline_ns
        while told_ns is not None:
            await asyncio.sleep(max(0.01, tenure.remaining() / 20))
            if tenure.is_valid() and tenure.deadline_ns != told_ns:
                told_ns = tenure.deadline_ns
                self._guardian.set_deadline(told_ns)

    async def _after_loss(self, lost: LeadershipLost) -> int | None:
        """The exit code, or None to stand again."""
        if lost.reason in {Reason.RESIGNED, Reason.TRANSFERRED}:  # any other loss stands in the log as a warning
            self._say(str(lost))
        if self._finished is not None:
            return self._finished
        if self._policy.on_lost is not None:
            await self._run_on_lost(self._policy.on_lost, lost)
        if self._ended_by is not None:
            return 128 + self._ended_by
        if self._policy.once:
            return Exit.LOST
        if not self._guardian.is_alive:
            raise GuardianDied  # elected again, this process could run nothing: let a new one stand
        return None

    async def _run_on_lost(self, command: str, lost: LeadershipLost) -> None:
        environment = {
            **os.environ,
            "TENURE_NAME": lost.election,
            "TENURE_CANDIDATE": self._election.candidate,
            "TENURE_TOKEN": str(lost.token),
            "TENURE_REASON": lost.reason.value,
        }
        self._has_command = True
        process = await asyncio.create_subprocess_shell(command, env=environment, start_new_session=True)
        try:
            async with asyncio.timeout(ON_LOST_LIMIT_S):
                await process.wait()
        except TimeoutError:
            self._say(f"--on-lost took longer than {ON_LOST_LIMIT_S:g} s and was killed: {command}")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await _to_its_end(process.wait())
            await _to_its_end(_end_group(process.pid))
            self._has_command = False
            self._reap()

    def _reap(self) -> None:
        """Collect the dead among what commands of --on-lost left running on purpose: it is our child, as an orphan.

        While the guardian lives we have no other children than it, those, and the command itself, which asyncio reaps.
        """
        children = children_of(os.getpid())
        if self._has_command or not self._guardian.is_alive:  # asked last: its death makes the job's processes ours
            return
        for pid in children:
            if pid != self._guardian.pid:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _environment(self, tenure: Tenure) -> dict[str, str]:
        return {
            **os.environ,
            "TENURE_NAME": tenure.election,
            "TENURE_CANDIDATE": tenure.candidate,
            "TENURE_TOKEN": str(tenure.token),
        }

    def _say(self, text: str) -> None:
        if not self._policy.quiet:
            say(text)

    # Signals

    def _signalled(self, number: int) -> None:
        if self._has_job:
            if number in ENDING:
                self._ended_by = number
                self._stop_soon(number)
            else:
                self._guardian.forward(number)
        elif number in FATAL_WHILE_STANDING:
            self._ended_by = number
            assert self._task is not None
            self._task.cancel()

    def _stop_soon(self, number: int) -> None:
        """Order the job's end; `_run_job` sees it by the job's end."""
        self._stopping = asyncio.create_task(self._guardian.stop(number))


async def _end_group(group: int) -> None:
    """Kill what a command that has ended left behind in its process group: its orphans, who are our children now.

    As long as one of them is not reaped, the kernel gives the group's number to nobody else (hazard L31).
    """
    with suppress(ChildProcessError, PermissionError, TimeoutError):  # the first: nobody is left, as nearly always
        async with asyncio.timeout(LEFT_LIMIT_S):
            while True:
                os.waitid(os.P_PGID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # noqa: ASYNC222  it never blocks
                os.killpg(group, signal.SIGKILL)
                os.waitid(os.P_PGID, group, os.WEXITED | os.WNOHANG)  # noqa: ASYNC222  WNOHANG: it never blocks
                await asyncio.sleep(0.005)


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    """Await `work` however often this task is cancelled meanwhile: nothing is left before it has ended."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()
