"""The published message counts of the classic algorithms, each beside what the electors that ship send.

Every message between two nodes counts once, when it leaves, to the dead as well; announcements count, and nobody sends
heartbeats. `n` nodes have the numbers 1 to n, `r` is the one that starts, and H_n is the n-th harmonic number. Nothing
is lost, every message takes the same time, and who is dead is noticed by `r`, by the others when its election is over.

Sources: Garcia-Molina 1982 for bully, in the form with answers of the textbooks; Chang and Roberts 1979 for the ring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import msgspec

from tenure.algorithms import bully, ring
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.core.words import by_kind
from tenure.durations import NS_PER_S
from tenure.simulator import faults
from tenure.simulator.faults import AnyFault
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.network import MS
from tenure.simulator.news import News
from tenure.simulator.surroundings import Surroundings
from tenure.simulator.world import World

RINGS = 400
"""Random rings whose mean is taken; its standard error is below 1 % for 8 nodes and more."""
_NOBODY_IS_TOLD_NS = 1_000_000 * NS_PER_S
_SILENT_NS = 1_000 * NS_PER_S
"""After so long a group is silent again, whatever has happened."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A published number of messages beside ours; `exact` says that they must be equal."""

    algorithm: str
    case: str
    n: int
    published: float
    formula: str
    measured: float
    exact: bool = True
    kinds: dict[str, int] = {}
    """What we sent, by kind; of all runs together where a mean was taken."""


def _group(kind: type[Elector], order: tuple[NodeId, ...], settings: object) -> tuple[World, Nemesis]:
    """A group that has elected its greatest and fallen silent, with nothing counted so far."""
    surroundings = Surroundings(
        least_ns=MS,
        most_ns=MS,
        is_told=True,
        detect_least_ns=_NOBODY_IS_TOLD_NS,
        detect_most_ns=_NOBODY_IS_TOLD_NS,
    )
    world = World(kind, order, settings=settings, surroundings=surroundings)
    nemesis = Nemesis(world, News(world))
    world.start()
    return world, nemesis


def _count(world: World, nemesis: Nemesis, *strokes: AnyFault) -> dict[str, int]:
    """What a silent group sends because of these, until it is silent again."""
    world.run(world.now_ns + _SILENT_NS)
    world.sent.clear()
    for stroke in strokes:
        nemesis.strike(stroke)
    world.run(world.now_ns + _SILENT_NS)
    assert len({elector.leader for elector in world.electors.values()}) == 1, "no agreement, so nothing was counted"
    return by_kind(world.sent)


def bully_after_death(n: int, r: int) -> dict[str, int]:
    """The coordinator n is dead, and r notices; the others do when its election is over, five delays later."""
    settings = bully.Settings(delay_ns=10 * MS)
    world, nemesis = _group(bully.Bully, tuple(range(1, n + 1)), settings)
    for other in range(1, n):
        after_ns = 1 if other == r else 5 * settings.delay_ns
        nemesis.at(world.now_ns + _SILENT_NS + after_ns, faults.FalseAlarm(other, n))
    return _count(world, nemesis, faults.Crash(n))


def bully_false_alarm(n: int, r: int) -> dict[str, int]:
    """Nobody is dead, and r thinks for a moment that n is."""
    world, nemesis = _group(bully.Bully, tuple(range(1, n + 1)), bully.Settings(delay_ns=10 * MS))
    return _count(world, nemesis, faults.FalseAlarm(r, n), faults.AllClear(r, n))


def ring_when_all_start(order: tuple[NodeId, ...]) -> dict[str, int]:
    """All nodes of this ring start at once."""
    world, _ = _group(ring.Ring, order, ring.Settings(order=order))
    world.run(1_000 * NS_PER_S)
    assert {elector.leader for elector in world.electors.values()} == {max(order)}
    return by_kind(world.sent)


def ring_when_one_starts(n: int) -> dict[str, int]:
    """Only the node just after the greatest starts: it thinks for a moment that the greatest is dead."""
    order = (n, *range(1, n))
    world, nemesis = _group(ring.Ring, order, ring.Settings(order=order))
    return _count(world, nemesis, faults.FalseAlarm(1, n), faults.AllClear(1, n))


def bully_figures(n: int) -> Iterator[Figure]:
    """Those of n nodes, at least 3."""
    worst = bully_after_death(n, 1)
    yield Figure(
        algorithm="bully",
        case="the coordinator is dead, the lowest starts (worst)",
        n=n,
        published=n * n - n - 1,
        formula="n^2 - n - 1",
        measured=sum(worst.values()),
        kinds=worst,
    )
    every = [bully_after_death(n, r) for r in range(1, n)]
    yield Figure(
        algorithm="bully",
        case="the coordinator is dead, mean over who starts",
        n=n,
        published=n * (2 * n - 1) / 6 + n - 2,
        formula="n (2n - 1) / 6 + n - 2",
        measured=sum(sum(sent.values()) for sent in every) / (n - 1),
        kinds=_added(every),
    )
    alarm = bully_false_alarm(n, 1)
    yield Figure(
        algorithm="bully",
        case="nobody is dead, the lowest starts (worst)",
        n=n,
        published=n * n - 1,
        formula="n^2 - 1",
        measured=sum(alarm.values()),
        kinds=alarm,
    )


def ring_figures(n: int) -> Iterator[Figure]:
    """Those of a ring of n nodes, at least 3: of two, who misses the other is alone."""
    by_order: tuple[tuple[str, tuple[NodeId, ...], int, str], ...] = (
        ("all start, numbers fall (worst)", tuple(range(n, 0, -1)), n * (n + 1) // 2 + n, "n (n + 1) / 2 + n"),
        ("all start, numbers rise (best)", tuple(range(1, n + 1)), 3 * n - 1, "2n - 1 + n"),
    )
    for case, order, published, formula in by_order:
        sent = ring_when_all_start(order)
        yield Figure(
            algorithm="ring",
            case=case,
            n=n,
            published=published,
            formula=formula,
            measured=sum(sent.values()),
            kinds=sent,
        )
    one = ring_when_one_starts(n)
    yield Figure(
        algorithm="ring",
        case="one starts, just after the greatest",
        n=n,
        published=3 * n - 1,
        formula="3n - 1",
        measured=sum(one.values()),
        kinds=one,
    )
    chance = Random(f"rings of {n}")
    rings = [ring_when_all_start(tuple(sorted(range(1, n + 1), key=lambda _: chance.random()))) for _ in range(RINGS)]
    total = _added(rings)
    yield Figure(
        algorithm="ring",
        case=f"all start, mean over {RINGS} random rings",
        n=n,
        published=n * sum(1 / k for k in range(1, n + 1)) + n,
        formula="n H_n + n",
        measured=sum(total.values()) / RINGS,
        exact=False,
        kinds=total,
    )


FIGURES: dict[str, Callable[[int], Iterator[Figure]]] = {"bully": bully_figures, "ring": ring_figures}
"""By the name of the algorithm."""


def _added(counts: list[dict[str, int]]) -> dict[str, int]:
    kinds = sorted({kind for sent in counts for kind in sent})
    return {kind: sum(sent.get(kind, 0) for sent in counts) for kind in kinds}
