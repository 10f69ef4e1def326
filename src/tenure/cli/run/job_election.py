"""An election whose leader's work is a job: a process, which its guardian ends even while this one stands still."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Unpack

from tenure.body import Body, Tenure
from tenure.durations import seconds
from tenure.election import Election
from tenure.options import ElectionOptions, Options
from tenure.supervise import Guardian

NAMED = 5
"""How many processes of a job that overran are named."""


class JobElection(Election):
    """As `Election`; only a job that still runs is an overrun, not the wrapper that has yet to notice its end."""

    def __init__(self, guardian: Guardian, name: str, at: str | None, **options: Unpack[ElectionOptions]) -> None:
        super().__init__(name, at, **options)
        self._guardian = guardian

    def lead(self, *, wait: float | str | None = None) -> AbstractAsyncContextManager[Tenure]:
        return _JobBody(self._guardian, self._options, None if wait is None else seconds(wait))


class _JobBody(Body):
    def __init__(self, guardian: Guardian, options: Options, wait_s: float | None) -> None:
        super().__init__(options, wait_s)
        self._guardian = guardian

    def works(self) -> bool:
        return bool(self._guardian.job_processes())

    def where(self) -> str:
        """The job's processes: nobody can do anything with the wrapper's own stack."""
        pids = [str(process.pid) for process in self._guardian.job_processes()]
        more = ", ..." if len(pids) > NAMED else ""
        return f"processes of the job: {', '.join(pids[:NAMED]) or 'none is left'}{more}"
