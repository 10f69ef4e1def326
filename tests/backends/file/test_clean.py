"""Whether the tenure before was closed in good order, when somebody was elected in between and never acted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tenure.backends.file import steps
from tests.backends.file.players import ELECTION
from tests.backends.file.scenes import backend, candidate, play, standing, until, win


async def die(directory: Path) -> None:
    """Lead, and let go as the dead do."""
    async with backend(directory) as doomed:
        await win(doomed)


def test_a_win_that_is_given_back_for_a_cancelled_campaign_hides_no_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody acted on it, so the next one is told of the death before it."""

    async def scene() -> None:
        await die(tmp_path)
        loop = asyncio.get_running_loop()
        write = steps.write_record
        async with backend(tmp_path) as only:
            campaign = asyncio.ensure_future(only.campaign(candidate("late"), once=False))

            def cancels(fd: int, data: bytes, offset: int) -> None:
                write(fd, data, offset)
                loop.call_soon_threadsafe(campaign.cancel)

            with monkeypatch.context() as patch:
                patch.setattr(steps, "write_record", cancels)
                with pytest.raises(asyncio.CancelledError):
                    await campaign
            after = await win(only, "next")
            assert (after.granted.token, after.granted.clean) == (3, False)

    play(scene())


def test_a_floor_hides_no_death(tmp_path: Path) -> None:
    """A floor is no tenure: how the last one ended still counts. Where nobody ever led, nothing was left open."""

    async def scene() -> None:
        await die(tmp_path)
        async with backend(tmp_path) as only:
            await only.floor(ELECTION, 40)
            await only.floor(ELECTION, 50)
            grant = await win(only)
            assert (grant.granted.token, grant.granted.clean) == (51, False)
            await grant.release()
            await only.floor(ELECTION, 60)
            assert (await win(only)).granted.clean
            await only.floor("new", 7)
            assert (await win(only, election="new")).granted.clean

    play(scene())


def test_a_candidate_is_favoured_by_who_never_acted(tmp_path: Path) -> None:
    """Giving back unused what was won works like every release: it wakes who is next, here the named one."""

    async def scene() -> None:
        await die(tmp_path)
        async with backend(tmp_path) as only:
            unused = await win(only, "unused")
            campaigns = {name: asyncio.ensure_future(only.campaign(candidate(name), once=False)) for name in "bc"}

            async def both_stand() -> bool:
                return sorted(await standing(only)) == ["b", "c"]

            await until(both_stand)
            await unused.release("c", acted=False)
            heir = await campaigns["c"]
            assert heir is not None
            assert not heir.granted.clean
            await heir.release()
            last = await campaigns["b"]
            assert last is not None
            assert last.granted.clean

    play(scene())
