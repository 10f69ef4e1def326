"""Some strokes within a few delays, on links and detectors as slow as their bounds, and then nothing but calm.

In a storm a later stroke mends what an earlier one spoilt: here who is down stays down, and who was misled is on his
own. Newcomers come below, between and above those who are there, and news of them come late.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tenure.algorithms import bully, ring
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.simulator import Scenario, Surroundings, simulate
from tenure.simulator.faults import AnyFault, Crash, Join, Leave, Restart, Stroke
from tenure.simulator.network import MS
from tenure.simulator.run import Run

DELAY_NS = 100 * MS
CALM_S = 25
FLURRIES: dict[str, tuple[type[Elector], object]] = {
    "bully, flurry": (bully.Bully, bully.Settings(delay_ns=DELAY_NS)),
    "ring, flurry": (ring.Ring, ring.Settings(hop_ns=DELAY_NS)),
}


class _Drawn:
    """Who lives, who is down, and what has struck so far."""

    def __init__(self, chance: Random, nodes: tuple[NodeId, ...]) -> None:
        self.strokes: list[Stroke] = []
        self.alive, self.down, self.free = set(nodes), set[NodeId](), [1, 3, 5, 7, 9]
        self._chance = chance

    def any(self, things: Any) -> Any:
        return sorted(things)[int(self._chance.random() * len(things))]

    def strike(self, at_ns: int) -> None:
        acts: dict[str, Callable[[], AnyFault]] = {"blink": lambda: Restart(self.any(self.alive))}
        if len(self.alive) > 1:
            acts |= {"crash": self._crash, "leave": self._leave}
        if self.down:
            acts |= {"restart": self._restart, "restart too": self._restart}
        if len(self.free) > 3:
            acts["join"] = self._join
        self.strokes.append(Stroke(at_ns, acts[self.any(acts)]()))

    def _crash(self) -> AnyFault:
        node = self.any(self.alive)
        self.alive.discard(node)
        self.down.add(node)
        return Crash(node)

    def _leave(self) -> AnyFault:
        node = self.any(self.alive)
        self.alive.discard(node)
        return Leave(node)

    def _restart(self) -> AnyFault:
        node = self.any(self.down)
        self.down.discard(node)
        self.alive.add(node)
        return Restart(node)

    def _join(self) -> AnyFault:
        node = self.any(self.free)
        self.free.remove(node)
        self.alive.add(node)
        return Join(node)


def flurry(name: str, seed: int) -> Run:
    """One run to its end."""
    kind, settings = FLURRIES[name]
    chance = Random(f"{seed}/flurry")
    nodes = (2, 4, 6, 8)[: 2 + int(chance.random() * 3)]
    drawn = _Drawn(chance, nodes)
    detect, news = drawn.any((0, 1, 3)), drawn.any((0, 1, 3, 12))
    at_ns = DELAY_NS * drawn.any((1, 2, 5, 8, 16)) // 2
    for _ in range(2 + int(chance.random() * 5)):
        drawn.strike(at_ns)
        if chance.random() < 0.8:
            at_ns += int(chance.random() ** 2 * 4 * DELAY_NS)
    until_ns = at_ns + CALM_S * 1_000 * MS
    return simulate(
        kind,
        seed=seed,
        settings=settings,
        scenario=Scenario(
            nodes=nodes,
            until_ns=until_ns,
            detector="told",
            strokes=tuple(drawn.strokes),
            healed_ns=at_ns + 1,
            converging=tuple(sorted(drawn.alive)),
        ),
        surroundings=Surroundings(
            least_ns=0,
            most_ns=DELAY_NS,
            detect_least_ns=0,
            detect_most_ns=detect * DELAY_NS,
            news_least_ns=0,
            news_most_ns=news * DELAY_NS,
        ),
        trace=False,
    )
