"""Runs in which nodes crash, come back, join and leave faster than elections end; then comes the calm.

`tenure hunt` draws the same faults on fair links. Here messages take up to the bound that the algorithm trusts, so that
what is under way crosses what happens. Groups have three to nine nodes, and up to three more join.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tenure.algorithms import bully, ring
from tenure.core.effects import Effect
from tenure.core.elector import Elector
from tenure.core.events import Asked, Event, Received
from tenure.core.model import Links
from tenure.simulator import Surroundings, simulate
from tenure.simulator.network import MS
from tenure.simulator.run import Run
from tests.algorithms.flurries import flurry

COMINGS = ("crash", "blink", "join", "leave")


class Haunted(ring.Ring):
    """A ring to which the number of a node that is no more comes back, in a round of its own, when somebody asks."""

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        others = sorted(self.members - {self.me})
        if isinstance(event, Asked) and others:
            event = Received(others[-1], ring.Election(self.term + 1, 999))
        return super().handle(event, now_ns)


class OnAnyLinks(ring.Ring):
    """A ring outside its model: messages are repeated, and overtake one another."""

    assumes = msgspec.structs.replace(ring.Ring.assumes, links=Links.LOSSY)


class Storm(NamedTuple):
    """One algorithm with what it is told, and what strikes it; latencies and detection go from 0 to so many ms."""

    kind: type[Elector]
    settings: object
    latency_ms: int
    detect_ms: int
    faults: tuple[str, ...]


_FAST = ring.Settings(hop_ns=100 * MS)
STORMS = {
    "bully": Storm(bully.Bully, bully.Settings(), 500, 1_000, COMINGS),
    "ring": Storm(ring.Ring, _FAST, 50, 300, COMINGS),
    "ring, haunted": Storm(Haunted, _FAST, 50, 300, (*COMINGS, "ask")),
    "ring, copies": Storm(OnAnyLinks, _FAST, 100, 300, (*COMINGS, "duplicate")),
}


def storm(name: str, seed: int) -> Run:
    """One run to its end."""
    kind, settings, latency_ms, detect_ms, faults = STORMS[name]
    return simulate(
        kind,
        nodes=3 + seed % 7,
        seed=seed,
        faults=faults,
        detector="told",
        settings=settings,
        surroundings=Surroundings(
            least_ns=0,
            most_ns=latency_ms * MS,
            detect_least_ns=0,
            detect_most_ns=detect_ms * MS,
            news_least_ns=0,
            news_most_ns=detect_ms * MS,
        ),
        trace=False,
    )


def violated(name: str, seed: int) -> list[str]:
    """What the checkers object to in one storm or flurry, with the call that shows it again."""
    strike = storm if name in STORMS else flurry
    again = f"{strike.__name__}({name!r}, {seed})"
    return [f"{violation.checker}: {violation.text}; again: {again}" for violation in strike(name, seed).violations]
