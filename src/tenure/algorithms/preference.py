"""Preference: the leader gives way to a node that has been a better one for a while.

The delay before a better node takes over is that of VRRP's preemption (RFC 9568, section 6.1, Preempt_Mode; keepalived
calls it `preempt_delay`) and of MongoDB's takeovers (`catchUpTakeoverDelayMillis`).

The idea. Nodes tell one another how they are rated. The one that leads, and has seen a node of greater rating live
without a break for `delay_ns`, asks the elector inside to hand the leadership to it. That happens after an election and
only by transfer: preference elects nobody, keeps nobody from being elected, and costs no safety.

The order. Who may lead goes before who may not; then who is fresher, so that nothing is lost that others know; then who
has the greater priority, which is what the operator likes; then, among several to choose from, the greater number. The
number alone deposes nobody: a leader gives way only to a greater rating.

Hysteresis. Suspicion, or a new life, or a moment without a greater rating than the leader's, begins the delay anew,
and so does a new leadership. So a preferred node that flaps faster than the delay causes no change of leader, and
between two changes by preference lies the delay. A leader that is not eligible waits for it too. The elector inside
gives way to nobody unasked, as a majority lease would to a greater number that is back.

Where the elector inside gives authority, the work done under it needs time to stop. So no deadline is passed on that
lies behind the instant at which this leader would hand over; if it turns out that it will not, the later one is.

Assumes and guarantees what the elector inside does. That one must honour `Asked`: lease, paxos, paxos-lease and raft
do; bully and ring refuse, because their choice would be the same again, and so does each where it knows that the better
node could not lead. Then the node leads on.

Around Raft it stands as around the others, and Raft itself has no priorities, as MongoDB's elections have: so the order
and the delay are the same for all, and are judged once. Raft adds freshness of its own, which goes before: it brings
the preferred node's log up to date before it hands over, and elects nobody whose log is behind.

Each node tells all others, once in `tell_every_ns` and when something has changed: n (n - 1) small messages a period.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, assert_never

import msgspec

from tenure.core.composed import Composed
from tenure.core.effects import Authorised, Deposed, Effect, Send
from tenure.core.elector import NEW
from tenure.core.events import (
    Asked,
    Demand,
    Event,
    Joined,
    Left,
    Message,
    NodeId,
    PeerLost,
    Persisted,
    Rated,
    Rating,
    Received,
    Reconfigure,
    Requested,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.model import Guarantee
from tenure.durations import NEVER_NS, NS_PER_S


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes of one group must agree on, but for `ratings`."""

    ratings: dict[NodeId, Rating] = {}
    """How each node stands when it starts; who is not named may lead, with freshness and priority 0. A node reads only
    what is said of itself. Later changes come by Rated."""
    delay_ns: int = 30 * NS_PER_S
    """How long a node must have stood above the leader without a break. MongoDB waits 30 s until a fresher node
    takes over; keepalived's preempt_delay may be up to 1,000 s. Half a minute outlasts the pauses between restarts of a
    process that its supervisor restarts again and again."""
    tell_every_ns: int = 5 * NS_PER_S
    """How often each tells all others how it stands, changes apart, which it tells at once."""

    def __post_init__(self) -> None:
        for name in ("delay_ns", "tell_every_ns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give one nanosecond at least")
        if self.delay_ns < 2 * self.tell_every_ns:
            raise ValueError(
                f"delay_ns is {self.delay_ns}; what a node said last must not be out of date when it counts: make it "
                f"2 * tell_every_ns = {2 * self.tell_every_ns} at least"
            )


class Stands(Message, frozen=True):
    """To every member: how I stand. Of two from one life of a node that with the greater number is the later one."""

    life: int
    number: int
    rating: Rating


class Role(enum.StrEnum):
    """What a node is doing about preference; who leads is the affair of the elector inside."""

    NEW = NEW
    FOLLOWING = "following"
    LEADING = "leading"
    GONE = "gone"
    """Has left the group."""


