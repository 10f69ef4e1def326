"""What `run` and `stand` make of a job that does not do what a job does; with asyncio and without."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tenure import ConfigurationError, LeadershipLost, Reason, Tenure
from tenure.blocking import Tenure as BlockingTenure
from tenure.blocking import singleton
from tenure.holding.notices import JobFailed
from tenure.reports import Rests
from tests.election.stage import LIMIT_S, Stage, heard, until, wait_until

pytestmark = pytest.mark.versions
FRONTS = pytest.mark.parametrize("front", ["asyncio", "blocking"])


def run(stage: Stage, front: str, job: Callable[[Any], int], **named: Any) -> int:
    """`Election.run` of either front, of a job that needs no await."""
    if front == "blocking":
        return stage.blocking().run(job, **named)

    async def awaited(tenure: Tenure) -> int:
        return job(tenure)

    return asyncio.run(asyncio.wait_for(stage.election().run(awaited, **named), LIMIT_S))


async def await_what_was_cancelled() -> None:
    """Something else cancels what the job waits for; the job itself was not cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


def test_a_job_that_lets_out_a_cancellation_of_its_own_has_failed(stage: Stage) -> None:
    """Nobody cancelled the task of `run`: it is reported, and the job is tried again."""

    async def job(tenure: Tenure) -> int:
        if tenure.token == 1:
            await await_what_was_cancelled()
        return tenure.token

    with heard() as notices:
        assert asyncio.run(stage.election().run(job, backoff=(0, 0))) == 2
    assert [one.error for one in notices if isinstance(one, JobFailed)] == ["CancelledError: "]


def test_a_candidacy_stands_on_after_a_cancellation_of_the_jobs_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads again, and leaving the block takes it back."""
    monkeypatch.setattr("tenure.reports.Pauses.after", lambda *_: 0.0)

    async def job(tenure: Tenure) -> None:
        if tenure.token == 1:
            await await_what_was_cancelled()
        await tenure.wait_lost()

    async def main() -> None:
        async with stage.election().stand(job) as candidacy:
            await until(lambda: candidacy.tenure is not None and candidacy.tenure.token == 2)
        assert stage.leader() is None

    asyncio.run(main())


def test_a_threads_job_that_lets_out_a_cancellation_has_failed(stage: Stage) -> None:
    """A thread cannot be cancelled: it comes out of a loop that the job has run."""

    def job(tenure: BlockingTenure) -> int:
        if tenure.token == 1:
            asyncio.run(await_what_was_cancelled())
        return tenure.token

    with heard() as notices:
        assert stage.blocking().run(job, backoff=(0, 0)) == 2
    assert [one.error for one in notices if isinstance(one, JobFailed)] == ["CancelledError: "]


@FRONTS
def test_a_job_that_resigns_at_once_rests_before_it_leads_again(
    stage: Stage, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rest before each new tenure, each longer than the one before: it does not spin."""
    rests: list[float] = []
    after = Rests.after

    def noted(self: Rests, ran_s: float) -> float:
        rests.append(after(self, ran_s))
        return rests[-1]

    monkeypatch.setattr(Rests, "after", noted)

    def job(tenure: Tenure | BlockingTenure) -> int:
        if tenure.token < 5:
            tenure.resign()
        return tenure.token

    assert run(stage, front, job) == 5
    assert rests == [0.01, 0.02, 0.04, 0.08]


def test_rests_end_at_a_second_and_after_a_tenure_of_one() -> None:
    """Doubled up to a second; none after a tenure that was more than a beginning, and then from the start."""
    rests = Rests()
    assert [rests.after(0.9) for _ in range(9)] == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]
    assert [rests.after(ran_s) for ran_s in (1.0, 0.5, 0.5, 600, 0)] == [0, 0.01, 0.02, 0, 0.01]


@FRONTS
@pytest.mark.parametrize("backoff", [5, (1,), (1, 2, 3), "12", None, {1: 2}, ("a", 1)], ids=repr)
def test_a_backoff_that_is_none_is_refused_with_words(stage: Stage, front: str, backoff: Any) -> None:
    """Before anybody stands."""
    with pytest.raises(ConfigurationError, match=r"backoff=\(1, 60\)|'a' is not a duration"):
        run(stage, front, lambda tenure: tenure.token, backoff=backoff)
    assert stage.waiting() == []
    assert stage.leader() is None


async def later(tenure: BlockingTenure) -> int:
    """A coroutine function: calling it does nothing."""
    return tenure.token


def one_by_one(tenure: BlockingTenure) -> Iterator[int]:
    """A generator function: the same."""
    yield tenure.token


async def each_later(tenure: BlockingTenure) -> AsyncIterator[int]:
    """And of both."""
    yield tenure.token


LAZY = pytest.mark.parametrize("job", [later, one_by_one, each_later, functools.partial(later)])


@LAZY
def test_a_job_that_would_begin_without_leadership_is_refused(stage: Stage, job: Callable[..., Any]) -> None:
    """By everything that takes a job for a thread, before anybody stands."""
    with pytest.raises(ConfigurationError, match="plain function"):
        stage.blocking().run(job)
    with pytest.raises(ConfigurationError, match="plain function"):
        stage.blocking().stand(job)
    with pytest.raises(ConfigurationError, match="plain function"):
        singleton("e", stage.backend())(job)
    assert stage.service.read("e").token == 0


@LAZY
def test_a_job_whose_result_would_do_the_work_is_refused(stage: Stage, job: Callable[..., Any]) -> None:
    """One cannot tell by its looks; it is refused where it has come, and not tried again."""

    def disguised(tenure: BlockingTenure) -> object:
        return job(tenure)

    with pytest.raises(ConfigurationError, match="plain function"):
        stage.blocking().run(disguised)
    with pytest.raises(ConfigurationError, match="plain function"), stage.blocking().stand(disguised) as one:
        one.wait_elected(LIMIT_S)
        wait_until(lambda: stage.leader() is None)
        one.wait_elected(LIMIT_S)
    assert stage.leader() is None


@FRONTS
def test_nothing_is_published_after_resigning(stage: Stage, front: str) -> None:
    """The service would still take it; the tenure has ended all the same."""
    caught: pytest.ExceptionInfo[LeadershipLost] | None = None
    if front == "blocking":
        with pytest.raises(LeadershipLost), stage.blocking().lead() as held:
            held.resign()
            with pytest.raises(LeadershipLost) as caught:
                held.publish("here")
    else:

        async def main() -> None:
            nonlocal caught
            async with stage.election().lead() as tenure:
                tenure.resign()
                with pytest.raises(LeadershipLost) as caught:
                    await tenure.publish("here")

        with pytest.raises(LeadershipLost):
            asyncio.run(main())
    assert caught is not None
    assert caught.value.reason is Reason.RESIGNED
