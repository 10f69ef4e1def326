"""Ring: the greatest number that a token meets on its way round leads.

E. Chang and R. Roberts, "An improved algorithm for decentralized extrema-finding in circular configurations of
processes", Communications of the ACM 22(5), May 1979, pages 281-283, doi:10.1145/359104.359108.

The idea. Nodes form a ring, and each speaks only to its successor. Who wants an election sends its number round. A node
passes on what is greater than all that it has passed, swallows the rest, and puts its own number in the place of a
smaller one unless it has sent that before. A number that comes home has met nobody greater: its node leads, and says so
by an announcement that goes round once.

Assumes. No message is lost between nodes that live, and links keep the order; no partitions; a detector that suspects
whoever has crashed and trusts again whoever is back. The detector needs bounds on time, the tokens need none. A node
that comes back knows nothing of its earlier life.

Guarantees. Once nodes stop crashing, coming and going: all that live recognise the same leader, which lives; whoever
comes back or joins is told of it and deposes nobody. No authority: while things change two nodes may believe that they
lead, and under a partition each side has a leader all the time.

Differs from the paper, which knows no failures. (1) Rounds are numbered: an election that is begun again is told from
the first try, and late messages of an earlier one change nothing. (2) The ring is repaired: who loses its successor
sends what it knows to the next. (3) A token that is not greater than the last one passed is swallowed, also if its
number is that one: so one whose node has died goes round once, and a copy no further than to where the first one was.
(4) Who sends something outdated is told what is current, against the ring. (5) Who learns a result in that way tells
its predecessor: it may have said more, while this node was down and not yet missed. (6) An election without a result is
begun again after a time, which makes up for a token that such a node has taken with it, and for links that lose what
they should not.

Why it agrees: what a node knows, ordered by round, is at its successor too, or under way to it (2, 5). Going round the
ring, nobody knows less than its predecessor; so all know the same.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, assert_never

import msgspec

from tenure.core.effects import Effect, Recognised, Send
from tenure.core.elector import NEW, Elector, WishRefused
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
    """What all nodes of one ring must agree on."""

    order: tuple[NodeId, ...] = ()
    """The ring, each before its successor; members that are not named come behind these, by number. By number is as
    good as any order where nothing is known of the network, and gives the fewest messages when all start at once."""
    hop_ns: int = 500_000_000
    """How long a message may take from a node to its successor before an election is begun again: three times round the
    ring of it. Too short costs messages, too long a wait after a message was lost; half a second covers a pause of a
    loaded process, and a detector that takes that long to notice a crash."""

    def __post_init__(self) -> None:
        if self.hop_ns < 1:
            raise ValueError(f"hop_ns is {self.hop_ns}; messages take one nanosecond at least")
        if len(set(self.order)) != len(self.order):
            raise ValueError("order names a node twice; each has one place on the ring")


class Election(Message, frozen=True):
    """The greatest number met so far in this round, under way to its own node."""

    term: int
    candidate: NodeId


class Elected(Message, frozen=True):
    """The number that came home in this round."""

    term: int
    leader: NodeId


class Role(enum.StrEnum):
    """What a node is doing."""

    NEW = NEW
    ELECTING = "electing"
    """Has sent or passed a number; the paper's marked process."""
    FOLLOWING = "following"
    LEADING = "leading"
    GONE = "gone"
    """Has left the ring."""


