"""Task groups and cancel scopes, inside a body and around it."""

from __future__ import annotations

import asyncio

import pytest

from tenure import LeadershipLost
from tenure.backends.memory import Delay
from tests.election.stage import Play, Stage, cancelling, forever, lead_until_lost, until

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("body_waits", [True, False], ids=["in the group", "at the group's end"])
def test_a_loss_ends_a_task_group_inside_the_body(play: Play, stage: Stage, body_waits: bool) -> None:
    """Its tasks are cancelled and have ended when LeadershipLost comes out, alone and not in a group."""

    async def main() -> None:
        gone: list[str | None] = []

        async def child() -> None:
            try:
                await forever()
            finally:
                gone.append(stage.leader("e2"))

        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure, asyncio.TaskGroup() as group:
                group.create_task(child())
                group.create_task(child())
                await asyncio.sleep(0)
                asyncio.get_running_loop().call_soon(tenure.resign)
                if body_waits:
                    await forever()
        assert len(gone) == 2
        assert cancelling() == 0

    play(main)


def test_a_child_that_fails_while_it_is_cancelled_comes_out_as_the_group_with_a_note(play: Play, stage: Stage) -> None:
    """The body's own error goes on: here it is the group's."""

    async def main() -> None:
        async def child() -> None:
            try:
                await forever()
            finally:
                raise ValueError("clean-up")

        with pytest.raises(BaseExceptionGroup) as caught:
            async with stage.election().lead() as tenure, asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.sleep(0)
                tenure.resign()
        assert "was lost (resigned)" in caught.value.__notes__[0]
        assert cancelling() == 0

    play(main)


def test_a_sibling_that_fails_ends_a_leader_in_a_task_group(play: Play, stage: Stage) -> None:
    """The group cancels the leader from outside: no LeadershipLost comes out, and the grant is given back."""

    async def main() -> None:
        async def fail() -> None:
            await until(lambda: stage.leader() == "a")
            raise ValueError

        with pytest.raises(BaseExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(lead_until_lost(stage.election()))
                group.create_task(fail())
        assert caught.value.subgroup(LeadershipLost) is None
        await until(lambda: stage.leader() is None)  # it may have been cancelled before its body had begun

    play(main)


def test_a_loss_in_a_task_group_ends_its_siblings(play: Play, stage: Stage) -> None:
    """LeadershipLost of one task is an error of its group, as any other is."""

    async def main() -> None:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(lead_until_lost(stage.election()))
                group.create_task(forever())
                await until(lambda: stage.leader() == "a")
                stage.service.revoke("e")
        assert caught.value.subgroup(LeadershipLost) is not None

    play(main)


@pytest.mark.needs("anyio")
def test_a_loss_ends_an_anyio_group_inside_the_body(play: Play, stage: Stage) -> None:
    """anyio's own cancellation, which is told again and again, is not taken for one from outside."""
    import anyio

    async def main() -> None:
        with pytest.raises(LeadershipLost):
            async with stage.election().lead() as tenure, anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                asyncio.get_running_loop().call_soon(tenure.resign)
                await anyio.sleep_forever()
        assert cancelling() == 0

    play(main)


@pytest.mark.needs("anyio")
def test_an_anyio_scope_around_the_body_is_what_ends_it(play: Play, stage: Stage) -> None:
    """The scope catches its own cancellation; the grant was given back before, however often it was told."""
    import anyio

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with stage.election().lead():
                asyncio.get_running_loop().call_soon(scope.cancel)
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert stage.leader() is None
        assert cancelling() == 0

    play(main)


@pytest.mark.needs("anyio")
def test_an_anyio_scope_around_the_body_waits_for_a_slow_release(play: Play, stage: Stage) -> None:
    """The release takes its time while the scope cancels in every turn of the loop: the block is left after it."""
    import anyio

    async def main() -> None:
        stage.service.faults.add("release", Delay(answer_s=1), times=1)
        loop = asyncio.get_running_loop()

        def answer() -> None:
            if stage.leader() is None:
                stage.clock.advance(1)
            else:
                loop.call_later(0.001, answer)

        with anyio.CancelScope() as scope:
            async with stage.election().lead():
                loop.call_soon(scope.cancel)
                loop.call_later(0.001, answer)
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert stage.leader() is None
        assert cancelling() == 0

    play(main)


@pytest.mark.needs("anyio")
def test_a_loss_under_an_anyio_scope_is_a_loss(play: Play, stage: Stage) -> None:
    """A scope that nobody cancelled lets LeadershipLost through."""
    import anyio

    async def main() -> None:
        with pytest.raises(LeadershipLost), anyio.fail_after(60):
            async with stage.election().lead() as tenure:
                tenure.resign()
                await anyio.sleep_forever()
        assert cancelling() == 0

    play(main)
