"""The delay of a takeover: owed to a leader that died, whoever was elected in between."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tenure import LeadershipLost
from tests.election.stage import Stage, lead_until_lost, settle, until


def test_a_candidate_that_gives_up_while_it_is_held_back_leaves_the_delay_to_the_next(stage: Stage) -> None:
    """It never led, so the leader that was lost before it may still be at work: the next one waits as long."""

    async def main() -> None:
        begun: list[str] = []

        async def lead(name: str) -> None:
            async with stage.election(candidate=name, takeover_delay=10).lead():
                begun.append(name)

        with pytest.raises(LeadershipLost):
            await lead_until_lost(stage.election(candidate="lost"), stage.lose)
        for name in ("gives-up", "gives-up-too"):
            held_back = asyncio.ensure_future(lead(name))
            await until(partial(_leads, stage, name))
            await settle()
            held_back.cancel()
            await asyncio.wait([held_back])
            await until(partial(_leads, stage, None))
        last = asyncio.ensure_future(lead("last"))
        await until(partial(_leads, stage, "last"))
        await settle()
        assert begun == []
        for _ in range(11):
            stage.clock.advance(1)
            await settle()
        await last
        assert begun == ["last"]

    asyncio.run(main())


def _leads(stage: Stage, name: str | None) -> bool:
    return stage.leader() == name
