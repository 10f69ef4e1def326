"""`Election.run`, `stand` and `singleton`: leading again and again, and in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from tenure import BackendRefused, ConfigurationError, Election, LeadershipLost, NotElected, Reason, Tenure, singleton
from tenure.backends.memory import Fail, LoseRequest
from tenure.holding.notices import JobFailed
from tests.election.stage import Play, Stage, forever, heard, kinds, settle, until

pytestmark = pytest.mark.versions
AT_ONCE = (0.0, 0.0)


class Boom(Exception):
    """What a job raises."""


def test_run_returns_what_the_job_returns_and_has_resigned(play: Play, stage: Stage) -> None:
    """The result comes out, and nobody leads any more."""

    async def main() -> None:
        async def job(tenure: Tenure) -> int:
            return tenure.token

        assert await stage.election().run(job) == 1
        assert stage.leader() is None

    play(main)


def test_run_leads_again_after_a_loss(play: Play, stage: Stage) -> None:
    """Each tenure that is lost is followed by another, with a higher token, until the job returns."""

    async def main() -> None:
        async def job(tenure: Tenure) -> int:
            if tenure.token < 4:
                stage.service.revoke("e")
                await forever()
            return tenure.token

        assert await stage.election().run(job, backoff=(3600, 3600)) == 4

    play(main)


def test_run_leads_again_when_the_job_says_by_check_that_it_lost(play: Play, stage: Stage) -> None:
    """LeadershipLost out of the job is a loss and not a failure: nothing is reported, and no pause follows."""

    async def main() -> None:
        async def job(tenure: Tenure) -> int:
            if tenure.token == 1:
                stage.lose(tenure)
                tenure.check()
            return tenure.token

        with heard() as notices:
            assert await stage.election().run(job, backoff=(3600, 3600)) == 2
        assert "JobFailed" not in kinds(notices)

    play(main)


def test_run_reports_a_job_that_raises_and_leads_again(
    play: Play, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """A notice and a line in the log with the traceback; the tenure is resigned in between."""

    async def main() -> None:
        async def job(tenure: Tenure) -> int:
            if tenure.token == 1:
                raise Boom("of the job")
            return tenure.token

        with heard() as notices:
            assert await stage.election().run(job, backoff=AT_ONCE) == 2
        (failed,) = [one for one in notices if isinstance(one, JobFailed)]
        assert (failed.token, failed.error, failed.retry_after_s) == (1, "Boom: of the job", 0.0)
        assert [kind for kind in kinds(notices) if kind in {"Released", "JobFailed"}][:2] == ["Released", "JobFailed"]

    play(main)
    assert any(record.exc_info and record.exc_info[0] is Boom for record in caplog.records)


def test_run_doubles_its_pause_up_to_the_bound(play: Play, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between failures are 1, 2, 4 and then 5 seconds."""
    real = asyncio.sleep
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    async def main() -> None:
        async def job(tenure: Tenure) -> None:
            if tenure.token < 6:
                raise Boom

        monkeypatch.setattr("tenure.election.asyncio.sleep", sleep)
        await stage.election().run(job, backoff=(1, 5))
        monkeypatch.undo()

    play(main)
    assert [pause for pause in pauses if pause >= 1] == [1, 2, 4, 5, 5]


def test_an_error_of_the_job_while_it_is_told_to_stop_is_reported(play: Play, stage: Stage) -> None:
    """Its clean-up fails after the loss: it leads again at once, and the error was told."""

    async def main() -> None:
        async def job(tenure: Tenure) -> int:
            if tenure.token == 1:
                tenure.resign()
                try:
                    await forever()
                finally:
                    raise Boom("clean-up")
            return tenure.token

        with heard() as notices:
            assert await stage.election().run(job, backoff=(3600, 3600)) == 2
        assert [one.error for one in notices if isinstance(one, JobFailed)] == ["Boom: clean-up"]

    play(main)


