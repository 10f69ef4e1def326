"""What one seed hands out: instants, nodes, durations, and each kind of fault with its beginning and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

from tenure.core.elector import Elector, Serving
from tenure.core.events import NodeId
from tenure.core.model import Guarantee, Links, Synchrony
from tenure.core.quorum import majority_of
from tenure.durations import NS_PER_S
from tenure.simulator import faults
from tenure.simulator.faults import AnyFault, Stroke
from tenure.simulator.network import MS

DRIFT_PPM = 100_000
"""The most that clocks drift: chrony slews by up to 8.3 %, and leases across hosts are counted with 10 %."""
LONGEST_NS = 8 * NS_PER_S
"""The longest single pause, cut or stall: longer than every lease and time-out of the defaults."""


MOST_NEWCOMERS = 3
"""More would make the groups of a long run large and slow, and show nothing new."""


class Draw:
    """One seed's drawing: hands out instants, nodes and durations, and collects strokes."""

    def __init__(
        self, chance: Random, nodes: Sequence[NodeId], end_ns: int, *, keeps_majority: bool, knows_voters: bool = False
    ) -> None:
        self.chance, self.nodes, self.end_ns = chance, list(nodes), end_ns
        self.strokes: list[Stroke] = []
        self.may_leave = (len(nodes) - 1) // 2 if keeps_majority else len(nodes) - 2
        self.knows_voters = knows_voters
        """Whether nobody leaves without whom some of all who may come to vote have no majority."""
        self.newcomers: list[NodeId] = []
        self._gone = set[NodeId]()
        self._voters = [frozenset(nodes)]  # every set that may come to vote

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

    def newcomer(self) -> NodeId | None:
        """A number that was never used; None once there are enough."""
        if len(self.newcomers) == MOST_NEWCOMERS:
            return None
        self.newcomers.append(max(self.nodes) + len(self.newcomers) + 1)
        return self.newcomers[-1]

    def lets_vote(self, voters: Iterable[NodeId]) -> bool:
        """Whether these may be wished for as voters: a majority of them is never gone for good."""
        voters = frozenset(voters)
        is_alive = len(voters - self._gone) >= majority_of(len(voters))
        if is_alive:
            self._voters.append(voters)
        return is_alive

    def lets_go(self, node: NodeId) -> bool:
        """Whether this one may be gone for good: a majority of all who may come to vote is left."""
        gone = self._gone | {node}
        is_spared = all(len(voters - gone) >= majority_of(len(voters)) for voters in self._voters)
        if is_spared:
            self._gone = gone
        return is_spared

    def add(self, at_ns: int, fault: AnyFault) -> None:
        if at_ns < self.end_ns:
            self.strokes.append(Stroke(at_ns, fault))

    def near_ns(self, at_ns: int) -> int:
        """An instant soon after another, mostly as soon as messages are answered."""
        return at_ns + int(self.cubed() * NS_PER_S)

    def end_leader(self, at_ns: int) -> None:
        """Whoever leads then dies; it is back before the calm."""
        self.add(at_ns, faults.CrashLeader(max(0, min(self.span_ns(), self.end_ns - at_ns - 1))))

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
    number = draw.newcomer()
    if number is not None:
        draw.add(draw.instant_ns(), faults.Join(number))


def _leave(draw: Draw) -> None:
    if draw.may_leave > 0:
        draw.may_leave -= 1
        at_ns, node = draw.instant_ns(), draw.node()
        if not draw.knows_voters or draw.lets_go(node):
            draw.add(at_ns, faults.Leave(node))


def _ask(draw: Draw) -> None:
    one, other = draw.pair()
    draw.add(draw.instant_ns(), faults.Ask(one, other if draw.chance.random() < 0.5 else None))  # noqa: PLR2004  half of them


def _voters(draw: Draw) -> None:
    at_ns, voters = draw.instant_ns(), draw.some()
    if draw.lets_vote(voters):
        _wish_for(draw, at_ns, voters)


def _wish_for(draw: Draw, at_ns: int, voters: tuple[NodeId, ...]) -> None:
    for node in (*draw.nodes, *draw.newcomers):  # whoever leads is among them; the others refuse
        draw.add(at_ns, faults.SetVoters(node, voters))


def _newcomer(draw: Draw) -> None:
    """A node that begins with nothing gets a vote, beside or in place of others; it is wished for twice, for it may be
    refused. Or, once there are enough of them, some of all vote.
    """
    at_ns, number, others = draw.instant_ns(), draw.newcomer(), draw.some()
    if number is not None:
        draw.add(at_ns, faults.Join(number))
    elif draw.chance.random() < 0.5:  # noqa: PLR2004  a fair coin
        number = draw.newcomers[int(draw.chance.random() * len(draw.newcomers))]
    voters = others if number is None else (*others, number)
    if draw.lets_vote(voters):
        for _ in range(2):
            at_ns += draw.span_ns()
            if draw.chance.random() < 0.5:  # noqa: PLR2004  half of them while the group is divided
                draw.add(at_ns, faults.Partition((draw.some(),)))
                draw.add(at_ns + draw.span_ns(), faults.Heal())
            _wish_for(draw, at_ns, voters)


def _replace(draw: Draw) -> None:
    """A node is lost with its disk; another one, which begins with nothing, takes its place, its address perhaps, and
    its vote, but not its number. All that was about the first one is over.
    """
    at_ns, lost, number = draw.instant_ns(), draw.node(), draw.newcomer()
    voters = tuple(sorted({*draw.nodes, *draw.newcomers} - {lost}))
    if number is None:
        return
    if not draw.lets_vote(voters) or not draw.lets_go(lost):
        draw.newcomers.remove(number)  # nobody joins under it, so nobody may speak of it
        return
    draw.add(at_ns, faults.Crash(lost))
    draw.add(min(at_ns + draw.span_ns(), draw.end_ns - 1), faults.Join(number))  # others may wish for it meanwhile
    for _ in range(3):
        at_ns += draw.span_ns()
        _wish_for(draw, at_ns, voters)
    draw.add(at_ns, faults.Leave(lost))


