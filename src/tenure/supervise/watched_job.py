"""One job as its wrapper sees it: what is known of it, and a pidfd that tells when its main process has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.supervise.errors import JobError
from tenure.supervise.processes import Process, stat
from tenure.supervise.wire import Because


class WatchedJob:
    """One job, from the order to start it until nothing of it is left."""

    def __init__(self, grace_s: float, deadline_ns: int | None, spared: frozenset[Process]) -> None:
        self.grace_ns = round(grace_s * NS_PER_S)
        self.deadline_ns = deadline_ns
        self.spared = spared
        self.pid: int | None = None
        self.has_begun = asyncio.Event()
        self.is_over = asyncio.Event()
        self.outcome: int | JobError | ConfigurationError = 0
        self.is_acknowledged = False
        self.begun: Because | None = None
        """Why the guardian has begun to end it."""
        self.stop_asked = False
        self.continues = 0
        self.kill_at_ns: int | None = None
        self.heard_ns = 0
        self.remaining: list[int] = []
        self.main_has_ended = False
        self._main: int | None = None

    @property
    def ended_itself(self) -> bool:
        """Whether its main process is known to have ended before anybody told it to."""
        return self.main_has_ended and not self.stop_asked and self.begun in {None, Because.ITSELF}

    def look(self, guardian: Process, ended: Callable[[], None]) -> None:
        """Have `ended` called when the main process has ended; called at most once, and not after `look_away`.

        Where there is no pidfd to be had, or the process is gone already, the guardian's word alone must do.
        """
        assert self.pid is not None, "a job that has begun has a main process"
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return
        found = stat(self.pid)
        if found is None or found.parent != guardian.pid:  # reaped, and perhaps somebody else's number by now
            os.close(descriptor)
            return
        self._main = descriptor
        asyncio.get_running_loop().add_reader(descriptor, ended)

    def look_away(self) -> None:
        """Watch its main process no more."""
        if self._main is None:
            return
        descriptor, self._main = self._main, None
        try:
            asyncio.get_running_loop().remove_reader(descriptor)
        except RuntimeError:  # the loop has ended before
            pass
        finally:
            os.close(descriptor)

    def finish(self, outcome: int | JobError | ConfigurationError) -> None:
        self.outcome = outcome
        self.has_begun.set()
        self.is_over.set()

    def limit_ns(self, now_ns: int) -> int:
        """When everything of it must be killed, if it is to end from now on."""
        if self.kill_at_ns is None:
            self.kill_at_ns = now_ns + self.grace_ns
        return self.kill_at_ns if self.deadline_ns is None else min(self.kill_at_ns, self.deadline_ns)
