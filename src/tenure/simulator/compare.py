"""Algorithms side by side: one workload, the same for each, and what it cost.

The workload. All nodes start; once things have settled the leader crashes; it comes back; then the leader is cut off
with the smaller half of the others; then the links are whole again. Each of the five takes a stretch of the same
length. Who leads is the algorithm's choice, so each is hit where it hurts.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from tenure import trace
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.core.quorum import majority_of
from tenure.core.words import by_kind, kind_of
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import faults
from tenure.simulator.faults import AnyFault
from tenure.simulator.measures import Measures
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.news import News
from tenure.simulator.run import Setup, set_up
from tenure.simulator.world import World

STRETCH_NS = 20 * NS_PER_S
"""Longer than a failure detector, an election and a lease of the defaults take together."""
STRETCHES = ("start", "crash", "return", "cut", "heal")
FEWEST_NODES = 3
"""Of two, neither half is a majority."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What happened from one event of the workload until the next; times in seconds of true time."""

    event: str
    messages: dict[str, int]
    """By kind, of the whole stretch, heartbeats and renewals among them."""
    bytes: int
    until_agreed: int
    """Messages from the event until all that live and reach one another agreed, without heartbeats."""
    agreed_s: float | None
    """From the event until they agreed and stayed so; 0 where it disturbed nobody, None where they never did."""
    leaderless_s: float
    """Nobody believed that it leads."""
    two_leaders_s: float
    """Two or more believed it."""
    vacant_s: float
    """Nobody might act; only told of algorithms that give authority."""
    overlap_s: float
    """Two or more might act."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One algorithm on one workload: its stretches in the order of STRETCHES."""

    algorithm: str
    nodes: int
    seed: int
    has_authority: bool
    stretches: tuple[Stretch, ...]


class _Observer:
    """Follows one stretch after the other."""

    def __init__(self) -> None:
        self.world: World
        self.measures = Measures()
        self.disagreed_until_ns = 0
        """The last instant at which they did not agree."""
        self.sent_then = 0

    def observe(self, record: trace.Record) -> None:
        before_ns = self.measures.disagreeing_ns
        self.measures.see(record)
        if self.measures.disagreeing_ns != before_ns:
            self.disagreed_until_ns, self.sent_then = record.at_ns, _without_heartbeats(self.world)


def compare(
    algorithms: Iterable[str], nodes: Iterable[int], seeds: Iterable[int] = (0,), *, detector: str = "heartbeat"
) -> Iterator[Comparison]:
    """Each algorithm with each number of nodes on each seed, one after the other as they are done.

    Raises ConfigurationError for a name that is unknown, and for fewer than three nodes.
    """
    setups = [
        set_up(name, nodes=n, seed=seed, faults=(), detector=detector)
        for name in algorithms
        for n in _checked(nodes)
        for seed in seeds
    ]
    for setup in setups:
        yield _compared(setup)


def _checked(nodes: Iterable[int]) -> tuple[int, ...]:
    counts = tuple(nodes)
    if min(counts, default=FEWEST_NODES) < FEWEST_NODES:
        raise ConfigurationError(f"of fewer than {FEWEST_NODES} nodes no half is a majority; compare 3 or more")
    return counts


def _compared(setup: Setup) -> Comparison:
    observer = _Observer()
    world = observer.world = World(
        setup.kind,
        setup.nodes,
        seed=setup.seed,
        settings=setup.settings,
        surroundings=setup.surroundings,
        observers=[observer.observe],
        weighs=True,
    )
    nemesis = Nemesis(world, News(world))
    victim: NodeId | None = None
    stretches = []
    for number, event in enumerate(STRETCHES):
        if event in {"crash", "cut"}:
            victim = _leader(world)
        begin = _Snapshot(world, observer)
        if event == "start":
            world.start()
        elif victim is not None:
            nemesis.strike(_fault(event, victim, setup.nodes))
        world.run((number + 1) * STRETCH_NS)
        observer.measures.ended(world.now_ns)
        stretches.append(begin.stretch(event))
    return Comparison(
        algorithm=setup.kind.name.removesuffix("+heartbeat").removesuffix("+phi"),
        nodes=len(setup.nodes),
        seed=setup.seed,
        has_authority=Guarantee.ONE_AT_A_TIME in setup.kind.guarantees,
        stretches=tuple(stretches),
    )


def _fault(event: str, victim: NodeId, nodes: tuple[NodeId, ...]) -> AnyFault:
    match event:
        case "crash":
            return faults.Crash(victim)
        case "return":
            return faults.Restart(victim)
        case "cut":
            others = [node for node in nodes if node != victim]
            return faults.Partition(((victim, *others[: len(nodes) - majority_of(len(nodes)) - 1]),))
        case _:
            return faults.Heal()


