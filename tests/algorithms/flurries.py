"""Some strokes within a few delays, on links and detectors as slow as their bounds, and then nothing but calm.

In a storm a later stroke mends what an earlier one spoilt: here who is down stays down, and who was misled is on his
own. Newcomers come below, between and above those who are there, and news of them come late. In wide ones detectors are
slower still and raise false alarms, strokes come while the first election is held, and the ring has any order.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import msgspec

from tenure.algorithms import bully, ring
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.simulator import Scenario, Surroundings, simulate
from tenure.simulator.faults import AllClear, AnyFault, Crash, FalseAlarm, Join, Leave, Restart, Stroke
from tenure.simulator.network import MS
from tenure.simulator.run import Run

DELAY_NS = 100 * MS
CALM_S, WIDE_CALM_S = 25, 40


class Flurry(NamedTuple):
    """One algorithm, and how much may go wrong."""

    kind: type[Elector]
    settings: bully.Settings | ring.Settings
    is_wide: bool = False


_BULLY, _RING = bully.Settings(delay_ns=DELAY_NS), ring.Settings(hop_ns=DELAY_NS)
FLURRIES = {
    "bully, flurry": Flurry(bully.Bully, _BULLY),
    "ring, flurry": Flurry(ring.Ring, _RING),
    "bully, wide flurry": Flurry(bully.Bully, _BULLY, is_wide=True),
    "ring, wide flurry": Flurry(ring.Ring, _RING, is_wide=True),
}


class _Drawn:
    """Who lives, who is down, and what has struck so far."""

    def __init__(self, chance: Random, nodes: tuple[NodeId, ...], *, alarms: bool) -> None:
        self.strokes: list[Stroke] = []
        self.alive, self.down, self.free = set(nodes), set[NodeId](), [1, 3, 5, 7, 9]
        self._chance, self._alarms = chance, alarms

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
        if self._alarms and len(self.alive) > 1:
            acts["alarm"] = lambda: self._alarm(at_ns)
        self.strokes.append(Stroke(at_ns, acts[self.any(acts)]()))

    def _alarm(self, at_ns: int) -> AnyFault:
        """It ends within six delays."""
        node = self.any(self.alive)
        peer = self.any((self.alive | self.down) - {node})
        self.strokes.append(Stroke(at_ns + 1 + int(self._chance.random() ** 2 * 6 * DELAY_NS), AllClear(node, peer)))
        return FalseAlarm(node, peer)

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
    kind, settings, is_wide = FLURRIES[name]
    chance = Random(f"{seed}/flurry")
    nodes = (2, 4, 6, 8)[: 2 + int(chance.random() * 3)]
    drawn = _Drawn(chance, nodes, alarms=is_wide)
    detect, news = drawn.any((0, 1, 3, 8, 20) if is_wide else (0, 1, 3)), drawn.any((0, 1, 3, 12))
    at_ns = DELAY_NS * drawn.any((0, 1, 2, 5, 8, 16) if is_wide else (1, 2, 5, 8, 16)) // 2
    for _ in range(2 + int(chance.random() * 5)):
        drawn.strike(at_ns)
        if chance.random() < 0.8:
            at_ns += int(chance.random() ** 2 * 4 * DELAY_NS)
    strokes = sorted(drawn.strokes, key=lambda stroke: stroke.at_ns)
    if is_wide and isinstance(settings, ring.Settings):
        settings = msgspec.structs.replace(settings, order=tuple(sorted(range(1, 10), key=lambda _: chance.random())))
    calm_ns = strokes[-1].at_ns + 1
    return simulate(
        kind,
        seed=seed,
        settings=settings,
        scenario=Scenario(
            nodes=nodes,
            until_ns=calm_ns + (WIDE_CALM_S if is_wide else CALM_S) * 1_000 * MS,
            detector="told",
            strokes=tuple(strokes),
            healed_ns=calm_ns,
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
