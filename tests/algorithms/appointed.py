"""An elector for tests of those that stand around another: it obeys, is told who leads, and notes what it was given."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar

from tenure.core.effects import Authorised, Deposed, Effect, Recognised, Send
from tenure.core.elector import NEW, Elector
from tenure.core.events import Asked, Event, Left, Message, NodeId, Received, Started
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NEVER_NS


class Appoint(Message, frozen=True, tag="APPOINT"):
    """From now on `leader` leads, in this term."""

    leader: NodeId
    term: int


class Role(enum.StrEnum):
    """All that it is."""

    NEW = NEW
    THERE = "there"


class Appointed(Elector):
    """Recognises whom the last Appoint named. A leader that is asked to step down appoints that node, or the greatest
    other one, and tells all.
    """

    name: ClassVar[str] = "appointed"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.PARTIAL, crashes=Crashes.STOP, links=Links.RELIABLE, partitions=False
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset()
    messages: ClassVar[tuple[type[Message], ...]] = (Appoint,)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: object = None) -> None:
        super().__init__(me, members, chance)
        del settings
        self.given: list[Event] = []
        self.pending: Appoint | None = None
        """What it is appointed by at its next event, whatever that is: as a timer of a real one would."""

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        del now_ns
        self._admit(event)
        self.given.append(event)
        if self.pending is not None:
            pending, self.pending = self.pending, None
            return self.appoint(pending.leader, pending.term)
        match event:
            case Started():
                self.role = Role.THERE
                return []
            case Received(message=Appoint(leader=leader, term=term)) if term > self.term:
                return self.appoint(leader, term)
            case Asked(to=to) if self.leader == self.me:
                others = sorted(self.members - {self.me})
                heir = to if to is not None else others[-1]
                appoint = Appoint(heir, self.term + 1)
                return [*self.appoint(heir, self.term + 1), *(Send(peer, appoint) for peer in others)]
            case Left(peer=peer):
                self.members.discard(peer)
                return [] if peer != self.me else self.appoint(None, self.term)
            case _:
                return []

    def appoint(self, leader: NodeId | None, term: int) -> list[Effect]:
        """Recognise another leader; what that brings about."""
        has_changed, self.leader, self.term = leader != self.leader, leader, term
        return [Recognised(leader, term)] if has_changed else []


class Stubborn(Appointed):
    """The same, but that it refuses to hand over."""

    name: ClassVar[str] = "stubborn"

    def why_not(self, to: NodeId | None) -> str | None:
        del to
        return "it stays: take the node out"


class Obstinate(Appointed):
    """The same, but that it does nothing about being asked to hand over, as where a try comes to nothing."""

    name: ClassVar[str] = "obstinate"

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        return [] if isinstance(event, Asked) else super().handle(event, now_ns)


class Licensed(Appointed):
    """The same with authority: each term of its own is a token, valid for ever, or until `until_ns`, which is told anew
    when it changes; or until it steps down.
    """

    name: ClassVar[str] = "licensed"
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset({Guarantee.ONE_AT_A_TIME})

    until_ns = NEVER_NS
    _told_ns = NEVER_NS

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        """The same, and how long authority lasts."""
        effects = list(super().handle(event, now_ns))
        if self.until_ns != self._told_ns and self.leader == self.me:
            self._told_ns = self.until_ns
            effects.append(Authorised(self.term, self.until_ns))
        return effects

    def appoint(self, leader: NodeId | None, term: int) -> list[Effect]:
        """The same, and what it means for authority."""
        had, token = self.leader == self.me, self.term
        effects = super().appoint(leader, term)
        if had:
            effects.append(Deposed(token, "another was appointed"))
        if leader == self.me:
            self._told_ns = self.until_ns
            effects.append(Authorised(term, self.until_ns))
        return effects
