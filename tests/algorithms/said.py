"""An elector that recognises whom it was told to trust last: tests decide who should lead, and see authority alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tenure.core.effects import Effect, Recognised
from tenure.core.elector import Elector
from tenure.core.events import Event, Left, Message, Started, Suspected, Trusted
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony


class Said(Elector):
    """Trusted(N) makes N the leader, Suspected makes it nobody."""

    name: ClassVar[str] = "said"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.ASYNCHRONOUS, crashes=Crashes.STOP, links=Links.LOSSY, partitions=True
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset()
    messages: ClassVar[tuple[type[Message], ...]] = ()

    def __init__(self, me: int, members: Sequence[int], chance: object, settings: object = None) -> None:
        del settings
        super().__init__(me, members, chance)  # type: ignore[arg-type]  # it draws nothing

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        del now_ns
        self._admit(event)
        match event:
            case Started():
                self.role = "following"
                return ()
            case Trusted(peer=peer):
                leader: int | None = peer
            case Suspected() | Left(peer=self.me):
                leader = None
            case _:
                return ()
        if leader == self.leader:
            return ()
        self.leader = leader
        return [Recognised(leader, self.term)]