def _leader(world: World) -> NodeId | None:
    """Who may act; where nobody may, who believes that it leads."""
    holders = [number for number, node in sorted(world.nodes.items()) if node.held is not None]
    leading = [number for number, elector in world.electors.items() if elector.leader == number]
    return next(iter((*holders, *reversed(leading))), None)


class _Snapshot:
    """What was counted when a stretch began."""

    def __init__(self, world: World, observer: _Observer) -> None:
        self._world, self._observer = world, observer
        self._at_ns = world.now_ns
        self._sent, self._bytes = Counter(world.sent), world.bytes.total()
        self._sent_before = _without_heartbeats(world)
        self._measured = self._times()

    def _times(self) -> tuple[int, ...]:
        measures = self._observer.measures
        return measures.leaderless_ns, measures.two_leaders_ns, measures.vacant_ns, measures.overlap_ns

    def stretch(self, event: str) -> Stretch:
        """What has been added since."""
        world, observer = self._world, self._observer
        leaderless_ns, two_ns, vacant_ns, overlap_ns = (
            now - before for now, before in zip(self._times(), self._measured, strict=True)
        )
        was_disturbed = observer.disagreed_until_ns > self._at_ns
        agrees = observer.disagreed_until_ns < world.now_ns
        agreed_s = (observer.disagreed_until_ns - self._at_ns) / NS_PER_S if was_disturbed else 0.0
        return Stretch(
            event=event,
            messages=by_kind(world.sent - self._sent),
            bytes=world.bytes.total() - self._bytes,
            until_agreed=(observer.sent_then if agrees else _without_heartbeats(world)) - self._sent_before
            if was_disturbed
            else 0,
            agreed_s=agreed_s if agrees else None,
            leaderless_s=leaderless_ns / NS_PER_S,
            two_leaders_s=two_ns / NS_PER_S,
            vacant_s=vacant_ns / NS_PER_S,
            overlap_s=overlap_ns / NS_PER_S,
        )


def _without_heartbeats(world: World) -> int:
    return sum(count for kind, count in world.sent.items() if kind_of(kind) != "HEARTBEAT")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One algorithm with one number of nodes: medians over the seeds. Times in seconds; None: never, or not given."""

    algorithm: str
    nodes: int
    seeds: int
    election_messages: float
    """Until all agreed on the first leader, without heartbeats."""
    election_s: float | None
    failover_messages: float
    leaderless_s: float
    """After the crash of the leader, with the time until it is noticed."""
    vacant_s: float | None
    """The same for the right to act."""
    return_messages: float
    """What the return of the crashed one cost."""
    return_leaderless_s: float
    two_leaders_s: float
    """While the leader was cut off with a minority."""
    overlap_s: float | None
    """Of that, while both might act."""
    bytes_per_s: float
    """All that was sent, heartbeats and renewals too, over the whole workload."""
    messages_per_s: float


def rows(comparisons: Iterable[Comparison]) -> list[Row]:
    """One row for each algorithm and number of nodes, in the order in which they came."""
    groups: dict[tuple[str, int], list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault((one.algorithm, one.nodes), []).append(one)
    return [_row(group) for group in groups.values()]


def _row(group: list[Comparison]) -> Row:
    start, crash, back, cut = (STRETCHES.index(event) for event in ("start", "crash", "return", "cut"))
    first = group[0]

    def median(at: int, what: Callable[[Stretch], float]) -> float:
        return statistics.median(what(one.stretches[at]) for one in group)

    agreed = [one.stretches[start].agreed_s for one in group]
    known = [agreed_s for agreed_s in agreed if agreed_s is not None]
    total_s = len(STRETCHES) * STRETCH_NS / NS_PER_S
    return Row(
        algorithm=first.algorithm,
        nodes=first.nodes,
        seeds=len(group),
        election_messages=median(start, lambda one: one.until_agreed),
        election_s=statistics.median(known) if len(known) == len(agreed) else None,
        failover_messages=median(crash, lambda one: one.until_agreed),
        leaderless_s=median(crash, lambda one: one.leaderless_s),
        vacant_s=median(crash, lambda one: one.vacant_s) if first.has_authority else None,
        return_messages=median(back, lambda one: one.until_agreed),
        return_leaderless_s=median(back, lambda one: one.leaderless_s),
        two_leaders_s=median(cut, lambda one: one.two_leaders_s),
        overlap_s=median(cut, lambda one: one.overlap_s) if first.has_authority else None,
        bytes_per_s=statistics.median(sum(each.bytes for each in one.stretches) for one in group) / total_s,
        messages_per_s=statistics.median(sum(sum(each.messages.values()) for each in one.stretches) for one in group)
        / total_s,
    )
