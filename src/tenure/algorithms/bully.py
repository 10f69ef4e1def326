"""Bully: the greatest living number leads.

H. Garcia-Molina, "Elections in a Distributed Computing System", IEEE Transactions on Computers C-31(1), January 1982,
pages 48-59, doi:10.1109/TC.1982.1675885: the first of its two algorithms, in the form with three messages in which
textbooks give it.

The idea. Who misses the leader asks all greater nodes. A greater one that lives answers, which ends the asker's hopes,
and asks those above itself. Who is answered by nobody in time is the greatest that lives, and tells all smaller nodes.
Time does the deciding: silence for longer than a question and its answer can take is taken for death. So the one that
leads needs nobody's vote, and a node that comes back and is greater takes over from whoever led meanwhile.

Assumes. A bound on the time that a message and its handling take (`delay_ns`), known and never exceeded; no message is
lost between nodes that live; no partitions; a detector that suspects whoever has crashed and trusts again whoever is
back; a node that comes back knows nothing of its earlier life. Messages may overtake one another.

Guarantees. Once nodes stop crashing, coming and going: all that live recognise the greatest of them. No authority:
while things change two nodes may believe that they lead, and under a partition each side has a leader all the time.

Differs from the paper. A node is not halted before it is told of its new leader: the last announcement counts, though
it may be of one that has been deposed or has died meanwhile; so who trusts a greater node than the one that it was told
of, or that one no more, looks again later. Finding out that the leader is gone is left to a failure detector. A leader
that is asked again right after it has announced itself answers only, and so does who has just heard of it: the
announcement is under way to the asker as well. Who needed another one asks once more. (Otherwise many that hold
elections at once can keep one another at it for long.)
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, assert_never

import msgspec

from tenure.core.effects import Effect, Recognised, Send
from tenure.core.elector import NEW, Elector, UnexpectedMessage, WishRefused
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
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NEVER_NS


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes of one group must agree on."""

    delay_ns: int = 500_000_000
    """The most that a message and its handling may take, the paper's bound T. Half a second is ten times a slow round
    trip across continents, and longer than the pauses of a loaded process; Consul's servers, which need not be right
    about it, heartbeat once a second. Fail-over takes four of them at most, once the failure is noticed."""

    def __post_init__(self) -> None:
        if self.delay_ns < 1:
            raise ValueError(f"delay_ns is {self.delay_ns}; messages take one nanosecond at least")


class Election(Message, frozen=True):
    """From a smaller node to a greater one: do you live? Then take over."""


class Answer(Message, frozen=True):
    """From a greater node to a smaller one that asked: I live, and you will not lead."""


class Coordinator(Message, frozen=True):
    """From a greater node to a smaller one: I lead."""


class Role(enum.StrEnum):
    """What a node is doing."""

    NEW = NEW
    ASKING = "asking"
    """Waits for the answers of greater nodes."""
    ANSWERED = "answered"
    """A greater node lives; waits for it, or one greater still, to announce itself."""
    FOLLOWING = "following"
    LEADING = "leading"
    GONE = "gone"
    """Has left the group."""


