"""One trial: a group of Raft has a leader, the leader crashes, and the clock stops when somebody hears of the next.

The Raft that ships, in the simulator; what a trial adds around it is said by the fields of `FailOver`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import log
from random import Random

import msgspec

from tenure import trace
from tenure.algorithms.raft import Raft, Role, Settings
from tenure.algorithms.raft.messages import AppendEntries, OpenSession, RequestVote
from tenure.core.effects import Effect, Send
from tenure.core.events import Demand, Event, NodeId
from tenure.core.words import by_kind
from tenure.durations import NS_PER_S
from tenure.simulator import faults
from tenure.simulator.disk import Disk
from tenure.simulator.founding import founded
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.network import MS, Weather
from tenure.simulator.news import News
from tenure.simulator.surroundings import Surroundings
from tenure.simulator.world import World

WRITE_NS, WRITE_TAIL_NS = MS + MS // 5, 2 * MS + 4 * MS // 5
"""Of a durable write, as `figure_16` was calibrated: the least, and the mean of what comes on top."""
LIMIT_BEGINNING = 1_000
"""Time-outs within which a group must have its first leader; one needs two or three."""


class FailOver(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial is like. Times are integer nanoseconds."""

    settings: Settings
    nodes: int = 5
    least_ns: int
    most_ns: int
    """A message takes from the least to the most, uniformly."""
    write_ns: int = 0
    write_tail_ns: int = 0
    """A durable write takes `write_ns` and an exponential time whose mean is `write_tail_ns`."""
    unequal: bool = False
    """Whether all but two of the survivors lack the last entry, so that they cannot win."""
    also_down: int = 0
    """So many others are down already."""
    asks_while_writing: bool = False
    """Whether a candidate asks for votes while it writes its own, as the calibration has it. The Raft that ships writes
    first, so that no candidate that crashed has asked for what it does not remember."""
    limit_ns: int = 60 * NS_PER_S
    """A trial that takes longer is given up."""
    steady_ns: int = 0
    """So long the group is left alone before the leader crashes, who is whoever leads then. Not with `also_down`."""
    weathers: tuple[tuple[int, Weather], ...] = ()
    """How links are in that time, from these instants of it on, in their order, and afterwards."""
    hosts: tuple[tuple[NodeId, ...], ...] = ()
    """Who runs with whom, as in `Surroundings`."""
    until_acts: bool = False
    """Whether to wait until the next leader opens its tenure."""
    beside: Settings | None = None
    """The same trial is done with these as well, to compare."""


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """What happened while the group was left alone."""

    time_outs: int = 0
    """Nodes that lost patience with a leader that lived."""
    elections: int = 0
    """Candidates that asked for votes."""
    lasted_ns: int = 0
    beats: int = 0
    """Messages of the leader's kind, almost all of them heartbeats."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a trial; times in nanoseconds of true time from the crash."""

    gap_ns: int | None
    """Until the next leader's first heartbeat lands; None for a trial that was given up."""
    first_ns: int | None
    """Until the first survivor loses patience."""
    due_ns: tuple[int, ...]
    """When each survivor's time-out ends that runs at the crash, in order."""
    terms: int
    """Elections up to the one that succeeded, or all, where none did."""
    campaigns: int
    """Candidates in all of these."""
    sent: dict[str, int]
    """Messages by kind from the crash until all survivors have heard of the next leader, each counted when it leaves,
    to the dead as well."""
    acts_ns: int | None = None
    """Until the next leader opens its tenure, if that was waited for."""
    steady: Steady = Steady()
    beside: Gap | None = None
    """What came of the same trial with other settings."""


def settings(least_ms: int, most_ms: int, *, pre_vote: bool = False, heartbeat_ms: int | None = None) -> Settings:
    """Those with which the Raft that ships elects as the paper's does: time-outs uniform from the least to the most.

    No pre-vote, which the paper does not have. A promise as long as the shortest time-out, the longest there is: a
    voter is free by the time at which a candidate's question can come. Tenures, which the paper does not have either,
    last so long that none runs out.
    """
    return Settings(
        election_ns=least_ms * MS,
        spread_ns=(most_ms - least_ms) * MS,
        heartbeat_ns=least_ms * MS // 2 if heartbeat_ms is None else heartbeat_ms * MS,
        pre_vote=pre_vote,
        promise_ns=least_ms * MS,
        tenure_ns=1_000 * NS_PER_S,
        rho_ppm=0,
        disk_stall_ns=1_000 * NS_PER_S,
    )


