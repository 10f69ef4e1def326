"""One node that detects split brain and steps down on the losing side, whatever the strategy."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, assert_never

import msgspec

from tenure.algorithms.split_brain.sides import side_that_stays
from tenure.algorithms.split_brain.sight import Sight, View
from tenure.core.composed import Composed
from tenure.core.effects import Authorised, Deposed, Divided, Effect, Recognised, Send, Side
from tenure.core.elector import NEW, Elector
from tenure.core.events import (
    Asked,
    Event,
    Joined,
    Left,
    Message,
    NodeId,
    Persisted,
    Rated,
    Received,
    Reconfigure,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.model import FaultModel
from tenure.durations import NEVER_NS


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes of one group must agree on."""

    stable_after_ns: int = 5_000_000_000
    """How long the picture must not have changed before anything is decided. Akka recommends 5 s for five nodes, 10 s
    for twenty, 20 s for a thousand. Too short, and two sides decide on pictures that differ; for all of it there may be
    two leaders."""
    tell_every_ns: int = 1_000_000_000
    """How often each tells all others what it sees, changes apart, which it tells at once: a lost message is made up
    for, and what others see arrives by way of a third within two. Akka gossips each second."""

    def __post_init__(self) -> None:
        if self.tell_every_ns < 1:
            raise ValueError(f"tell_every_ns is {self.tell_every_ns}; views are told one nanosecond apart at least")
        if self.stable_after_ns < 3 * self.tell_every_ns:
            raise ValueError(
                f"stable_after_ns is {self.stable_after_ns}; what is decided on takes up to two rounds of views to "
                f"arrive, so make it 3 * tell_every_ns = {3 * self.tell_every_ns} at least"
            )


class Role(enum.StrEnum):
    """What a node is doing, where its part is not that of its inner elector."""

    NEW = NEW
    WAITING = "waiting"
    """Has started, and has neither heard from all members nor decided yet."""
    STEPPED_DOWN = "stepped-down"
    GONE = "gone"
    """Has left the group."""


