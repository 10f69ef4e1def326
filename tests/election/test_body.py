"""How a loss reaches the body of `async with election.lead()`, and what comes out of it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tenure import ConfigurationError, Election, LeadershipLost, Reason, State, Tenure
from tenure.backends.memory import LoseRequest
from tests.election.stage import (
    LIMIT_S,
    Play,
    Stage,
    cancelling,
    forever,
    hear,
    lead_until_lost,
    settle,
    until,
    wait_until,
)

pytestmark = pytest.mark.versions


def test_a_loss_cancels_the_body_and_comes_out_as_leadership_lost(play: Play, stage: Stage) -> None:
    """The body waits, the service takes the grant back: LeadershipLost says of what and why, and no cancel is left."""

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election().lead():
                stage.service.revoke("e")
                await forever()
        assert (caught.value.election, caught.value.token, caught.value.reason) == ("e", 1, Reason.DEPOSED)
        assert cancelling() == 0
        await asyncio.sleep(0)  # the task goes on unharmed
        assert stage.leader() is None

    play(main)


def test_a_body_that_ends_resigns(play: Play, stage: Stage) -> None:
    """When the block is left the service knows already that nobody leads, and nothing is raised."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            assert stage.leader() == "a"
            assert tenure.state is State.SAFE
        assert stage.leader() is None
        assert (tenure.state, tenure.reason) == (State.LOST, Reason.RESIGNED)

    play(main)


def test_a_task_is_cancelled_by_its_own_thread_only(stage: Stage) -> None:
    """The keeper has a thread of its own: what it tells a task goes through the task's loop."""
    threads: list[int] = []

    class Watched(asyncio.Task[None]):
        def cancel(self, msg: object = None) -> bool:
            threads.append(threading.get_ident())
            return super().cancel(msg)

    async def lead() -> None:
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(LeadershipLost):
                async with stage.election().lead():
                    stage.service.revoke("e")
                    await forever()

    async def main() -> None:
        await Watched(lead())

    asyncio.run(main())
    assert set(threads) == {threading.get_ident()}


def test_L4_work_is_told_to_stop_when_the_lease_cannot_be_renewed(play: Play, stage: Stage) -> None:
    """Every renewal is lost and the clock goes on: at the soft deadline the body is cancelled, with EXPIRED."""

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election().lead() as tenure:
                stage.service.faults.add("renew", LoseRequest())
                stage.clock.advance(10.4)  # 15 - 3.75 of grace - 0.75 of margin is 10.5
                await settle()
                assert tenure.is_valid()
                stage.clock.advance(0.2)
                await forever()
        assert caught.value.reason is Reason.EXPIRED

    play(main)


