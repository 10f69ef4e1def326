"""What electors by numbered ballots have in common: voters for ever, numbers that nobody else uses, pauses by chance.

L. Lamport, "Paxos Made Simple", ACM SIGACT News 32(4), December 2001, section 2.
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from random import Random
from typing import assert_never

import msgspec

from tenure.core.effects import Effect, Persist, Recognised, Send
from tenure.core.elector import NEW, DutyBroken, Elector, WishRefused
from tenure.core.events import (
    Asked,
    Demand,
    Event,
    Joined,
    Left,
    Message,
    NodeId,
    Persisted,
    Rated,
    Received,
    Reconfigure,
    Record,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.quorum import Quorum


class BallotSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every elector by ballots is told. `voters` must be the same at all nodes; times may differ."""

    voters: tuple[NodeId, ...] = ()
    """Who decides and may lead; empty: those who are members when the node starts for the first time."""
    answer_ns: int = 500_000_000
    """How long a proposer waits for a majority in each phase: ten times a slow round trip across continents, with a
    write to a disk in it. Raft and ZooKeeper wait 0.15 to 2 s for an election."""
    backoff_ns: int = 200_000_000
    """The first pause before a proposal is drawn from this, the next from the double, and so on: long beside the round
    trip that decides a duel (Raft draws from 150 ms, for the same reason)."""
    most_backoff_ns: int = 5_000_000_000
    """No pause is drawn from more; it bounds how late a majority that comes together again has a leader."""

    def __post_init__(self) -> None:
        if min(self.answer_ns, self.backoff_ns) < 1:
            raise ValueError("answer_ns and backoff_ns are durations: give one nanosecond at least")
        if self.most_backoff_ns < self.backoff_ns:
            raise ValueError(f"most_backoff_ns is {self.most_backoff_ns}, below backoff_ns, from which pauses grow")


class Role(enum.StrEnum):
    """What a node is doing."""

    NEW = NEW
    WAITING = "waiting"
    """Knows of no leader that lives; a voter proposes itself when its pause is over."""
    PROPOSING = "proposing"
    FOLLOWING = "following"
    LEADING = "leading"
    GONE = "gone"
    """Has left the group, and answers nothing."""


class Balloting(Elector):
    """The base of an elector that proposes to voters, who are fixed: gossip never changes what is a majority."""

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: BallotSettings) -> None:
        super().__init__(me, members, chance)
        self.role: Role = Role.NEW
        self.voters = tuple(sorted(set(settings.voters) or self.members))
        self.suspects = set[NodeId]()
        self._ballot_settings = settings
        self._tries = 0  # pauses since an election ended
        self._written = self._durable = 0  # records of this life
        self._effects: list[Effect] = []

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self._effects = []
        if self.role is Role.GONE:
            return ()
        match event:
            case Started(durable=records):
                self._start(records, now_ns)
            case Woke():
                self._time_out(now_ns)
            case Received(sender=sender, message=message):
                self._receive(sender, message, now_ns)
            case Persisted(number=number):
                self._durable = max(self._durable, number)
                self._count_own(now_ns)
            case Suspected() | Trusted() | Joined() | Left():
                self._note(event)
            case Asked(to=to):
                self._asked(to, now_ns)
            case Reconfigure() | Rated():
                raise AssertionError(f"a {type(event).__name__} is not admitted")
            case _:
                assert_never(event)
        self._settle(now_ns)
        return self._effects

    def _admit(self, event: Event | Demand) -> None:
        super()._admit(event)
        match event:
            case Persisted(number=number) if number > self._written:
                raise DutyBroken(4, f"record {number} is said to be durable, and {self._written} were given")
            case Reconfigure() if self.role is not Role.GONE:
                raise WishRefused("voters are for ever: start another group with those voters, and end this one")
            case _:
                return

    @abstractmethod
    def _start(self, records: tuple[Record, ...], now_ns: int) -> None:
        """Begin, or go on where the last life ended."""

    @abstractmethod
    def _time_out(self, now_ns: int) -> None:
        """Do what is due."""

    @abstractmethod
    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        """Take in what another node said."""

    @abstractmethod
    def _count_own(self, now_ns: int) -> None:
        """One's own vote is a vote like any other: it counts when `_durable` has reached its record."""

    @abstractmethod
    def _asked(self, to: NodeId | None, now_ns: int) -> None:
        """Give way to another, if this node leads; `why_not` has had nothing against it."""

    @abstractmethod
    def _settle(self, now_ns: int) -> None:
        """After each event: the role and the timer follow from the rest."""

    def _restore_voters(self, voters: tuple[NodeId, ...]) -> None:
        """Take up those of an earlier life, whoever is a member now: two counts would be two majorities."""
        if self._ballot_settings.voters and voters != self.voters:
            raise DutyBroken(
                1, f"the voters were {voters} in an earlier life, and stay; start another group with others"
            )
        self.voters = voters

    def _is_majority(self, answers: Iterable[NodeId]) -> bool:
        """Counted by voter: who answers twice is one, and a stranger is none."""
        return Quorum(self.voters).is_met_by(set(answers))

    def _next_ballot(self, seen: int) -> int:
        """Greater than `seen`, and nobody else's: divided by the number of voters it leaves this one's place."""
        return (seen // len(self.voters) + 1) * len(self.voters) + self.voters.index(self.me)

    def _pause_ns(self) -> int:
        """Duelling proposers could outbid each other for ever: a pause by chance, from longer ones each time."""
        settings = self._ballot_settings
        bound_ns = min(settings.backoff_ns << min(self._tries, 40), settings.most_backoff_ns)
        self._tries += 1
        return 1 + int(self.chance.random() * bound_ns)

    def _persist(self, record: Record) -> int:
        """Have a record made durable; its number."""
        self._written += 1
        self._effects.append(Persist(self._written, record))
        return self._written

    def _note(self, event: Suspected | Trusted | Joined | Left) -> None:
        """Who is a member, and who seems to have crashed. Neither changes who votes."""
        match event:
            case Suspected(peer=peer):
                self.suspects |= {peer} & self.members - {self.me}
            case Trusted(peer=peer):
                self.suspects.discard(peer)
            case Joined(peer=peer):
                self.members.add(peer)
            case Left(peer=peer):
                self.members.discard(peer)
                self.suspects.discard(peer)

    def _able(self) -> list[NodeId]:
        """The voters that might lead in this node's place, as far as it sees."""
        return [v for v in self.voters if v != self.me and v in self.members and v not in self.suspects]

    def _why_not_to(self, to: NodeId) -> str | None:
        able = self._able()
        return None if to in {self.me, *able} else f"node {to} is no voter that seems to live: ask for one of {able}"

    def _recognise(self, leader: NodeId | None) -> None:
        if leader != self.leader:
            self.leader = leader
            self._effects.append(Recognised(leader, self.term))

    def _others(self) -> list[NodeId]:
        """Everybody but this node."""
        return sorted({*self.members, *self.voters} - {self.me})

    def _ask_voters(self, message: Message, after: int = 0) -> None:
        self._effects += [Send(voter, message, after) for voter in self.voters if voter != self.me]
