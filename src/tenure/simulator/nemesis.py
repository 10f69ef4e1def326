"""Carries out faults on a world. What is not possible just now, such as to crash who is down, strikes nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from tenure import trace
from tenure.core.events import Asked, Joined, Left, NodeId, Reconfigure, Suspected, Trusted
from tenure.simulator import faults
from tenure.simulator.crowd import Crowd
from tenure.simulator.faults import AnyFault
from tenure.simulator.network import Weather
from tenure.simulator.news import News
from tenure.simulator.node import SimulatedNode
from tenure.simulator.plan import called
from tenure.simulator.world import World

LIMIT_MEMBERS = 10_000
"""Members of one group: every node that joins is told of all others."""


class Nemesis:
    """The one who lets things happen to a world."""

    def __init__(self, world: World, news: News) -> None:
        self.world, self.news = world, news
        self.ask: Callable[[SimulatedNode, NodeId | None], None] = self._ask
        """Called to tell a node that somebody wishes it to step down."""
        self.change: Callable[[SimulatedNode, tuple[NodeId, ...]], None] = self._change
        """Called to tell a node who is to vote."""
        self._after: Callable[[], None] = _nobody_looks

    def watch(self, crowd: Crowd) -> None:
        """Let these ask for something whenever something happens, and for changes of voters among other things."""
        self.change, self._after = crowd.change, crowd.gather_soon

    def at(self, at_ns: int, fault: AnyFault) -> None:
        """Let this happen at a true instant."""
        self.world.call_at(at_ns, self.strike, fault)

    def strike(self, fault: AnyFault) -> bool:
        """Let it happen now, and tell the observers; whether it found something to strike."""
        self.world.tell(trace.Struck(self.world.now_ns, str(fault)))
        node = self.world.nodes.get(fault.node) if isinstance(fault, faults.Restart) else None
        name = called(fault, runs=node is not None and node.elector is not None)
        if has_struck := self._strike(fault):
            self.world.struck[name] += 1
            self._after()
        return has_struck

    def _strike(self, fault: AnyFault) -> bool:
        match fault:
            case faults.Partition() | faults.CutLink() | faults.MendLink() | faults.Heal():
                return self._cut(fault)
            case faults.Lose() | faults.Duplicate() | faults.Latency():
                return self._change_weather(fault)
            case faults.Join(node=number):
                return self._join(number)
            case faults.CrashLeader(for_ns=for_ns):
                return self._crash_leader(for_ns)
            case _:
                node = self.world.nodes.get(fault.node)
                return node is not None and self._strike_node(node, fault)

    def _strike_node(self, node: SimulatedNode, fault: OneNodes) -> bool:
        world = self.world
        if isinstance(fault, faults.Restart):
            if node.is_member:
                world.start(node.number)
            return node.is_member
        if isinstance(fault, faults.Wipe):
            return self._wipe(node)
        if isinstance(fault, faults.Leave):
            return self._leave(node)
        if isinstance(fault, DISKS):
            return self._strike_disk(node, fault)
        if isinstance(fault, faults.Drift):
            world.run_clock_at(node, fault.ppm)
            return True
        if node.elector is None:
            return False
        match fault:
            case faults.Crash():
                world.crash(node)
            case faults.Pause(for_ns=for_ns):
                world.pause(node, for_ns)
            case faults.Ask(to=to):
                self.ask(node, to)
            case faults.SetVoters(voters=voters):
                self.change(node, voters)
            case faults.FalseAlarm(peer=peer):
                return self.news.false_alarm(node, Suspected(peer))
            case faults.AllClear(peer=peer):
                return self.news.false_alarm(node, Trusted(peer))
            case _:
                assert_never(fault)
        return True

    def _wipe(self, node: SimulatedNode) -> bool:
        if node.is_member:
            if node.elector is not None:
                self.world.crash(node)
            node.disk.wipe()
            self.world.start(node.number)
        return node.is_member

    def _ask(self, node: SimulatedNode, to: NodeId | None) -> None:
        self.world.give(node, Asked(to))

    def _change(self, node: SimulatedNode, voters: tuple[NodeId, ...]) -> None:
        self.world.give(node, Reconfigure(voters))

    def _crash_leader(self, for_ns: int) -> bool:
        """Whoever leads in the latest term; it comes back unless somebody else let it."""
        leading = [node for node in self.world.nodes.values() if node.leads]
        if not leading:
            return False
        node = max(leading, key=_term)
        self.world.crash(node)
        self.world.call_at(self.world.now_ns + for_ns, self._bring_back, (node, node.life))
        return True

    def _bring_back(self, of: tuple[SimulatedNode, int]) -> None:
        node, life = of
        if node.is_member and node.elector is None and node.life == life:
            self.world.start(node.number)

    def _strike_disk(
        self, node: SimulatedNode, fault: faults.SlowDisk | faults.StallDisk | faults.LyingDisk | faults.MendDisk
    ) -> bool:
        match fault:
            case faults.SlowDisk(least_ns=least_ns, most_ns=most_ns):
                node.disk.least_ns, node.disk.most_ns = least_ns, most_ns
            case faults.StallDisk():
                node.disk.is_stalled = True
            case faults.LyingDisk():
                node.disk.is_lying = True
            case faults.MendDisk():
                self.world.mend_disk(node)
            case _:
                assert_never(fault)
        return True

    # Links

    def _cut(self, fault: faults.Partition | faults.CutLink | faults.MendLink | faults.Heal) -> bool:
        network, before = self.world.network, set(self.world.network.cut)
        match fault:
            case faults.Partition(groups=groups):
                network.partition(groups, self.world.nodes)
            case faults.CutLink(sender=sender, to=to, both=both):
                network.cut |= {(sender, to), (to, sender)} if both else {(sender, to)}
            case faults.MendLink(sender=sender, to=to, both=both):
                network.cut -= {(sender, to), (to, sender)} if both else {(sender, to)}
            case faults.Heal():
                network.heal()
                network.weather = self.world.fair_weather()
            case _:
                assert_never(fault)
        if network.cut == before:
            return isinstance(fault, faults.Heal)
        self.world.tell(trace.Cut(self.world.now_ns, tuple(sorted(network.cut))))
        for number in sorted({node for link in network.cut ^ before for node in link} & self.world.nodes.keys()):
            self.world.on_change(number)
        return True

    def _change_weather(self, fault: faults.Lose | faults.Duplicate | faults.Latency) -> bool:
        weather = self.world.network.weather
        loss, duplicates, least_ns, most_ns = weather.loss, weather.duplicates, weather.least_ns, weather.most_ns
        match fault:
            case faults.Lose(chance=chance):
                loss = chance
            case faults.Duplicate(chance=chance):
                duplicates = chance
            case faults.Latency():
                least_ns, most_ns = fault.least_ns, fault.most_ns
            case _:
                assert_never(fault)
        self.world.network.weather = Weather(
            least_ns=least_ns, most_ns=most_ns, loss=loss, duplicates=duplicates, fifo=weather.fifo
        )
        return self.world.network.weather != weather

    # Members

    def _join(self, number: NodeId) -> bool:
        world = self.world
        if number in world.nodes or len(world.nodes) >= LIMIT_MEMBERS:
            return False  # a number is never used again
        world.add(number)
        world.network.add(number, world.nodes)
        world.start(number)
        self.news.members_changed(Joined(number))
        return True

    def _leave(self, node: SimulatedNode) -> bool:
        if not node.is_member or len(self.world.members) < 2:  # noqa: PLR2004  somebody must be left
            return False
        node.is_member = False
        if node.elector is not None:
            self.world.give(node, Left(node.number))
            node.end()
        self.world.tell(trace.Gone(self.world.now_ns, node.number))
        self.news.members_changed(Left(node.number))
        return True


def _term(node: SimulatedNode) -> int:
    return 0 if node.elector is None else node.elector.term


def _nobody_looks() -> None:
    """There is no crowd."""


DISKS = (faults.SlowDisk, faults.StallDisk, faults.LyingDisk, faults.MendDisk)
OneNodes = (
    faults.Crash
    | faults.Restart
    | faults.Pause
    | faults.Drift
    | faults.SlowDisk
    | faults.StallDisk
    | faults.LyingDisk
    | faults.Wipe
    | faults.MendDisk
    | faults.Leave
    | faults.Ask
    | faults.SetVoters
    | faults.FalseAlarm
    | faults.AllClear
)
"""What is about one node that must be there."""
