"""The wrapper's side inside an event loop: orders, what becomes of them, and taking over where the guardian fails.

Rules of this file:
1. No wait without a limit: a guardian that is dead is seen by its pidfd, one that is stopped by its silence.
2. Taking over is safe at any time: kill the guardian, so that there is one who ends the job; its children become ours;
   go through the same `Ending`. What the guardian had reported before it died counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import assert_never

from tenure.clock import Clock
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.supervise.deadline_file import sweep
from tenure.supervise.ending import Ending
from tenure.supervise.errors import (
    CommandNotExecutable,
    CommandNotFound,
    GuardianDied,
    JobError,
    JobNotStarted,
    JobSurvived,
)
from tenure.supervise.processes import Family, GroupLeader, Process, children_of, identify, is_stopped
from tenure.supervise.terminal import Terminal, stop_ourselves
from tenure.supervise.watched_job import WatchedJob
from tenure.supervise.wire import (
    DESCRIPTORS,
    Because,
    Channel,
    Closed,
    Continued,
    Ended,
    EndingBegun,
    Forward,
    LeftBehind,
    Paused,
    Refused,
    Remaining,
    Report,
    SetDeadline,
    Start,
    Started,
    Stop,
    write_program,
)

START_LIMIT_S = 10.0
"""How long fork and exec may take; more is a guardian that is stopped, or a file system that hangs."""
SILENCE_S = 1.0
"""How long a guardian may owe an answer. It answers in about a millisecond; on a loaded machine in a few hundred."""
PATROL_S = 0.1
"""How often to look whether a guardian that owes an answer is stopped."""
STUBBORN_S = 10.0
"""How long after SIGKILL a process may live on before it is reported as one that cannot be killed."""
LOOK_AGAIN_S = 0.01


class Connection:
    """A guardian, as one event loop sees it."""

    def __init__(self, channel: Channel, guardian: Process, pidfd: int, clock: Clock) -> None:
        self._channel = channel
        self._guardian = guardian
        self._pidfd = pidfd
        self._clock = clock
        self._terminal = Terminal()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._read)
        self._loop.add_reader(pidfd, self._guardian_died)
        self._job: WatchedJob | None = None
        self._command = ""
        self._taking_over: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._is_listening = True
        self.is_guardian_reaped = False
        self._has_failed = False
        """Whether the guardian ended by itself, which it never does while it is needed."""
        self.because: Because | None = None
        self.ran_late: tuple[Process, ...] = ()
        """What of the job still ran past its deadline when this process took over, before it was ended."""

    # ---------------------------------------------------------------------------------------------------- orders

    async def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        grace_s: float,
        deadline_ns: int | None,
        keep_open: Sequence[int],
    ) -> int:
        """As `Guardian.start`."""
        assert self._job is None or self._job.is_over.is_set(), "one job at a time: stop() the one that runs"
        assert len(keep_open) < DESCRIPTORS
        if not self._is_listening:
            raise GuardianDied(failed=self._has_failed)
        foreground = self._terminal.is_ours()
        spared = frozenset(found for pid in children_of(os.getpid()) if (found := identify(pid)))
        job = self._job = WatchedJob(grace_s, deadline_ns, spared)
        self._command = command[0] if command else ""
        self.because = None
        program = write_program(command, dict(env))
        try:
            is_sent = self._channel.send(Start(job.grace_ns, deadline_ns, foreground), [program, *keep_open])
        finally:
            os.close(program)
        if foreground:
            self._terminal.note_given()
        try:
            async with asyncio.timeout(START_LIMIT_S if is_sent else 0):
                await job.has_begun.wait()
        except TimeoutError:
            job.kill_at_ns = self._clock.now_ns()
            self._take_over(job)
            await job.is_over.wait()
        if isinstance(job.outcome, Exception):
            raise job.outcome
        if job.pid is None:
            raise GuardianDied(failed=self._has_failed)
        return job.pid

    def set_deadline(self, deadline_ns: int | None) -> None:
        """As `Guardian.set_deadline`; a guardian that does not read keeps the earlier one, which is safe."""
        if self._job is not None and not self._job.is_over.is_set():
            self._job.deadline_ns = deadline_ns
            self._channel.send(SetDeadline(deadline_ns))

    def forward(self, number: int) -> None:
        """As `Guardian.forward`."""
        job = self._job
        if job is None or job.is_over.is_set():
            return
        if number == signal.SIGCONT and job.pid is not None and self._terminal.is_ours():
            self._terminal.give(job.pid)
        if self._channel.send(Forward(number)) and number == signal.SIGCONT:
            job.continues += 1

    async def ended(self) -> int:
        """As `Guardian.ended`."""
        assert self._job is not None, "no job was started"
        await self._job.is_over.wait()
        outcome = self._job.outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def stop(self, number: int) -> None:
        """As `Guardian.stop`."""
        job = self._job
        if job is None:
            return
        now_ns = self._clock.now_ns()
        job.stop_asked = True
        job.limit_ns(now_ns)
        if self._is_listening and not job.is_over.is_set():
            job.heard_ns = now_ns
            self._channel.send(Stop(number))  # a full buffer is the sign of a guardian that is stopped: see below
        while not job.is_over.is_set():
            self._judge_guardian(job)
            self._give_up_on_survivors(job)
            await self._patrol(job)
        if isinstance(job.outcome, JobSurvived):
            raise job.outcome

    def close(self) -> None:
        """Leave the loop. A job that still runs is killed at once, and waited for."""
        self._stop_listening()
        for task in filter(None, (self._taking_over, self._following)):
            task.cancel()
        job = self._job
        if job is not None:
            job.look_away()
        if job is None or job.is_over.is_set():
            return
        job.kill_at_ns = now_ns = self._clock.now_ns()
        self._kill_guardian()
        ending = self._own_ending(job, now_ns)
        while not ending.step(self._clock.now_ns()) and self._clock.now_ns() < now_ns + STUBBORN_S * NS_PER_S:
            select.poll().poll(round(LOOK_AGAIN_S * 1000))
        sweep()
        self._finish(job, GuardianDied(failed=self._has_failed))

    # ---------------------------------------------------------------------------------------------------- reports

    def _read(self) -> None:
        try:
            while (report := self._channel.reports()) is not None:
                if self._job is not None:
                    self._job.heard_ns = self._clock.now_ns()
                    self._note(self._job, report)
        except Closed:
            self._loop.remove_reader(self._channel.fileno())  # its pidfd tells the rest

    def _note(self, job: WatchedJob, report: Report) -> None:
        match report:
            case Started(pid):
                job.pid = pid
                job.has_begun.set()
                job.look(self._guardian, lambda: self._main_ended(job))
            case Refused(problem, error):
                self._finish(job, self._refusal(problem, error))
            case Paused(number):
                self._job_paused(job, number)
            case Continued():
                job.continues -= 1
            case EndingBegun(because):
                job.is_acknowledged = True
                job.begun = because
            case LeftBehind(status, count, some):
                who = ", ".join(some) + (", ..." if count > len(some) else "")
                noun = "process" if count == 1 else "processes"
                _say(f"the job has ended ({status}) and left {count} {noun}, now told to end: {who}")
            case Remaining(pids):
                job.remaining = pids
            case Ended(status, because):
                self.because = because
                self._finish(job, status)
            case _:
                assert_never(report)

    def _refusal(self, problem: str, error: int) -> JobError | ConfigurationError:
        if problem == "exec":
            not_found = error in {2, 20}  # ENOENT, ENOTDIR
            return CommandNotFound(self._command) if not_found else CommandNotExecutable(self._command, error)
        return JobNotStarted(error) if error else ConfigurationError(problem)

    def _finish(self, job: WatchedJob, outcome: int | JobError | ConfigurationError) -> None:
        job.look_away()
        self._terminal.job_is_over(outcome if isinstance(outcome, int) else 255)
        job.finish(outcome)

    def _main_ended(self, job: WatchedJob) -> None:
        """From now on the guardian owes word of the end; one that is stopped gives none."""
        job.look_away()
        job.main_has_ended = True
        job.heard_ns = self._clock.now_ns()
        if self._is_listening and not job.stop_asked:
            self._following = self._loop.create_task(self._follow_end(job), name="tenure: follow the job's end")

    async def _follow_end(self, job: WatchedJob) -> None:
        while not job.is_over.is_set():
            self._judge_guardian(job)
            await self._patrol(job)

    def _job_paused(self, job: WatchedJob, number: int) -> None:
        """Do as a shell whose job was stopped: with a terminal, hand it on to the shell above us."""
        if job.pid is None or job.stop_asked or job.continues:  # the last: it is being continued, the report is old
            return
        if self._terminal.is_ours():  # the shell gave it to us while the job was in the background
            if number in {signal.SIGTTIN, signal.SIGTTOU}:
                self.forward(signal.SIGCONT)
            return
        if self._terminal.is_lent(job.pid):
            self._terminal.take_back()
        elif number not in {signal.SIGTTIN, signal.SIGTTOU}:
            return  # no terminal, or in the background: somebody stopped the job alone, and may continue it
        stop_ourselves()
        self.forward(signal.SIGCONT)

    # ---------------------------------------------------------------------------------------------------- taking over

    async def _patrol(self, job: WatchedJob) -> None:
        """Wait until the job is over, or until the next look."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patrol_s(job)):
                await job.is_over.wait()

    def _patrol_s(self, job: WatchedJob) -> float:
        """Until the next look at the guardian: soon, and exactly when its time for the job is up."""
        left_s = (job.limit_ns(self._clock.now_ns()) - self._clock.now_ns()) / NS_PER_S
        return min(PATROL_S, left_s + LOOK_AGAIN_S) if left_s > 0 else PATROL_S

    def _judge_guardian(self, job: WatchedJob) -> None:
        """Take over from a guardian that owes an answer and cannot, or does not, give it."""
        now_ns = self._clock.now_ns()
        limit_ns = job.limit_ns(now_ns)
        if self._taking_over is None and self._is_listening:
            owes = not job.is_acknowledged or now_ns >= limit_ns
            silent_ns = now_ns - max(job.heard_ns, limit_ns if job.is_acknowledged else 0)
            if owes and (silent_ns >= SILENCE_S * NS_PER_S or is_stopped(self._guardian)):
                self._take_over(job)

    def _give_up_on_survivors(self, job: WatchedJob) -> None:
        now_ns = self._clock.now_ns()
        if now_ns >= job.limit_ns(now_ns) + STUBBORN_S * NS_PER_S:
            self._finish(job, JobSurvived(job.remaining))

    def _guardian_died(self) -> None:
        """Its pidfd became readable, and we did not ask for that."""
        self._read()
        self._stop_listening()
        job = self._job
        if job is not None and not job.is_over.is_set():
            self._take_over(job)

    def _take_over(self, job: WatchedJob) -> None:
        if self._taking_over is None:
            self._taking_over = self._loop.create_task(self._end_in_its_place(job), name="tenure: end the job")

    async def _end_in_its_place(self, job: WatchedJob) -> None:
        self._kill_guardian()
        if job.is_over.is_set():  # it had ended everything, and its last report was still to be read
            return
        now_ns = self._clock.now_ns()
        ended_itself = job.ended_itself
        if job.deadline_ns is not None and now_ns >= job.deadline_ns:
            self.ran_late = tuple(Family(job.spared).members())
        sweep()  # the job holds nothing any more
        leader = None if job.pid is None else GroupLeader(job.pid)
        ending = self._own_ending(job, now_ns, leader)
        while not ending.step(self._clock.now_ns()):
            ending.hasten(job.limit_ns(now_ns))
            if self._clock.now_ns() >= job.limit_ns(now_ns) + STUBBORN_S * NS_PER_S:
                pids = [process.pid for process in Family(job.spared).members()]
                self._finish(job, JobSurvived(pids))
                return
            await asyncio.sleep(LOOK_AGAIN_S)
        sweep()  # once more: a job killed between fork and exec had the guardian's lock, too
        status = None if leader is None else leader.status
        died = GuardianDied(status, failed=self._has_failed)
        if ended_itself:
            self.because = Because.ITSELF
        self._finish(job, status if (job.stop_asked or ended_itself) and status is not None else died)

    def _own_ending(self, job: WatchedJob, now_ns: int, leader: GroupLeader | None = None) -> Ending:
        """What was the guardian's is our child now; begin to end it."""
        if leader is None and job.pid is not None:
            leader = GroupLeader(job.pid)
        ending = Ending(Family(job.spared), leader, tell_at_ns=now_ns, kill_at_ns=job.limit_ns(now_ns))
        ending.tell(signal.SIGTERM, now_ns)
        return ending

    def _kill_guardian(self) -> None:
        """After this the guardian does nothing more, and its orphans are ours."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if poll.poll(round(SILENCE_S * 1000)):  # it takes well under a millisecond, even when it is stopped
            with contextlib.suppress(ChildProcessError):
                self._has_failed = os.WIFEXITED(os.waitpid(self._guardian.pid, 0)[1])
            self.is_guardian_reaped = True
        self._read()
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._is_listening and not self._loop.is_closed():
            self._loop.remove_reader(self._channel.fileno())
            self._loop.remove_reader(self._pidfd)
        self._is_listening = False


def _say(line: str) -> None:
    """Talk goes to stderr."""
    with contextlib.suppress(OSError):
        print(f"tenure: {line}", file=sys.stderr, flush=True)  # noqa: T201  a message of the command line
