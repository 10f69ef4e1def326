"""The guardian's own process: it waits for orders, for the end of its wrapper, for its children and for the deadline.

Rules of this file:
1. It never blocks but in poll, and there for half a second at most while a deadline is set: a timer stops when the
   machine is suspended, the deadline does not (hazard L28).
2. It obeys orders and the end of its wrapper, nothing else. Signals that somebody sends to everything that looks like
   tenure are for the wrapper, which then orders.
3. It writes to no stream: a full pipe on stderr must not keep it from killing. The wrapper talks.
4. It lets go of inherited descriptors by closing them, never by unlocking, and only when nobody of the job is left.
5. It imports little: every standby has a guardian, and its memory counts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections import deque
from typing import NoReturn, assert_never

import msgspec

from tenure.clock import BootClock
from tenure.errors import ConfigurationError
from tenure.supervise.deadline_file import DeadlineFile
from tenure.supervise.ending import LINGER_NS, Ending
from tenure.supervise.launch import failure, launch, move_up
from tenure.supervise.processes import Family, GroupLeader, become_subreaper, set_name
from tenure.supervise.wire import (
    Because,
    Channel,
    Closed,
    Continued,
    Ended,
    EndingBegun,
    Forward,
    LeftBehind,
    Order,
    Paused,
    Refused,
    Remaining,
    Report,
    SetDeadline,
    Start,
    Started,
    Stop,
    read_program,
)

PATROL_NS = 500_000_000
"""How long poll may sleep while a deadline is set, and how often what cannot be killed is reported."""
NAMED = 8
"""How many processes a report names; it must fit into one packet."""
PROBLEM_CHARACTERS = 2000
REPORTS = 64
"""How many reports wait for a wrapper that does not read; what comes on top is not worth keeping."""
NS_PER_MS = 1_000_000
# Faults of our own must still kill us, and the children's signals are our work.
_OBEYED = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGCONT,
    signal.SIGCHLD,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGABRT,
    signal.SIGSYS,
    signal.SIGTRAP,
}  # fmt: skip  one set on two lines reads better


def guard(channel: Channel, wrapper: int) -> NoReturn:
    """Be the guardian from here on; `wrapper` is a pidfd of the wrapper. Never returns to the code that forked."""
    status = 70  # EX_SOFTWARE, unless all went well
    guardian = None
    try:
        os.setpgid(0, 0)  # who kills the wrapper's whole process group leaves us alive, to end the job in order
        become_subreaper()
        set_name("tenure-guardian")
        guardian = _Guardian(channel, wrapper)
        guardian.run()
        status = 0
    finally:  # a defect of ours must not leave a job without a guardian
        try:
            if status != 0 and guardian is not None:
                guardian.kill_all()
            if status != 0:
                sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


def _listen_to_children() -> int:
    """Ignore what is meant for the wrapper; the descriptor that becomes readable when a child changes."""
    for number in signal.valid_signals() - _OBEYED:
        signal.signal(number, signal.SIG_IGN)
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return reading


class _Job(msgspec.Struct):
    leader: GroupLeader
    grace_ns: int
    deadline_ns: int | None
    inherited: list[int]
    exec_pipe: int | None
    because: Because = Because.ITSELF
    ending: Ending | None = None
    is_left_behind_told: bool = False
    reported_ns: int = 0


class _Guardian:
    def __init__(self, channel: Channel, wrapper: int) -> None:
        self._clock = BootClock()
        self._channel = channel
        self._wrapper = wrapper
        self._children = _listen_to_children()
        self._family = Family()
        self._job: _Job | None = None
        self._deadline_file: DeadlineFile | None = None
        self._reports: deque[Report] = deque(maxlen=REPORTS)
        self._is_alone = False

    def run(self) -> None:
        """Until the wrapper is gone and nothing of the job is left."""
        try:
            while not (self._is_alone and self._job is None):
                self._wait()
                self._take_orders()
                if self._job is not None:
                    self._watch(self._job)
                self._send_reports()
        finally:
            if self._deadline_file is not None:
                self._deadline_file.remove()

    def kill_all(self) -> None:
        """The last resort after a defect: SIGKILL to everybody, for as long as it takes."""
        now_ns = self._clock.now_ns()
        leader = None if self._job is None else self._job.leader
        ending = Ending(self._family, leader, tell_at_ns=now_ns, kill_at_ns=now_ns)
        while not ending.step(self._clock.now_ns()):
            select.poll().poll(10)

    # ---------------------------------------------------------------------------------------------------- waiting

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._children, select.POLLIN)
        if not self._is_alone:
            poll.register(self._channel.fileno(), select.POLLIN | (select.POLLOUT if self._reports else 0))
            poll.register(self._wrapper, select.POLLIN)
        if self._job is not None and self._job.exec_pipe is not None:
            poll.register(self._job.exec_pipe, select.POLLIN)
        wait_ns = self._wait_ns()
        ready = dict(poll.poll(None if wait_ns is None else -(-wait_ns // NS_PER_MS)))
        if self._children in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._children, 4096)
        if self._wrapper in ready and not self._is_alone:
            # Its death, seen apart from the end of the channel: a fork of the wrapper may hold that open (hazard L26).
            self._wrapper_is_gone()

    def _wait_ns(self) -> int | None:
        """How long until something is due by the clock; None: only others can wake us."""
        job = self._job
        if job is None:
            return None
        now_ns = self._clock.now_ns()
        waits = [PATROL_NS]
        if job.deadline_ns is not None:
            waits.append(job.deadline_ns - now_ns)
        if job.ending is not None:
            waits.append(job.ending.wait_ns(now_ns))
        elif job.deadline_ns is None:
            return None
        return max(0, min(waits))

    # ---------------------------------------------------------------------------------------------------- orders

    def _take_orders(self) -> None:
        """All that wait, before the clock is judged: a later deadline may be among them."""
        while not self._is_alone:
            try:
                received = self._channel.orders()
            except Closed:
                self._wrapper_is_gone()
                return
            if received is None:
                return
            self._obey(*received)

    def _obey(self, order: Order, descriptors: list[int]) -> None:
        job = self._job
        match order:
            case Start():
                assert job is None, "one job at a time"
                self._start(order, descriptors)
            case SetDeadline(deadline_ns):
                if job is not None:
                    job.deadline_ns = deadline_ns
                    if job.ending is None and self._deadline_file is not None:
                        self._deadline_file.write(deadline_ns)
            case Stop(number):
                if job is not None:
                    self._end(job, Because.ORDER, number)
            case Forward(number):
                if job is not None:
                    job.leader.signal_group(number)
                    if number == signal.SIGCONT:
                        self._reports.append(Continued())
            case _:
                assert_never(order)

    def _start(self, order: Start, descriptors: list[int]) -> None:
        program = read_program(descriptors[0])
        inherited = [move_up(descriptor) for descriptor in descriptors[1:]]
        now_ns = self._clock.now_ns()
        try:
            if order.deadline_ns is not None and order.deadline_ns <= now_ns:
                raise ConfigurationError("the deadline has passed already; nothing was started")
            if self._deadline_file is None:
                self._deadline_file = DeadlineFile.create()
            self._deadline_file.begin(order.deadline_ns)
        except ConfigurationError as error:
            self._refuse(inherited, str(error), 0)
            return
        program.environment.append((b"TENURE_DEADLINE_FILE", os.fsencode(self._deadline_file.path)))
        try:
            pid, pipe = launch(program, inherited, foreground=order.foreground)
        except OSError as error:  # no more processes or descriptors
            self._refuse(inherited, "fork", error.errno or 0)
            return
        self._job = _Job(GroupLeader(pid), order.grace_ns, order.deadline_ns, inherited, pipe)

    def _refuse(self, inherited: list[int], problem: str, error: int) -> None:
        for descriptor in inherited:
            os.close(descriptor)
        if self._deadline_file is not None:
            self._deadline_file.remove_file()
        self._reports.append(Refused(problem[:PROBLEM_CHARACTERS], error))

    def _wrapper_is_gone(self) -> None:
        self._is_alone = True
        self._reports.clear()
        if self._job is not None:
            self._end(self._job, Because.WRAPPER, signal.SIGTERM)

    # ---------------------------------------------------------------------------------------------------- the job

    def _watch(self, job: _Job) -> None:
        """What has become of the job, and of its deadline."""
        if job.exec_pipe is not None and not self._has_executed(job, job.exec_pipe):
            return
        now_ns = self._clock.now_ns()
        if job.deadline_ns is not None and now_ns >= job.deadline_ns:
            self._kill_at_deadline(job, now_ns)
        if (
            job.ending is None and job.exec_pipe is None
        ):  # an end before the exec is the exec's failure: see above, soon
            self._family.reap(keep=job.leader.pid)
            job.leader.look()
            if job.leader.has_ended:
                tell_at_ns = now_ns + LINGER_NS
                self._begin(job, Because.ITSELF, tell_at_ns, tell_at_ns + job.grace_ns)
            elif (number := job.leader.stop_signal()) is not None:
                self._reports.append(Paused(number))
        if job.ending is not None:
            self._go_on_ending(job, job.ending, now_ns)

    def _has_executed(self, job: _Job, pipe: int) -> bool:
        """Whether there is a job to watch: not one whose exec has failed."""
        error = failure(pipe)
        if error is None:  # not known yet; the deadline and orders hold all the same
            return True
        os.close(pipe)
        job.exec_pipe = None
        if error == 0:
            self._reports.append(Started(job.leader.pid))
            return True
        job.leader.reap()
        self._job = None
        self._refuse(job.inherited, "exec", error)
        return False

    def _begin(self, job: _Job, because: Because, tell_at_ns: int, kill_at_ns: int) -> Ending:
        """The end begins: from now on the job holds nothing."""
        if self._deadline_file is not None:
            self._deadline_file.void()
        job.because = because
        job.ending = Ending(self._family, job.leader, tell_at_ns=tell_at_ns, kill_at_ns=kill_at_ns)
        self._reports.append(EndingBegun(because))
        return job.ending

    def _end(self, job: _Job, because: Because, number: int) -> None:
        """End the job with its grace; an end that has begun already only gets an earlier limit."""
        now_ns = self._clock.now_ns()
        kill_at_ns = now_ns + job.grace_ns
        ending = job.ending
        if ending is None:
            ending = self._begin(job, because, now_ns, kill_at_ns)
        else:
            ending.hasten(kill_at_ns)
            self._reports.append(EndingBegun(job.because))
        ending.tell(number, now_ns)

    def _kill_at_deadline(self, job: _Job, now_ns: int) -> None:
        if job.ending is None:
            self._begin(job, Because.DEADLINE, now_ns, now_ns)
        else:
            job.ending.hasten(now_ns)

    def _go_on_ending(self, job: _Job, ending: Ending, now_ns: int) -> None:
        is_over = ending.step(now_ns)
        if ending.told and job.because is Because.ITSELF and not job.is_left_behind_told:
            job.is_left_behind_told = True
            some = [f"{process.pid} ({name})" for process, name in sorted(ending.told.items())[:NAMED]]
            self._reports.append(LeftBehind(job.leader.status or 0, len(ending.told), some))
        if is_over:
            self._finish(job)
            return
        if now_ns >= ending.kill_at_ns and now_ns - job.reported_ns >= PATROL_NS:
            job.reported_ns = now_ns
            self._reports.append(Remaining([process.pid for process in self._family.members()[:NAMED]]))

    def _finish(self, job: _Job) -> None:
        """Nobody is left: only now the descriptors go."""
        if job.exec_pipe is not None:  # ended before its exec; what waits for it is answered all the same
            os.close(job.exec_pipe)
            self._reports.append(Started(job.leader.pid))
        for descriptor in job.inherited:
            os.close(descriptor)
        if self._deadline_file is not None:
            self._deadline_file.remove_file()
        self._job = None
        self._reports.append(Ended(job.leader.status or 0, job.because))

    def _send_reports(self) -> None:
        while self._reports and not self._is_alone:
            if not self._channel.send(self._reports[0]):
                return
            self._reports.popleft()