class Preference(Composed):
    """One node that gives way to a better one. Made by `Preference.over(MajorityLease.over(Bully))`, for example."""

    name: ClassVar[str] = "preference"
    own_messages: ClassVar[tuple[type[Message], ...]] = (Stands,)
    takes_rated: ClassVar[bool] = True
    passes_demands: ClassVar[bool] = True

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        self.inner.hold_on()
        self.settings = settings or Settings()
        self.role: Role = Role.NEW
        self.rating = self.settings.ratings.get(me, Rating())
        self.suspects = set[NodeId]()
        self.told = dict[NodeId, Stands]()
        """The last word of each member about itself."""
        self._better_since_ns = dict[NodeId, int]()  # members above me, and from when on without a break
        self._leads_since_ns: int | None = None
        self._authority: Authorised | None = None  # the last of the elector inside
        self._ends_ns = 0  # the last deadline that was passed on
        self._asks_ns = 0  # no wish before this
        self._life = self._number = 0
        self._tell_ns = NEVER_NS
        self._effects: list[Effect] = []

    def handle(self, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self._effects = []
        if self.role is Role.GONE:  # the elector inside knows what clients are told then
            return self._tell_inner(event, now_ns) if isinstance(event, Requested) else ()
        if not isinstance(event, Rated) and not (isinstance(event, Received) and isinstance(event.message, Stands)):
            self._give(event, now_ns)  # which may refuse it, so that nothing may have changed before
        match event:
            case Started():
                self._life = self.chance.getrandbits(63)
                self.role = Role.FOLLOWING
                self._tell(now_ns)
            case Received(sender=sender, message=Stands() as stands):
                self._hear(sender, stands)
            case Suspected(peer=peer):
                self.suspects.add(peer)
            case Trusted(peer=peer):
                self.suspects.discard(peer)
            case Joined(peer=peer):
                self._join(peer, now_ns)
            case Left(peer=peer):
                self._leave(peer)
            case Rated(rating=rating):
                self._rate(rating, now_ns)
            case Received() | Persisted() | Woke() | Asked() | Reconfigure() | Requested() | PeerLost():
                ...
            case _:
                assert_never(event)
        if self.role is not Role.GONE:
            self._settle(now_ns)
        return self._effects

    def _settle(self, now_ns: int) -> None:
        """Do what is due, and say when something is due next."""
        if now_ns >= self._tell_ns:
            self._tell(now_ns)
        self._compare(now_ns)
        if self._gives_way(now_ns):
            self._compare(now_ns)
        heir = self._heir()
        next_ns = NEVER_NS if heir is None else max(heir[1], self._ends_ns)
        self._pass_on(now_ns, NEVER_NS if heir is None else heir[1])
        self.leader, self.term = self.inner.leader, self.inner.term
        self.wake_ns = min(self.inner.wake_ns, self._tell_ns, next_ns)

    # Who is better

    def _compare(self, now_ns: int) -> None:
        """Note since when this node leads, and since when each member that is above it has been so."""
        above = {peer for peer, stands in self.told.items() if stands.rating > self.rating} - self.suspects
        self._better_since_ns = {peer: self._better_since_ns.get(peer, now_ns) for peer in sorted(above)}
        if not self._leads(now_ns):
            self._leads_since_ns, self.role = None, Role.FOLLOWING
            return
        if self._leads_since_ns is None:
            self._leads_since_ns, self.role = now_ns, Role.LEADING

    def _leads(self, now_ns: int) -> bool:
        """Whether this node is the leader: by authority where the elector inside gives any."""
        if Guarantee.ONE_AT_A_TIME in self.inner.guarantees:
            return self._authority is not None and now_ns < self._authority.deadline_ns
        return self.inner.leader == self.me

    def _ripe_ns(self, peer: NodeId) -> int:
        """From when on this node, which leads, gives way to that one if nothing changes."""
        assert self._leads_since_ns is not None
        return max(self._better_since_ns[peer], self._leads_since_ns) + self.settings.delay_ns

    def _heir(self) -> tuple[NodeId, int] | None:
        """To whom this leader hands over, and when, if nothing changes: to the best of those that have been better for
        long enough first; one that is better still, and only just not so, is waited for, so that there are not two
        changes in the place of one. However many come and go, who comes first waits for no longer than that.
        """
        if self._leads_since_ns is None:
            return None
        due_ns = {
            peer: max(self._ripe_ns(peer), self._asks_ns)
            for peer in self._better_since_ns
            if self.inner.why_not(peer) is None
        }
        if not due_ns:
            return None
        soon_ns = max(min(due_ns.values()) + self.settings.tell_every_ns, self._ends_ns)
        soon = (peer for peer in due_ns if due_ns[peer] <= soon_ns)
        best = max(soon, key=lambda peer: (self.told[peer].rating, peer))
        return best, due_ns[best]

    def _gives_way(self, now_ns: int) -> bool:
        """Hand over when that is due. What has run out for the driver is over, whoever is preferred, since a tenure
        that has ended is not begun again. Whether it came to that.
        """
        heir = self._heir()
        if heir is not None and now_ns >= max(heir[1], self._ends_ns):
            self._yield(heir[0], now_ns)
            return True
        if self._leads_since_ns is None or not self._has_run_out(now_ns) or self.inner.why_not(None) is not None:
            return False
        self._yield(None, now_ns)
        return True

    def _has_run_out(self, now_ns: int) -> bool:
        """Whether the last deadline that the driver heard of has passed."""
        return 0 < self._ends_ns <= now_ns

    def _yield(self, to: NodeId | None, now_ns: int) -> None:
        """Ask the elector inside to hand over; where it does not come to that, ask again, but not soon."""
        self._asks_ns = now_ns + self.settings.delay_ns
        self._give(Asked(to), now_ns)

    def _give(self, event: Event | Demand, now_ns: int) -> None:
        """Hand an event to the elector inside, and pass on what it wants; but deadlines later, by `_pass_on`."""
        for effect in self._tell_inner(event, now_ns):
            match effect:
                case Authorised():
                    self._authority = effect
                    continue
                case Deposed(token=token) if self._authority is not None and token == self._authority.token:
                    if not self._ends_ns:  # its driver has not heard of it
                        self._effects.append(self._authority)
                    self._authority, self._leads_since_ns, self._ends_ns = None, None, 0
                case _:
                    ...
            self._effects.append(effect)

    def _pass_on(self, now_ns: int, hands_over_ns: int) -> None:
        """Let the driver know of authority until then."""
        if self._authority is None or self._has_run_out(now_ns):
            return
        deadline_ns = min(self._authority.deadline_ns, hands_over_ns)
        if deadline_ns > max(now_ns, self._ends_ns):
            self._ends_ns = deadline_ns
            self._effects.append(Authorised(self._authority.token, deadline_ns))

    # What is known of the members

    def _hear(self, sender: NodeId, stands: Stands) -> None:
        """Note how a member stands; in a new life it begins anew."""
        known = self.told.get(sender)
        if sender not in self.members or (known and known.life == stands.life and known.number >= stands.number):
            return
        if known and known.life != stands.life:
            self._better_since_ns.pop(sender, None)
        self.told[sender] = stands

    def _join(self, peer: NodeId, now_ns: int) -> None:
        self.members.add(peer)
        if peer != self.me:
            self._effects.append(Send(peer, Stands(self._life, self._number, self.rating)))
        self._tell_ns = min(self._tell_ns, now_ns + self.settings.tell_every_ns)

    def _leave(self, peer: NodeId) -> None:
        if peer == self.me:
            self.role, self.leader, self.wake_ns = Role.GONE, None, NEVER_NS
            return
        self.members.discard(peer)
        self.suspects.discard(peer)
        self.told.pop(peer, None)

    # What they are told

    def _rate(self, rating: Rating, now_ns: int) -> None:
        if rating != self.rating:
            self.rating = rating
            self._tell(now_ns)

    def _tell(self, now_ns: int) -> None:
        peers = sorted(self.members - {self.me})
        self._tell_ns = now_ns + self.settings.tell_every_ns if peers else NEVER_NS
        self._number += 1
        self._effects += [Send(peer, Stands(self._life, self._number, self.rating)) for peer in peers]