class Hasty(Raft):
    """Raft whose candidates ask for votes while they write their own; their own vote counts when it is durable."""

    def handle(self, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        return [_at_once(effect) for effect in super().handle(event, now_ns)]


def _at_once(effect: Effect) -> Effect:
    is_question = isinstance(effect, Send) and isinstance(effect.message, RequestVote)
    return msgspec.structs.replace(effect, after=0) if is_question else effect


class TailedDisk(Disk):
    """A disk whose writes take `least_ns` and an exponential time of mean `tail_ns`."""

    tail_ns = 0

    def _takes_ns(self) -> int:
        tail_ns = int(-log(1.0 - self._chance.random()) * self.tail_ns) if self.tail_ns else 0
        return self.least_ns + tail_ns


class _Watch:
    """Notes what follows the crash of `leader`."""

    def __init__(self, leader: NodeId) -> None:
        self.leader = leader
        self.world: World
        self.since_ns: int | None = None
        self.first_ns: int | None = None
        self.heard_ns: int | None = None
        self.term = 0
        """In which that leader was elected."""
        self.all_heard = False
        self.campaigns = 0
        self.sent: dict[str, int] = {}
        self.acts_ns: int | None = None
        self.is_steady = False
        self.became: Counter[str] = Counter()
        """Of the steady time: nodes by role."""

    def see(self, record: trace.Record) -> None:
        if isinstance(record, trace.Became) and self.is_steady:
            self.became[record.role] += 1
        elif self.since_ns is None:
            return
        elif isinstance(record, trace.Held) and self.acts_ns is None:
            self.acts_ns = record.at_ns - self.since_ns
        elif isinstance(record, trace.Became) and not self.all_heard:
            self._see_become(record, self.since_ns)

    def _see_become(self, record: trace.Became, since_ns: int) -> None:
        passed_ns = record.at_ns - since_ns
        if record.role in {"canvassing", "campaigning"}:
            self.campaigns += record.role == "campaigning"
            self.first_ns = passed_ns if self.first_ns is None else self.first_ns
        elif record.leader not in {None, self.leader, record.node}:
            if self.heard_ns is None:
                self.heard_ns, self.term = passed_ns, record.term
            if all(elector.leader == record.leader for elector in self.world.electors.values()):
                self.all_heard = True
                self.sent = by_kind(self.world.sent)


def run(what: FailOver, seed: int) -> Gap:
    """One trial, and another one to compare it with where that is wished. The same seed gives the same."""
    if what.beside is None:
        return _one(what, seed)
    other = msgspec.structs.replace(what, settings=what.beside, beside=None)
    return msgspec.structs.replace(_one(what, seed), beside=_one(other, seed))


def _one(what: FailOver, seed: int) -> Gap:
    assert not (what.also_down and what.steady_ns), "the leader might be one of those that are down"
    nodes = tuple(range(1, what.nodes + 1))
    kind, settings = founded(Hasty if what.asks_while_writing else Raft, what.settings, seed, nodes, what.hosts)
    chance = Random(f"{seed}/crash")
    watch = _Watch(leader=0)
    world = watch.world = World(
        kind,
        nodes,
        seed=seed,
        settings=settings,
        surroundings=Surroundings(
            least_ns=what.least_ns, most_ns=what.most_ns, disk_least_ns=0, disk_most_ns=0, hosts=what.hosts
        ),
        observers=[watch.see],
    )
    for number, node in world.nodes.items():
        node.disk = TailedDisk(0, 0, Random(f"{seed}/disk/{number}"))
    watch.leader = leader = _begin(world, what.settings)
    nemesis = Nemesis(world, News(world))
    followers = [number for number in nodes if number != leader]
    chosen = sorted(followers, key=lambda _: chance.random())
    if what.unequal:
        _append_for(world, nemesis, leader, chosen[:2], what)
    for node in world.nodes.values():
        disk = node.disk
        assert isinstance(disk, TailedDisk)
        disk.least_ns = disk.most_ns = what.write_ns
        disk.tail_ns = what.write_tail_ns
    world.run(world.now_ns + 2 * what.settings.heartbeat_ns + 2 * what.most_ns)
    steady = _leave_alone(world, watch, what)
    for number in chosen[len(chosen) - what.also_down :]:
        nemesis.strike(faults.Crash(number))
    world.run(world.now_ns + int(chance.random() * what.settings.heartbeat_ns))
    if what.steady_ns:
        watch.leader = leader = _agreed(world, what.settings)
    assert world.electors[leader].leader == leader, "the leader was lost before it crashed"
    return msgspec.structs.replace(_crash(world, nemesis, watch, what), steady=steady)


def _leave_alone(world: World, watch: _Watch, what: FailOver) -> Steady:
    """Let time pass, and links change."""
    for at_ns, weather in what.weathers:
        world.call_at(world.now_ns + at_ns, partial(setattr, world.network, "weather"), weather)
    world.sent.clear()
    watch.is_steady = True
    world.run(world.now_ns + what.steady_ns)
    watch.is_steady = False
    return Steady(
        lasted_ns=what.steady_ns,
        time_outs=watch.became[Role.CANVASSING],
        elections=watch.became[Role.CAMPAIGNING],
        beats=world.sent[AppendEntries],
    )


def _crash(world: World, nemesis: Nemesis, watch: _Watch, what: FailOver) -> Gap:
    term = world.electors[watch.leader].term
    watch.since_ns = world.now_ns
    world.sent.clear()
    nemesis.strike(faults.Crash(watch.leader))
    world.run(world.now_ns + what.most_ns)  # what is under way lands, and time-outs begin anew: they are longer
    due_ns = sorted(
        world.nodes[number].clock.when(elector.wake_ns) - watch.since_ns for number, elector in world.electors.items()
    )
    until_ns = watch.since_ns + what.limit_ns
    while not (watch.all_heard and (watch.acts_ns is not None or not what.until_acts)) and world.now_ns < until_ns:
        world.run(min(until_ns, world.now_ns + what.settings.election_ns // 4))
    return Gap(
        gap_ns=watch.heard_ns,
        first_ns=watch.first_ns,
        due_ns=tuple(due_ns),
        terms=(watch.term or max(elector.term for elector in world.electors.values())) - term,
        campaigns=watch.campaigns,
        sent=watch.sent,
        acts_ns=watch.acts_ns,
    )


def _begin(world: World, chosen: Settings) -> NodeId:
    """Start the group, one node first so that it soon has a leader even where all time-outs are the same."""
    world.start(1)
    world.run(chosen.election_ns // 2)
    world.start(*(number for number in world.nodes if number != 1))
    world.run(world.now_ns + chosen.election_ns)
    return _agreed(world, chosen)


def _agreed(world: World, chosen: Settings) -> NodeId:
    """The leader whom all follow, as soon as there is one."""
    for _ in range(LIMIT_BEGINNING):
        leaders = {elector.leader for elector in world.electors.values()}
        if len(leaders) == 1 and (leader := leaders.pop()) is not None:
            return leader
        world.run(world.now_ns + chosen.election_ns)
    raise AssertionError("the group found no leader to begin with")


def _append_for(world: World, nemesis: Nemesis, leader: NodeId, able: Sequence[NodeId], what: FailOver) -> None:
    """An entry reaches these alone. The others' answers are lost from now on, or the leader would make up for it."""
    others = [number for number in world.nodes if number not in {leader, *able}]
    for number in others:
        nemesis.strike(faults.CutLink(leader, number, both=True))
    assert world.ask(world.nodes[leader], (OpenSession(1),)), "the leader takes requests"
    for number in others:
        nemesis.strike(faults.MendLink(leader, number))
    world.run(world.now_ns + 2 * what.most_ns)
    ends = {number: elector.log.last_index for number, elector in world.electors.items() if isinstance(elector, Raft)}
    assert all(ends[number] > ends[other] for number in able for other in others), "the logs are unequal"
