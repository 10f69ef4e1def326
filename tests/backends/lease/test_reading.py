"""What a look at an election says about stamps that cannot be as they are."""

from __future__ import annotations

from pathlib import Path

from tenure.clock import ManualClock
from tests.backends.lease.scenes import ELECTION, backend, play, win

START_NS = 10**15


def test_a_stamp_from_the_future_is_told_of(tmp_path: Path) -> None:
    """Its holder read the clock before it wrote, so nobody who reads that clock finds it ahead: it is shown as odd."""
    ahead, behind = ManualClock(START_NS + 7 * 10**9), ManualClock(START_NS)

    async def scene() -> None:
        async with backend(tmp_path, ahead) as leading, backend(tmp_path, behind) as looking:
            await win(leading, "a")
            odd = (await looking.read(ELECTION)).leader
            usual = (await leading.read(ELECTION)).leader
            assert odd is not None
            assert usual is not None
            assert "7 s in the future" in odd.warning
            assert usual.warning == ""

    play(scene())
