"""What a damaged tenure's refusal advises works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tenure.backends.base import TOKEN_LIMIT
from tenure.clock import ManualClock
from tenure.errors import BackendRefused
from tests.backends.lease.scenes import ELECTION, backend, play, try_once, win


@pytest.mark.parametrize("damaged", [1, 2, 3])
def test_the_floor_that_is_advised_is_one_that_can_be_set(tmp_path: Path, damaged: int) -> None:
    """Whichever tenure is damaged: a floor below the last one would go back."""
    clock = ManualClock()

    async def scene() -> None:
        async with backend(tmp_path, clock) as one:
            for _ in range(3):
                await (await win(one)).release()
            (tmp_path / ELECTION / "tenures" / str(damaged)).write_bytes(b"xxx")
            with pytest.raises(BackendRefused) as refused:
                await try_once(one)
            advised = re.search(rf"tenure doctor {ELECTION} --floor (\d+)", str(refused.value))
            assert advised is not None
            await one.floor(ELECTION, int(advised[1]))
            assert (await win(one)).granted.token > 3

    play(scene())


def test_a_damaged_tenure_that_no_floor_is_above_can_be_removed(tmp_path: Path) -> None:
    """No token is greater, so the message names the file, and what it says works."""
    clock = ManualClock()
    path = tmp_path / ELECTION / "tenures" / str(TOKEN_LIMIT)

    async def scene() -> None:
        async with backend(tmp_path, clock) as one:
            await (await win(one)).release()
            path.write_bytes(b"xxx")
            with pytest.raises(BackendRefused, match=f"then remove {path}"):
                await try_once(one)
            path.unlink()
            assert (await win(one)).granted.token == 2

    play(scene())
