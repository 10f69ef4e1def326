"""One node of a simulated group: its elector, clock, disk, and what waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from tenure.core.effects import Effect, Send
from tenure.core.elector import Elector
from tenure.core.events import Demand, Event, Message, NodeId, PeerLost
from tenure.durations import NEVER_NS
from tenure.simulator.clock import NodeClock
from tenure.simulator.disk import Disk

LIMIT_WAITING = 100_000
"""Events for a paused node, or messages that wait for a disk; what comes on top is dropped, as by a full buffer."""
LIMIT_WAKES = 100_000
"""Of one node in one second: no time-out is that short."""


class RanAway(Exception):
    """The algorithm goes on without end; the message says at what."""


class SimulatedNode:
    """Its number, and all that is of one life or outlives it."""

    __slots__ = (
        "alarm_ns",
        "believed_dead",
        "clock",
        "disk",
        "durable",
        "elector",
        "heard",
        "held",
        "in_order",
        "inbox",
        "is_member",
        "known",
        "life",
        "number",
        "paused_until_ns",
        "seen",
        "told_ns",
        "waiting",
        "woken",
    )

    def __init__(self, number: NodeId, clock: NodeClock, disk: Disk, *, in_order: bool = False) -> None:
        self.number = number
        self.in_order = in_order
        """Whether its links keep the order, so that no message passes an earlier one that waits for the disk."""
        self.clock = clock
        self.disk = disk
        self.life = 0
        self.is_member = True
        self.told_ns = 0
        """When it hears the last news about members that are under way to it."""
        self.woken = (0, 0)
        """A second of true time, and how often it was woken in it."""
        self.elector: Elector | None = None
        """None while it is down."""
        self._forget()

    def begin(self, elector: Elector, known: set[NodeId]) -> None:
        """A new life."""
        self._forget()
        self.life += 1
        self.elector = elector
        self.known = known

    def end(self) -> None:
        """Down, with all that was of this life."""
        self.elector = None
        self._forget()

    def _forget(self) -> None:
        self.alarm_ns = NEVER_NS
        self.paused_until_ns = 0
        """The true instant; 0 while it is not paused."""
        self.durable = 0
        self.waiting = deque[Send]()
        """Messages that wait for the disk."""
        self.inbox = deque[Event | PeerLost]()
        """What came while it was paused."""
        self.believed_dead = set[NodeId]()
        self.known = set[NodeId]()
        self.heard = dict[NodeId, int]()
        """The latest life of each other node of which a message was handed over."""
        self.seen: Any = None
        """Its role, leader and term, as last recorded."""
        self.held: tuple[int, int] | None = None
        """The token under which it may act, and until when on its own clock."""

    @property
    def leads(self) -> bool:
        """Whether it lives and takes itself for the leader."""
        return self.elector is not None and self.elector.leader == self.number

    def count_wake(self, second: int) -> None:
        """It is woken in this second. Raises RanAway where that happens too often."""
        last, times = self.woken
        self.woken = (second, times + 1 if last == second else 1)
        if self.woken[1] > LIMIT_WAKES:
            raise RanAway(f"node {self.number} wanted to be woken {LIMIT_WAKES} times in one second, and more")

    def keeps_back(self, send: Send) -> bool:
        """Whether a message must wait for the disk; it is kept then."""
        must_wait = send.after > self.durable or (self.in_order and any(one.to == send.to for one in self.waiting))
        if must_wait and len(self.waiting) < LIMIT_WAITING:
            self.waiting.append(send)
        return must_wait

    def let_go(self) -> list[Send]:
        """Those messages that need not wait any more, in their order."""
        waiting, self.waiting = self.waiting, deque()
        return [send for send in waiting if not self.keeps_back(send)]


class Inspector(Protocol):
    """Looks at nodes from inside, where records of a trace do not say enough."""

    def handled(self, node: SimulatedNode, elector: Elector, event: Event | Demand, effects: Sequence[Effect]) -> None:
        """The node has dealt with an event, and these effects will be carried out."""

    def sent(self, node: SimulatedNode, to: NodeId, message: Message) -> None:
        """The message leaves the node."""
