"""What can go wrong, or be asked for, each as data with the words by which a scenario script says it.

`str(fault)` and `parse(words)` are each other's inverse, so whatever a seed draws can be written down, edited and run
again. The world carries faults out; the network, clocks and disks only obey.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S, to_ns
from tenure.errors import ConfigurationError
from tenure.simulator.given import MOST_SHOWN

_UNITS = (("s", NS_PER_S), ("ms", NS_PER_S // 1000), ("us", NS_PER_S // 1_000_000), ("ns", 1))


def duration(ns: int) -> str:
    """A duration as scripts write it, exactly: 1500ms, 2s."""
    unit, size = next((unit, size) for unit, size in _UNITS if ns % size == 0)
    return f"{ns // size}{unit}"


FASTEST_PPM = 900_000
NUMBER = re.compile(r"\d{1,9}")
"""A node as scripts write it."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that happens to a group from outside."""


class Crash(Fault, frozen=True):
    """The node is gone at once, with all that was not durable."""

    node: NodeId

    def __str__(self) -> str:
        return f"crash {self.node}"


class CrashLeader(Fault, frozen=True):
    """Whoever leads is gone as by a crash, and comes back after a while."""

    for_ns: int

    def __post_init__(self) -> None:
        _in_order(0, self.for_ns)

    def __str__(self) -> str:
        return f"crash leader for {duration(self.for_ns)}"


class Restart(Fault, frozen=True):
    """The node comes back with what was durable; one that runs is crashed first."""

    node: NodeId

    def __str__(self) -> str:
        return f"restart {self.node}"


class Pause(Fault, frozen=True):
    """The node stands still for a while; its clock goes on, and what comes waits for it."""

    node: NodeId
    for_ns: int

    def __post_init__(self) -> None:
        _in_order(0, self.for_ns)

    def __str__(self) -> str:
        return f"pause {self.node} for {duration(self.for_ns)}"


class Partition(Fault, frozen=True):
    """Messages pass only within each group; nodes that are not named form one group more."""

    groups: tuple[tuple[NodeId, ...], ...]

    def __post_init__(self) -> None:
        named = [node for group in self.groups for node in group]
        if not self.groups or not all(self.groups):
            raise ValueError("a group is empty; name its nodes, as in `partition 1 2 | 3 4 5`")
        if len(set(named)) != len(named):
            raise ValueError("a node stands twice; each is on one side")

    def __str__(self) -> str:
        return "partition " + " | ".join(" ".join(map(str, group)) for group in self.groups)


class CutLink(Fault, frozen=True):
    """One link carries nothing, in one direction only unless `both`."""

    sender: NodeId
    to: NodeId
    both: bool = False

    def __str__(self) -> str:
        return f"cut {self.sender} {'--' if self.both else '->'} {self.to}"


class MendLink(Fault, frozen=True):
    """That link carries messages again."""

    sender: NodeId
    to: NodeId
    both: bool = False

    def __str__(self) -> str:
        return f"mend {self.sender} {'--' if self.both else '->'} {self.to}"


class Heal(Fault, frozen=True):
    """All links carry messages again, lose and repeat none, and are as fast as in the beginning."""

    def __str__(self) -> str:
        return "heal"


class Lose(Fault, frozen=True):
    """From now on each message is lost with this chance."""

    chance: float

    def __post_init__(self) -> None:
        _is_chance(self.chance)

    def __str__(self) -> str:
        return f"lose {_percent(self.chance)}"


class Duplicate(Fault, frozen=True):
    """From now on each message arrives twice with this chance."""

    chance: float

    def __post_init__(self) -> None:
        _is_chance(self.chance)

    def __str__(self) -> str:
        return f"duplicate {_percent(self.chance)}"


class Latency(Fault, frozen=True):
    """From now on a message takes from the least to the most."""

    least_ns: int
    most_ns: int

    def __post_init__(self) -> None:
        _in_order(self.least_ns, self.most_ns)

    def __str__(self) -> str:
        return f"latency {duration(self.least_ns)} to {duration(self.most_ns)}"


