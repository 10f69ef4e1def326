"""The keeper: what it takes for certain, what it abandons, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from tenure import BackendRefused, Election, LeadershipLost, Reason, State, Tenure
from tenure.backends.base import Gone
from tenure.backends.memory import Delay, Fail, Fault, Hang, LoseAnswer, LoseRequest, MemoryService
from tenure.body import Body
from tenure.keeper import Keeper
from tests.election.stage import Stage, forever, hear, heard, kinds, lead_until_lost, settle, until, wait_until

UNKNOWN: list[Fault] = [
    LoseRequest(),
    LoseAnswer(),
    Fail(RuntimeError("a bug in the backend")),
    Fail(TimeoutError()),
    Fail(OSError(104, "reset by peer")),
]


@pytest.mark.parametrize("fault", UNKNOWN, ids=repr)
def test_L6_one_transient_error_never_ends_a_tenure(stage: Stage, fault: Fault) -> None:
    """A renewal fails, whatever with: the state is UNCERTAIN, and the next renewal makes it SAFE again."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            stage.service.faults.add("renew", fault, times=1)
            stage.clock.advance(3)
            await until(lambda: tenure.state is State.UNCERTAIN)
            assert tenure.is_valid()
            assert 0 < tenure.remaining() <= 11.25
            await settle()
            stage.clock.advance(0.3)
            await until(lambda: tenure.state is State.SAFE)
            assert tenure.remaining() == pytest.approx(14.25, abs=0.31)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Gone("deleted"), Reason.DEPOSED), (BackendRefused("no right any more"), Reason.BACKEND_GONE)],
    ids=["gone", "refused"],
)
def test_a_definite_error_of_a_renewal_ends_the_tenure_at_once(stage: Stage, error: Exception, reason: Reason) -> None:
    """The grant is gone, or will never be renewed: nobody waits for the lease to run out."""

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election().lead():
                stage.service.faults.add("renew", Fail(error))
                stage.clock.advance(3)
                await forever()
        assert caught.value.reason is reason

    asyncio.run(main())


def test_L9_a_renewal_that_hangs_is_abandoned_and_another_is_sent(stage: Stage) -> None:
    """It does not even end when it is cancelled; after the time of a call it is waited for no longer."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            stage.service.faults.add("renew", Hang(stubborn=True), times=1)
            stage.clock.advance(3)
            await until(lambda: stage.service.faults.count("renew"))
            await settle()
            stage.clock.advance(1.2)
            await until(lambda: tenure.state is State.UNCERTAIN)
            await settle()
            stage.clock.advance(0.3)
            await until(lambda: tenure.state is State.SAFE)
            assert tenure.is_valid()

    asyncio.run(main())


def test_L10_a_late_answer_counts_from_when_its_request_left(stage: Stage) -> None:
    """A renewal is answered long after it was abandoned: the deadline is counted from its sending, not from now."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            stage.service.faults.add("renew", Delay(answer_s=2), times=1)
            stage.service.faults.add("renew", LoseRequest())
            sent_ns = stage.clock.now_ns() + 3_000_000_000
            stage.clock.advance(3)
            for _ in range(4):
                await settle()
                assert tenure.remaining() < 11.5
                stage.clock.advance(0.5)
            await until(lambda: tenure.remaining() > 11.5)
            assert tenure.remaining() == pytest.approx((sent_ns - stage.clock.now_ns()) / 1e9 + 14.25)

    asyncio.run(main())


def test_L9_a_release_that_hangs_does_not_hold_the_body_for_ever(stage: Stage) -> None:
    """Leaving the block is bounded by the budget, in real time; the keeper goes on with the release by itself."""

    async def main() -> None:
        stage.service.faults.add("release", Hang())
        began_s = time.monotonic()
        async with stage.election(lease=0.5).lead():
            pass
        assert time.monotonic() - began_s < 20
        stage.service.faults.clear()
        await until(lambda: stage.leader() is None)

    asyncio.run(main())


def test_a_release_that_fails_is_tried_again(stage: Stage) -> None:
    """The first request is lost; the second one, after a pause, releases."""

    async def main() -> None:
        stage.service.faults.add("release", LoseRequest(), times=1)
        task = asyncio.create_task(_lead_and_leave(stage))
        await until(lambda: stage.service.faults.count("release"))
        await settle()
        stage.clock.advance(0.3)
        await task
        assert stage.leader() is None

    asyncio.run(main())