def test_an_error_of_the_job_while_run_is_cancelled_is_logged(
    play: Play, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The cancellation goes on, and the error is not lost."""

    async def main() -> None:
        leading = asyncio.Event()

        async def job(tenure: Tenure) -> None:
            leading.set()
            try:
                await forever()
            finally:
                raise Boom("clean-up")

        task = asyncio.create_task(stage.election().run(job))
        await leading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(main)
    assert any(record.exc_info and record.exc_info[0] is Boom for record in caplog.records)


def test_the_loss_of_an_inner_election_is_a_failure_of_the_job(play: Play, stage: Stage) -> None:
    """The job leads another election and loses that: it is reported, and the job is tried again (L6)."""

    async def main() -> None:
        async def job(tenure: Tenure) -> int:
            async with stage.election("inner").lead() as inner:
                if tenure.token == 1:
                    inner.resign()
                    await forever()
            return tenure.token

        with heard() as notices:
            assert await stage.election().run(job, backoff=AT_ONCE) == 2
        assert "inner" in next(one.error for one in notices if isinstance(one, JobFailed))

    play(main)


def test_the_loss_of_the_election_around_comes_out_of_run(play: Play, stage: Stage) -> None:
    """The job runs inside another tenure and says by `check()` that that one is lost: standing again would be wrong."""

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election("outer").lead() as outer:

                async def job(tenure: Tenure) -> None:
                    stage.lose(outer, "outer")
                    outer.check()

                await stage.election().run(job, backoff=(3600, 3600))
        assert caught.value.election == "outer"

    play(main)


def test_errors_of_the_election_come_out_of_run(play: Play, stage: Stage) -> None:
    """The backend says no: nobody tries again."""

    async def main() -> None:
        stage.service.faults.add("campaign", Fail(BackendRefused("no right to")))
        with pytest.raises(BackendRefused, match="no right to"):
            await stage.election().run(lambda tenure: tenure.wait_lost())

    play(main)


@pytest.mark.parametrize("while_", ["leading", "standing", "backing off"])
def test_run_can_be_cancelled(play: Play, stage: Stage, while_: str) -> None:
    """In every phase it ends as cancelled and leaves nothing behind at the service."""

    async def main() -> None:
        failed = asyncio.Event()

        async def job(tenure: Tenure) -> None:
            if while_ == "backing off":
                failed.set()
                raise Boom
            await forever()

        rival = asyncio.create_task(stage.election(candidate="rival").run(lambda tenure: tenure.wait_lost()))
        await until(lambda: stage.leader() == "rival")
        if while_ != "standing":
            rival.cancel()
            await until(lambda: stage.leader() is None)
        task = asyncio.create_task(stage.election().run(job, backoff=(3600, 3600)))
        match while_:
            case "leading":
                await until(lambda: stage.leader() == "a")
                await settle()
            case "standing":
                await until(lambda: stage.waiting() == ["a"])
            case _:
                await failed.wait()
                await until(lambda: stage.leader() is None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rival.cancel()
        with suppress(asyncio.CancelledError):
            await rival
        await until(lambda: stage.leader() is None and not stage.waiting())

    play(main)


def test_stand_runs_the_job_whenever_it_leads(play: Play, stage: Stage) -> None:
    """A service starts meanwhile; the job runs in each tenure; leaving the block resigns."""

    async def main() -> None:
        tokens: list[int] = []

        async def job(tenure: Tenure) -> None:
            tokens.append(tenure.token)
            await forever()

        async with stage.election().stand(job) as candidacy:
            tenure = await candidacy.wait_elected()
            assert candidacy.tenure is tenure
            assert candidacy.is_leader()
            stage.service.revoke("e")
            await until(lambda: tokens == [1, 2])
            assert (await candidacy.wait_elected()).token == 2
        assert stage.leader() is None
        assert not candidacy.is_leader()

    play(main)


def test_stand_without_a_job_leads_until_it_is_lost_and_again(play: Play, stage: Stage) -> None:
    """`is_leader()` follows the clock, not the scheduling; after a loss it stands again by itself."""

    async def main() -> None:
        async with stage.election().stand() as candidacy:
            first = await candidacy.wait_elected()
            stage.lose(first)
            assert not candidacy.is_leader()
            assert candidacy.tenure is None
            second = await candidacy.wait_elected()
            assert second.token > first.token

    play(main)


def test_stand_left_while_it_stands_stops_standing(play: Play, stage: Stage) -> None:
    """Somebody else leads; leaving the block takes the candidate out of the queue."""

    async def main() -> None:
        async with stage.election(candidate="rival").lead():
            async with stage.election().stand() as candidacy:
                await until(lambda: stage.waiting() == ["a"])
                assert not candidacy.is_leader()
            await until(lambda: stage.waiting() == [])

    play(main)


def test_stand_whose_backend_refuses_says_so(play: Play, stage: Stage) -> None:
    """To who waits for the election, and at the end of the block at the latest."""

    async def main() -> None:
        stage.service.faults.add("campaign", Fail(BackendRefused("no right to")))
        with pytest.raises(BackendRefused, match="no right to"):
            async with stage.election().stand() as candidacy:
                with pytest.raises(BackendRefused, match="no right to"):
                    await candidacy.wait_elected()

    play(main)


def test_stand_does_not_hide_the_blocks_own_error(play: Play, stage: Stage) -> None:
    """The block raises, and the candidacy was refused too: the block's error comes out, and nothing warns."""

    async def main() -> None:
        stage.service.faults.add("campaign", Fail(BackendRefused("no right to")))
        with pytest.raises(Boom):
            async with stage.election().stand() as candidacy:
                with pytest.raises(BackendRefused):
                    await candidacy.wait_elected()
                raise Boom

    play(main)


def test_stand_whose_job_has_returned_says_so_to_who_waits(play: Play, stage: Stage) -> None:
    """The job is done: waiting to be elected would be for ever."""

    async def main() -> None:
        async def job(tenure: Tenure) -> None:
            del tenure

        async with stage.election().stand(job) as candidacy:
            with suppress(ConfigurationError):
                await candidacy.wait_elected()
            with pytest.raises(ConfigurationError, match="ended"):
                await candidacy.wait_elected()

    play(main)


def test_a_candidacy_that_was_left_says_so_to_who_waits(play: Play, stage: Stage) -> None:
    """Nobody has cancelled who waits, before or after: ConfigurationError, as without asyncio."""

    async def main() -> None:
        async with stage.election(candidate="first").lead():
            async with stage.election().stand() as candidacy:
                waits = asyncio.create_task(candidacy.wait_elected())
                await until(lambda: stage.waiting() == ["a"])
            with pytest.raises(ConfigurationError, match="ended"):
                await waits
            with pytest.raises(ConfigurationError, match="ended"):
                await candidacy.wait_elected()

    play(main)


def test_stand_cancelled_while_it_is_left_has_released_all_the_same(play: Play, stage: Stage) -> None:
    """The job drains when the task around is cancelled too: what it leads does not outlive the block."""

    async def main() -> None:
        draining, drained = asyncio.Event(), asyncio.Event()

        async def job(tenure: Tenure) -> None:
            try:
                await forever()
            finally:
                draining.set()
                with suppress(asyncio.CancelledError):
                    await drained.wait()

        async def serve() -> None:
            async with stage.election().stand(job) as candidacy:
                await candidacy.wait_elected()

        task = asyncio.create_task(serve())
        await draining.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stage.leader() is None

    play(main)


def test_L18_a_candidacy_is_used_once(play: Play, stage: Stage) -> None:
    """Entering it again is refused with words."""

    async def main() -> None:
        candidacy = stage.election().stand()
        async with candidacy:
            await candidacy.wait_elected()
        with pytest.raises(ConfigurationError, match="used before"):
            async with candidacy:
                raise AssertionError

    play(main)


def test_a_singleton_runs_as_the_leader_only(play: Play, stage: Stage) -> None:
    """Two calls at once take turns; arguments go in, results come out."""

    async def main() -> None:
        running: list[str] = []

        def make(candidate: str, number: int) -> Awaitable[tuple[int, int]]:
            @singleton("e", stage.backend(), candidate=candidate)
            async def job(tenure: Tenure, number: int, *, factor: int) -> tuple[int, int]:
                running.append(candidate)
                assert stage.leader() == candidate
                await asyncio.sleep(0)
                return tenure.token, number * factor

            return job(number, factor=2)

        results = await asyncio.gather(make("a", 3), make("b", 5))
        assert sorted(results) in ([(1, 6), (2, 10)], [(1, 10), (2, 6)])
        assert sorted(running) == ["a", "b"]

    play(main)


def test_L6_one_transient_error_never_ends_a_candidacy(play: Play, stage: Stage) -> None:
    """The campaign fails some times, then it wins."""

    async def main() -> None:
        stage.service.faults.add("campaign", LoseRequest(), times=3)
        task = asyncio.create_task(stage.election().run(_token))
        for failures in range(1, 4):
            await until(lambda failures=failures: stage.service.faults.count("campaign") >= failures)  # type: ignore[misc]  # a default argument binds the loop's value
            await settle()
            stage.clock.advance(5)
        assert await task == 1

    play(main)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(5, "I/O"), KeyError("x"), AssertionError()], ids=repr)