class Drift(Fault, frozen=True):
    """From now on the node's clock runs this many parts per million fast; below 0, slow."""

    node: NodeId
    ppm: int

    def __post_init__(self) -> None:
        if abs(self.ppm) > FASTEST_PPM:
            raise ValueError(f"a clock drifts by {FASTEST_PPM} ppm at most")

    def __str__(self) -> str:
        return f"drift {self.node} {self.ppm:+d}ppm"


class SlowDisk(Fault, frozen=True):
    """From now on a write of the node takes from the least to the most."""

    node: NodeId
    least_ns: int
    most_ns: int

    def __post_init__(self) -> None:
        _in_order(self.least_ns, self.most_ns)

    def __str__(self) -> str:
        return f"disk {self.node} takes {duration(self.least_ns)} to {duration(self.most_ns)}"


class StallDisk(Fault, frozen=True):
    """No write of the node ends any more, until the disk is mended."""

    node: NodeId

    def __str__(self) -> str:
        return f"disk {self.node} stalls"


class LyingDisk(Fault, frozen=True):
    """The disk says that writes are durable when they are not: beyond every algorithm's model."""

    node: NodeId

    def __str__(self) -> str:
        return f"disk {self.node} lies"


class Wipe(Fault, frozen=True):
    """The node begins anew, under its number, with an empty disk: beyond every model, for it forgets what it said."""

    node: NodeId

    def __str__(self) -> str:
        return f"disk {self.node} is wiped"


class MendDisk(Fault, frozen=True):
    """The node's disk is as good as in the beginning."""

    node: NodeId

    def __str__(self) -> str:
        return f"disk {self.node} works"


class Join(Fault, frozen=True):
    """A new member, of which the others hear one by one."""

    node: NodeId

    def __str__(self) -> str:
        return f"join {self.node}"


class Leave(Fault, frozen=True):
    """A member goes; it knows at once, the others hear of it one by one."""

    node: NodeId

    def __str__(self) -> str:
        return f"leave {self.node}"


class Ask(Fault, frozen=True):
    """Somebody wishes that the node step down, if it leads: in favour of `to`, or of nobody in particular."""

    node: NodeId
    to: NodeId | None = None

    def __str__(self) -> str:
        return f"ask {self.node}" + ("" if self.to is None else f" to {self.to}")


class SetVoters(Fault, frozen=True):
    """An operator tells the node that these are to be the voters."""

    node: NodeId
    voters: tuple[NodeId, ...]

    def __post_init__(self) -> None:
        if not self.voters or len(set(self.voters)) != len(self.voters):
            raise ValueError("name each voter once, and one at least, as in `voters 1 2 3 by 1`")

    def __str__(self) -> str:
        return f"voters {' '.join(map(str, self.voters))} by {self.node}"


class FalseAlarm(Fault, frozen=True):
    """The node's failure detector suspects a peer, whatever the peer does."""

    node: NodeId
    peer: NodeId

    def __str__(self) -> str:
        return f"suspect {self.peer} at {self.node}"


class AllClear(Fault, frozen=True):
    """The node's failure detector trusts a peer again."""

    node: NodeId
    peer: NodeId

    def __str__(self) -> str:
        return f"trust {self.peer} at {self.node}"


AnyFault = (
    Crash
    | CrashLeader
    | Restart
    | Pause
    | Partition
    | CutLink
    | MendLink
    | Heal
    | Lose
    | Duplicate
    | Latency
    | Drift
    | SlowDisk
    | StallDisk
    | LyingDisk
    | Wipe
    | MendDisk
    | Join
    | Leave
    | Ask
    | SetVoters
    | FalseAlarm
    | AllClear
)


class Stroke(NamedTuple):
    """A fault at a true instant."""

    at_ns: int
    fault: AnyFault


def _in_order(least_ns: int, most_ns: int) -> None:
    if not 0 <= least_ns <= most_ns:
        raise ValueError(f"from {duration(least_ns)} to {duration(most_ns)}: give the shorter time first, from 0 on")


def _is_chance(chance: float) -> None:
    if not 0 <= chance <= 1:
        raise ValueError(f"a chance goes from 0% to 100%, and this is {chance:.3%}")