def _transfer(draw: Draw) -> None:
    _give_way(draw, draw.instant_ns())


def _give_way(draw: Draw, at_ns: int) -> None:
    to = draw.node()
    whom = to if draw.chance.random() < 0.5 else None  # noqa: PLR2004  half of them
    for node in draw.nodes:  # whoever leads is among them, or a newcomer does
        draw.add(at_ns, faults.Ask(node, whom))


def _leader_death(draw: Draw) -> None:
    draw.end_leader(draw.instant_ns())


def _beset_change(draw: Draw) -> None:
    """A change of voters, a newcomer among them perhaps, in which everything comes together: as it is wished for, and
    wished for again, links are cut, messages are late, and whoever leads dies or gives way.
    """
    at_ns, voters = draw.instant_ns(), draw.some()
    number = draw.newcomer() if draw.chance.random() < 0.5 else None  # noqa: PLR2004  half of them
    if number is not None:
        draw.add(at_ns, faults.Join(number))
        voters = (*voters, number)
    if not draw.lets_vote(voters):
        return
    for _ in range(2 + int(draw.chance.random() * 3)):
        at_ns += draw.span_ns()
        _wish_for(draw, at_ns, voters)
        for beset in (_cut_near, _slow_near, _end_near):
            if draw.chance.random() < 0.7:  # noqa: PLR2004  mostly all of it, now and then a part
                beset(draw, at_ns)


def _cut_near(draw: Draw, at_ns: int) -> None:
    at_ns, end_ns = draw.near_ns(at_ns), at_ns + draw.span_ns()
    if draw.chance.random() < 0.5:  # noqa: PLR2004  half of them
        draw.add(at_ns, faults.Partition((draw.some(),)))
    else:
        for _ in range(1 + int(draw.chance.random() * len(draw.nodes))):
            draw.add(at_ns, faults.CutLink(*draw.pair()))
    draw.add(max(at_ns, end_ns), faults.Heal())


def _slow_near(draw: Draw, at_ns: int) -> None:
    """So that a joint configuration lasts."""
    draw.add(draw.near_ns(at_ns), faults.Latency(0, 50 * MS + int(draw.cubed() * NS_PER_S)))
    draw.add(at_ns + draw.span_ns(), faults.Latency(1 * MS, 10 * MS))


def _end_near(draw: Draw, at_ns: int) -> None:
    if draw.chance.random() < 0.7:  # noqa: PLR2004  most die
        draw.end_leader(draw.near_ns(at_ns))
    else:
        _give_way(draw, draw.near_ns(at_ns))


def _torn_write(draw: Draw) -> None:
    """A crash while a slow disk has much to write."""
    node, at_ns = draw.node(), draw.instant_ns()
    draw.add(at_ns, faults.SlowDisk(node, 0, 100 * MS + int(draw.cubed() * NS_PER_S)))
    at_ns += draw.span_ns()
    draw.add(at_ns, faults.Crash(node))
    draw.add(at_ns, faults.MendDisk(node))
    draw.add(at_ns + draw.span_ns(), faults.Restart(node))


def _false_alarm(draw: Draw) -> None:
    one, other = draw.pair()
    draw.for_a_while(faults.FalseAlarm(one, other), faults.AllClear(one, other))


def _lying_disk(draw: Draw) -> None:
    draw.add(draw.instant_ns(), faults.LyingDisk(draw.node()))


def _wiped_disk(draw: Draw) -> None:
    draw.add(draw.instant_ns(), faults.Wipe(draw.node()))


class Kind(NamedTuple):
    """A kind of fault."""

    draw: Callable[[Draw], None]
    begins: type[AnyFault]
    """The stroke with which it begins; what ends it again is no fault."""
    is_within: Callable[[type[Elector]], bool]
    """Whether an algorithm keeps its promises under it."""
    counted_as: str = ""
    """Under which simpler kind's name its strokes are counted, if not under its own."""


def _always(kind: type[Elector]) -> bool:
    del kind
    return True


def _never(kind: type[Elector]) -> bool:
    del kind
    return False


def _partitions(kind: type[Elector]) -> bool:
    return kind.assumes.partitions


def _lossy(kind: type[Elector]) -> bool:
    return kind.assumes.links is Links.LOSSY


def _without_bounds(kind: type[Elector]) -> bool:
    return kind.assumes.synchrony is not Synchrony.SYNCHRONOUS


def _writes_without_bounds(kind: type[Elector]) -> bool:
    return _without_bounds(kind) and bool(kind.records)


def _serves(kind: type[Elector]) -> bool:
    """Whether who begins with nothing can learn from the others what a voter must know."""
    return issubclass(kind, Serving)


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
    "lying-disk": Kind(_lying_disk, faults.LyingDisk, _never),
    "newcomer": Kind(_newcomer, faults.Join, _serves, "join"),
    "replace": Kind(_replace, faults.Crash, _serves, "crash"),
    "transfer": Kind(_transfer, faults.Ask, _serves, "ask"),
    "torn-write": Kind(_torn_write, faults.SlowDisk, _serves),  # counted when a crash has torn one
    "leader-death": Kind(_leader_death, faults.CrashLeader, _serves),
    "beset-change": Kind(_beset_change, faults.SetVoters, _serves, "voters"),
    "wiped-disk": Kind(_wiped_disk, faults.Wipe, _never),
}
"""What `--fault` names."""
