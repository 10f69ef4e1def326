"""An elector that elects nobody and writes down what it is told, to be put inside of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, ClassVar

from tenure.core.effects import Effect, Persist, Recognised, Send
from tenure.core.elector import Elector, WishRefused
from tenure.core.events import (
    Asked,
    Event,
    Left,
    Message,
    NodeId,
    Received,
    Record,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.detectors import watched
from tenure.detectors.base import Settings
from tenure.durations import NEVER_NS

MS = 1_000_000


class Word(Message, frozen=True):
    """What probes say."""


class Note(Record, frozen=True):
    """What probes keep."""


class Probe(Elector):
    """Refuses every wish, recognises whoever speaks, and is woken when its test sets `wake_ns`."""

    name: ClassVar[str] = "probe"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.PARTIAL, crashes=Crashes.RECOVERY, links=Links.LOSSY, partitions=True
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset({Guarantee.ONE_PER_TERM})
    messages: ClassVar[tuple[type[Message], ...]] = (Word,)
    records: ClassVar[tuple[type[Record], ...]] = (Note,)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: object = None) -> None:
        super().__init__(me, members, chance)
        self.settings = settings
        self.told: list[tuple[int, Event]] = []

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        match event:
            case Asked():
                raise WishRefused("a probe refuses every wish")
            case Started():
                self.role = "listening"
            case Received(sender=sender):
                self.role, self.leader, self.term = "following", sender, self.term + 1
                self.told.append((now_ns, event))
                return [
                    Recognised(sender, self.term),
                    Persist(self.term, Note()),
                    Send(sender, Word(), after=self.term),
                ]
            case Left(peer=peer) if peer == self.me:
                self.role, self.leader, self.wake_ns = "gone", None, NEVER_NS
            case Woke():
                self.wake_ns = NEVER_NS if now_ns >= self.wake_ns else self.wake_ns
            case _:
                ...
        self.told.append((now_ns, event))
        return ()


class Scene:
    """One watched probe, node 1 of three, and a clock that the test moves. Wakes it as its driver's duty 3 says."""

    def __init__(
        self, kind: type[watched.Watched] = watched.Watched, settings: Settings | None = None, begin_ns: int = 0
    ) -> None:
        self.elector = kind.over(Probe)(1, (1, 2, 3), Random(1), settings)
        self.now_ns = begin_ns
        self.beats: list[tuple[int, NodeId]] = []
        """The heartbeats that it sent: (instant in ns, to)."""
        self.other_effects: list[Effect] = []

    @property
    def probe(self) -> Probe:
        inner: Any = self.elector.inner
        assert isinstance(inner, Probe)
        return inner

    @property
    def opinions(self) -> list[tuple[int, Event]]:
        """What the probe was told of who lives, and when."""
        return [(at_ns, event) for at_ns, event in self.probe.told if isinstance(event, Suspected | Trusted)]

    def give(self, event: Event) -> None:
        for effect in self.elector.handle(event, self.now_ns):
            match effect:
                case Send(to=to, message=watched.Heartbeat()):
                    self.beats.append((self.now_ns, to))
                case _:
                    self.other_effects.append(effect)

    def hear(self, *peers: NodeId) -> None:
        for peer in peers:
            self.give(Received(peer, watched.Heartbeat()))

    def pass_until(self, until_ns: int) -> None:
        """Let time pass, with every wake in its time."""
        while self.elector.wake_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.elector.wake_ns)
            self.give(Woke())
        self.now_ns = until_ns

    def all_beat(self, *peers: NodeId, times: int) -> None:
        """These peers are heard each 100 ms, so often."""
        for _ in range(times):
            self.pass_until(self.now_ns + 100 * MS)
            self.hear(*peers)

    def stand_still(self, for_ns: int) -> None:
        """The node is paused: time passes and nobody wakes it."""
        self.now_ns += for_ns
