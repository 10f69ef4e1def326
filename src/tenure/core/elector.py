"""The contract of an elector: one node's state machine of one election algorithm.

    world -> Event -> elector.handle(event, now_ns) -> [Effect, ...] -> driver -> world

The driver's duties:

 1. Make it once for each life of the node, with a `random.Random` of its own, and hand it `Started` first, with the
    last record of each type that was durable when the earlier life ended.
 2. Hand it every event with `now_ns`, integer nanoseconds of one clock that never goes back within a life.
 3. Hand it `Woke` as soon as that clock has reached `wake_ns`, which is read anew after every event.
 4. Carry out the effects in their order, which for a Persist means to begin: many may be written at once, and the
    driver goes on meanwhile. When records are durable it says so by `Persisted` with the greatest number among them.
 5. Let no Send leave before the record that it names is durable; those that name none need not wait. Sends to one peer
    leave in their order where the model says that links keep it.
 6. Lose, repeat, delay and reorder messages only as the model allows, and alter none.
 7. Forget, when the node crashes, everything but the records that were durable. A node that has lost those too begins
    under a new number: the old one would say again what it said, and otherwise.
 8. Suspect none but members that it was told of; in each life all count as trusted until the detector says otherwise.
 9. Say that a peer's process is gone for certain before anything is handed over that a later life of the peer said, or
    never.

Time comes in as an argument, and chance from the `Random` by `random()` and `getrandbits()` alone, whose values Python
promises across versions: the same events give the same effects, on every machine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar

from tenure.core.account import Account
from tenure.core.effects import Effect
from tenure.core.events import (
    Answer,
    Asked,
    Demand,
    Event,
    Message,
    NodeId,
    Persisted,
    Rated,
    Received,
    Record,
    Request,
    Started,
)
from tenure.core.model import FaultModel, Guarantee
from tenure.durations import NEVER_NS
from tenure.errors import TenureError

NEW = "new"
"""The role of an elector that has not been given Started yet, whatever the algorithm."""


class Elector(ABC):
    """One node's part in an election algorithm. Subclasses are pure: see the head of this file.

    `me` is this node, `members` are all as far as it is known (itself or not), `chance` is the node's own. A subclass
    takes these three first, and its settings, if it has any, with defaults, behind them.
    """

    name: ClassVar[str]
    """The textbook name, as the command line takes it."""
    assumes: ClassVar[FaultModel]
    guarantees: ClassVar[frozenset[Guarantee]]
    messages: ClassVar[tuple[type[Message], ...]]
    """Every message of the algorithm; a node that receives another one has a foreign peer."""
    records: ClassVar[tuple[type[Record], ...]] = ()
    takes_rated: ClassVar[bool] = False
    """Whether it makes use of Rated; otherwise that is refused for it."""

    me: NodeId
    wake_ns: int
    """When it next has something to do by itself; NEVER_NS for nothing."""
    role: str
    """What it is now, in the algorithm's own word, for pictures and tables: NEW until it was given Started, and never
    after that."""
    leader: NodeId | None
    """Whom it recognises."""
    term: int
    """The round it is in; 0 before the first, and always where the algorithm has no rounds."""

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random) -> None:
        self.me = me
        self.members = {me, *members}
        self.chance = chance
        self.wake_ns = NEVER_NS
        self.role = NEW
        self.leader = None
        self.term = 0

    @abstractmethod
    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        """Take in what happened at `now_ns`, and return what is to be done about it, in order.

        Raises, and then has changed nothing: UnexpectedMessage for a message that no node of this algorithm sends to
        this one, DutyBroken where the driver is at fault, WishRefused for an Asked, Reconfigure or Rated that the
        algorithm cannot honour.
        """

    @property
    def authority_ns(self) -> int:
        """How much is left of an authority right before it is extended, at least, while all goes well; 0 where the
        elector gives none.
        """
        return 0

    def why_not(self, to: NodeId | None) -> str | None:
        """Why this node would refuse an Asked now, and what would help; None where it would not."""
        del to
        return None

    def account(self, now_ns: int) -> Account:
        """What it tells operators of itself at `now_ns`; changes nothing."""
        del now_ns
        return Account(voters=tuple(sorted(self.members)))

    def hold_on(self) -> None:
        """Give way to nobody unasked, though the algorithm may prefer another: who stands around this one decides."""
        return

    def _admit(self, event: Event | Demand) -> None:
        """Refuse what no driver and no peer of this algorithm would give, and wishes that it cannot honour; every
        `handle` calls this first.
        """
        match event:
            case Started(durable=records):
                if self.role != NEW:
                    raise DutyBroken(1, "Started came twice; each life has an elector of its own")
                for record in records:
                    if type(record) not in self.records:
                        raise DutyBroken(1, f"{type(record).__name__} is no record of {self.name}")
            case _ if self.role == NEW:
                raise DutyBroken(1, f"{type(event).__name__} came before Started")
            case Persisted() if not self.records:
                raise DutyBroken(4, f"{self.name} makes nothing durable, and was told that something is")
            case Received(sender=sender, message=message):
                if sender == self.me:
                    raise DutyBroken(6, f"node {sender} was given a message of its own; it sends itself none")
                if type(message) not in self.messages:
                    raise UnexpectedMessage(sender, message, f"which is no message of {self.name}")
            case Asked(to=to) if (why := self.why_not(to)) is not None:
                raise WishRefused(why)
            case Rated() if not self.takes_rated:
                raise WishRefused(f"{self.name} prefers nobody: put Preference around it, as in {self.name}+preference")
            case _:
                return


class Serving(Elector):
    """An elector that serves clients, so that its driver hands it their requests and tells them its answers."""

    requests: ClassVar[tuple[type[Request], ...]]
    """All that clients may ask for."""
    answers: ClassVar[tuple[type[Answer], ...]]
    """All that they are told."""

    @abstractmethod
    def handle(self, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        """As of every elector; each request is answered once by Answered, unless the node crashes before."""


class UnexpectedMessage(TenureError):
    """A message that no node of this algorithm sends to this one. Close the connection to that peer: it speaks
    something else, or has the same number as another.
    """

    def __init__(self, sender: NodeId, message: Message, why: str) -> None:
        super().__init__(f"node {sender} sent {type(message).__name__}, {why}; close the connection to it")
        self.sender = sender
        self.message = message


class DutyBroken(TenureError):
    """The driver did what its duty of this number (see the head of `elector`) rules out: mend the driver."""

    def __init__(self, duty: int, what: str) -> None:
        super().__init__(f"{what} (the driver's duty {duty})")
        self.duty = duty


class WishRefused(TenureError):
    """The algorithm cannot do what was asked of it; it goes on as before. The message says what would help."""
