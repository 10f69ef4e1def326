"""An elector that does what a test tells it to and remembers all that it is given; and worlds made of such."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, ClassVar

from tenure import trace
from tenure.core.effects import Effect
from tenure.core.elector import Elector
from tenure.core.events import Event, Message, NodeId, Record
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.simulator.faults import parse
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.network import MS
from tenure.simulator.news import News
from tenure.simulator.surroundings import Surroundings
from tenure.simulator.world import World

S = 1000 * MS


class Note(Message, frozen=True):
    """A numbered message."""

    number: int


class Kept(Record, frozen=True):
    """A numbered record."""

    number: int


class Also(Record, frozen=True):
    """One of another type."""

    number: int


class Given:
    """What an elector was given, when its own clock showed what, in which life."""

    def __init__(self, life: int, event: Event, now_ns: int) -> None:
        self.life, self.event, self.now_ns = life, event, now_ns


class Script:
    """The settings of probes: what each does upon an event, and what all were given."""

    def __init__(self, does: Callable[[Probe, Event, int], Iterable[Effect] | None] | None = None) -> None:
        self.does = does
        self.given: dict[NodeId, list[Given]] = {}
        self.lives: dict[NodeId, int] = {}

    def events(self, node: NodeId, life: int = 1) -> list[Event]:
        """What this node was given in this life."""
        return [given.event for given in self.given.get(node, []) if given.life == life]


class Probe(Elector):
    """Remembers, and obeys its script."""

    name: ClassVar[str] = "probe"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.ASYNCHRONOUS,
        crashes=Crashes.RECOVERY,
        links=Links.LOSSY,
        partitions=True,
        clock_drift=True,
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset({Guarantee.AGREEMENT, Guarantee.TERMINATION})
    messages: ClassVar[tuple[type[Message], ...]] = (Note,)
    records: ClassVar[tuple[type[Record], ...]] = (Kept, Also)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, script: Script) -> None:
        super().__init__(me, members, chance)
        self.script = script
        self.life = script.lives[me] = script.lives.get(me, 0) + 1

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self.role = "probing"
        self.script.given.setdefault(self.me, []).append(Given(self.life, event, now_ns))
        does = self.script.does
        return list(does(self, event, now_ns) or ()) if does else ()


class InOrder(Probe):
    """The same on links that keep the order."""

    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.PARTIAL,
        crashes=Crashes.RECOVERY,
        links=Links.RELIABLE_FIFO,
        partitions=False,
    )


class Scene:
    """A world of probes, or of others, with what happened in it; `let` takes the words of scenarios."""

    def __init__(
        self,
        script: Any = None,
        *,
        nodes: int = 3,
        kind: type[Elector] = Probe,
        seed: int = 0,
        tells_messages: bool = True,
        **surroundings: Any,
    ) -> None:
        self.happened: list[trace.Record] = []
        self.world = World(
            kind,
            range(1, nodes + 1),
            seed=seed,
            settings=script,
            surroundings=Surroundings(**surroundings),
            observers=[self.happened.append],
            tells_messages=tells_messages,
        )
        self.nemesis = Nemesis(self.world, News(self.world))
        self.world.start()

    def let(self, words: str) -> bool:
        """Let this happen now; whether it struck."""
        return self.nemesis.strike(parse(words))

    def at(self, at_ms: float, words: str) -> None:
        """Let this happen later."""
        self.nemesis.at(round(at_ms * MS), parse(words))

    def run(self, until_ms: float) -> None:
        """Go on until this instant."""
        self.world.run(round(until_ms * MS))

    def told(self, kind: type[trace.Happened]) -> list[Any]:
        """The records of one type."""
        return [record for record in self.happened if type(record) is kind]
