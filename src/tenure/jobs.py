"""Running a job on a thread, tenure after tenure, until it has ended by itself."""

from __future__ import annotations

import inspect
import logging
import time
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

from tenure.errors import ConfigurationError, LeadershipLost, NotStamped
from tenure.handle import Hold
from tenure.options import Options
from tenure.post import raise_if_around
from tenure.reports import Pauses, Rests, report_failure_at_loss, report_job_failure

_log = logging.getLogger("tenure")
_H = TypeVar("_H", bound=Hold)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def checked_job(job: Callable[_P, _T]) -> Callable[_P, _T]:
    """`job`, if calling it does its work; ConfigurationError where that would begin later, without leadership."""
    if inspect.iscoroutinefunction(job) or inspect.isgeneratorfunction(job) or inspect.isasyncgenfunction(job):
        raise _later(job)
    return job


def _later(job: object) -> ConfigurationError:
    return ConfigurationError(
        f"{job!r} does nothing before it is awaited or iterated over, and then nobody leads any more; give a plain "
        "function, or use tenure.Election for `async def`"
    )


def _checked_result(result: _T, job: object) -> _T:
    """The same of a job that one cannot tell by its looks, such as a lambda that calls it."""
    if inspect.iscoroutine(result):
        result.close()  # or Python would warn that it was never awaited
    elif not inspect.isgenerator(result) and not inspect.isasyncgen(result):
        return result
    raise _later(job)


def run(
    options: Options,
    lead: Callable[[], AbstractContextManager[_H]],
    job: Callable[[_H], _T],
    backoff: tuple[float | str, float | str],
    pause: Callable[[float], object] = time.sleep,
) -> _T:
    """What `tenure.Election.run` says; `pause` waits so many seconds."""
    checked_job(job)
    pauses, rests = Pauses.of(backoff), Rests()
    while True:
        failure: BaseException | None = None
        began_s = time.monotonic()
        try:
            with lead() as tenure:
                began_s = time.monotonic()
                try:
                    result = job(tenure)
                except (Exception, CancelledError) as error:  # noqa: BLE001  the job's own errors must not end the candidacy
                    failure = error
                else:
                    return _checked_result(result, job)
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