class Bully(Elector):
    """One node of the bully algorithm. By itself it begins an election again after five delays at the earliest."""

    name: ClassVar[str] = "bully"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.SYNCHRONOUS, crashes=Crashes.STOP, links=Links.RELIABLE, partitions=False
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset(
        {Guarantee.AGREEMENT, Guarantee.GREATEST, Guarantee.TERMINATION}
    )
    messages: ClassVar[tuple[type[Message], ...]] = (Election, Answer, Coordinator)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        self.settings = settings or Settings()
        self.role: Role = Role.NEW
        self.suspects = set[NodeId]()
        self._settled_ns = 0  # until then whoever asks me is told by the announcement that I made last
        self._fresh_ns = 0  # until then whoever asks is told by the announcement that told me
        self._effects: list[Effect] = []

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self._effects = []
        if self.role is Role.GONE:
            return ()
        match event:
            case Started():
                self._elect(now_ns)  # and so take over, if it is the greatest
            case Woke():
                if now_ns >= self.wake_ns:
                    self._time_out(now_ns)
            case Received(sender=sender, message=message):
                self._receive(sender, message, now_ns)
            case Suspected(peer=peer):
                self._suspect(peer, now_ns)
            case Trusted(peer=peer):
                self._trust(peer, now_ns)
            case Joined(peer=peer):
                self._join(peer, now_ns)
            case Left(peer=peer):
                self._leave(peer, now_ns)
            case Asked():
                ...  # none that a leader honours
            case Reconfigure():
                raise WishRefused("bully has no voters: everybody who is a member takes part")
            case Persisted() | Rated():
                raise AssertionError(f"a {type(event).__name__} is not admitted")
            case _:
                assert_never(event)
        return self._effects

    def why_not(self, to: NodeId | None) -> str | None:
        del to
        leads = self.role is Role.LEADING
        return "the greatest living number leads, and would win again: take the node out" if leads else None

    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        match message:
            case Election() if sender < self.me:
                self._asked(sender, now_ns)
            case Answer() if sender > self.me:
                self._answered()
            case Coordinator() if sender > self.me:
                self._told(sender, now_ns)
            case _:
                raise UnexpectedMessage(sender, message, f"which it never sends to node {self.me}")

    # The election

    def _elect(self, now_ns: int) -> None:
        """Ask every greater node whether it lives; who has none above it has won."""
        self._recognise(None)
        greater = sorted(peer for peer in self.members if peer > self.me)
        if not greater:
            self._win(now_ns)
            return
        self.role = Role.ASKING
        self.wake_ns = now_ns + 2 * self.settings.delay_ns + 1
        self._effects += [Send(peer, Election()) for peer in greater]

    def _asked(self, sender: NodeId, now_ns: int) -> None:
        """A smaller node asks: answer, and hold the election in its place, unless one is being held."""
        self._effects.append(Send(sender, Answer()))
        match self.role:
            case Role.FOLLOWING:
                if now_ns >= self._fresh_ns:
                    self._elect(now_ns)
            case Role.LEADING:
                if now_ns >= self._settled_ns:
                    self._win(now_ns)
            case _:
                return

    def _answered(self) -> None:
        """A greater node lives: give it, and all above it, the time to find out who is the greatest."""
        if self.role is Role.ASKING:
            self.role = Role.ANSWERED
            self.wake_ns += 3 * self.settings.delay_ns

    def _win(self, now_ns: int) -> None:
        """No greater node lives: lead, and tell the smaller ones."""
        self.role = Role.LEADING
        self.wake_ns = NEVER_NS
        self._settled_ns = now_ns + 2 * self.settings.delay_ns + 1
        self._recognise(self.me)
        self._effects += [Send(peer, Coordinator()) for peer in sorted(self.members) if peer < self.me]

    def _told(self, sender: NodeId, now_ns: int) -> None:
        """A greater node leads: follow it, whoever led before, and look again later where that may be out of date."""
        self._fresh_ns = now_ns + 2 * self.settings.delay_ns + 1
        if self.leader == sender:
            return
        self.role = Role.FOLLOWING
        self._recognise(sender)
        self.wake_ns = now_ns + 5 * self.settings.delay_ns + 1 if self._is_doubtful(sender) else NEVER_NS

    def _time_out(self, now_ns: int) -> None:
        """Time has decided something, or it is time to look again."""
        self.wake_ns = NEVER_NS
        match self.role:
            case Role.ASKING:
                self._win(now_ns)
            case Role.ANSWERED:  # who answered has died since
                self._elect(now_ns)
            case Role.FOLLOWING:
                if self._is_doubtful(self.leader):
                    self._elect(now_ns)
            case Role.NEW | Role.LEADING | Role.GONE:
                raise AssertionError(f"no timer is set while {self.role}")

    # Failures and recoveries

    def _suspect(self, peer: NodeId, now_ns: int) -> None:
        """The leader has crashed: hold an election."""
        self.suspects |= {peer} & self.members - {self.me}
        if peer == self.leader:
            self._elect(now_ns)

    def _trust(self, peer: NodeId, now_ns: int) -> None:
        """Somebody greater than the leader lives after all: hold an election, so that it hears of us."""
        self.suspects.discard(peer)
        if self.leader is not None and peer > self.leader and peer in self.members:
            self._elect(now_ns)

    def _is_doubtful(self, leader: NodeId | None) -> bool:
        """Whether the announcement of `leader` may have been its last word, or overtaken by that of a greater one."""
        return leader != max(self.members - self.suspects)

    # Membership

    def _join(self, peer: NodeId, now_ns: int) -> None:
        """A new node holds an election by itself. But where the news of it comes late it was not asked, or not believed
        any more.
        """
        self.members.add(peer)
        was_not_asked = self.role is Role.ASKING and peer > self.me
        if was_not_asked or (self.leader is not None and peer > self.leader):
            self._elect(now_ns)

    def _leave(self, peer: NodeId, now_ns: int) -> None:
        """A leader that leaves is missed like one that has crashed; who leaves itself falls silent."""
        if peer == self.me:
            self._recognise(None)
            self.role, self.wake_ns = Role.GONE, NEVER_NS
            return
        self.members.discard(peer)
        self.suspects.discard(peer)
        if peer == self.leader:
            self._elect(now_ns)

    def _recognise(self, leader: NodeId | None) -> None:
        if leader != self.leader:
            self.leader = leader
            self._effects.append(Recognised(leader, self.term))
