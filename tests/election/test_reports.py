"""What is said of work that goes wrong under a tenure: without reading files, without waiting, once."""

from __future__ import annotations

import asyncio
import linecache
import logging
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from tenure import Tenure, announcer
from tenure.backends.memory import LoseRequest
from tenure.blocking import Tenure as BlockingTenure
from tenure.errors import Reason
from tenure.holding.notices import JobFailed
from tenure.options import Options
from tenure.reports import OVERRUN_EXIT_CODE, Pauses, report_overrun
from tests.election.stage import LIMIT_S, InThread, Stage, heard, kinds, wait_until

FRONTS = pytest.mark.parametrize("front", ["asyncio", "blocking"])


class Boom(Exception):
    """What a job raises."""


def options(stage: Stage, **changes: Any) -> Options:
    """What an election with these options was made with."""
    usual: dict[str, Any] = {
        "candidate": "a",
        "metadata": None,
        "priority": 0,
        "lease": None,
        "grace": None,
        "stall_after": None,
        "min_grade": "C",
        "scope": None,
        "on_overrun": "report",
        "guard": None,
        "takeover_delay": 0,
        "fences": (),
    }
    return Options("e", stage.backend(), **usual | changes)


@FRONTS
def test_L8_the_report_of_an_overrun_reads_no_source_files(
    stage: Stage, front: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The keeper's thread tells where the offender is without `linecache`: a disk that hangs must not hold it."""
    working, may_end = threading.Event(), threading.Event()
    readers: list[str] = []

    def reads(real: Any) -> Any:
        def function(*arguments: Any, **named: Any) -> Any:
            readers.append(threading.current_thread().name)
            return real(*arguments, **named)

        return function

    def wedge() -> None:
        working.set()
        may_end.wait(LIMIT_S)

    async def lead() -> None:
        async with stage.election().lead():
            wedge()

    def lead_blocking() -> None:
        with stage.blocking().lead():
            wedge()

    for name in ("checkcache", "updatecache", "getlines", "lazycache"):
        monkeypatch.setattr(linecache, name, reads(getattr(linecache, name)))
    with heard() as notices:
        thread = InThread(lead_blocking if front == "blocking" else lambda: asyncio.run(lead()))
        working.wait(LIMIT_S)
        stage.service.faults.add("renew", LoseRequest())
        stage.clock.advance(20)
        wait_until(lambda: "Overran" in kinds(notices))
        may_end.set()
        with pytest.raises(Exception, match="lost"):
            thread.outcome()

    assert "tenure-keeper" not in readers
    (text,) = [record.message for record in caplog.records if "runs on after" in record.message]
    assert f'File "{__file__}", line ' in text
    assert "in wedge" in text


@pytest.mark.parametrize(
    ("lease", "limit_s"), [(15, 0.2), (2, 0.05), (0.5, 0.0125)], ids=["no longer than is useful", "2 s", "0.5 s"]
)
def test_a_process_that_ends_for_an_overrun_waits_for_its_log_within_its_margin(
    stage: Stage, lease: float, limit_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the margin at most, whatever the log does; the margin is what lies between the deadline and the next one."""
    waits: list[float] = []
    ends: list[int] = []
    monkeypatch.setattr(announcer.ANNOUNCER, "flush", waits.append)
    monkeypatch.setattr("tenure.reports.os._exit", ends.append)

    report_overrun(options(stage, lease=lease, on_overrun="exit"), Reason.EXPIRED, "")

    assert waits == [pytest.approx(limit_s)]
    assert ends == [OVERRUN_EXIT_CODE]


class MovedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock a test moves; the keeper's own goes on as it did."""

    moved_s = 0.0

    def time(self) -> float:
        return super().time() + self.moved_s


def _run(stage: Stage, front: str, job: Any, **named: Any) -> int:
    """`Election.run` of either front, of a job that needs no await."""
    if front == "blocking":
        return int(stage.blocking().run(job, **named))

    async def awaited(tenure: Tenure) -> int:
        return int(job(tenure))

    with asyncio.Runner(loop_factory=MovedLoop) as runner:
        return runner.run(stage.election().run(awaited, **named))


@FRONTS
def test_a_job_that_fails_is_logged_once_with_its_traceback(
    stage: Stage, front: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One record, which is the notice's own; not a second line beside it."""
    caplog.set_level(logging.WARNING, "tenure")

    def job(tenure: Tenure | BlockingTenure) -> int:
        if tenure.token == 1:
            raise Boom("of the job")
        return tenure.token

    with heard() as notices:
        assert _run(stage, front, job, backoff=(0, 0)) == 2

    (record,) = [one for one in caplog.records if one.exc_info and one.exc_info[0] is Boom]
    assert "Boom: of the job" in record.getMessage()
    assert kinds(notices).count("JobFailed") == 1


@FRONTS
def test_the_pause_starts_over_after_a_run_of_a_minute(
    stage: Stage, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that fail at once double the pause; one that worked for a minute is tried again after the first pause."""
    moved_s = 0.0

    def job(tenure: Tenure | BlockingTenure) -> int:
        nonlocal moved_s
        if tenure.token == 5:
            return tenure.token
        moved_s += {1: 59, 4: 60}.get(tenure.token, 0)
        monkeypatch.setattr(MovedLoop, "moved_s", moved_s)
        raise Boom

    monkeypatch.setattr("tenure.jobs.time", SimpleNamespace(monotonic=lambda: time.monotonic() + moved_s))
    with heard() as notices:
        assert _run(stage, front, job, backoff=("1ms", 1)) == 5

    pauses = [one.retry_after_s for one in notices if isinstance(one, JobFailed)]
    assert pauses == [0.001, 0.002, 0.004, 0.001]


def test_pauses_double_up_to_the_longest() -> None:
    """And a first pause of nothing stays nothing."""
    pauses = Pauses(1, 5)
    assert [pauses.after(0) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert [pauses.after(ran_s) for ran_s in (60, 59.9, 600)] == [1, 2, 1]
    assert [Pauses(0, 0).after(0)] == [0]
