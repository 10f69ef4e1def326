"""Nodes that are started at any moments agree, though the first words of each are said before its connections stand."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tenure.algorithms import bully, ring
from tenure.algorithms.bully import Bully
from tenure.algorithms.ring import Ring
from tenure.core.elector import Elector
from tenure.detectors.heartbeat import Settings as DetectorSettings
from tenure.detectors.watched import Watched
from tenure.runtime.assembly import assemble
from tenure.runtime.node import RuntimeNode
from tenure.runtime.patience import KEEP_BYTES, KEEP_NS, Patience
from tests.runtime.group import on_a_loop
from tests.runtime.test_membership import MS

AT_A_TIME = 10
WITHIN_S = 8.0
"""With nothing lost it takes a fifth of a second; what is lost is made up for after ten seconds, by these settings."""
KINDS = (Watched.over(Bully, bully.Settings(delay_ns=5000 * MS)), Watched.over(Ring, ring.Settings(hop_ns=5000 * MS)))


async def agree(folder: Path, kind: type[Elector], chance: random.Random) -> None:
    """Three nodes, each started within a fifth of a second, all take node 3 for their leader in the end."""
    addresses = {name: f"unix:{folder}/{name}" for name in "abc"}
    nodes: list[RuntimeNode] = []

    async def start(name: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        peers = {other: address for other, address in addresses.items() if other != name}
        settings = DetectorSettings(every_ns=100 * MS, timeout_ns=10_000 * MS)
        node = assemble(name, addresses[name], peers, kind, settings)
        nodes.append(node)
        await node.start()

    try:
        await asyncio.gather(*(start(name, chance.random() / 5) for name in addresses))
        async with asyncio.timeout(WITHIN_S):
            while {node.elector.leader for node in nodes} != {3}:  # noqa: ASYNC110  the electors' own state rings no bell
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError({node.me.name: node.elector.leader for node in nodes}) from None
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_hundred_groups_whose_nodes_start_at_random_moments_agree(kind: type[Elector], folder: Path) -> None:
    """Real sockets, ten groups at a time; the seed draws the moments, and the machine the rest."""

    @on_a_loop
    async def scene() -> None:
        chance = random.Random(f"starting/{kind.name}")
        for batch in range(100 // AT_A_TIME):
            places = [folder / f"{batch}-{number}" for number in range(AT_A_TIME)]
            for place in places:
                place.mkdir()
            await asyncio.gather(*(agree(place, kind, chance) for place in places))

    scene()


def test_what_waits_for_a_peer_is_bounded_in_time_and_in_bytes() -> None:
    """In order; what is too old is dropped, and what is too much is not taken."""
    now = [0]
    patience = Patience(lambda: now[0])
    assert patience.keep(2, b"old")
    now[0] = KEEP_NS - 1
    assert patience.keep(2, b"one")
    assert patience.keep(2, b"two")
    now[0] = KEEP_NS
    assert patience.take(2) == [b"one", b"two"]
    assert patience.take(2) == []
    assert patience.keep(2, bytes(KEEP_BYTES))
    assert not patience.keep(2, b"x")
    assert patience.keep(3, b"x"), "each peer has room of its own"
    patience.forget(2)
    assert patience.take(2) == []
    assert patience.take(3) == [b"x"]
