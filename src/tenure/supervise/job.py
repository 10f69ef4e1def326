"""What the wrapper holds: `Guardian`, forked before any thread starts, used from one event loop afterwards."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tenure.clock import BootClock
from tenure.supervise.guardian import guard
from tenure.supervise.processes import Process, become_subreaper, descendants, identify
from tenure.supervise.wire import Because, Channel

if TYPE_CHECKING:
    from tenure.supervise.connection import Connection

CLOSE_LIMIT_MS = 2000
"""How long an idle guardian may take to exit; it needs about one millisecond."""


class Guardian:
    """The wrapper's side of the guardian.

    Until `close`, this process must have no other child that it starts while a job runs: if the guardian is killed,
    its orphans become our children, and all that were not here when the job started are ended.
    """

    def __init__(self, channel: Channel, process: Process, pidfd: int) -> None:
        self._channel = channel
        self._process = process
        self._pidfd = pidfd
        self._connection: Connection | None = None
        self._is_closed = False

    @classmethod
    def fork(cls) -> Guardian:
        """Fork the guardian. Call it first thing: before any thread, and before modules that it need not have.

        Also makes this process a child subreaper, and ignores SIGTTOU in it: with the job in the foreground this
        process still moves the terminal, and logs.
        """
        assert threading.active_count() == 1, "a fork copies only the thread that forks: fork the guardian first"
        _fill_standard_streams()
        become_subreaper()
        ours, theirs = Channel.pair()
        wrapper = os.pidfd_open(os.getpid())
        pid = os.fork()
        if pid == 0:
            ours.close()
            guard(theirs, wrapper)
        theirs.close()
        os.close(wrapper)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        process = identify(pid)
        assert process is not None, "a child that was not waited for has its pid"
        return cls(ours, process, os.pidfd_open(pid))

    @property
    def pid(self) -> int:
        """The guardian's own pid."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still run a job: somebody may have killed it, or this process ended it to take its place."""
        if self._is_closed or self._is_reaped():
            return False
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    @property
    def because(self) -> Because | None:
        """Why the last job ended; None while it runs, before the first, and where only the guardian knew."""
        return None if self._connection is None else self._connection.because

    def job_processes(self) -> list[Process]:
        """The living processes of the job; those of a guardian that died are this process's children. Any thread.

        Once this process has had to end a job past its deadline: those that it found running then.
        """
        living = [process for process in descendants(os.getpid()) if process.pid != self.pid]
        ran_late = () if self._connection is None else self._connection.ran_late  # after the look: it is set before
        return list(ran_late) or living

    async def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        grace_s: float,
        hard_deadline_ns: int | None,
        keep_open: Sequence[int] = (),
    ) -> int:
        """Start the job and return its pid, which is also its process group.

        `command` is looked up in the PATH of `env`; `grace_s` seconds lie between the first signal of its end and
        SIGKILL; `hard_deadline_ns` counts on CLOCK_BOOTTIME, None where the tenure has none; `keep_open` are
        descriptors that guardian and job hold too, until nothing of the job is left.

        Raises CommandNotFound and CommandNotExecutable: tell the user, exit 127 or 126. ConfigurationError: no place
        for the deadline file, or a command that nobody could execute. GuardianDied: exit.
        Cancelled before it returns, the job may start all the same: `stop` ends it.
        """
        return await self._connected().start(command, env, grace_s, hard_deadline_ns, keep_open)

    def set_deadline(self, deadline_ns: int | None) -> None:
        """The instant (CLOCK_BOOTTIME) at which the guardian kills everything, unless told otherwise before."""
        self._connected().set_deadline(deadline_ns)

    async def ended(self) -> int:
        """Wait until nothing of the job is left: n, or 128 + signal, of its main process.

        Raises GuardianDied when the guardian was killed or failed (the job was ended in its place), JobSurvived when
        something of the job cannot be killed.
        """
        return await self._connected().ended()

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End the job: `number` to its process group, after the grace SIGKILL to all; returns when nobody is left.

        Where the guardian is stopped or dead this process does it instead, about a second later at most. Raises
        JobSurvived when something cannot be killed.
        """
        await self._connected().stop(number)

    def forward(self, number: int) -> None:
        """Pass a signal on to the job's process group; SIGCONT also puts the job into the foreground again."""
        self._connected().forward(number)

    def close(self) -> None:
        """Let the guardian exit, and reap it. A job that still runs is killed at once: call `stop` before."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._connection is not None:
            self._connection.close()
        self._channel.close()
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if not poll.poll(CLOSE_LIMIT_MS):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        if not self._is_reaped():
            os.waitpid(self._process.pid, 0)
        os.close(self._pidfd)

    def _is_reaped(self) -> bool:
        return self._connection is not None and self._connection.is_guardian_reaped

    def _connected(self) -> Connection:
        assert not self._is_closed, "this guardian was closed"
        if self._connection is None:
            # Here, and not above: the guardian forks before asyncio is loaded, and saves its memory.
            from tenure.supervise.connection import Connection

            self._connection = Connection(self._channel, self._process, self._pidfd, BootClock())
        return self._connection


def _fill_standard_streams() -> None:
    """Where the caller closed stdin, stdout or stderr, no descriptor of ours may take its number."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        if descriptor > 2:  # noqa: PLR2004  0, 1 and 2 are the standard streams
            os.close(descriptor)
            return
        os.set_inheritable(descriptor, True)