def test_L28_a_suspended_machine_wakes_without_leadership(stage: Stage) -> None:
    """The clock jumps by a minute in which nothing ran: invalid at the first look, before anybody was scheduled."""
    may_go_on = threading.Event()

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                Keeper.current().loop.call_soon_threadsafe(may_go_on.wait, 30)  # the keeper has not been scheduled yet
                stage.clock.advance(60)
                seen = tenure.is_valid(), tenure.remaining(), tenure.state
                may_go_on.set()
                assert seen == (False, 0.0, State.LOST)
                await forever()

    asyncio.run(main())


def test_L10_the_wall_clock_means_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stepped by an hour, forward and back: nothing is lost, and the deadline does not move."""

    async def main() -> None:
        real, real_ns, offset = time.time, time.time_ns, [0.0]
        monkeypatch.setattr(time, "time", lambda: real() + offset[0])
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + round(offset[0] * 1e9))
        async with stage.election().lead() as tenure:
            before_s = tenure.remaining()
            for step_s in (3600.0, -3600.0):
                offset[0] = step_s
                await settle()
                assert tenure.is_valid()
                assert tenure.remaining() == before_s
        monkeypatch.undo()

    asyncio.run(main())


def test_L8_renewals_go_on_while_the_users_loop_is_busy() -> None:
    """On the real clock with a short lease: the loop is blocked for longer than the lease, less than stall_after."""
    stage = _RealStage()

    async def main() -> None:
        async with stage.election(lease=2.0, stall_after=60).lead() as tenure:
            end_s = time.monotonic() + 3.0  # this is the claim: blocked for longer than the lease
            wait_until(lambda: time.monotonic() > end_s)
            assert tenure.is_valid()
            assert stage.service.requests["renew"] >= 2

    asyncio.run(main())


def test_a_stalled_owner_is_not_renewed_and_loses() -> None:
    """On the real clock: the loop is blocked for longer than stall_after, so the lease runs out with STALLED."""
    stage = _RealStage()

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election(lease=1.5, stall_after=0.2).lead() as tenure:
                wait_until(lambda: not tenure.is_valid())
        assert caught.value.reason is Reason.STALLED

    with heard() as notices:
        asyncio.run(main())
    assert "Stalled" in kinds(notices)


def test_a_thousand_elections_are_led_at_once_by_one_thread(fresh_keeper: Keeper) -> None:
    """One keeper thread, whatever is led; all of it is released at the end."""
    stage = Stage()

    async def main() -> None:
        backend = stage.backend()
        elections = [Election(f"e{number}", backend, candidate="a") for number in range(1000)]
        leading = 0
        may_end = asyncio.Event()

        async def lead(election: Election) -> None:
            nonlocal leading
            async with election.lead():
                leading += 1
                await may_end.wait()

        tasks = [asyncio.create_task(lead(election)) for election in elections]
        await until(lambda: leading == 1000)
        assert sum(thread.name == "tenure-keeper" for thread in threading.enumerate()) == 1
        for _ in range(5):
            stage.clock.advance(3)
            await settle()
        assert stage.service.requests["renew"] >= 3000
        may_end.set()
        await asyncio.gather(*tasks)
        assert all(stage.leader(f"e{number}") is None for number in range(1000))

    asyncio.run(main())


def test_L20_two_hundred_cycles_leave_nothing_behind(stage: Stage) -> None:
    """Threads, descriptors and tasks are as many as before, in the process and on the keeper."""

    async def cycles(count: int) -> None:
        election = stage.election()
        for number in range(count):
            async with election.lead() as tenure:
                if number % 4 == 0:
                    await tenure.to_thread(lambda: None)
            async with election.watch() as views:
                await anext(aiter(views))
            await election.leader()

    def census() -> tuple[int, int, int]:
        async def tasks() -> int:
            return len(asyncio.all_tasks())

        hear()
        gc.collect()
        here = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
        return *here, Keeper.current().run(tasks()).result()

    asyncio.run(cycles(5))
    wait_until(lambda: census()[2] == 1)
    before = census()
    asyncio.run(cycles(200))
    wait_until(lambda: census() <= before and census()[2] == 1)


def test_L20_a_loop_that_led_is_let_go(stage: Stage) -> None:
    """After `asyncio.run` nothing of tenure keeps the loop alive."""

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        async with stage.election().lead():
            stage.clock.advance(0.1)  # a proof of life is asked of this loop
            await settle()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(main())
    hear()
    gc.collect()
    assert loop() is None


@pytest.mark.parametrize("phase", ["leading", "standing"])
def test_a_loop_that_is_closed_gives_back_what_it_held(
    stage: Stage, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody runs the body any more: the keeper notices when it next speaks to it, releases, and is told once."""
    told: list[Body] = []
    over = Body.over

    def count(self: Body) -> None:
        told.append(self)
        over(self)

    monkeypatch.setattr(Body, "over", count)
    rival = asyncio.new_event_loop()
    rival_task = None
    if phase == "standing":
        rival_task = rival.create_task(lead_until_lost(stage.election(candidate="rival")))
        _turn(rival, lambda: stage.leader() == "rival")
    loop = asyncio.new_event_loop()
    task = loop.create_task(lead_until_lost(stage.election()))
    _turn(loop, lambda: stage.leader() == "a" if phase == "leading" else stage.waiting() == ["a"])
    loop.close()
    if rival_task is not None:
        rival_task.cancel()
        _turn(rival, rival_task.done)
    rival.close()
    stage.clock.advance(0.1)  # a proof of life is asked for
    wait_until(lambda: stage.leader() is None and not stage.waiting())
    for _ in range(20):
        hear()
    assert len([body for body in told if body._task is task]) == 1  # noqa: SLF001  which body was told
    _abandon(task)