class SplitBrain(Composed):
    """One node that steps down on the losing side. A subclass is a strategy: `name`, and `stays`."""

    own_messages: ClassVar[tuple[type[Message], ...]] = (View,)

    @classmethod
    def assumes_over(cls, inner: type[Elector]) -> FaultModel:
        return msgspec.structs.replace(inner.assumes, partitions=True)

    @abstractmethod
    def stays(self, side: frozenset[NodeId]) -> bool:
        """Whether these of the members are enough to go on. Two sets that are must share a node; see `sides`."""

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        self.settings = settings or Settings()
        self.role: str = Role.NEW
        self.sight = Sight(me, self.members)
        self.members = self.sight.members
        self.side: Side | None = None
        """What was last said; None before the start."""
        self._decided: Side | None = None  # the last decision; None: none in this life
        self._decided_ns = 0
        self._hears = frozenset[NodeId]()  # whom the inner one is given messages of; nobody, not even me: stepped down
        self._waits_to_show = False  # what the inner one recognises is from the time when it heard nobody
        self._inner_suspects = set[NodeId]()
        self._inner_awaits = set[NodeId]()  # members that the inner one was not told of yet
        self._meets = dict[NodeId, frozenset[NodeId]]()  # who is on one side with whom, as far as this node knows
        self._seen: object = None
        self._seen_since_ns = 0  # since when this node sees just these
        self._picture: object = None
        self._since_ns = 0  # since when the picture is this one
        self._life = self._number = 0
        self._told: object = None
        self._tell_ns = NEVER_NS
        self._reconciles_ns = NEVER_NS
        self._token: int | None = None  # of the authority that was passed on
        self._spent = -1  # no authority of this token, or a smaller one, is passed on again
        self._effects: list[Effect] = []

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self._effects = []
        if self.role is Role.GONE:
            return ()
        match event:
            case Started():
                self._start(event, now_ns)
            case Received(sender=sender, message=View() as view):
                if self.sight.hear(sender, view):
                    self._effects.append(Send(sender, self._view()))
            case Received(sender=sender):
                if sender in self._hears:
                    self._give(event, now_ns)
            case Suspected(peer=peer):
                self.sight.suspect(peer)
            case Trusted(peer=peer):
                self.sight.trust(peer)
            case Joined(peer=peer):
                self._join(peer)
            case Left(peer=peer):
                self._leave(peer, now_ns)
            case Woke():
                if now_ns >= self.inner.wake_ns:
                    self._give(event, now_ns)
            case Persisted() | Asked() | Reconfigure() | Rated():
                self._give(event, now_ns)
            case _:
                assert_never(event)
        if self.role is not Role.GONE:
            self._settle(now_ns)
        return self._effects

    def _start(self, started: Started, now_ns: int) -> None:
        """Begin as one that hears nobody, and is silent in the inner elector."""
        self._give(started, now_ns)
        self._life = self.chance.getrandbits(63)

    def _settle(self, now_ns: int) -> None:
        """Look at the picture, decide if it is time, let the inner one know, and tell the others."""
        for _ in range(2):  # what the inner one is told may change whom it recognises, and so the picture
            self._show()
            self._look(now_ns)
            self._decide(now_ns)
            self._let_inner_know(now_ns)
        self._reconcile(now_ns)
        self._show()
        self.role = self._role()
        self._tell(now_ns)
        self.wake_ns = min(self.inner.wake_ns, self._tell_ns, self._reconciles_ns, self._decides_ns(now_ns))

    # What is decided

    def _look(self, now_ns: int) -> None:
        """Note since when the picture is what it is, with whom each recognises and without."""
        trouble = bool(self.sight.trouble())
        self._meets = self.sight.known_meets() if trouble else self.sight.camps()
        seen = (trouble, sorted(self.members), sorted(self.sight.sees))
        if seen != self._seen:
            self._seen, self._seen_since_ns = seen, now_ns
        picture = (seen, sorted(self._meets.items()))
        if picture != self._picture:
            self._picture, self._since_ns = picture, now_ns

    def _decide(self, now_ns: int) -> None:
        """Who does not see all decides when its picture is old enough. Who does lets all be heard, which brings most
        electors to agree; a conflict that lasts in spite of it is a division too, into camps. To let all be heard it
        does not wait until they agree, for those who do not hear one another may never do.
        """
        trouble, conflict = self.sight.trouble(), self.sight.conflict()
        is_stable = now_ns >= self._since_ns + self.settings.stable_after_ns
        was_decided_long_ago = now_ns >= self._decided_ns + self.settings.stable_after_ns
        is_due = is_stable and was_decided_long_ago
        is_mended = now_ns >= self._seen_since_ns + self.settings.stable_after_ns and was_decided_long_ago
        if trouble and is_stable:
            self._resolve(trouble, now_ns)
        elif trouble:
            self._say(Side.UNDECIDED, trouble)
        elif self._decided in {Side.STAYS, Side.STEPS_DOWN} and not is_mended:
            self._say(Side.UNDECIDED, "all members see one another, and not for long enough yet")
        elif not self._is_let_in():
            self._say(Side.UNDECIDED, "all members see one another, and some do not hear this one yet")
        elif self._decided is Side.WHOLE and conflict and is_due:
            self._resolve(conflict, now_ns)
        elif self._decided is Side.WHOLE and conflict:
            self._say(Side.UNDECIDED, conflict)
        else:
            self._become(Side.WHOLE, frozenset(self.members), "all members see one another", now_ns)

    def _decides_ns(self, now_ns: int) -> int:
        """When something may be decided next without any news."""
        if self.side is not Side.UNDECIDED:
            return NEVER_NS
        begun = (self._since_ns, self._seen_since_ns, self._decided_ns)
        due = (begun_ns + self.settings.stable_after_ns for begun_ns in begun)
        return min((at_ns for at_ns in due if at_ns > now_ns), default=NEVER_NS)

    def _resolve(self, trouble: str, now_ns: int) -> None:
        """The losing side steps down, and gives up what authority it has."""
        side = side_that_stays(self._meets, self.stays)
        if self.me in side:
            self._become(Side.STAYS, side, f"{self._count(side)}: {trouble}", now_ns)
            return
        why = f"{self._count(self._meets[self.me])}: {trouble}"
        self._become(Side.STEPS_DOWN, frozenset(), why, now_ns)
        if self._token is not None:
            self._effects.append(Deposed(self._token, why))
            self._spent, self._token = self._token, None
            self._resign(now_ns)

    def _is_let_in(self) -> bool:
        """Whether all who go on hear this one; until then its elector would speak to the deaf."""
        return bool(self._hears) or all(self.me in view.hears for view in self.sight.views.values() if view.hears)

    def _become(self, side: Side, hears: frozenset[NodeId], why: str, now_ns: int) -> None:
        if (side, hears) != (self._decided, self._hears):
            self._decided_ns = now_ns
        if hears and not self._hears:
            self._waits_to_show = True
        self._decided, self._hears = side, hears
        self._say(side, why)

    def _say(self, side: Side, why: str) -> None:
        if side is not self.side:
            self.side = side
            self._effects.append(Divided(side, tuple(sorted(self.sight.sees)), why))

    def _count(self, side: frozenset[NodeId]) -> str:
        return f"{len(side)} of {len(self.members)} members on this side"

    # What the inner elector knows, and what it is allowed

    def _give(self, event: Event, now_ns: int) -> None:
        self._pass_on(self._tell_inner(event, now_ns), now_ns)

    def _let_inner_know(self, now_ns: int) -> None:
        """It trusts whom the detector trusts if both hear one another, so that what it then sends is not lost."""
        trusts = {peer for peer, view in self.sight.views.items() if self.me in view.hears} & self._hears
        for peer in sorted(self.members - {self.me}):
            if peer in trusts and peer in self._inner_awaits:
                self._inner_awaits.discard(peer)
                self._give(Joined(peer), now_ns)
            elif peer in trusts and peer in self._inner_suspects:
                self._inner_suspects.discard(peer)
                self._give(Trusted(peer), now_ns)
            elif peer not in trusts | self._inner_suspects | self._inner_awaits:
                self._inner_suspects.add(peer)
                self._give(Suspected(peer), now_ns)

    def _reconcile(self, now_ns: int) -> None:
        """Who of one side recognises another leader for two rounds of views makes the elector inside look at that one
        anew, as after a cut that was mended: what they sent while they did not hear one another was lost.
        """
        told = {view.leader for peer, view in self.sight.views.items() if peer in self._hears}
        known = {self.me, self.inner.leader, *self._inner_suspects, *self._inner_awaits}
        rivals = sorted((self.members & told) - known)
        if self.inner.leader is None or not rivals:
            self._reconciles_ns = NEVER_NS
            return
        if now_ns >= self._reconciles_ns:
            for leader in rivals:
                self._give(Suspected(leader), now_ns)
                self._give(Trusted(leader), now_ns)
            self._reconciles_ns = NEVER_NS
        self._reconciles_ns = min(self._reconciles_ns, now_ns + 2 * self.settings.tell_every_ns)

    def _pass_on(self, effects: Sequence[Effect], now_ns: int) -> None:
        """What the inner one wants done; who stepped down recognises nobody, may do nothing, and is silent in it."""
        for effect in effects:
            match effect:
                case Recognised():
                    self._show()
                case Authorised(token=token):
                    self._authorise(effect, token, now_ns)
                case Deposed(token=token):
                    if token == self._token:
                        self._token = None
                        self._effects.append(effect)
                case Send(to=to) if to not in self._hears:
                    ...
                case _:
                    self._effects.append(effect)

    def _authorise(self, authorised: Authorised, token: int, now_ns: int) -> None:
        if self._hears and token > self._spent:
            self._token, self._waits_to_show = token, False
            self._show()
            self._effects.append(authorised)
        elif token > self._spent:
            self._spent = token
            self._resign(now_ns)

    def _resign(self, now_ns: int) -> None:
        """Ask the inner one to step down; where it cannot, its authority runs out unused."""
        if self.inner.why_not(None) is None:
            self._give(Asked(), now_ns)

    def _show(self) -> None:
        """Recognise whom the inner one recognises, unless it has stepped down, or knows what is out of date."""
        leader = self.inner.leader if self._hears else None
        if self._waits_to_show and leader is not None:
            others = {view.leader for peer, view in self.sight.views.items() if peer in self._hears}
            self._waits_to_show = not others <= {None, leader}
            leader = None if self._waits_to_show else leader
        self.term = self.sight.term = self.inner.term
        if leader != self.leader:
            self.leader = self.sight.leader = leader
            self._effects.append(Recognised(leader, self.term))

    def _role(self) -> str:
        if self._hears:
            return self.inner.role
        return Role.WAITING if self._decided is None else Role.STEPPED_DOWN

    # Membership

    def _join(self, peer: NodeId) -> None:
        """A new member counts at once; the inner elector is told of it when both hear one another."""
        if peer not in self.members:
            self.members.add(peer)
            self._inner_awaits.add(peer)
            if self._decided is Side.WHOLE:
                self._hears |= {peer}

    def _leave(self, peer: NodeId, now_ns: int) -> None:
        """Who leaves counts no more; who leaves itself falls silent."""
        if peer not in self._inner_awaits:
            self._give(Left(peer), now_ns)
        if peer == self.me:
            self.role, self.wake_ns = Role.GONE, NEVER_NS
            return
        self.sight.leave(peer)
        self._inner_suspects.discard(peer)
        self._inner_awaits.discard(peer)
        self._hears -= {peer}

    # What the others are told

    def _view(self) -> View:
        self._number += 1
        return self.sight.view(self._life, self._number, self._hears)

    def _tell(self, now_ns: int) -> None:
        """Tell all what changed, and all of it from time to time."""
        peers = sorted(self.members - {self.me})
        news = (self.sight.sees, self._hears, self.leader)
        if news != self._told or now_ns >= self._tell_ns:
            self._told = news
            self._tell_ns = now_ns + self.settings.tell_every_ns if peers else NEVER_NS
            view = self._view()
            self._effects += [Send(peer, view) for peer in peers]
