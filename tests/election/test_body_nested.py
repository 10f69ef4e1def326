"""Tenures within tenures, and what a task does while it enters or leaves one."""

from __future__ import annotations

import asyncio

import pytest

from tenure import BackendUnreachable, LeadershipLost, NotElected, Tenure
from tenure.backends.memory import Delay, Hang, LoseAnswer
from tenure.holding.notices import Notice
from tests.election.stage import (
    LIMIT_S,
    Play,
    Stage,
    cancelling,
    forever,
    hear,
    heard,
    kinds,
    lead_until_lost,
    until,
    wait_until,
)

pytestmark = pytest.mark.versions


def test_the_loss_of_the_outer_tenure_ends_the_inner_one_first(play: Play, stage: Stage) -> None:
    """LeadershipLost names the outer election, and the inner grant was released before the outer one was let go."""

    async def main() -> None:
        order: list[str | None] = []
        outer = stage.election("outer")
        with pytest.raises(LeadershipLost) as caught:
            async with outer.lead():
                try:
                    async with stage.election("inner").lead():
                        stage.service.revoke("outer")
                        await forever()
                finally:
                    order.append(stage.leader("inner"))
        assert caught.value.election == "outer"
        assert order == [None]
        assert cancelling() == 0

    play(main)


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_when_both_are_lost_in_one_turn_the_outer_loss_comes_out(play: Play, stage: Stage, first: str) -> None:
    """In either order: what is around decides."""

    async def main() -> None:
        with pytest.raises(LeadershipLost) as caught:
            async with stage.election("outer").lead() as outer, stage.election("inner").lead() as inner:
                lost = {"outer": outer, "inner": inner}
                for name in (first, "inner" if first == "outer" else "outer"):
                    stage.lose(lost[name], name)
                await forever()
        assert caught.value.election == "outer"
        assert cancelling() == 0

    play(main)


def test_the_outer_loss_during_the_release_of_the_inner_one_comes_out(play: Play, stage: Stage) -> None:
    """The inner is lost first and its release is slow; the outer's cancellation comes meanwhile and is remembered."""

    async def main() -> None:
        stage.service.faults.add("release", Delay(request_s=1), election="inner", times=1)
        loop = asyncio.get_running_loop()
        tenures: list[Tenure] = []

        def lose_outer_during_release() -> None:
            if stage.service.faults.count("release"):
                stage.lose(tenures[0], "outer")
                loop.call_soon(stage.clock.advance, 1)
            else:
                loop.call_later(0.001, lose_outer_during_release)

        with pytest.raises(LeadershipLost) as caught:
            async with stage.election("outer").lead() as outer:
                tenures.append(outer)
                async with stage.election("inner").lead() as inner:
                    inner.resign()
                    lose_outer_during_release()
                    await forever()
        assert caught.value.election == "outer"
        assert stage.leader("inner") is None
        assert cancelling() == 0

    play(main)


def test_an_inner_release_that_hangs_is_left_to_the_keeper_inside_the_outers_grace(play: Play, stage: Stage) -> None:
    """The inner service does not answer; at half the outer's grace its block waits no longer, and nothing overruns."""

    async def main() -> None:
        stage.service.faults.add("release", Hang(), election="inner")
        loop = asyncio.get_running_loop()

        def pass_half_the_grace() -> None:
            if stage.service.faults.count("release"):
                stage.clock.advance(3.75 / 2 + 0.01)
            else:
                loop.call_later(0.001, pass_half_the_grace)

        with heard() as notices, pytest.raises(LeadershipLost) as caught:
            async with stage.election("outer").lead() as outer:
                async with stage.election("inner", lease=15).lead():  # its own release may take 5.25 s
                    outer.resign()
                    pass_half_the_grace()
                    await forever()
        assert caught.value.election == "outer"
        assert "Overran" not in kinds(notices, "outer")
        assert stage.leader("outer") is None

    play(main)


def test_L5_the_block_is_left_only_when_the_release_was_answered(play: Play, stage: Stage) -> None:
    """The release is under way for a while: whoever goes on after the block finds that nobody leads."""

    async def main() -> None:
        stage.service.faults.add("release", Delay(request_s=1), times=1)
        loop = asyncio.get_running_loop()

        def let_it_arrive() -> None:
            if stage.service.faults.count("release"):
                stage.clock.advance(1)
            else:
                loop.call_later(0.001, let_it_arrive)

        async with stage.election().lead():
            let_it_arrive()
        assert stage.leader() is None

    play(main)


def test_cancelled_while_it_stands_it_leaves_the_queue(play: Play, stage: Stage) -> None:
    """A candidate that is cancelled is not listed any more, and is not elected later."""

    async def main() -> None:
        async with stage.election(candidate="first").lead():
            task = asyncio.create_task(lead_until_lost(stage.election(candidate="second")))
            await until(lambda: stage.waiting() == ["second"])
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: stage.waiting() == [])
        assert stage.leader() is None

    play(main)


