"""What must not take the keeper's elections with it: a defect of tenure in one of them, a service that hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from tenure import BackendError, Election, LeadershipLost, Reason
from tenure.announcer import ANNOUNCER
from tenure.backends.base import Backend
from tenure.blocking import Election as BlockingElection
from tenure.holding import events
from tenure.holding.effects import Effect
from tenure.holding.holder import Holder
from tenure.keeper import Keeper
from tests.election.stage import LIMIT_S, InThread, Stage, forever, heard, kinds, until, wait_until


class Defect(Exception):
    """What no test of the holder has found."""


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[type[events.Event]]]:
    """The kinds of events on which the holder of election "e" fails, until they are taken out of this list."""
    kinds: list[type[events.Event]] = []
    real = Holder.handle

    def handle(self: Holder, event: events.Event, now_ns: int) -> list[Effect]:
        if self.election == "e" and type(event) in kinds:
            raise Defect(type(event).__name__)
        return real(self, event, now_ns)

    monkeypatch.setattr(Holder, "handle", handle)
    yield kinds
    kinds.clear()
    ANNOUNCER.flush(LIMIT_S)  # what is logged of it is not the next test's


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as CRITICAL with a traceback."""
    ANNOUNCER.flush(LIMIT_S)
    found = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert all(record.exc_info and record.exc_info[0] is Defect for record in found)
    return [record.getMessage() for record in found]


def test_a_defect_of_the_holder_tells_its_body_to_stop(
    stage: Stage, defect: list[type[events.Event]], caplog: pytest.LogCaptureFixture
) -> None:
    """Invalid at once, cancelled, released, and said; the election beside it goes on."""

    async def main() -> None:
        async with stage.election("other").lead() as other:
            with pytest.raises(LeadershipLost) as caught:
                async with stage.election().lead() as tenure:
                    defect.append(events.Asked)
                    stage.blocking().ask_resign()
                    wait_until(lambda: not tenure.is_valid())  # while its own loop stands still
                    await forever()
            assert caught.value.reason is Reason.BACKEND_GONE
            assert (stage.leader(), stage.leader("other")) == (None, "a")
            stage.clock.advance(3)
            await until(lambda: other.remaining() == pytest.approx(14.25))

    asyncio.run(main())
    (text,) = complaints(caplog)
    assert "e: a defect of tenure on Asked" in text


def test_a_defect_of_the_holder_tells_a_thread_to_stop(stage: Stage, defect: list[type[events.Event]]) -> None:
    """`check()` raises, `wait_lost` returns."""
    with pytest.raises(LeadershipLost) as caught, stage.blocking().lead() as tenure:
        defect.append(events.Asked)
        stage.blocking().ask_resign()
        assert tenure.wait_lost(LIMIT_S) is Reason.BACKEND_GONE
        tenure.check()
    assert caught.value.reason is Reason.BACKEND_GONE
    assert stage.leader() is None


@pytest.mark.parametrize("front", ["asyncio", "blocking"])
def test_a_defect_while_standing_is_told_to_whoever_waits(
    stage: Stage, front: str, defect: list[type[events.Event]], caplog: pytest.LogCaptureFixture
) -> None:
    """A win that the holder cannot take is given back, and nobody waits for ever."""
    defect.append(events.Won)

    async def lead() -> None:
        async with asyncio.timeout(LIMIT_S), stage.election().lead():
            raise AssertionError

    def lead_blocking() -> None:
        with stage.blocking().lead():
            raise AssertionError

    thread = InThread(lead_blocking if front == "blocking" else lambda: asyncio.run(lead()))
    with pytest.raises(BackendError, match="defect"):
        thread.outcome()
    wait_until(lambda: stage.leader() is None)
    assert len(complaints(caplog)) == 1


def test_a_body_that_ignores_a_defect_is_an_overrun(
    stage: Stage, defect: list[type[events.Event]], caplog: pytest.LogCaptureFixture
) -> None:
    """It was told, and works on: at its deadline that is reported like any other, and the defect was said once."""
    told, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with stage.blocking().lead() as tenure:
            defect.append(events.Asked)
            stage.blocking().ask_resign()
            tenure.wait_lost()
            told.set()
            may_end.wait(LIMIT_S)

    with heard() as notices:
        thread = InThread(work)
        told.wait(LIMIT_S)
        stage.clock.advance(20)
        wait_until(lambda: "Overran" in kinds(notices))
        may_end.set()
        with pytest.raises(LeadershipLost):
            thread.outcome()
    assert len(complaints(caplog)) == 1


@pytest.mark.usefixtures("fresh_keeper")
def test_a_holder_that_fails_at_everything_still_tells_its_body(stage: Stage, defect: list[type[events.Event]]) -> None:
    """Nothing can be released in good order then, and leaving the block is bounded."""
    with pytest.raises(LeadershipLost) as caught, stage.blocking(lease=0.5).lead() as tenure:
        defect.extend(get_args(events.Event))
        stage.blocking().ask_resign()
        assert tenure.wait_lost(LIMIT_S) is Reason.BACKEND_GONE
        assert not tenure.is_valid()
    assert caught.value.reason is Reason.BACKEND_GONE
    defect.clear()


def test_a_connection_that_hangs_holds_nobody_else_up() -> None:
    """On a disk that hangs one URL connects for ever: running elections, and new ones elsewhere, go on."""
    connecting, may_go_on = threading.Event(), threading.Event()
    election = Election("e", "memory://beside-a-hanging-one", candidate="a")

    def hang(url: str) -> Backend:
        connecting.set()
        may_go_on.wait(LIMIT_S)
        raise OSError(f"{url} never answered")

    async def lead(name: str, at: str) -> str | None:
        async with Election(name, at, candidate="a").lead():
            leader = await election.leader()
        return leader.candidate if leader is not None else None

    async def main() -> list[Any]:
        async with election.lead():
            hanging = InThread(lambda: Keeper.current().backend("file:///hangs", hang))
            connecting.wait(LIMIT_S)
            others = [
                InThread(Keeper.current),
                InThread(BlockingElection("e", election.url).leader),
                InThread(lambda: asyncio.run(lead("f", election.url))),
                InThread(lambda: asyncio.run(lead("g", "memory://another-one-beside-it"))),
            ]
            try:
                return [await asyncio.to_thread(other.outcome, 10) for other in others]
            finally:
                may_go_on.set()
                with pytest.raises(OSError, match="never answered"):
                    hanging.outcome()

    keeper, leader, *names = asyncio.run(main())
    assert keeper is Keeper.current()
    assert leader.candidate == "a"
    assert names == ["a", "a"]