def test_a_loop_that_is_closed_with_a_proof_in_its_queue_gives_back_too(stage: Stage) -> None:
    """It stood still when the proof of life was asked for, and was closed without ever turning again."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(lead_until_lost(stage.election()))
    _turn(loop, lambda: stage.leader() == "a")
    for _ in range(20):
        _turn(loop, lambda: True)
    stage.clock.advance(0.1)  # asked, and never answered
    hear()
    loop.close()
    stage.clock.advance(0.1)
    wait_until(lambda: stage.leader() is None)
    _abandon(task)


def test_stopping_the_keeper_releases_and_ends_its_thread(fresh_keeper: Keeper) -> None:
    """What a loop leads is released within the limit; the thread is gone; the next use makes a keeper anew."""
    stage = Stage()
    loop = asyncio.new_event_loop()
    begun: list[Tenure] = []
    task = loop.create_task(lead_until_lost(stage.election(), begun.append))
    _turn(loop, lambda: begun)
    fresh_keeper.stop()
    assert stage.leader() is None
    assert not begun[0].is_valid()
    assert "tenure-keeper" not in [thread.name for thread in threading.enumerate()]
    assert Keeper.current() is not fresh_keeper
    _abandon(task)
    loop.close()


def test_L9_stopping_the_keeper_is_bounded_when_a_release_hangs(fresh_keeper: Keeper) -> None:
    """The service does not answer: the keeper ends all the same, in some seconds."""
    stage = Stage()
    stage.service.faults.add("release", Hang(stubborn=True))
    loop = asyncio.new_event_loop()
    begun: list[Tenure] = []
    task = loop.create_task(lead_until_lost(stage.election(), begun.append))
    _turn(loop, lambda: begun)
    began_s = time.monotonic()
    fresh_keeper.stop()
    assert time.monotonic() - began_s < 20
    stage.service.faults.clear()
    _abandon(task)
    loop.close()


def test_a_tenure_that_begins_after_an_ungraceful_end_is_held_back(stage: Stage) -> None:
    """`takeover_delay`: the leader before was deposed, so the body begins only when the delay has passed."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead():
                stage.service.revoke("e")
                await forever()
        begun: list[Tenure] = []
        task = asyncio.create_task(lead_until_lost(stage.election(takeover_delay=2), begun.append))
        await until(lambda: stage.leader() == "a")
        await settle()
        stage.clock.advance(1.9)
        await settle()
        assert not begun
        stage.clock.advance(0.2)
        await until(lambda: begun)
        task.cancel()

    asyncio.run(main())


class _RealStage(Stage):
    """A service on the real clock, for what threads and blocked loops do."""

    def __init__(self) -> None:
        super().__init__()
        self.service = MemoryService()


async def _lead_and_leave(stage: Stage) -> None:
    async with stage.election().lead():
        assert stage.leader() == "a"


def _turn(loop: asyncio.AbstractEventLoop, condition: Callable[[], object]) -> None:
    """Let `loop` turn until the condition holds; then it stands still."""
    loop.run_until_complete(until(condition))


def _abandon(task: asyncio.Task[None]) -> None:
    """Forget a task whose loop is closed, without a warning about it."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  asyncio's own switch for this
