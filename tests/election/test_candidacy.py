"""Candidates in the background, of both fronts: how they are left, and what comes out of them."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable, Callable

import pytest

from tenure import ConfigurationError, Election, Tenure
from tenure.announcer import ANNOUNCER
from tenure.blocking import Tenure as BlockingTenure
from tenure.keeper import Seat
from tenure.options import Options
from tests.election.stage import LIMIT_S, Play, Stage, hear, heard, kinds, settle, until, wait_until

pytestmark = pytest.mark.versions


class Stubborn:
    """A job that swallows every cancellation, and counts them, until it may end."""

    def __init__(self) -> None:
        self.told = 0
        self.may_end = asyncio.Event()

    async def __call__(self, tenure: Tenure) -> None:
        del tenure
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.told += 1


async def left_while_it_leads(election: Election, job: Callable[[Tenure], Awaitable[None]]) -> None:
    """Stand with `job`, and leave the block as soon as it leads."""
    async with election.stand(job) as candidacy:
        await candidacy.wait_elected()


def test_a_job_that_swallows_cancellations_is_told_again_at_half_the_grace(play: Play, stage: Stage) -> None:
    """Leaving the block resigns: its job is told as at any loss, and again while it drains."""

    async def main() -> None:
        election, job = stage.election(), Stubborn()
        leaving = asyncio.create_task(left_while_it_leads(election, job))
        try:
            await until(lambda: job.told)
            await settle()
            before = job.told
            stage.clock.advance(election.grace_s / 2 - 0.1)
            await settle()
            assert job.told == before
            stage.clock.advance(0.1)
            await until(lambda: job.told > before)
            assert (stage.leader(), leaving.done()) == ("a", False)
        finally:  # a loop does not end before this does
            job.may_end.set()
        await leaving
        assert stage.leader() is None

    play(main)


def test_a_job_that_does_not_stop_when_its_candidacy_is_left_is_an_overrun(
    play: Play, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """At the hard deadline it is reported, and where it waits; the block is left when it ends at last."""

    async def main() -> None:
        job = Stubborn()
        with heard() as notices:
            leaving = asyncio.create_task(left_while_it_leads(stage.election(), job))
            try:
                await until(lambda: job.told)
                for _ in range(40):  # a tenure that was not resigned would be renewed meanwhile
                    await settle()
                    stage.clock.advance(0.5)
                await until(lambda: "Overran" in kinds(notices))
                assert not leaving.done()
            finally:  # a loop does not end before this does
                job.may_end.set()
            await leaving

    play(main)
    (text,) = [record.message for record in caplog.records if "runs on after" in record.message]
    waits_at = text.partition("its task waits at\n")[2].partition("its thread runs\n")[0]
    assert re.search(rf'File "{re.escape(__file__)}", line [0-9]+, in __call__\n', waits_at)


def test_waiting_for_a_candidacy_that_was_not_entered_is_refused(stage: Stage) -> None:
    """Nobody stands, so nobody would ever be elected: ConfigurationError in both fronts, at once."""
    with pytest.raises(ConfigurationError, match="enter it first"):
        asyncio.run(stage.election().stand().wait_elected())
    with pytest.raises(ConfigurationError, match="enter it first"):
        stage.blocking().stand().wait_elected()


def test_waiting_for_a_candidacy_whose_job_has_returned_is_refused(stage: Stage) -> None:
    """It leads no more and never will: ConfigurationError in both fronts, though `timeout` is for ever."""

    async def at_once(tenure: Tenure) -> int:
        return tenure.token

    async def main() -> None:
        async with stage.election().stand(at_once) as candidacy:
            await until(lambda: stage.service.read("e").token == 1 and stage.leader() is None)
            with pytest.raises(ConfigurationError, match="has ended"):
                while True:
                    await candidacy.wait_elected()

    asyncio.run(main())
    with stage.blocking().stand(lambda tenure: tenure.token) as candidacy:
        wait_until(lambda: stage.service.read("e").token == 2 and stage.leader() is None)
        with pytest.raises(ConfigurationError, match="has ended"):
            while True:
                candidacy.wait_elected()


class Broken(RuntimeError):
    """What nobody expects of a thread's machinery."""


def test_an_unexpected_error_comes_out_of_a_candidacy(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of `wait_elected`, and of the block at the latest, in both fronts: it does not end unseen on its thread."""

    def seat(self: Options, owner: object) -> Seat:
        raise Broken

    monkeypatch.setattr(Options, "seat", seat)

    async def main() -> None:
        with pytest.raises(Broken):
            async with stage.election().stand() as candidacy:
                with pytest.raises(Broken):
                    await candidacy.wait_elected()

    asyncio.run(main())
    with pytest.raises(Broken), stage.blocking().stand() as blocking:
        with pytest.raises(Broken):
            blocking.wait_elected()


def test_a_job_that_ends_its_thread_comes_out_of_a_candidacy(stage: Stage) -> None:
    """SystemExit on a thread ends only that thread; it comes out where somebody sees it."""

    def job(tenure: BlockingTenure) -> None:
        raise SystemExit(tenure.token)

    with pytest.raises(SystemExit) as caught, stage.blocking().stand(job) as candidacy:
        wait_until(lambda: stage.service.read("e").token == 1 and stage.leader() is None)
        with pytest.raises(SystemExit):
            while True:
                candidacy.wait_elected()
    assert caught.value.code == 1


def test_a_candidacy_that_is_withdrawn_before_it_stood_elects_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The keeper hears of the withdrawal first and of the candidacy then: no complaint, no request."""
    began, withdrawn = threading.Event(), threading.Event()
    real_stand, real_withdraw = Seat.stand, Seat.withdraw

    def stand(self: Seat, wait_s: float | None) -> None:
        began.set()
        withdrawn.wait(LIMIT_S)
        hear()
        real_stand(self, wait_s)

    def withdraw(self: Seat, detail: str) -> None:
        real_withdraw(self, detail)
        withdrawn.set()

    monkeypatch.setattr(Seat, "stand", stand)
    monkeypatch.setattr(Seat, "withdraw", withdraw)
    caplog.set_level(logging.INFO)
    with stage.blocking().stand() as candidacy:
        began.wait(LIMIT_S)
    hear()
    ANNOUNCER.flush(LIMIT_S)

    assert not candidacy.is_leader()
    assert not stage.service.requests
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
