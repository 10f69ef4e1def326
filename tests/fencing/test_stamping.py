"""What an election does with its fences: stamped before the body begins, bounded, and without them nothing begins."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tenure import NotStamped, StaleToken, Tenure
from tenure.bell import Bell
from tenure.fencing import Fence, FenceGate, stamping
from tests.election.stage import LIMIT_S, InThread, Play, Stage, forever, heard, kinds, until, wait_until
from tests.fencing.conftest import Gates

Lead = Callable[..., Any]


class Notes:
    """A fence that notes what it is told, and fails as it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.stamped: list[tuple[int, str]] = []
        self.threads: set[str] = set()
        self.error = error

    def stamp(self, bearer: int, election: str, /) -> None:
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        self.stamped.append((bearer, election))


class Silent(Notes):
    """A fence that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = threading.Event(), threading.Event()

    def stamp(self, bearer: int, election: str, /) -> None:
        self.asked.set()
        self.let_go.wait(LIMIT_S)
        super().stamp(bearer, election)


def lead_asyncio(stage: Stage, fence: Fence, body: Callable[[Any], object], **options: Any) -> None:
    """One tenure on a loop."""

    async def main() -> None:
        async with stage.election(fences=[fence], **options).lead() as tenure:
            body(tenure)

    asyncio.run(main())


def lead_blocking(stage: Stage, fence: Fence, body: Callable[[Any], object], **options: Any) -> None:
    """One tenure on this thread."""
    with stage.blocking(fences=[fence], **options).lead() as tenure:
        body(tenure)


BOTH = pytest.mark.parametrize("lead", [lead_asyncio, lead_blocking], ids=["asyncio", "blocking"])


@BOTH
def test_L16_a_fence_is_stamped_before_the_body_begins(stage: Stage, lead: Lead) -> None:
    """A stale leader is refused from the election on, though the new one has not acted yet."""
    fence = Notes()
    seen: list[object] = []

    lead(stage, fence, lambda tenure: seen.append(([*fence.stamped], tenure.token, tenure.is_valid())))

    assert seen == [([(1, "e")], 1, True)]
    assert fence.threads == {"tenure-stamp-e"}, "neither the user's thread nor the keeper's may hang in a fence"


@BOTH
@pytest.mark.parametrize("error", [StaleToken(1, 9), OSError("no disk"), KeyboardInterrupt()], ids=repr)
def test_a_fence_that_fails_means_not_leading(stage: Stage, lead: Lead, error: BaseException) -> None:
    """The body does not begin, the tenure is given back at once, and the error says which fence it was."""
    with pytest.raises(NotStamped) as caught:
        lead(stage, Notes(error), lambda _: pytest.fail("the body began"))

    assert caught.value.__cause__ is error
    assert caught.value.token == 1
    assert "Notes object" in caught.value.detail
    assert stage.leader() is None
    lead(stage, Notes(), lambda _: None)


@BOTH
def test_L34_a_fence_that_has_seen_greater_tokens_says_how_to_lift_them(stage: Stage, lead: Lead) -> None:
    """The election was restored from a backup, the fence was not: nobody leads with a token that is refused anyway."""
    gate = FenceGate()
    gate.stamp(41, "e")

    with pytest.raises(NotStamped, match=r"has seen token 41.*tenure doctor e --floor 41"):
        lead(stage, gate, lambda _: pytest.fail("the body began"))
    assert gate.highest("e") == 41


@BOTH
def test_L9_a_fence_that_hangs_is_given_up(stage: Stage, lead: Lead, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the limit, with the tenure given back; the keeper was not held up."""
    monkeypatch.setattr(stamping, "LIMIT_S", 0.05)
    fence = Silent()

    with pytest.raises(NotStamped, match="did not answer within"):
        lead(stage, fence, lambda _: pytest.fail("the body began"))

    assert stage.leader() is None
    fence.let_go.set()


