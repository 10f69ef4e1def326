"""Draws what goes wrong in a run from its seed, inside what the algorithm's fault model allows.

Each seed takes some of the kinds only (swarm testing: Groce, Zhang, Eide, Chen and Regehr 2012), so that rare
combinations are not drowned. A run ends with calm: everything is mended, and a majority at least must converge; where
the model knows partitions the others may stay cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

import msgspec

from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.core.model import Guarantee, Links, Synchrony
from tenure.core.quorum import majority_of
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import faults
from tenure.simulator.faults import AnyFault, Stroke
from tenure.simulator.network import MS

DRIFT_PPM = 100_000
"""The most that clocks drift: chrony slews by up to 8.3 %, and leases across hosts are counted with 10 %."""
LONGEST_NS = 8 * NS_PER_S
"""The longest single pause, cut or stall: longer than every lease and time-out of the defaults."""


MOST_NEWCOMERS = 3
"""More would make the groups of a long run large and slow, and show nothing new."""


class Plan(msgspec.Struct, frozen=True):
    """What happens in one run, in order of time; `converging` must agree after `healed_ns` (None: nobody heals)."""

    strokes: tuple[Stroke, ...]
    healed_ns: int | None = None
    converging: tuple[NodeId, ...] = ()


class Draw:
    """One seed's drawing: hands out instants, nodes and durations, and collects strokes."""

    def __init__(self, chance: Random, nodes: Sequence[NodeId], end_ns: int, *, keeps_majority: bool) -> None:
        self.chance, self.nodes, self.end_ns = chance, list(nodes), end_ns
        self.strokes: list[Stroke] = []
        self.may_leave = (len(nodes) - 1) // 2 if keeps_majority else len(nodes) - 2
        self.newcomers = 0

    def instant_ns(self) -> int:
        return int(self.chance.random() * self.end_ns)

    def span_ns(self) -> int:
        """Mostly short, now and then long."""
        return 10 * MS + int(self.cubed() * LONGEST_NS)

    def cubed(self) -> float:
        """From 0 to 1, and mostly small; by multiplication, which is the same on all machines, as a power is not."""
        chance = self.chance.random()
        return chance * chance * chance

    def node(self) -> NodeId:
        return self.nodes[int(self.chance.random() * len(self.nodes))]

    def pair(self) -> tuple[NodeId, NodeId]:
        one = int(self.chance.random() * len(self.nodes))
        other = int(self.chance.random() * (len(self.nodes) - 1))
        return self.nodes[one], self.nodes[other + (other >= one)]

    def some(self) -> tuple[NodeId, ...]:
        """Any number of nodes, but neither none nor all."""
        count = 1 + int(self.chance.random() * (len(self.nodes) - 1))
        return tuple(sorted(sorted(self.nodes, key=lambda _: self.chance.random())[:count]))

    def add(self, at_ns: int, fault: AnyFault) -> None:
        if at_ns < self.end_ns:
            self.strokes.append(Stroke(at_ns, fault))

    def for_a_while(self, fault: AnyFault, end: AnyFault) -> None:
        at_ns = self.instant_ns()
        self.add(at_ns, fault)
        self.add(at_ns + self.span_ns(), end)


def _crash(draw: Draw) -> None:
    node = draw.node()
    draw.for_a_while(faults.Crash(node), faults.Restart(node))


def _blink(draw: Draw) -> None:
    draw.add(draw.instant_ns(), faults.Restart(draw.node()))


def _pause(draw: Draw) -> None:
    at_ns = draw.instant_ns()
    draw.add(at_ns, faults.Pause(draw.node(), min(draw.span_ns(), draw.end_ns - at_ns)))


def _partition(draw: Draw) -> None:
    draw.for_a_while(faults.Partition((draw.some(),)), faults.Heal())


def _one_way(draw: Draw) -> None:
    one, other = draw.pair()
    draw.for_a_while(faults.CutLink(one, other), faults.MendLink(one, other))


def _partial(draw: Draw) -> None:
    one, other = draw.pair()
    draw.for_a_while(faults.CutLink(one, other, both=True), faults.MendLink(one, other, both=True))


def _loss(draw: Draw) -> None:
    draw.for_a_while(faults.Lose(round(draw.chance.random() * 0.4, 3)), faults.Lose(0.0))


def _duplicate(draw: Draw) -> None:
    draw.for_a_while(faults.Duplicate(round(draw.chance.random() * 0.5, 3)), faults.Duplicate(0.0))


def _latency(draw: Draw) -> None:
    draw.for_a_while(faults.Latency(0, int(draw.cubed() * 2 * NS_PER_S)), faults.Latency(1 * MS, 10 * MS))


def _drift(draw: Draw) -> None:
    ppm = DRIFT_PPM if draw.chance.random() < 0.5 else int(draw.chance.random() * DRIFT_PPM)  # noqa: PLR2004  half at the bound
    draw.add(draw.instant_ns(), faults.Drift(draw.node(), ppm if draw.chance.random() < 0.5 else -ppm))  # noqa: PLR2004  fast or slow


