"""The guardian of `tenure run`: a job, and everything that it forks, ends before the tenure does.

    wrapper (`tenure run`: campaigns, renews)  --orders-->  guardian (forked, waits)  --fork, exec-->  job

Who imports whom, and in which of the two processes it runs:

    job             wrapper    Guardian, what the wrapper holds; forks before asyncio is loaded
    connection      wrapper    the same inside an event loop; takes over when the guardian fails
    watched_job     wrapper    a job as the wrapper sees it
    terminal        wrapper    foreground and job control
    guardian        guardian   its loop: orders, children, the deadline
    launch          guardian   fork and exec of the job
    ending          both       TERM, grace, KILL, until nobody is left
    processes       both       descendants, and signals that cannot hit a stranger
    deadline_file   both       the file by which a job learns how long it may act
    wire            both       what the two say to each other
    errors          both       what can go wrong
"""

from tenure.supervise.deadline_file import NO_DEADLINE_NS, holds
from tenure.supervise.errors import (
    CommandNotExecutable,
    CommandNotFound,
    GuardianDied,
    JobError,
    JobNotStarted,
    JobSurvived,
)
from tenure.supervise.job import Guardian
from tenure.supervise.wire import Because

__all__ = [
    "NO_DEADLINE_NS",
    "Because",
    "CommandNotExecutable",
    "CommandNotFound",
    "Guardian",
    "GuardianDied",
    "JobError",
    "JobNotStarted",
    "JobSurvived",
    "holds",
]