def test_L7_an_error_while_campaigning_never_elects(play: Play, stage: Stage, error: Exception) -> None:
    """What nobody classified is not taken for success: the body does not run, and the wait ends with the detail."""

    async def main() -> None:
        stage.service.faults.add("campaign", Fail(error))
        task = asyncio.create_task(_lead(stage.election(), wait=3))
        await until(lambda: stage.service.faults.count("campaign"))
        await settle()
        stage.clock.advance(3)
        with pytest.raises(NotElected, match=type(error).__name__):
            await task
        assert stage.leader() is None

    play(main)


@pytest.mark.parametrize("error", [BackendRefused("no"), ConfigurationError("no")], ids=repr)
def test_a_refusal_ends_the_campaign_at_once(play: Play, stage: Stage, error: Exception) -> None:
    """BackendRefused and ConfigurationError are definite: they come out as they are."""

    async def main() -> None:
        stage.service.faults.add("campaign", Fail(error))
        with pytest.raises(type(error), match="no"):
            await _lead(stage.election(), wait=None)

    play(main)


async def _token(tenure: Tenure) -> int:
    return tenure.token


async def _lead(election: Election, *, wait: float | None) -> Reason | None:
    async with election.lead(wait=wait) as tenure:
        return tenure.reason


def test_the_log_says_where_elections_are(caplog: pytest.LogCaptureFixture) -> None:
    """L30: whoever stands logs the URL in full with its scope, the first time; who only looks does not."""
    caplog.set_level(logging.INFO, logger="tenure")
    election = Election("e", "memory://where-elections-are")

    async def stand_twice() -> None:
        assert await election.leader() is None
        assert caplog.records == []
        for _ in range(2):
            async with election.lead():
                pass

    asyncio.run(stand_twice())
    lines = [record.message for record in caplog.records if "where-elections-are" in record.message]
    assert lines == ["elections at memory://where-elections-are (from argument), among this process"]
