"""A wrapper program with one rule of the guardian taken away.

Usage: guarded_mutant.py PROGRAM ARGUMENTS...; the variable GUARDED_MUTANT names one of the functions below.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tenure.supervise import Guardian, guardian
from tenure.supervise.ending import Ending
from tenure.supervise.processes import Family, Process

PR_SET_PDEATHSIG = 1


def trust_the_parent_death_signal() -> None:
    """The wrapper itself starts the job, and leaves it to the kernel to end it: the guardian has nothing to do."""
    libc = ctypes.CDLL(None)
    jobs: list[subprocess.Popen[bytes]] = []

    def die_with_the_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    async def start(
        self: Guardian,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        grace_s: float,
        hard_deadline_ns: int | None,
        keep_open: Sequence[int] = (),
    ) -> int:
        del self, grace_s, hard_deadline_ns
        job = subprocess.Popen(  # noqa: ASYNC220  the parent must be this very thread
            command,
            env=env,
            pass_fds=keep_open,
            preexec_fn=die_with_the_parent,  # noqa: PLW1509  the child calls nothing but prctl
        )
        jobs.append(job)
        return job.pid

    async def ended(self: Guardian) -> int:
        del self
        return await asyncio.to_thread(jobs[-1].wait)

    Guardian.start = start  # type: ignore[method-assign]  # a mutant replaces what it mutates
    Guardian.ended = ended  # type: ignore[method-assign]  # the same


def wait_for_orders_only() -> None:
    """The end of its wrapper is nothing to the guardian: the job goes on."""

    def gone(self: guardian._Guardian) -> None:
        self._is_alone = True

    guardian._Guardian._wrapper_is_gone = gone  # type: ignore[method-assign]  # noqa: SLF001  a mutant replaces it


def end_the_process_group_only() -> None:
    """Who has left the job's process group is nobody's business."""

    def members(self: Family) -> list[Process]:
        del self
        return []

    Family.members = members  # type: ignore[method-assign]  # a mutant replaces what it mutates


def adopt_no_orphans() -> None:
    """The guardian is no subreaper: whose parent ends is the wrapper's, and after that init's."""
    setattr(guardian, "become_subreaper", lambda: None)  # noqa: B010  an assignment would need a type exemption


def ask_and_never_kill() -> None:
    """The grace has no end: who ignores SIGTERM lives on."""

    def kill(self: Ending) -> None:
        del self

    Ending._kill = kill  # type: ignore[method-assign]  # noqa: SLF001  a mutant replaces what it mutates


def inherit_nothing() -> None:
    """The lock's descriptor is the wrapper's alone: with the wrapper it is gone, whoever of the job still runs."""
    start = Guardian.start

    async def start_bare(
        self: Guardian,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        grace_s: float,
        hard_deadline_ns: int | None,
        keep_open: Sequence[int] = (),
    ) -> int:
        del keep_open
        return await start(self, command, env, grace_s=grace_s, hard_deadline_ns=hard_deadline_ns)

    Guardian.start = start_bare  # type: ignore[method-assign]  # a mutant replaces what it mutates


MUTANTS = {
    mutant.__name__: mutant
    for mutant in (
        trust_the_parent_death_signal,
        wait_for_orders_only,
        end_the_process_group_only,
        adopt_no_orphans,
        ask_and_never_kill,
        inherit_nothing,
    )
}

if __name__ == "__main__":
    MUTANTS[os.environ["GUARDED_MUTANT"]]()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
