"""A group of electors on virtual time: the driver that keeps the duties of `tenure.core.elector`, and a total order.

Time is in integer nanoseconds of true time; each node sees its own clock only. Everything that will happen stands in
one agenda, ordered by its instant and then by when it was put there, so one seed gives one run. What happens is told to
the observers as records of `tenure.trace`; nothing is kept here.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from tenure import trace
from tenure.core.codec import Codec
from tenure.core.effects import Answered, Authorised, Deposed, Divided, Effect, Persist, Recognised, Send
from tenure.core.elector import NEW, DutyBroken, Elector, Serving, UnexpectedMessage, WishRefused
from tenure.core.events import (
    Demand,
    Event,
    Message,
    NodeId,
    PeerLost,
    Persisted,
    Received,
    Request,
    Requested,
    Started,
    Woke,
)
from tenure.core.model import Links
from tenure.core.words import kind_of, words_of
from tenure.detectors.watched import Watched
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.simulator.clock import NodeClock
from tenure.simulator.disk import Disk
from tenure.simulator.network import Link, Network, Weather
from tenure.simulator.node import LIMIT_WAITING, Inspector, RanAway, SimulatedNode
from tenure.simulator.surroundings import Surroundings

LIMIT_MESSAGES = 20_000_000
"""Of one run, some minutes of work: an algorithm that needs more goes round in circles."""
LIMIT_AHEAD = 5_000_000
"""What may stand in the agenda at once: a gigabyte or two."""


class World:
    """Nodes of one `kind`. Observers are called with each record as it happens; with messages, and the words of
    what is written, only if `tells_messages`.
    """

    def __init__(
        self,
        kind: type[Elector],
        nodes: Iterable[NodeId],
        *,
        seed: int = 0,
        settings: object = None,
        surroundings: Surroundings | None = None,
        observers: Sequence[Callable[[trace.Record], None]] = (),
        tells_messages: bool = False,
        weighs: bool = False,
    ) -> None:
        self.kind, self.settings, self.seed = kind, settings, seed
        self.surroundings = surroundings or Surroundings()
        self.now_ns = 0
        self.nodes: dict[NodeId, SimulatedNode] = {}
        self.sent = Counter[type[Message]]()
        """Messages by their type, each counted once, when it leaves."""
        self.bytes = Counter[type[Message]]()
        """With `weighs`: their sizes as the codec encodes them."""
        self.struck = Counter[str]()
        """Faults by name; one that found nothing to strike does not count."""
        self.refused = Counter[str]()
        self.delivered = 0
        self.network = Network(self.fair_weather(), Random(f"{seed}/network"))
        self.observers = list(observers)
        self._tells_messages = tells_messages
        self._has_detector = issubclass(kind, Watched)
        self._codec: Codec[Message] | None = Codec(kind.messages) if weighs else None
        self._chance = Random(f"{seed}/world")
        self._agenda: list[tuple[int, int, Callable[[Any], object], Any]] = []
        self._count = itertools.count()
        self._ids = itertools.count(1)
        self.on_change: Callable[[NodeId], None] = _nobody_minds
        """Called when a node's life begins or ends, or its links change."""
        self.on_death: Callable[[NodeId], None] = _nobody_minds
        """Called when a node's process is gone."""
        self.inspector: Inspector | None = None
        """Sees what each node does, and what it is afterwards."""
        self.on_answer: Callable[[NodeId, Answered], None] = _nobody_minds
        """Called with what a node tells a client."""
        for node in nodes:
            self.add(node)

    def fair_weather(self) -> Weather:
        """How links are when nothing goes wrong."""
        fifo = self.kind.assumes.links is Links.RELIABLE_FIFO
        return Weather(least_ns=self.surroundings.least_ns, most_ns=self.surroundings.most_ns, fifo=fifo)

    def add(self, number: NodeId) -> SimulatedNode:
        """A node that has not begun."""
        shown_ns = int(self._chance.random() * 1_000_000) * NS_PER_S  # no two clocks agree, so that none are mixed
        clock = NodeClock(self.now_ns, shown_ns)
        fair = self.surroundings
        disk = Disk(fair.disk_least_ns, fair.disk_most_ns, Random(f"{self.seed}/disk/{number}"))
        node = self.nodes[number] = SimulatedNode(number, clock, disk, in_order=self.fair_weather().fifo)
        return node

    # What a run does with it

    @property
    def members(self) -> list[NodeId]:
        """Who belongs to the group now, by number."""
        return sorted(number for number, node in self.nodes.items() if node.is_member)

    @property
    def electors(self) -> dict[NodeId, Elector]:
        """Those that live, by number."""
        return {number: node.elector for number, node in sorted(self.nodes.items()) if node.elector is not None}

    def start(self, *numbers: NodeId) -> None:
        """A new life of each of these, or of all members; all are made before the first begins."""
        begun = numbers or tuple(self.members)
        for number in begun:
            self._make(self.nodes[number])
        for number in begun:
            self._started(self.nodes[number])

    def crash(self, node: SimulatedNode) -> None:
        """End the node's life: all that was not durable is gone, and what is under way to it comes to nothing."""
        self.struck.update(node.disk.crash())
        node.end()
        self.tell(trace.Crashed(self.now_ns, node.number))
        self.on_change(node.number)
        self.on_death(node.number)

    def pause(self, node: SimulatedNode, for_ns: int) -> None:
        """Let the node stand still for so long, or longer if it does already."""
        until_ns = self.now_ns + for_ns
        if for_ns == 0 or until_ns <= node.paused_until_ns:
            return
        if not node.paused_until_ns:
            self.tell(trace.Paused(self.now_ns, node.number))
        node.paused_until_ns = until_ns
        self.call_at(until_ns, self._resume, (node, node.life))

    def _resume(self, of: tuple[SimulatedNode, int]) -> None:
        node, life = of
        if node.life != life or node.elector is None or node.paused_until_ns != self.now_ns:
            return
        node.paused_until_ns = 0
        self.tell(trace.Resumed(self.now_ns, node.number))
        self._look_at_disk(of)
        while node.inbox and node.elector is not None:
            self.give(node, node.inbox.popleft())

    def run_clock_at(self, node: SimulatedNode, ppm: int) -> None:
        """Change the rate of the node's clock: its timers and its deadline come at other instants."""
        node.clock.run_at(ppm, self.now_ns)
        self.tell(trace.Clock(self.now_ns, node.number, ppm))
        if node.held is not None and node.held[1] > node.clock.at(self.now_ns):
            self._tell_held(node)
        if node.elector is not None:
            self._set_alarm(node, node.elector.wake_ns)

    def call_at(self, at_ns: int, act: Callable[[Any], object], argument: Any) -> None:
        """Call `act(argument)` at a true instant."""
        heapq.heappush(self._agenda, (at_ns, next(self._count), act, argument))

    def run(self, until_ns: int) -> None:
        """Go on until this true instant. Raises RanAway."""
        agenda, pop = self._agenda, heapq.heappop
        while agenda and agenda[0][0] <= until_ns:
            self.now_ns, _, act, argument = pop(agenda)
            act(argument)
            if len(agenda) > LIMIT_AHEAD:
                raise RanAway(f"{len(agenda)} messages and timers are under way, and more come")
        self.now_ns = max(self.now_ns, until_ns)

    def tell(self, record: trace.Record) -> None:
        """Tell the observers."""
        for observe in self.observers:
            observe(record)

    # Events in, effects out

    def ask(self, node: SimulatedNode, requests: tuple[Request, ...]) -> bool:
        """Hand clients' requests to a node that serves them; whether it is there to take them now."""
        elector = node.elector
        if not isinstance(elector, Serving) or node.paused_until_ns:
            return False
        event = Requested(requests)
        self._after(node, elector, event, elector.handle(event, node.clock.at(self.now_ns)))
        return True

    def give(self, node: SimulatedNode, event: Event | PeerLost) -> None:
        """Hand an event to a node, or keep it until the node's pause is over."""
        if node.paused_until_ns:  # until it is told to go on, which is not the first thing that happens at that instant
            if len(node.inbox) < LIMIT_WAITING:
                node.inbox.append(event)
            return
        elector = node.elector
        assert elector is not None, f"node {node.number} is down"
        try:
            effects = _handed(elector, event, node.clock.at(self.now_ns))
        except WishRefused:
            self.refused[type(event).__name__] += 1
            return
        except (UnexpectedMessage, DutyBroken) as error:
            self.tell(trace.Violated(self.now_ns, "nothing refused among honest nodes", f"node {node.number}: {error}"))
            return
        self._after(node, elector, event, effects)

    def _after(self, node: SimulatedNode, elector: Elector, event: Event | Demand, effects: Sequence[Effect]) -> None:
        """Carry out what an elector said, and note what it has become."""
        if self.inspector is not None:
            self.inspector.handled(node, elector, event, effects)
        for effect in effects:
            self._carry_out(node, effect)
        if elector.wake_ns < node.alarm_ns:
            self._set_alarm(node, elector.wake_ns)
        if self._has_detector:
            self._tell_suspects(node, elector)
        seen = (elector.role, elector.leader, elector.term)
        if seen != node.seen:
            node.seen = seen
            self.tell(trace.Became(self.now_ns, node.number, str(elector.role), elector.leader, elector.term))

    def _carry_out(self, node: SimulatedNode, effect: Effect) -> None:
        match effect:
            case Send():
                if not node.keeps_back(effect):
                    self._send(node.number, effect)
            case Persist(number=number, record=record):
                done_ns = node.disk.write(number, record, self.now_ns)
                self.call_at(done_ns, self._look_at_disk, (node, node.life))
            case Recognised():
                ...  # what the elector says of itself is read after every event
            case Authorised(token=token, deadline_ns=deadline_ns):
                node.held = (token, deadline_ns)
                self._tell_held(node)
            case Deposed(token=token, why=why):
                if node.held is not None and node.held[0] == token:
                    node.held = None
                self.tell(trace.Lost(self.now_ns, node.number, token, why))
            case Divided(side=side, sees=sees, why=why):
                self.tell(trace.Sided(self.now_ns, node.number, side.value, sees, why))
            case Answered():
                self.on_answer(node.number, effect)
            case _:
                raise TypeError(f"{self.kind.name} gave {effect!r:.200}, which is none of tenure.core.effects")

    def _tell_suspects(self, node: SimulatedNode, elector: Elector) -> None:
        """Tell about whom the node's own detector has changed its mind."""
        assert isinstance(elector, Watched)
        if len(elector.suspects) != len(node.believed_dead):  # one event only adds to them, or only takes away
            for peer in sorted(elector.suspects ^ node.believed_dead):
                self.tell(trace.Suspects(self.now_ns, node.number, peer, peer not in elector.suspects))
            node.believed_dead = set(elector.suspects)

    def _tell_held(self, node: SimulatedNode) -> None:
        assert node.held is not None
        token, deadline_ns = node.held
        self.tell(trace.Held(self.now_ns, node.number, token, node.clock.when(deadline_ns)))

    # Timers

    def _set_alarm(self, node: SimulatedNode, wake_ns: int) -> None:
        """Wake the node when its clock shows this; an earlier alarm that is out of date rings for nothing."""
        node.alarm_ns = wake_ns
        if wake_ns < NEVER_NS:
            self.call_at(max(node.clock.when(wake_ns), self.now_ns), self._ring, (node, node.life, wake_ns))

    def _ring(self, alarm: tuple[SimulatedNode, int, int]) -> None:
        node, life, wake_ns = alarm
        if node.elector is None or node.life != life or node.alarm_ns != wake_ns:
            return
        if node.paused_until_ns:
            self.call_at(node.paused_until_ns, self._ring, alarm)
            return
        due_ns = node.elector.wake_ns
        if due_ns > node.clock.at(self.now_ns):
            self._set_alarm(node, due_ns)
            return
        node.alarm_ns = NEVER_NS
        node.count_wake(self.now_ns // NS_PER_S)
        elector = node.elector
        self.give(node, Woke())
        if elector.wake_ns <= node.clock.at(self.now_ns):
            raise RanAway(f"node {node.number} was woken and wants to be woken at once, for ever")

    # Lives

    def _make(self, node: SimulatedNode) -> None:
        if node.elector is not None:
            self.crash(node)
        make: Any = self.kind  # the settings are each algorithm's own
        chance = Random(f"{self.seed}/{node.number}/{node.life + 1}")
        members = self.members
        own = () if self.settings is None else (self.settings,)  # not every algorithm has any
        node.begin(make(node.number, members, chance, *own), set(members))
        self.tell(trace.Began(self.now_ns, node.number, node.life))

    def _started(self, node: SimulatedNode) -> None:
        self.give(node, Started(node.disk.records))
        if node.elector is not None and node.elector.role == NEW:
            raise TypeError(f"{self.kind.name} was given Started and is {NEW} still: let `handle` set `role`")
        self.on_change(node.number)

    # The disk

    def _look_at_disk(self, of: tuple[SimulatedNode, int]) -> None:
        """Tell the node what has become durable, and let go what waited for it."""
        node, life = of
        if node.life != life or node.elector is None or node.paused_until_ns:
            return
        done = node.disk.done(self.now_ns)
        if not done:
            return
        for number, record in done:
            words = words_of(record) if self._tells_messages else ""
            self.tell(trace.Wrote(self.now_ns, node.number, kind_of(type(record)), words))
            node.durable = number
        for send in node.let_go():
            self._send(node.number, send)
        self.give(node, Persisted(node.durable))

    def mend_disk(self, node: SimulatedNode) -> None:
        """As good as in the beginning; what stood still goes on."""
        fair = self.surroundings
        done_ns = node.disk.mend(fair.disk_least_ns, fair.disk_most_ns, self.now_ns)
        self._look_at_disk((node, node.life))
        self.call_at(max(done_ns, self.now_ns), self._look_at_disk, (node, node.life))

    # Messages

    def _send(self, sender: NodeId, effect: Send) -> None:
        to, message = effect.to, effect.message
        if self.inspector is not None:
            self.inspector.sent(self.nodes[sender], to, message)
        kind = type(message)
        if kind not in self.sent and kind not in self.kind.messages:
            raise TypeError(f"{self.kind.name} sent a {kind.__name__}, which its `messages` do not name")
        self.sent[kind] += 1
        if self._codec is not None:
            self.bytes[kind] += len(self._codec.encode(message))
        number = self._tell_sent(sender, to, message) if self._tells_messages else 0
        if self.delivered > LIMIT_MESSAGES:
            raise RanAway(f"{self.delivered} messages were delivered, and more come")
        receiver, link = self.nodes.get(to), (sender, to)
        if receiver is None or link in self.network.cut:
            self._drop(number, "down" if receiver is None else "cut")
            return
        arrivals = self.network.arrivals(link, self.now_ns)
        if not arrivals:
            self._drop(number, "lost")
        for at_ns in arrivals:
            flight = (link, self.nodes[sender].life, receiver, receiver.life, message, number)
            heapq.heappush(self._agenda, (at_ns, next(self._count), self._arrive, flight))

    def _arrive(self, flight: tuple[Link, int, SimulatedNode, int, Message, int]) -> None:
        link, senders_life, receiver, life, message, number = flight
        if receiver.life != life or receiver.elector is None:
            self._drop(number, "down")
        elif link in self.network.cut:
            self._drop(number, "cut")
        else:
            self.delivered += 1
            if number:
                self.tell(trace.Arrived(self.now_ns, number))
            if senders_life > receiver.heard.get(link[0], 0):
                receiver.heard[link[0]] = senders_life
            self.give(receiver, Received(link[0], message))

    def _tell_sent(self, sender: NodeId, to: NodeId, message: Message) -> int:
        number = next(self._ids)
        size = len(self._codec.encode(message)) if self._codec is not None else 0
        self.tell(trace.Sent(self.now_ns, number, sender, to, kind_of(type(message)), words_of(message), size))
        return number

    def _drop(self, number: int, why: str) -> None:
        if number:
            self.tell(trace.Dropped(self.now_ns, number, why))


def _handed(elector: Elector, event: Event | PeerLost, now_ns: int) -> Sequence[Effect]:
    """What it answers. Deaths are told to those that serve clients, and to nobody else."""
    if isinstance(event, PeerLost):
        return elector.handle(event, now_ns) if isinstance(elector, Serving) else ()
    return elector.handle(event, now_ns)


def _nobody_minds(*_: object) -> None:
    """Where no news is brought, or there are no clients."""
