"""The contract of an elector: one node's state machine of one election algorithm.

    world -> Event -> elector.handle(event, now_ns) -> [Effect, ...] -> driver -> world

The driver's duties:

 1. Make it once for each life of the node, with a `random.Random` of its own, and hand it `Started` first, with the
    last record that was durable when the earlier life ended.
 2. Hand it every event with `now_ns`, integer nanoseconds of one clock that never goes back within a life.
 3. Hand it `Woke` as soon as that clock has reached `wake_ns`, which is read anew after every event.
 4. Carry out the effects in their order, which for a Persist means to begin: many may be written at once, and the
    driver goes on meanwhile. When records are durable it says so by `Persisted` with the greatest number among them.
 5. Let no Send leave before the record that it names is durable; those that name none need not wait. Sends to one peer
    leave in their order where the model says that links keep it.
 6. Lose, repeat, delay and reorder messages only as the model allows, and alter none.
 7. Forget, when the node crashes, everything but the records that were durable.

Time comes in as an argument, and chance from the `Random` by `random()` and `getrandbits()` alone, whose values Python
promises across versions: the same events give the same effects, on every machine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tenure.core.effects import Effect
from tenure.core.events import Event, Message, NodeId, Record
from tenure.core.model import FaultModel, Guarantee
from tenure.errors import TenureError


class Elector(ABC):
    """One node's part in an election algorithm. Subclasses are pure: see the head of this file."""

    name: ClassVar[str]
    """The textbook name, as the command line takes it."""
    assumes: ClassVar[FaultModel]
    guarantees: ClassVar[frozenset[Guarantee]]
    messages: ClassVar[tuple[type[Message], ...]]
    """Every message of the algorithm; a node that receives another one has a foreign peer."""
    records: ClassVar[tuple[type[Record], ...]] = ()

    me: NodeId
    wake_ns: int
    """When it next has something to do by itself; NEVER_NS for nothing."""
    role: str
    """What it is now, in the algorithm's own word, for pictures and tables; nothing is decided by it."""
    leader: NodeId | None
    """Whom it recognises."""
    term: int
    """The round it is in; 0 before the first, and always where the algorithm has no rounds."""

    @abstractmethod
    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        """Take in what happened at `now_ns`, and return what is to be done about it, in order.

        Raises UnexpectedMessage for a message that is none of this algorithm's, and changes nothing then.
        """


class UnexpectedMessage(TenureError):
    """A message that no node of this algorithm sends. Close the connection to that peer, it speaks something else."""

    def __init__(self, sender: NodeId, message: Message) -> None:
        super().__init__(f"node {sender} sent {type(message).__name__}, which is no message of this algorithm")
        self.sender = sender
        self.message = message
