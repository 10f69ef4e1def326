"""A group of electors in the simulator, for tests that look at single steps: the words of scenarios, and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tenure import trace
from tenure.core.effects import Effect
from tenure.core.elector import Elector
from tenure.core.events import Event, NodeId
from tenure.simulator.faults import parse
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.network import MS
from tenure.simulator.news import News
from tenure.simulator.surroundings import Surroundings
from tenure.simulator.world import World

DELAY_MS = 10
TOLD = Surroundings(least_ns=DELAY_MS * MS, most_ns=DELAY_MS * MS, news_least_ns=100 * MS, is_told=True)
"""Every message takes the same time, and the world tells who has died or come back, after 100 to 300 ms."""
UNTOLD = Surroundings(least_ns=DELAY_MS * MS, most_ns=DELAY_MS * MS)
"""The same, and nobody notices anything."""


class Group:
    """Nodes of one algorithm; nobody has begun. Times are in milliseconds of true time."""

    def __init__(
        self,
        kind: type[Elector],
        nodes: Iterable[NodeId],
        settings: object,
        surroundings: Surroundings = TOLD,
        *,
        seed: int = 0,
    ) -> None:
        self.history: list[tuple[int, NodeId, NodeId | None]] = []
        """Who began to recognise whom, and when: (true instant in ns, node, leader)."""
        self.world = World(
            kind, nodes, seed=seed, settings=settings, surroundings=surroundings, observers=[self._observe]
        )
        self._nemesis = Nemesis(self.world, News(self.world))
        self._recognised: dict[NodeId, NodeId | None] = {}

    def let(self, *words: str) -> None:
        """Let these faults strike, one by one."""
        for one in words:
            assert self._nemesis.strike(parse(one)), f"{one} strikes nothing"

    def give(self, node: NodeId, event: Event) -> None:
        """Hand it an event that only this node sees, such as a false alarm."""
        self.world.give(self.world.nodes[node], event)

    def answer(self, node: NodeId, event: Event) -> list[Effect]:
        """What its elector does upon an event, which is not carried out."""
        return list(self[node].handle(event, self.world.nodes[node].clock.at(self.world.now_ns)))

    def run(self, for_ms: float) -> None:
        """Go on for so long."""
        self.world.run(self.world.now_ns + round(for_ms * MS))

    def __getitem__(self, node: NodeId) -> Any:
        return self.world.electors[node]

    @property
    def leaders(self) -> dict[NodeId, NodeId | None]:
        """Whom each living node recognises."""
        return {node: elector.leader for node, elector in self.world.electors.items()}

    @property
    def agreed(self) -> NodeId | None:
        """Whom all that live recognise; None if they differ."""
        recognised = set(self.leaders.values())
        return recognised.pop() if len(recognised) == 1 else None

    @property
    def sent(self) -> Counter[str]:
        """Messages by kind, each counted when it left."""
        return Counter({kind.__name__: count for kind, count in self.world.sent.items()})

    def forget(self) -> None:
        """Count from here on."""
        self.world.sent.clear()
        self.history.clear()

    def _observe(self, record: trace.Record) -> None:
        match record:
            case trace.Began(node=node):
                self._recognised[node] = None
            case trace.Became(node=node, leader=leader) if leader != self._recognised[node]:
                self._recognised[node] = leader
                self.history.append((record.at_ns, node, leader))
            case _:
                ...