def test_L20_few_threads_hang_in_a_fence(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some the next try is refused at once; when they have ended, all is well again."""
    monkeypatch.setattr(stamping, "LIMIT_S", 0.02)
    fence = Silent()

    def hanging() -> int:
        return sum(thread.name == "tenure-stamp-e" for thread in threading.enumerate())

    for _ in range(stamping.MOST_STUCK + 2):
        with pytest.raises(NotStamped):
            lead_blocking(stage, fence, lambda _: pytest.fail("the body began"))
    assert hanging() == stamping.MOST_STUCK
    with pytest.raises(NotStamped, match="hang in a fence"):
        lead_blocking(stage, fence, lambda _: pytest.fail("the body began"))

    fence.let_go.set()
    wait_until(lambda: hanging() == 0)
    lead_blocking(stage, fence, lambda _: None)


@pytest.mark.parametrize("remaining_s", [2.0, 60.0])
def test_a_fence_gets_no_more_than_half_of_what_the_grant_has_left(
    stage: Stage, remaining_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs must be given up before the deadline, even if no renewal succeeds meanwhile."""
    limits: list[float] = []
    fence = Silent()

    class Noted(Bell):
        """A bell that notes for how long it is waited for."""

        def wait_for(self, condition: Callable[[], object], timeout_s: float | None = None) -> bool:
            assert timeout_s is not None
            limits.append(timeout_s)
            fence.let_go.set()
            return super().wait_for(condition, LIMIT_S)

    monkeypatch.setattr(stamping, "Bell", Noted)
    lead_blocking(stage, fence, lambda _: None, lease=remaining_s)

    assert limits[0] == pytest.approx(min(stamping.LIMIT_S, remaining_s / 2), rel=0.3)
    assert limits[0] <= remaining_s / 2


def test_many_elections_are_stamped_at_once(stage: Stage, play: Play) -> None:
    """More than there are threads: the others wait for one, and none is taken for one that hangs."""
    together = 2 * stamping.MOST_THREADS + 3
    most: list[int] = []

    class Slow(Notes):
        """Not answered before as many as may be are under way."""

        def stamp(self, bearer: int, election: str, /) -> None:
            wait_until(lambda: threads() == stamping.MOST_THREADS or bool(most))
            most.append(threads())
            super().stamp(bearer, election)

    def threads() -> int:
        return sum(thread.name.startswith("tenure-stamp-") for thread in threading.enumerate())

    fence = Slow()

    async def main() -> None:
        async def lead(number: int) -> None:
            async with stage.election(name=f"e{number}", fences=[fence]).lead():
                ...

        await asyncio.gather(*map(lead, range(together)))

    play(main)
    assert sorted(fence.stamped) == sorted((1, f"e{number}") for number in range(together))
    assert most[0] == stamping.MOST_THREADS


def test_waiting_for_a_thread_takes_no_longer_than_the_stamping_may(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have them all, and are not late themselves; what was given up is not stamped later either."""
    fence, behind = Silent(), Notes()
    monkeypatch.setattr(stamping, "MOST_THREADS", 1)
    first = InThread(lambda: lead_blocking(stage, fence, lambda _: None, name="first"))
    wait_until(fence.asked.is_set)

    monkeypatch.setattr(stamping, "LIMIT_S", 0.05)
    with pytest.raises(NotStamped, match="did not answer within"):
        lead_blocking(stage, behind, lambda _: pytest.fail("the body began"), name="second")

    fence.let_go.set()
    first.outcome()
    lead_blocking(stage, behind, lambda _: None, name="third")
    assert behind.stamped == [(1, "third")]


def test_a_tenure_lost_while_its_fences_were_stamped_is_campaigned_on(stage: Stage, play: Play) -> None:
    """It is looked at once more after the stamping: the body begins under the next token, stamped as well."""
    fence = Silent()

    async def main() -> None:
        async def lead() -> int:
            async with stage.election(fences=[fence]).lead() as tenure:
                return tenure.token

        with heard() as notices:
            task = asyncio.create_task(lead())
            await until(fence.asked.is_set)
            stage.service.revoke("e")
            await until(lambda: "Lost" in kinds(notices))
            fence.let_go.set()
            assert await task == 2

    play(main)
    assert fence.stamped == [(1, "e"), (2, "e")]


@pytest.mark.parametrize("front", ["asyncio", "blocking"])
def test_a_tenure_lost_while_a_fence_failed_is_campaigned_on(stage: Stage, play: Play, front: str) -> None:
    """A newer leader has stamped it meanwhile, as it may: this one was deposed, which is no error of its fence."""
    gate = FenceGate()

    class Deposing(Notes):
        def stamp(self, bearer: int, election: str, /) -> None:
            if bearer == 1:
                stage.service.revoke("e")
                gate.stamp(2, "e")
                wait_until(lambda: "Lost" in kinds(notices))
            gate.stamp(bearer, election)

    async def main() -> int:
        if front == "blocking":
            return await asyncio.to_thread(leads)
        async with stage.election(fences=[Deposing()]).lead() as tenure:
            return tenure.token

    def leads() -> int:
        with stage.blocking(fences=[Deposing()]).lead() as tenure:
            return tenure.token

    with heard() as notices:
        assert play(main) == 2


def test_a_loop_that_is_closed_while_a_fence_hangs_hears_no_more_of_it(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the fence says in the end, nobody is there to be told, and nothing complains."""
    fence = Silent()

    async def main() -> None:
        task = asyncio.create_task(stage.election(fences=[fence]).lead().__aenter__())
        await until(fence.asked.is_set)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    fence.let_go.set()
    wait_until(lambda: not any(thread.name == "tenure-stamp-e" for thread in threading.enumerate()))

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert fence.stamped == [(1, "e")]


def test_a_task_cancelled_while_its_fences_are_stamped_gives_the_tenure_back(stage: Stage, play: Play) -> None:
    """Nobody leads afterwards, although the fence goes on for a while."""
    fence = Silent()

    async def main() -> None:
        async def lead() -> None:
            async with stage.election(fences=[fence]).lead():
                pytest.fail("the body began")

        task = asyncio.create_task(lead())
        await until(fence.asked.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: stage.leader() is None)
        fence.let_go.set()

    play(main)


@contextmanager
def warnings_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What the library warns of is kept."""
    with caplog.at_level(logging.WARNING, logger="tenure"):
        yield


def test_L6_run_stands_again_after_a_fence_has_failed(
    stage: Stage, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    """One failing fence never ends a candidacy: after a pause it stands again, and says so."""
    fence = Notes(OSError("busy"))

    async def job(tenure: Tenure) -> int:
        return tenure.token

    async def main() -> int:
        async def mend() -> None:
            await until(lambda: bool(fence.threads))
            fence.error = None

        mending = asyncio.create_task(mend())
        token = await stage.election(fences=[fence]).run(job, backoff=(0.01, 0.05))
        await mending
        return token

    with warnings_of(caplog):
        assert play(main) == fence.stamped[0][0] > 1
    assert "standing again in 0.01 s" in caplog.text


def test_L6_run_in_a_thread_stands_again_after_a_fence_has_failed(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The same without asyncio."""
    fence = Notes(OSError("busy"))
    with warnings_of(caplog):
        thread = InThread(lambda: stage.blocking(fences=[fence]).run(lambda tenure: tenure.token, backoff=(0.01, 0.05)))
        wait_until(lambda: bool(fence.threads))
        fence.error = None
        assert thread.outcome() == fence.stamped[0][0] > 1
    assert "standing again in 0.01 s" in caplog.text


def test_a_successor_shuts_the_gate_behind_a_leader_that_was_replaced(stage: Stage, gates: Gates, play: Play) -> None:
    """The whole of it: a leader loses its tenure unnoticed, another is elected, and the first one's act is refused."""
    gate = gates()

    async def main() -> None:
        first = stage.election(candidate="first", fences=[gate])
        second = stage.election(candidate="second", fences=[gate])
        stale: list[Tenure] = []

        async def lead() -> None:
            async with first.lead() as tenure:
                stale.append(tenure)
                await forever()

        task = asyncio.create_task(lead())
        await until(lambda: bool(stale))
        async with gate.admit(stale[0]):
            pass
        task.cancel()
        await asyncio.wait([task])
        async with second.lead():
            with pytest.raises(StaleToken):
                async with gate.admit(stale[0]):
                    pytest.fail("a stale act began")

    play(main)
