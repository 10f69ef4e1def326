"""Running a job on a thread, tenure after tenure, until it has ended by itself."""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from tenure.errors import LeadershipLost, NotStamped
from tenure.handle import Hold
from tenure.options import Options
from tenure.post import raise_if_around
from tenure.reports import Pauses, Rests, report_failure_at_loss, report_job_failure

_log = logging.getLogger("tenure")
_H = TypeVar("_H", bound=Hold)
_T = TypeVar("_T")


def run(
    options: Options,
    lead: Callable[[], AbstractContextManager[_H]],
    job: Callable[[_H], _T],
    backoff: tuple[float | str, float | str],
    pause: Callable[[float], object] = time.sleep,
) -> _T:
    """What `tenure.Election.run` says; `pause` waits so many seconds."""
    pauses, rests = Pauses.of(backoff), Rests()
    while True:
        failure: BaseException | None = None
        began_s = time.monotonic()
        try:
            with lead() as tenure:
                began_s = time.monotonic()
                try:
                    return job(tenure)
                except (Exception, CancelledError) as error:  # noqa: BLE001  the job's own errors must not end the candidacy
                    failure = error
        except LeadershipLost as lost:
            if failure is not None:
                raise_if_around(failure, options)
                report_failure_at_loss(options, lost, failure)
            _log.info("%s; standing again", lost)
            pause(rests.after(time.monotonic() - began_s))
            continue
        except NotStamped as unstamped:
            pause_s = pauses.after(0)
            _log.warning("%s; standing again in %g s", unstamped, pause_s)
            pause(pause_s)
            continue
        assert failure is not None
        raise_if_around(failure, options)
        pause_s = pauses.after(time.monotonic() - began_s)
        report_job_failure(options, tenure.token, failure, pause_s)
        pause(pause_s)