def _slow_disk(draw: Draw) -> None:
    node = draw.node()
    slow = faults.SlowDisk(node, 0, 10 * MS + int(draw.cubed() * 5 * NS_PER_S))
    draw.for_a_while(slow, faults.MendDisk(node))


def _stalled_disk(draw: Draw) -> None:
    node = draw.node()
    draw.for_a_while(faults.StallDisk(node), faults.MendDisk(node))


def _join(draw: Draw) -> None:
    if draw.newcomers == MOST_NEWCOMERS:
        return
    draw.newcomers += 1
    draw.add(draw.instant_ns(), faults.Join(max(draw.nodes) + draw.newcomers))


def _leave(draw: Draw) -> None:
    if draw.may_leave > 0:
        draw.may_leave -= 1
        draw.add(draw.instant_ns(), faults.Leave(draw.node()))


def _ask(draw: Draw) -> None:
    one, other = draw.pair()
    draw.add(draw.instant_ns(), faults.Ask(one, other if draw.chance.random() < 0.5 else None))  # noqa: PLR2004  half of them


def _voters(draw: Draw) -> None:
    at_ns, voters = draw.instant_ns(), draw.some()
    for node in draw.nodes:  # whoever leads is among them; the others refuse
        draw.add(at_ns, faults.SetVoters(node, voters))


def _false_alarm(draw: Draw) -> None:
    one, other = draw.pair()
    draw.for_a_while(faults.FalseAlarm(one, other), faults.AllClear(one, other))


def _lying_disk(draw: Draw) -> None:
    draw.add(draw.instant_ns(), faults.LyingDisk(draw.node()))


class Kind(NamedTuple):
    """A kind of fault."""

    draw: Callable[[Draw], None]
    begins: type[AnyFault]
    """The stroke with which it begins; what ends it again is no fault."""
    is_within: Callable[[type[Elector]], bool]
    """Whether an algorithm keeps its promises under it."""


def _always(kind: type[Elector]) -> bool:
    del kind
    return True


def _partitions(kind: type[Elector]) -> bool:
    return kind.assumes.partitions


def _lossy(kind: type[Elector]) -> bool:
    return kind.assumes.links is Links.LOSSY


def _without_bounds(kind: type[Elector]) -> bool:
    return kind.assumes.synchrony is not Synchrony.SYNCHRONOUS


def _writes_without_bounds(kind: type[Elector]) -> bool:
    return _without_bounds(kind) and bool(kind.records)


KINDS: dict[str, Kind] = {
    "crash": Kind(_crash, faults.Crash, _always),
    "blink": Kind(_blink, faults.Restart, _always),
    "pause": Kind(_pause, faults.Pause, _without_bounds),
    "partition": Kind(_partition, faults.Partition, _partitions),
    "one-way": Kind(_one_way, faults.CutLink, _partitions),
    "partial": Kind(_partial, faults.CutLink, _partitions),
    "loss": Kind(_loss, faults.Lose, _lossy),
    "duplicate": Kind(_duplicate, faults.Duplicate, _lossy),
    "latency": Kind(_latency, faults.Latency, _without_bounds),
    "drift": Kind(_drift, faults.Drift, lambda kind: kind.assumes.clock_drift),
    "slow-disk": Kind(_slow_disk, faults.SlowDisk, _writes_without_bounds),
    "stalled-disk": Kind(_stalled_disk, faults.StallDisk, _writes_without_bounds),
    "join": Kind(_join, faults.Join, _always),
    "leave": Kind(_leave, faults.Leave, _always),
    "ask": Kind(_ask, faults.Ask, _always),
    "voters": Kind(_voters, faults.SetVoters, lambda kind: Guarantee.ONE_AT_A_TIME in kind.guarantees),
    "false-alarm": Kind(_false_alarm, faults.FalseAlarm, _without_bounds),
    "lying-disk": Kind(_lying_disk, faults.LyingDisk, lambda _: False),
}
"""What `--fault` names."""
_CALLED: dict[type[AnyFault], str] = {
    **{one.begins: name for name, one in KINDS.items()},
    faults.Restart: "restart",
    faults.Heal: "heal",
    faults.MendLink: "mend",
    faults.MendDisk: "disk-works",
    faults.AllClear: "trust",
}


def called(fault: AnyFault, *, runs: bool = False) -> str:
    """The name under which `--fault` has this fault; what only ends one has a name of its own. `runs` says whether
    its node does: to restart one that does is a blink.
    """
    if isinstance(fault, faults.CutLink):
        return "partial" if fault.both else "one-way"
    if isinstance(fault, faults.Restart) and runs:
        return "blink"
    return _CALLED[type(fault)]


DAMAGE = (faults.SlowDisk, faults.StallDisk, faults.LyingDisk)


def place(nodes: Sequence[NodeId], seed: int) -> tuple[tuple[NodeId, ...], ...]:
    """On which hosts this seed has them: each on its own, all on one, or on two, as often."""
    chance = Random(f"{seed}/hosts")
    match int(chance.random() * 3):
        case 0:
            return ()
        case 1:
            return (tuple(nodes),)
        case _:
            first = tuple(node for node in nodes if chance.random() < 0.5)  # noqa: PLR2004  a fair coin for each
            return tuple(host for host in (first, tuple(node for node in nodes if node not in first)) if host)