def test_cancelled_after_the_win_but_before_it_was_told_the_grant_goes_back(play: Play, stage: Stage) -> None:
    """The service has granted and the answer is under way when the task is cancelled: nobody leads in the end."""

    async def main() -> None:
        stage.service.faults.add("campaign", Delay(answer_s=1), times=1)
        task = asyncio.create_task(lead_until_lost(stage.election()))
        await until(lambda: stage.leader() == "a")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stage.clock.advance(1)
        await until(lambda: stage.leader() is None)

    play(main)


def test_cancelled_in_the_turn_in_which_it_is_told_of_the_win_the_grant_goes_back(play: Play, stage: Stage) -> None:
    """The win is in the task's hands and the cancellation comes before it has run: nobody leads in the end."""

    async def main() -> None:
        begun: list[Tenure] = []
        with heard() as notices:
            task = asyncio.create_task(lead_until_lost(stage.election(), begun.append))
            await asyncio.sleep(0)  # it stands now
            await asyncio.get_running_loop().run_in_executor(None, _wait_for_elected, notices)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until(lambda: stage.leader() is None)

    def _wait_for_elected(notices: list[Notice]) -> None:
        wait_until(lambda: "Elected" in kinds(notices))

    play(main)


def test_L3_a_tenure_lost_between_the_win_and_the_body_is_campaigned_on(play: Play, stage: Stage) -> None:
    """The loop is blocked while the tenure is won and lost: the body does not begin with it, but with the next one."""

    async def main() -> None:
        tokens: list[int] = []
        loop = asyncio.get_running_loop()

        def block_until_won_and_lost() -> None:
            wait_until(lambda: "Elected" in kinds(notices))
            stage.service.revoke("e")
            wait_until(lambda: "Lost" in kinds(notices))
            hear()

        with heard() as notices:
            loop.call_soon(block_until_won_and_lost)
            async with stage.election().lead() as tenure:
                tokens.append(tenure.token)
                assert tenure.is_valid()
        assert tokens == [2]
        assert stage.leader() is None

    play(main)


def test_not_elected_comes_out_after_the_wait(play: Play, stage: Stage) -> None:
    """Somebody else leads all the time: NotElected, which is a TimeoutError and says how long was waited."""

    async def main() -> None:
        async with stage.election(candidate="first").lead():
            task = asyncio.create_task(_lead(stage, wait=2.0))
            await until(lambda: stage.waiting() == ["second"])
            stage.clock.advance(2)
            with pytest.raises(NotElected) as caught:
                await task
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.waited_s == 2.0
            await until(lambda: stage.waiting() == [])

    play(main)


def test_one_try_does_not_wait(play: Play, stage: Stage) -> None:
    """With `wait=0` somebody else's tenure is the answer; the clock stands still meanwhile."""

    async def main() -> None:
        async with stage.election(candidate="first").lead():
            with pytest.raises(NotElected):
                await asyncio.create_task(_lead(stage, wait=0))

    play(main)


def test_L9_one_try_that_hangs_ends_within_the_limit_of_a_call(play: Play, stage: Stage) -> None:
    """The service takes the request and says nothing: BackendUnreachable, and what it may have granted goes back."""

    async def main() -> None:
        stage.service.faults.add("campaign", Hang(answered=True), times=1)
        task = asyncio.create_task(_lead(stage, wait=0))
        await until(lambda: stage.leader() == "second")
        stage.clock.advance(15 * 0.08 + 0.01)
        with pytest.raises(BackendUnreachable):
            await task
        await until(lambda: stage.leader() is None)

    play(main)


def test_one_try_whose_answer_is_lost_is_unreachable_and_gives_back(play: Play, stage: Stage) -> None:
    """Whether it was elected is unknown to it: it does not lead, and in the end nobody does."""

    async def main() -> None:
        stage.service.faults.add("campaign", LoseAnswer(), times=1)
        with pytest.raises(BackendUnreachable):
            await _lead(stage, wait=0)
        await until(lambda: stage.leader() is None)

    play(main)


def test_two_candidates_with_one_name_are_two_candidates(play: Play, stage: Stage) -> None:
    """The second waits for the first, as any other would; each has its own token."""

    async def main() -> None:
        async with stage.election(candidate="twin").lead() as first:
            task = asyncio.create_task(_lead(stage, candidate="twin"))
            await until(lambda: stage.waiting() == ["twin"])
            assert first.is_valid()
        assert await asyncio.wait_for(task, LIMIT_S) == 2

    play(main)


async def _lead(stage: Stage, *, wait: float | None = None, candidate: str = "second") -> int:
    async with stage.election(candidate=candidate).lead(wait=wait) as tenure:
        return tenure.token