def _percent(chance: float) -> str:
    """Exactly, so that it is read back as the same number."""
    return f"{Decimal(repr(chance + 0.0)).scaleb(2).normalize():f}%"


def _chance(percent: str) -> float:
    return float(Decimal(percent).scaleb(-2))


def _numbers(words: str) -> tuple[NodeId, ...]:
    return tuple(int(word) for word in words.split())


def _groups(words: str) -> tuple[tuple[NodeId, ...], ...]:
    return tuple(_numbers(group) for group in words.split("|"))


_N, _D, _P = f"({NUMBER.pattern})", r"([\d.]+(?:ns|us|ms|s|m))", r"(\d{1,3}(?:\.\d{1,400})?)%"
_GRAMMAR: tuple[tuple[str, Callable[..., AnyFault]], ...] = (
    (rf"crash {_N}", lambda n: Crash(int(n))),
    (rf"crash leader for {_D}", lambda d: CrashLeader(to_ns(d))),
    (rf"restart {_N}", lambda n: Restart(int(n))),
    (rf"pause {_N} for {_D}", lambda n, d: Pause(int(n), to_ns(d))),
    (r"partition (\d{1,9}(?:[ |]+\d{1,9})*[ |]*)", lambda groups: Partition(_groups(groups))),
    (rf"cut {_N} (->|--) {_N}", lambda a, way, b: CutLink(int(a), int(b), way == "--")),
    (rf"mend {_N} (->|--) {_N}", lambda a, way, b: MendLink(int(a), int(b), way == "--")),
    (r"heal", Heal),
    (rf"lose {_P}", lambda p: Lose(_chance(p))),
    (rf"duplicate {_P}", lambda p: Duplicate(_chance(p))),
    (rf"latency {_D} to {_D}", lambda a, b: Latency(to_ns(a), to_ns(b))),
    (rf"drift {_N} ([+-]?\d{{1,6}})ppm", lambda n, ppm: Drift(int(n), int(ppm))),
    (rf"disk {_N} takes {_D} to {_D}", lambda n, a, b: SlowDisk(int(n), to_ns(a), to_ns(b))),
    (rf"disk {_N} stalls", lambda n: StallDisk(int(n))),
    (rf"disk {_N} lies", lambda n: LyingDisk(int(n))),
    (rf"disk {_N} is wiped", lambda n: Wipe(int(n))),
    (rf"disk {_N} works", lambda n: MendDisk(int(n))),
    (rf"join {_N}", lambda n: Join(int(n))),
    (rf"leave {_N}", lambda n: Leave(int(n))),
    (rf"ask {_N}", lambda n: Ask(int(n))),
    (rf"ask {_N} to {_N}", lambda n, to: Ask(int(n), int(to))),
    (rf"voters (\d{{1,9}}(?: \d{{1,9}})*) by {_N}", lambda voters, n: SetVoters(int(n), _numbers(voters))),
    (rf"suspect {_N} at {_N}", lambda peer, n: FalseAlarm(int(n), int(peer))),
    (rf"trust {_N} at {_N}", lambda peer, n: AllClear(int(n), int(peer))),
)
SAYINGS = (
    "crash N, crash leader for 2s, restart N, pause N for 2s, partition 1 2 | 3 4 5, cut N -> N, cut N -- N, "
    "mend N -> N, mend N -- N, heal, lose 10%, duplicate 10%, latency 1ms to 50ms, drift N +1000ppm, "
    "disk N takes 10ms to 2s, disk N stalls, disk N lies, disk N is wiped, disk N works, join N, leave N, "
    "ask N, ask N to N, voters 1 2 3 by N, suspect N at N, trust N at N"
)


def parse(words: str) -> AnyFault:
    """The fault that these words say. Raises ConfigurationError, which lists all that can be said."""
    line = " ".join(words.split())
    for pattern, make in _GRAMMAR:
        if match := re.fullmatch(pattern, line):
            try:
                return make(*match.groups())
            except ValueError as error:
                raise ConfigurationError(f"{line[:MOST_SHOWN]!r}: {error}") from error
    raise ConfigurationError(f"{line[:MOST_SHOWN]!r} is nothing that can happen; write one of: {SAYINGS}")