def kinds_within(kind: type[Elector]) -> tuple[str, ...]:
    """The kinds of faults under which this algorithm keeps its promises."""
    return tuple(name for name, one in KINDS.items() if one.is_within(kind))


def kinds_beyond(kind: type[Elector], strokes: Iterable[Stroke]) -> tuple[str, ...]:
    """The kinds of faults among these strokes under which this algorithm promises nothing."""
    within = {KINDS[name].begins for name in kinds_within(kind)}
    struck = {type(stroke.fault) for stroke in strokes}
    return tuple(name for name, one in KINDS.items() if one.begins in struck - within)


def checked(kinds: Iterable[str]) -> tuple[str, ...]:
    """These names of kinds. Raises ConfigurationError for one that is none."""
    names = tuple(kinds)
    for name in names:
        if name not in KINDS:
            raise ConfigurationError(f"there is no fault {name!r}; there are: {', '.join(KINDS)}")
    return names


def draw(
    kind: type[Elector], nodes: Sequence[NodeId], seed: int, until_ns: int, kinds: Iterable[str] | None = None
) -> Plan:
    """What this seed lets happen until two thirds of the run; the last third is calm. `kinds` None: the model's own."""
    chance = Random(f"{seed}/plan")
    given = kinds_within(kind) if kinds is None else checked(kinds)
    healed_ns = until_ns * 2 // 3
    if not given:  # a calm run was asked for
        return Plan((), healed_ns, tuple(sorted(nodes)))
    has_quorum = kind.assumes.partitions
    drawing = Draw(chance, nodes, healed_ns, keeps_majority=has_quorum)
    if len(nodes) < 2:  # noqa: PLR2004  alone, there is nobody to be cut from
        given = tuple(
            name for name in given if name in {"crash", "blink", "pause", "drift", "slow-disk", "stalled-disk"}
        )
    swarm = [name for name in given if kinds is not None or chance.random() < 0.5]  # noqa: PLR2004  a fair coin for each
    if "voters" in swarm:  # who has left cannot vote: at least a majority of any voters must be there in the end
        swarm = [name for name in swarm if name != "leave"]
    if swarm:
        for _ in range(1 + int(chance.random() * max(1, healed_ns // NS_PER_S))):
            KINDS[swarm[int(chance.random() * len(swarm))]].draw(drawing)
    strokes = sorted(drawing.strokes, key=lambda stroke: stroke.at_ns)
    alone: tuple[NodeId, ...] = ()
    if "voters" not in swarm and chance.random() < 0.5:  # noqa: PLR2004  a fair coin
        alone = drawing.some()
    dies = not has_quorum or chance.random() < 0.5  # noqa: PLR2004  the same
    return with_calm(strokes, nodes, healed_ns, alone, dies=dies)


def with_calm(
    strokes: Sequence[Stroke],
    nodes: Sequence[NodeId],
    healed_ns: int,
    alone: Iterable[NodeId] = (),
    *,
    dies: bool = False,
) -> Plan:
    """These strokes, in order of time, and then the mending of all that they did; it is the same for the same strokes.

    Of those in `alone` as many stay cut off, or dead, as leave a majority of `nodes` together, by the order of `nodes`.
    """
    gone = {stroke.fault.node for stroke in strokes if isinstance(stroke.fault, faults.Leave)}
    joined = [stroke.fault.node for stroke in strokes if isinstance(stroke.fault, faults.Join)]
    staying = [node for node in (*nodes, *joined) if node not in gone]
    most_alone = len(nodes) - majority_of(len(nodes)) - len(gone)
    cut_off = [node for node in staying if node in nodes and node in set(alone)][: max(0, most_alone)]
    converging = [node for node in staying if node not in cut_off]
    calm: list[AnyFault] = [faults.Heal()]
    if cut_off:
        calm += [faults.Crash(node) for node in cut_off] if dies else [faults.Partition((tuple(converging),))]
    damaged = {stroke.fault.node for stroke in strokes if isinstance(stroke.fault, DAMAGE)}
    down = _down_after(strokes)
    calm += [faults.MendDisk(node) for node in staying if node in damaged]
    calm += [faults.AllClear(one, other) for one, other in _alarms(strokes)]
    calm += [faults.Restart(node) for node in converging if node in down]
    return Plan((*strokes, *(Stroke(healed_ns, fault) for fault in calm)), healed_ns, tuple(sorted(converging)))


def _down_after(strokes: Iterable[Stroke]) -> set[NodeId]:
    down: set[NodeId] = set()
    for stroke in strokes:
        if isinstance(stroke.fault, faults.Crash):
            down.add(stroke.fault.node)
        elif isinstance(stroke.fault, faults.Restart):
            down.discard(stroke.fault.node)
    return down


def _alarms(strokes: Iterable[Stroke]) -> list[tuple[NodeId, NodeId]]:
    pairs = [
        (stroke.fault.node, stroke.fault.peer) for stroke in strokes if isinstance(stroke.fault, faults.FalseAlarm)
    ]
    return sorted(set(pairs))
