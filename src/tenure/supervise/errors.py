"""What can go wrong with a job and its guardian.

TenureError
└── JobError
    ├── CommandNotFound        exit code 127, as in a shell
    ├── CommandNotExecutable   exit code 126, as in a shell
    ├── JobNotStarted          the system has no process or descriptor left for it
    ├── GuardianDied           the guardian was killed or failed: the wrapper ended the job in its place
    └── JobSurvived            something of the job cannot be killed: it still runs
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from tenure.errors import TenureError


class JobError(TenureError):
    """The job could not be started, watched or ended as it should."""


class CommandNotFound(JobError):
    """No such command, or its `#!` line names an interpreter that does not exist. Nothing runs. Correct the command."""

    exit_code = 127

    def __init__(self, command: str) -> None:
        super().__init__(command)
        self.command = command

    def __str__(self) -> str:
        return f"{self.command!r} was not found (nor, for a script, its interpreter); nothing runs; correct the command"


class CommandNotExecutable(JobError):
    """The command exists and cannot be executed. Nothing runs. Correct its permissions or its first line."""

    exit_code = 126

    def __init__(self, command: str, error: int) -> None:
        super().__init__(command, error)
        self.command = command
        self.error = error

    def __str__(self) -> str:
        hint = {
            errno.EACCES: "chmod +x it, and look whether its file system is mounted noexec",
            errno.ENOEXEC: "give it a first line such as #!/bin/sh",
            errno.E2BIG: "its arguments and environment are too long together",
        }.get(self.error, "correct the command")
        return f"{self.command!r} cannot be executed ({os.strerror(self.error)}); nothing runs; {hint}"


class JobNotStarted(JobError):
    """The system let the guardian start no process: nothing runs. `error` is its error number."""

    def __init__(self, error: int) -> None:
        super().__init__(error)
        self.error = error

    def __str__(self) -> str:
        return (
            f"the job could not be started ({os.strerror(self.error)}); nothing runs; raise RLIMIT_NPROC (ulimit -u), "
            f"RLIMIT_NOFILE (ulimit -n), or pids.max of the control group"
        )


class GuardianDied(JobError):
    """The guardian ended: somebody killed it, or, with `failed`, it ended by itself, which is a defect of tenure.

    The wrapper has ended the job and all its descendants in its place; `status` is the job's own exit status where it
    is known. This wrapper can start no further job: give the tenure back and exit.
    """

    def __init__(self, status: int | None = None, *, failed: bool = False) -> None:
        super().__init__(status, failed)
        self.status = status
        self.failed = failed

    def __str__(self) -> str:
        now = "nothing of the job is left; give the tenure back and start `tenure run` again"
        if self.failed:
            return f"the guardian failed, a defect of tenure; whether the job had finished is not known; {now}"
        return f"the guardian was killed; {now}"


class JobSurvived(JobError):
    """Some processes of the job did not die of SIGKILL: they hang in the kernel, or belong to another user.

    They still run, and whoever holds a lock for them goes on holding it. End them by hand.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__(pids)
        self.pids = tuple(pids)

    def __str__(self) -> str:
        who = ", ".join(map(str, self.pids)) or "unknown"
        return f"processes of the job could not be killed (pids {who}); they still run; end them by hand, as root"
