"""Watching and asking: a snapshot, then changes, and never an old answer for a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tenure import (
    BackendRefused,
    BackendUnreachable,
    ConfigurationError,
    Leader,
    LeadershipLost,
    Led,
    Reason,
    StaleToken,
    Unknown,
    Vacant,
    View,
    Watch,
)
from tenure.backends.base import Reading
from tenure.backends.memory import Fail, Hang, LoseRequest
from tenure.views import Lookout
from tests.election.stage import Stage, forever, lead_until_lost, settle, until


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent services are asked every few milliseconds instead of seconds."""
    monkeypatch.setattr("tenure.views.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("tenure.views.LOOK_LIMIT_S", 0.1)
    monkeypatch.setattr("tenure.views.RETRY_S", (0.005, 0.02))


def test_a_watch_shows_a_snapshot_and_then_changes(stage: Stage) -> None:
    """Vacant, led by a with its token and metadata, vacant, led by b."""

    async def main() -> None:
        async with stage.election().watch() as views:
            assert await anext(views) == Vacant()
            async with stage.election(metadata={"zone": "x"}).lead():
                led = await anext(views)
                assert isinstance(led, Led)
                assert (led.leader.candidate, led.leader.token, led.leader.metadata) == ("a", 1, {"zone": "x"})
            assert await anext(views) == Vacant()
            async with stage.election(candidate="b").lead() as tenure:
                led = await anext(views)
                assert isinstance(led, Led)
                assert (led.leader.candidate, led.leader.token) == ("b", 2)
                await tenure.publish("at 7")
                led = await anext(views)
                assert isinstance(led, Led)
                assert led.leader.value == "at 7"

    asyncio.run(main())


def test_several_watchers_see_the_same_and_slow_ones_see_the_latest(stage: Stage) -> None:
    """One reads each view, the other only after all: it is given the last, and holds no more than one."""

    async def main() -> None:
        async with stage.election().watch() as quick, stage.election().watch() as slow:
            assert await anext(quick) == Vacant()
            assert await anext(slow) == Vacant()
            for token in range(1, 6):
                async with stage.election().lead():
                    led = await anext(quick)
                    assert isinstance(led, Led)
                    assert led.leader.token == token
                assert await anext(quick) == Vacant()
            await settle()
            assert await anext(slow) == Vacant()

    asyncio.run(main())


def test_L11_a_service_that_is_silent_is_unknown(stage: Stage, looks: None) -> None:
    """It is paused while somebody leads: the view becomes Unknown with the last one in it, and comes back."""

    async def main() -> None:
        async with stage.election().lead(), stage.election(candidate="watcher").watch() as views:
            led = await anext(views)
            stage.service.pause()
            view = await anext(views)
            assert isinstance(view, Unknown)
            assert view.last == led
            stage.clock.advance(3)
            while not (isinstance(view, Unknown) and view.for_s >= 3):
                view = await anext(views)
            stage.service.resume()
            while view != led:
                view = await anext(views)

    asyncio.run(main())


@pytest.mark.parametrize("error", [BackendUnreachable("cut"), RuntimeError("a bug"), BackendRefused("no")], ids=repr)
def test_L11_a_watch_that_fails_is_unknown_and_begun_anew(stage: Stage, looks: None, error: Exception) -> None:
    """Whatever the backend raises: nobody knows, then it is asked again, and again."""

    async def main() -> None:
        stage.service.faults.add("watch", Fail(error), times=3)
        async with stage.election().watch() as views:
            view: View = await anext(views)
            assert isinstance(view, Unknown)
            assert view.last is None
            while view != Vacant():
                view = await anext(views)
        assert stage.service.faults.count("watch") == 3

    asyncio.run(main())


def test_L11_a_watch_that_misses_a_change_is_begun_anew(stage: Stage, looks: None) -> None:
    """The service answers, but its news do not come through: looks find that out."""

    async def main() -> None:
        backend = stage.backend()
        views: list[View] = []
        watch = backend.watch

        async def deaf(election: str) -> AsyncGenerator[Reading, None]:
            async for reading in watch(election):
                yield reading
                await forever()

        backend.watch = deaf  # type: ignore[method-assign]  # a backend whose news are lost
        task = asyncio.create_task(Lookout(backend, "e", views.append).run())
        await until(lambda: views == [Vacant()])
        leading = asyncio.create_task(lead_until_lost(stage.election()))
        await until(lambda: isinstance(views[-1], Led))
        assert not [view for view in views if isinstance(view, Unknown)]
        task.cancel()
        leading.cancel()

    asyncio.run(main())


def test_a_view_is_never_older_than_the_one_before(stage: Stage) -> None:
    """The backend tells an old reading after a newer one: it is not shown."""

    async def main() -> None:
        backend = stage.backend()
        views: list[View] = []

        async def confused(election: str) -> AsyncGenerator[Reading, None]:
            for token in (3, 2, 4):
                yield Reading(leader=_leader(token), token=token, candidates=())
            await forever()

        backend.watch = confused  # type: ignore[method-assign]  # a backend that repeats old news
        task = asyncio.create_task(Lookout(backend, "e", views.append).run())
        await until(lambda: len(views) == 2)
        assert [view.leader.token for view in views if isinstance(view, Led)] == [3, 4]
        task.cancel()

    asyncio.run(main())


def test_a_watch_that_is_left_ends_its_iterators(stage: Stage) -> None:
    """Whoever waits for the next view in another task does not wait for ever; the service is not watched any more."""

    async def main() -> None:
        async with stage.election().watch() as views:
            assert await anext(views) == Vacant()
            waiting = asyncio.create_task(_all(views))
            await asyncio.sleep(0)
        assert await waiting == []
        assert [view async for view in views] == []

    asyncio.run(main())


def test_a_watch_is_entered_once_and_first(stage: Stage) -> None:
    """Iterating without entering, or entering twice, is refused with words."""

    async def main() -> None:
        watch = stage.election().watch()
        with pytest.raises(ConfigurationError, match="enter"):
            await anext(watch)
        async with watch:
            with pytest.raises(ConfigurationError, match="used before"):
                await watch.__aenter__()

    asyncio.run(main())


def test_leader_and_candidates_are_read(stage: Stage) -> None:
    """Nobody, then who leads and who waits in the order in which they would be elected."""

    async def main() -> None:
        looker = stage.election(candidate="looker")
        assert await looker.leader() is None
        async with stage.election().lead():
            low = asyncio.create_task(lead_until_lost(stage.election(candidate="low")))
            await until(lambda: stage.waiting() == ["low"])
            high = asyncio.create_task(lead_until_lost(stage.election(candidate="high", priority=5)))
            await until(lambda: len(stage.waiting()) == 2)
            leader = await looker.leader()
            assert leader is not None
            assert leader.candidate == "a"
            assert [(one.candidate, one.priority) for one in await looker.candidates()] == [("high", 5), ("low", 0)]
            low.cancel()
            high.cancel()

    asyncio.run(main())


def test_whoever_leads_can_be_asked_to_resign(stage: Stage) -> None:
    """It is named to who asked; it is told like any loss, and says RESIGNED."""

    async def main() -> None:
        looker = stage.election(candidate="looker")
        with pytest.raises(BackendRefused, match="nobody leads"):
            await looker.ask_resign()
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election().lead():
                assert (await looker.ask_resign()).candidate == "a"
                await forever()
        assert caught.value.reason is Reason.RESIGNED

    asyncio.run(main())


def test_whoever_leads_can_be_asked_to_hand_over(stage: Stage) -> None:
    """To one who stands, though another is before it; refused with the names where nobody of that name stands."""

    async def main() -> None:
        looker = stage.election(candidate="looker")
        tasks = []
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election().lead():
                for name in ("first", "second"):
                    tasks.append(asyncio.create_task(lead_until_lost(stage.election(candidate=name))))
                    await until(lambda name=name: name in stage.waiting())  # type: ignore[misc]  # binds the loop's value
                with pytest.raises(BackendRefused, match="first, second"):
                    await looker.ask_transfer("third")
                assert (await looker.ask_transfer("second")).candidate == "a"
                await forever()
        assert caught.value.reason is Reason.TRANSFERRED
        await until(lambda: stage.leader() == "second")
        for task in tasks:
            task.cancel()

    asyncio.run(main())


@pytest.mark.parametrize("ask", ["leader", "candidates", "ask_resign"])
def test_L9_a_service_that_hangs_is_unreachable_within_the_limit(
    stage: Stage, ask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call does not even end when it is cancelled: BackendUnreachable all the same, and no old answer (L11)."""
    monkeypatch.setattr("tenure.options.CALL_LIMIT_S", 0.05)

    async def main() -> None:
        async with stage.election().lead():
            stage.service.faults.add("*", Hang(stubborn=True), candidate="")
            with pytest.raises(BackendUnreachable, match="no answer within"):
                await getattr(stage.election(candidate="looker"), ask)()

    asyncio.run(main())


def test_an_unclassified_error_of_a_look_is_unreachable(stage: Stage) -> None:
    """Callers know the errors of tenure, and need no others."""

    async def main() -> None:
        stage.service.faults.add("read", Fail(RuntimeError("a bug")), times=1)
        with pytest.raises(BackendUnreachable, match="a bug") as caught:
            await stage.election().leader()
        assert isinstance(caught.value.__cause__, RuntimeError)

    asyncio.run(main())


def test_publishing_is_refused_for_a_stale_token(stage: Stage) -> None:
    """A newer leader has come: StaleToken with both tokens; before it came, LeadershipLost."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                stage.lose(tenure)
                with pytest.raises(LeadershipLost):
                    await asyncio.shield(asyncio.create_task(tenure.publish("late")))
                rival = asyncio.create_task(lead_until_lost(stage.election(candidate="rival")))
                await asyncio.shield(asyncio.create_task(until(lambda: stage.leader() == "rival")))
                with pytest.raises(StaleToken) as caught:
                    await asyncio.shield(asyncio.create_task(tenure.publish("late")))
                assert (caught.value.token, caught.value.highest) == (1, 2)
                rival.cancel()

    asyncio.run(main())


def test_publishing_whose_request_is_lost_is_unreachable(stage: Stage) -> None:
    """And nothing else happens to the tenure."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            stage.service.faults.add("publish", LoseRequest(), times=1)
            with pytest.raises(BackendUnreachable):
                await tenure.publish("x")
            with pytest.raises(ConfigurationError, match="4096"):
                await tenure.publish("é" * 2049)
            await tenure.publish("é" * 2048)
            assert tenure.is_valid()

    asyncio.run(main())


def _leader(token: int) -> Leader:
    return Leader(candidate="a", token=token, metadata={})


async def _all(views: Watch) -> list[View]:
    return [view async for view in views]
