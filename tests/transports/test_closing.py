"""Closing leaves nothing open, at whatever step a connection is then."""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

import pytest

from tests.transports.stage import NAMES, play, staged

LOOPS = pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))])


@LOOPS
@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
def test_whoever_closes_in_the_middle_of_anything_leaves_no_socket_open(tmp_path: Path, kind: str, loop: str) -> None:
    """All of three nodes dial all others, and close after so many turns of the loop, one after the other."""

    async def whole(turns: int) -> None:
        async with staged(kind, tmp_path / str(turns)) as stage:
            nodes = [await stage.node(name) for name in NAMES]
            for node in nodes:
                node.know(*(other for other in nodes if other is not node))
            for _ in range(turns):
                await asyncio.sleep(0)
            for node in nodes:
                await node.transport.close()

    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for turns in range(24):
            (tmp_path / str(turns)).mkdir()
            play(whole(turns), loop)
        gc.collect()
    assert [str(each.message) for each in caught if issubclass(each.category, ResourceWarning)] == []