class Ring(Elector):
    """One node of the ring algorithm."""

    name: ClassVar[str] = "ring"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.SYNCHRONOUS, crashes=Crashes.STOP, links=Links.RELIABLE_FIFO, partitions=False
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset({Guarantee.AGREEMENT, Guarantee.TERMINATION})
    messages: ClassVar[tuple[type[Message], ...]] = (Election, Elected)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        self.settings = settings or Settings()
        self.role: Role = Role.NEW
        self.suspects = set[NodeId]()
        self.successor: NodeId | None = None
        """The next on the ring that is not suspected; None for who is alone."""
        self._passed = me  # the greatest number that this node has sent or passed in this term, until it has a result
        self._handed_to: NodeId | None = None  # the predecessor that was told last what the successor knew
        self._place = {node: place for place, node in enumerate(self.settings.order)}
        self._effects: list[Effect] = []
        self._find_successor()

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self._effects = []
        if self.role is Role.GONE:
            return ()
        match event:
            case Started():
                self._start(now_ns)
            case Woke():
                if now_ns >= self.wake_ns:
                    self._time_out(now_ns)
            case Received(sender=sender, message=message):
                self._receive(sender, message, now_ns)
            case Suspected(peer=peer):
                self._lose(peer, now_ns)
            case Trusted(peer=peer):
                self._gain(peer)
            case Joined(peer=peer):
                self.members.add(peer)
                self._gain(peer)
            case Left(peer=peer):
                self._leave(peer, now_ns)
            case Asked():
                ...  # none that a leader honours
            case Reconfigure():
                raise WishRefused("a ring has no voters: everybody who is a member takes part")
            case Persisted() | Rated():
                raise AssertionError(f"a {type(event).__name__} is not admitted")
            case _:
                assert_never(event)
        return self._effects

    def why_not(self, to: NodeId | None) -> str | None:
        del to
        leads = self.role is Role.LEADING
        return "the ring has no way to step down: take the node out, and another is elected" if leads else None

    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        match message:
            case Election():
                self._token(sender, message, now_ns)
            case Elected():
                self._announced(sender, message, now_ns)
            case _:
                raise AssertionError(f"{type(message).__name__} is not admitted")

    # The election

    def _start(self, now_ns: int) -> None:
        """Begin a round with one's own number; who is alone has won it."""
        if self.successor is None:
            self._win(self.term + 1)
        else:
            self._take_part(self.term + 1, self.me, now_ns)

    def _token(self, sender: NodeId, token: Election, now_ns: int) -> None:
        """Pass on a number that is greater than all passed, swallow another; one's own has come home.

        A round that has its result takes no more numbers, so that who comes late deposes nobody.
        """
        known, theirs = (self.term, self._passed), (token.term, token.candidate)
        is_open = token.term > self.term or self.leader is None
        if is_open and token.candidate == self.me and theirs >= known:
            self._win(token.term)
        elif is_open and theirs > known:
            self._take_part(token.term, max(token.candidate, self.me), now_ns)
        else:
            self._swallow(sender, token.term)

    def _take_part(self, term: int, candidate: NodeId, now_ns: int) -> None:
        """Send a number on, one's own or a greater one, and wait for the result."""
        self.role, self.term, self._passed = Role.ELECTING, term, candidate
        self._recognise(None)
        self.wake_ns = now_ns + self._patience_ns()
        self._pass_on()

    def _win(self, term: int) -> None:
        """One's own number came home: lead, and say so round the ring."""
        self.role, self.term = Role.LEADING, term
        self.wake_ns = NEVER_NS
        self._recognise(self.me)
        self._pass_on()

    def _announced(self, sender: NodeId, announced: Elected, now_ns: int) -> None:
        """Recognise the leader of this round or a later one, and pass the news on, to whom it has not come from; known,
        it has gone round.
        """
        term, leader = announced.term, announced.leader
        if (term, leader) == (self.term, self.leader):
            return
        if term < self.term or (term == self.term and self.leader is not None and leader < self.leader):
            self._swallow(sender, term)
            return
        self.role, self.term = Role.LEADING if leader == self.me else Role.FOLLOWING, term
        self.wake_ns = now_ns + self._patience_ns() if self._is_doubtful(leader) else NEVER_NS
        self._recognise(leader)
        if sender == self.successor:
            self._hand_back()
        else:
            self._pass_on()

    # Lost, repeated and late messages

    def _swallow(self, sender: NodeId, term: int) -> None:
        """Pass nothing on, and tell a sender that may not know better what is current."""
        if self.leader is not None or term < self.term:
            self._effects.append(Send(sender, self._news()))

    def _time_out(self, now_ns: int) -> None:
        """A round without a result, or a leader whose announcement may have been its last word: begin again."""
        self.wake_ns = NEVER_NS
        if self.role is Role.ELECTING or self._is_doubtful(self.leader):
            self._start(now_ns)

    def _patience_ns(self) -> int:
        """A token goes up to the greatest node, then round, then its announcement: less than three times round."""
        return 3 * len(self.members) * self.settings.hop_ns

    def _is_doubtful(self, leader: NodeId | None) -> bool:
        return leader in self.suspects or leader not in self.members

    # Repair of the ring, and membership

    def _ring(self) -> list[NodeId]:
        """All that are not suspected, each before its successor."""
        return sorted(self.members - self.suspects, key=lambda node: (self._place.get(node, len(self._place)), node))

    def _find_successor(self) -> bool:
        """The next that is not suspected; True if it is another than before, and somebody."""
        ring = self._ring()
        following = ring[(ring.index(self.me) + 1) % len(ring)]
        before, self.successor = self.successor, None if following == self.me else following
        return self.successor not in {before, None}

    def _lose(self, peer: NodeId, now_ns: int) -> None:
        """Go round who is gone: what it held is sent to the next, and what it would have become begun anew."""
        if peer == self.me or peer not in self.members:
            return
        self.suspects.add(peer)
        is_new = self._find_successor()
        if peer == self._handed_to:
            self._hand_back()
        if peer == (self._passed if self.leader is None else self.leader):
            self._start(now_ns)
        elif is_new:
            self._pass_on()

    def _gain(self, peer: NodeId) -> None:
        """Take up who is back or new, and tell it what is known, if it is the successor now."""
        self.suspects.discard(peer)
        if self._find_successor():
            self._pass_on()

    def _leave(self, peer: NodeId, now_ns: int) -> None:
        """Who has left is gone round like who has crashed; who leaves itself falls silent."""
        if peer == self.me:
            self._recognise(None)
            self.role, self.wake_ns = Role.GONE, NEVER_NS
            return
        self._lose(peer, now_ns)
        self.members.discard(peer)
        self.suspects.discard(peer)

    # What is known, and who is told

    def _news(self) -> Message:
        return Election(self.term, self._passed) if self.leader is None else Elected(self.term, self.leader)

    def _hand_back(self) -> None:
        """Tell the predecessor what the successor knew: it may know more, and have said so while this node was down."""
        ring = self._ring()
        self._handed_to = ring[ring.index(self.me) - 1]
        if self._handed_to != self.me:
            self._effects.append(Send(self._handed_to, self._news()))

    def _pass_on(self) -> None:
        if self.successor is not None:
            self._effects.append(Send(self.successor, self._news()))

    def _recognise(self, leader: NodeId | None) -> None:
        if leader != self.leader:
            self.leader = leader
            self._effects.append(Recognised(leader, self.term))