def test_an_outer_cancellation_wins_and_is_never_turned(play: Play, stage: Stage) -> None:
    """The task is cancelled by somebody else: it ends as cancelled, and the grant is given back first."""

    async def main() -> None:
        begun: list[Tenure] = []
        task = asyncio.create_task(lead_until_lost(stage.election(), begun.append))
        await until(lambda: begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert stage.leader() is None

    play(main)


@pytest.mark.parametrize("loss_first", [False, True], ids=["outer first", "loss first"])
def test_an_outer_cancellation_in_the_same_turn_as_the_loss_wins(play: Play, stage: Stage, loss_first: bool) -> None:
    """Both come before the body runs again: the count, not which exception was seen, decides."""

    async def main() -> None:
        begun: list[Tenure] = []
        task = asyncio.create_task(lead_until_lost(stage.election(), begun.append))
        await until(lambda: begun)
        stage.lose(begun[0])  # its callback is in this loop's queue now
        if loss_first:
            asyncio.get_running_loop().call_soon(task.cancel)
        else:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    play(main)


@pytest.mark.parametrize("loss_first", [False, True], ids=["timeout first", "loss first"])
def test_a_timeout_around_wins_over_a_loss_in_the_same_turn(play: Play, stage: Stage, loss_first: bool) -> None:
    """`asyncio.timeout` around the block expires in the turn of the loss: TimeoutError comes out."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as around:
                async with stage.election().lead() as tenure:
                    if not loss_first:
                        around.reschedule(0)
                    stage.lose(tenure)
                    if loss_first:
                        around.reschedule(0)
                    await forever()
        assert cancelling() == 0

    play(main)


def test_a_timeout_around_cuts_the_clean_up_after_a_loss(play: Play, stage: Stage) -> None:
    """The body drains after the loss for longer than the timeout around it allows: TimeoutError comes out."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as around:
                async with stage.election().lead():
                    stage.service.revoke("e")
                    try:
                        await forever()
                    finally:
                        around.reschedule(0)
                        await forever()
        assert cancelling() == 0

    play(main)


def test_a_timeout_inside_is_its_own_affair(play: Play, stage: Stage) -> None:
    """`asyncio.timeout` in the body raises TimeoutError there, and the tenure goes on."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await forever()
            assert tenure.is_valid()

    play(main)


def test_a_body_that_swallows_the_cancellation_still_hears_of_the_loss(play: Play, stage: Stage) -> None:
    """It catches CancelledError and ends normally: LeadershipLost comes out of the block all the same."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead():
                stage.service.revoke("e")
                with suppress(asyncio.CancelledError):
                    await forever()
                await asyncio.sleep(0)  # it is not interrupted again at once
        assert cancelling() == 0

    play(main)


def test_a_body_that_has_left_before_it_could_be_told_lost_nothing(play: Play, stage: Stage) -> None:
    """The loss is on its way while the body ends; no cancellation hits the task afterwards."""

    async def main() -> None:
        election = stage.election()
        with suppress(LeadershipLost):
            async with election.lead():
                stage.service.revoke("e")
        for _ in range(20):
            await asyncio.sleep(0)
        hear()
        for _ in range(20):
            await asyncio.sleep(0)
        assert cancelling() == 0

    play(main)


def test_a_body_that_ends_after_the_loss_without_having_heard_of_it_is_told_at_the_end(
    play: Play, stage: Stage
) -> None:
    """It never awaited since the loss, so no cancellation reached it: the handle knows, and the block raises."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                stage.lose(tenure)
        assert cancelling() == 0
        await asyncio.sleep(0)

    play(main)


def test_the_bodys_own_error_goes_on_with_a_note(play: Play, stage: Stage) -> None:
    """It raises while it is being cancelled: its error comes out, and says that the tenure was lost."""

    async def main() -> None:
        with pytest.raises(ValueError, match="clean-up") as caught:
            async with stage.election().lead():
                stage.service.revoke("e")
                try:
                    await forever()
                finally:
                    raise ValueError("clean-up")
        assert "was lost (deposed)" in caught.value.__notes__[0]
        assert cancelling() == 0

    play(main)


def test_the_bodys_own_error_without_a_loss_has_no_note(play: Play, stage: Stage) -> None:
    """It raises while it leads: the error comes out as it is, and the grant was given back."""

    async def main() -> None:
        with pytest.raises(ValueError, match="mine") as caught:
            async with stage.election().lead():
                raise ValueError("mine")
        assert not hasattr(caught.value, "__notes__")
        assert stage.leader() is None

    play(main)


def test_the_bodys_own_error_beside_an_outer_cancellation_goes_on(play: Play, stage: Stage) -> None:
    """Lost and cancelled from outside, and the clean-up fails: the clean-up's error comes out of the task."""

    async def main() -> None:
        begun: list[Tenure] = []

        async def body() -> None:
            async with stage.election().lead() as tenure:
                begun.append(tenure)
                try:
                    await forever()
                finally:
                    raise ValueError("clean-up")

        task = asyncio.create_task(body())
        await until(lambda: begun)
        stage.lose(begun[0])
        task.cancel()
        with pytest.raises(ValueError, match="clean-up"):
            await task

    play(main)


def test_a_loss_while_the_loop_is_blocked_waits_in_its_queue(play: Play, stage: Stage) -> None:
    """The handle tells at once, the cancellation comes with the next await."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                stage.service.revoke("e")
                wait_until(lambda: not tenure.is_valid())  # blocks this loop
                with pytest.raises(LeadershipLost):
                    tenure.check()
                await forever()

    play(main)


def test_a_cancellation_from_before_the_block_is_not_counted(play: Play, stage: Stage) -> None:
    """The task was cancelled once and went on; entering with a count of one, a loss is a loss, and one is left."""

    async def main() -> None:
        async def body() -> int:
            with suppress(asyncio.CancelledError):
                await forever()
            with pytest.raises(LeadershipLost):
                async with stage.election().lead():
                    stage.service.revoke("e")
                    await forever()
            return cancelling()

        task = asyncio.create_task(body())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == 1

    play(main)


def test_no_cancellation_is_left_behind_when_the_task_was_about_to_go_on(play: Play, stage: Stage) -> None:
    """The loss comes in the turn in which what the body awaits is done: it is cancelled once, and never again."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                done: asyncio.Future[None] = loop.create_future()
                loop.call_soon(done.set_result, None)
                stage.lose(tenure)
                await done
                await forever()
        for _ in range(5):
            await asyncio.sleep(0)
        assert cancelling() == 0

    play(main)


def test_resigning_inside_the_body_leaves_no_cancellation_behind(play: Play, stage: Stage) -> None:
    """`tenure.resign()` is called by the task itself, which then leaves without another await."""

    async def main() -> None:
        with suppress(LeadershipLost):
            async with stage.election().lead() as tenure:
                tenure.resign()
        for _ in range(5):
            await asyncio.sleep(0)
        assert cancelling() == 0
        assert stage.leader() is None

    play(main)


def test_resigning_ends_the_body_with_its_reason(play: Play, stage: Stage) -> None:
    """Whoever resigns and works on is cancelled, with RESIGNED."""

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election().lead() as tenure:
                tenure.resign()
                await forever()
        assert caught.value.reason is Reason.RESIGNED

    play(main)


def test_a_swallowed_cancellation_is_told_again_at_half_the_grace(play: Play, stage: Stage) -> None:
    """On Python 3.11 `wait_for` swallows a cancellation that comes with the result; the second one ends the body."""

    async def main() -> None:
        loop, went_on = asyncio.get_running_loop(), []
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                done: asyncio.Future[None] = loop.create_future()
                tenure.resign()
                wait_until(lambda: not tenure.is_valid())
                hear()
                loop.call_soon(done.set_result, None)
                with suppress(asyncio.CancelledError):
                    await asyncio.wait_for(done, 60)
                went_on.append(1)
                stage.clock.advance(3.75 / 2)
                await forever()
        assert went_on
        assert cancelling() == 0

    play(main)


def test_a_swallowed_cancellation_is_not_told_again_earlier(stage: Stage) -> None:
    """Just before half the grace the body still drains undisturbed."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                tenure.resign()
                with suppress(asyncio.CancelledError):
                    await forever()
                stage.clock.advance(3.75 / 2 - 0.01)
                hear()
                for _ in range(5):
                    await asyncio.sleep(0)
                stage.clock.advance(0.01)
                with pytest.raises(asyncio.CancelledError):
                    await forever()

    asyncio.run(main())


def test_a_context_variable_set_around_the_body_is_seen_inside(play: Play, stage: Stage) -> None:
    """Entering runs in the caller's task, so what it sets there is seen by the body, its threads and its tasks."""
    token: contextvars.ContextVar[int] = contextvars.ContextVar("token", default=0)

    async def main() -> None:
        async with stage.election().lead() as tenure:
            token.set(tenure.token)
            assert await tenure.to_thread(token.get) == 1

            async def child() -> int:
                return token.get()

            assert await asyncio.create_task(child()) == 1

    play(main)


def test_L18_a_lead_object_is_used_once(play: Play, stage: Stage) -> None:
    """Entering it again is refused with words, also after it was left; another `lead()` works."""

    async def main() -> None:
        election = stage.election()
        lead = election.lead()
        async with lead:
            with pytest.raises(ConfigurationError, match="used before"):
                await lead.__aenter__()
        with pytest.raises(ConfigurationError, match="used before"):
            await lead.__aenter__()
        async with election.lead() as tenure:
            assert tenure.token == 2

    play(main)


def test_the_same_election_twice_in_one_task_is_refused(play: Play, stage: Stage) -> None:
    """It would wait for itself; the outer tenure goes on, and another task may stand."""

    async def main() -> None:
        backend = stage.backend()
        async with Election("e", backend, candidate="a").lead() as tenure:
            with pytest.raises(ConfigurationError, match="already"):
                async with Election("e", backend, candidate="b").lead():
                    raise AssertionError
            assert tenure.is_valid()
            task = asyncio.create_task(lead_until_lost(Election("e", backend, candidate="c")))
            await until(lambda: stage.waiting() == ["c"])
            task.cancel()
        async with Election("e", backend, candidate="a").lead():
            assert stage.leader() == "a"

    play(main)


def test_left_in_another_task_it_is_released_and_said(play: Play, stage: Stage) -> None:
    """An async generator that is closed by another task: the grant goes back, and an error says what happened."""

    async def main() -> None:
        async def generate() -> AsyncGenerator[Tenure, None]:
            async with stage.election().lead() as tenure:
                yield tenure

        generator = generate()
        await asyncio.create_task(anext(generator))  # its host has ended when the loss comes
        assert stage.leader() == "a"
        with pytest.raises(ConfigurationError, match="another task"):
            await asyncio.create_task(generator.aclose())
        assert stage.leader() is None

    play(main)


def test_a_loss_whose_task_has_ended_harms_nobody(play: Play, stage: Stage) -> None:
    """The body is in a generator whose host task is gone: cancelling it does nothing, closing it raises the loss."""

    async def main() -> None:
        tenures: list[Tenure] = []

        async def generate() -> AsyncGenerator[Tenure, None]:
            async with stage.election().lead() as tenure:
                tenures.append(tenure)
                yield tenure

        generator = generate()
        await asyncio.create_task(anext(generator))
        stage.lose(tenures[0])
        await asyncio.sleep(0)
        with pytest.raises(ConfigurationError, match="another task"):
            await asyncio.create_task(generator.aclose())

    play(main)


def test_to_thread_is_not_left_before_its_function_has_ended(play: Play, stage: Stage) -> None:
    """L5: the tenure is lost while a thread works; the grant is released only after the thread has ended."""

    async def main() -> None:
        working, may_end, ended = threading.Event(), threading.Event(), []

        def work() -> None:
            working.set()
            may_end.wait(30)
            ended.append(stage.leader())

        async def body() -> None:
            async with stage.election().lead() as tenure:
                asyncio.get_running_loop().call_later(0, tenure.resign)
                await tenure.to_thread(work)

        task = asyncio.create_task(body())
        await until(working.is_set)
        await until(lambda: task.cancelling() == 1 or task.done())
        was_done = task.done()
        may_end.set()
        assert not was_done
        with pytest.raises(LeadershipLost):
            await task
        assert ended == ["a"]

    play(main)


def test_L4_to_thread_does_not_begin_after_the_loss(play: Play, stage: Stage) -> None:
    """Every thread is busy while the tenure is lost: what was queued never runs, in the body or beside it."""

    async def main() -> None:
        occupied, may_end = threading.Event(), threading.Event()
        ran: list[str] = []

        def occupy() -> None:
            occupied.set()
            may_end.wait(30)

        async def body(elected: asyncio.Future[Tenure]) -> None:
            async with stage.election().lead() as tenure:
                elected.set_result(tenure)
                await tenure.to_thread(ran.append, "in the body")

        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, occupy)
        await until(occupied.is_set)
        elected: asyncio.Future[Tenure] = loop.create_future()
        leading = asyncio.create_task(body(elected))
        tenure = await elected
        beside = asyncio.create_task(tenure.to_thread(ran.append, "beside it"))
        await asyncio.sleep(0)
        stage.lose(tenure)
        may_end.set()
        await busy
        with pytest.raises(LeadershipLost):
            await beside
        with pytest.raises(LeadershipLost):
            await leading
        assert ran == []

    play(main)


def test_to_thread_returns_and_raises_what_its_function_does(play: Play, stage: Stage) -> None:
    """Arguments go in, the result or the error comes out."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            assert await tenure.to_thread(divmod, 7, 2) == (3, 1)
            with pytest.raises(ZeroDivisionError):
                await tenure.to_thread(divmod, 1, 0)

    play(main)


def test_wait_lost_tells_a_task_beside_the_body(play: Play, stage: Stage) -> None:
    """It returns the reason of the loss."""

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure:
                beside = asyncio.create_task(tenure.wait_lost())
                await asyncio.sleep(0)
                assert not beside.done()
                stage.service.revoke("e")
                await forever()
        assert await beside is Reason.DEPOSED

    play(main)


def test_wait_lost_ends_when_the_body_was_left(play: Play, stage: Stage) -> None:
    """Nobody waits for ever for the loss of a tenure that has ended in good order."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            beside = asyncio.create_task(tenure.wait_lost())
            await asyncio.sleep(0)
        assert await beside is Reason.RESIGNED

    play(main)
