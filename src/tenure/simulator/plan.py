"""Draws what goes wrong in a run from its seed, inside what the algorithm's fault model allows.

Each seed takes some of the kinds only (swarm testing: Groce, Zhang, Eide, Chen and Regehr 2012), so that rare
combinations are not drowned. A run ends with calm: everything is mended, and a majority at least must converge; where
the model knows partitions the others may stay cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

import msgspec

from tenure.core.elector import Elector, Serving
from tenure.core.events import NodeId
from tenure.core.quorum import majority_of
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import faults
from tenure.simulator.drawing import KINDS, Draw
from tenure.simulator.faults import AnyFault, Stroke


class Plan(msgspec.Struct, frozen=True):
    """What happens in one run, in order of time; `converging` must agree after `healed_ns` (None: nobody heals)."""

    strokes: tuple[Stroke, ...]
    healed_ns: int | None = None
    converging: tuple[NodeId, ...] = ()


_CALLED: dict[type[AnyFault], str] = {
    **{one.begins: name for name, one in reversed(KINDS.items())},  # the first that begins with it
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


VOTING = frozenset({"voters", "newcomer", "replace", "beset-change"})
"""Kinds that change who votes."""
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
    drawing = Draw(chance, nodes, healed_ns, keeps_majority=has_quorum, knows_voters=issubclass(kind, Serving))
    if len(nodes) < 2:  # noqa: PLR2004  alone, there is nobody to be cut from
        given = tuple(
            name for name in given if name in {"crash", "blink", "pause", "drift", "slow-disk", "stalled-disk"}
        )
    swarm = [name for name in given if kinds is not None or chance.random() < 0.5]  # noqa: PLR2004  a fair coin for each
    if (
        VOTING & set(swarm) and not drawing.knows_voters
    ):  # who has left cannot vote: at least a majority of any voters must be there in the end
        swarm = [name for name in swarm if name != "leave"]
    if swarm:
        for _ in range(1 + int(chance.random() * max(1, healed_ns // NS_PER_S))):
            KINDS[swarm[int(chance.random() * len(swarm))]].draw(drawing)
    strokes = sorted(drawing.strokes, key=lambda stroke: stroke.at_ns)
    alone: tuple[NodeId, ...] = ()
    if not VOTING & set(swarm) and chance.random() < 0.5:  # noqa: PLR2004  a fair coin
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
