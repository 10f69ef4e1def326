"""Paxos: the leader of each term is chosen by a majority, once and for ever.

L. Lamport, "The Part-Time Parliament", ACM Transactions on Computer Systems 16(2), May 1998, pages 133-169,
doi:10.1145/279227.279229: the synod of section 2; and by the same author "Paxos Made Simple", ACM SIGACT News 32(4),
December 2001, pages 51-58, whose phases and words are used here.

The idea. Who leads term k is the value that instance k of the synod chooses. A node that misses the leader proposes
itself for the next term, under a ballot number that nobody else uses. Phase 1: it asks the voters to promise that they
accept nothing below that number, and each says what it accepted last. Phase 2: it asks them to accept the value of the
highest ballot that it was told of, or its own where there is none. What a majority has accepted is chosen: any later
majority has a voter in common with it, who speaks of it. Then everybody is told.

Assumes. Nothing about time, for what is chosen; that something is chosen needs a while in which a majority answers
within `answer_ns`. Nodes crash and come back with what was durable; messages are lost, repeated and overtaken; links
fail, one by one or whole groups. Voters are fixed for ever and the same everywhere: name them in the settings where
members come and go, for a node that joins later would count whom it finds. Detectors may be wrong.

Guarantees. No two leaders in one term, whatever happens. Once a majority of the voters can talk, a leader is chosen,
and all that live recognise it. No authority: the leader of an earlier term may not have heard of the later one, and
nothing ends its leadership in time. `paxos_lease` does that.

Differs from the paper. (1) Of instances that are over nothing is kept but the leader of the last, and who meets a
message of a later one goes there at once: a voter that falls silent in an instance harms nothing. (2) A ballot number
divided by the number of voters leaves its proposer's place among them. (3) When to propose is left to failure detectors
and chance; the paper elects a president for that. (4) What is chosen is told on without end, by each node to one other
at a time, in turn (Demers et al. 1987), so that no lost message keeps anybody behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

import msgspec

from tenure.core.ballots import Balloting, BallotSettings, Role
from tenure.core.effects import Send
from tenure.core.elector import UnexpectedMessage
from tenure.core.events import Message, NodeId, Record
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NEVER_NS


class Settings(BallotSettings, frozen=True, kw_only=True):
    """`voters` must be the same at all nodes; times may differ."""

    repeat_ns: int = 1_000_000_000
    """What is chosen is told to one other node this often. Serf gossips every 0.2 s; this repairs what was lost."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeat_ns < 1:
            raise ValueError(f"repeat_ns is {self.repeat_ns}; it is a duration: give one nanosecond at least")


class Ledger(Record, frozen=True, tag="paxos"):
    """What a node never forgets. Ballot 0 stands for none, here and in messages."""

    voters: tuple[NodeId, ...]
    ballot: int = 0
    """The greatest that it used or saw, in any term."""
    term: int = 0
    """The last that is over, as far as it knows; what follows `leader` is about the instance after it."""
    leader: NodeId | None = None
    """Whom that term chose; None where only the fact is known."""
    promised: int = 0
    accepted: int = 0
    value: NodeId | None = None


class Ballot(Message, frozen=True):
    """A message about one ballot, in the instance that chooses the leader of `term`."""

    term: int
    ballot: int


class Prepare(Ballot, frozen=True):
    """Phase 1a: promise to accept nothing below this ballot, and say what you accepted."""


class Promise(Ballot, frozen=True):
    """Phase 1b: I promise; this value I accepted last, in ballot `accepted`."""

    accepted: int
    value: NodeId | None


class Accept(Ballot, frozen=True):
    """Phase 2a: accept this value."""

    value: NodeId


class Accepted(Ballot, frozen=True):
    """Phase 2b: I have."""


class Refused(Ballot, frozen=True):
    """I have promised this greater ballot to somebody."""


class Decided(Message, frozen=True):
    """This is chosen, for ever."""

    term: int
    leader: NodeId


class Proposal(msgspec.Struct):
    """A ballot of this node that is under way."""

    ballot: int
    wanted: NodeId
    """The value that it proposes if it is free to."""
    record: int
    """When this record of the node itself is durable, its own vote counts."""
    answers: dict[NodeId, tuple[int, NodeId | None]] = {}
    """Of this phase: the last ballot and value that each voter had accepted."""
    value: NodeId | None = None
    """What voters are asked to accept; None in phase 1."""


class Paxos(Balloting):
    """One node: proposer, acceptor and learner."""

    name: ClassVar[str] = "paxos"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.PARTIAL, crashes=Crashes.RECOVERY, links=Links.LOSSY, partitions=True, clock_drift=True
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset(
        {Guarantee.ONE_PER_TERM, Guarantee.AGREEMENT, Guarantee.TERMINATION}
    )
    messages: ClassVar[tuple[type[Message], ...]] = (Prepare, Promise, Accept, Accepted, Refused, Decided)
    records: ClassVar[tuple[type[Record], ...]] = (Ledger,)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        super().__init__(me, members, chance, self.settings)
        self.ledger = Ledger(self.voters)
        self.proposal: Proposal | None = None
        self._propose_ns = NEVER_NS  # when to propose; while a proposal is under way, when to give it up
        self._repeat_ns = NEVER_NS
        self._turn = 0  # whom to tell next

    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        """Messages of a later instance lead into it, those of an earlier one and of strangers change nothing."""
        if isinstance(message, Decided):
            self._told(sender, message.term, message.leader)
            return
        assert isinstance(message, Ballot)
        if message.term > self.term + 1:
            self._enter(message.term)
        is_outdated = message.term <= self.term or sender not in self.voters
        match message:
            case Prepare() | Accept() if is_outdated:
                self._tell(sender)
            case Prepare(ballot=ballot):
                self._prepare(sender, ballot, now_ns)
            case Accept(ballot=ballot, value=value):
                self._accept(sender, ballot, value, now_ns)
            case Promise(ballot=ballot, accepted=accepted, value=value) if not is_outdated:
                self._promised(sender, ballot, (accepted, value), now_ns)
            case Accepted(ballot=ballot) if not is_outdated:
                self._accepted(sender, ballot)
            case Refused(ballot=ballot) if not is_outdated and self.proposal and ballot > self.proposal.ballot:
                self._yield(ballot, now_ns)
            case _:
                return

    # The proposer

    def _propose(self, wanted: NodeId, now_ns: int) -> None:
        """Phase 1a: "a proposer selects a proposal number n and sends a prepare request with number n". The number is
        durable first, so that no later life of this node uses it again.
        """
        ballot = self._next_ballot(self.ledger.ballot)
        self.ledger = msgspec.structs.replace(self.ledger, ballot=ballot, promised=ballot)
        self.proposal = Proposal(ballot, wanted, self._persist(self.ledger))
        self._propose_ns = now_ns + self.settings.answer_ns
        self._ask_voters(Prepare(self.term + 1, ballot), after=self._written)

    def _promised(self, voter: NodeId, ballot: int, last: tuple[int, NodeId | None], now_ns: int) -> None:
        """Phase 2a: with promises of a majority, ask all to accept the chosen value, if it may be so, or one's own."""
        proposal = self.proposal
        if proposal is None or proposal.ballot != ballot or proposal.value is not None:
            return
        proposal.answers[voter] = last
        if not self._is_majority(proposal.answers):
            return
        proposal.value = value = self._value(proposal)
        proposal.answers = {}
        self.ledger = msgspec.structs.replace(self.ledger, accepted=ballot, value=value)
        proposal.record = self._persist(self.ledger)
        self._propose_ns = now_ns + self.settings.answer_ns
        self._ask_voters(Accept(self.term + 1, ballot, value))

    def _value(self, proposal: Proposal) -> NodeId:
        """That is "the value of the highest-numbered proposal among the responses, or is any value if the responses
        reported no proposals".
        """
        accepted, value = max(proposal.answers.values(), key=lambda last: last[0])
        return value if accepted and value is not None else proposal.wanted

    def _accepted(self, voter: NodeId, ballot: int) -> None:
        """A value that a majority has accepted is chosen: tell everybody."""
        proposal = self.proposal
        if proposal is None or proposal.ballot != ballot or proposal.value is None:
            return
        proposal.answers[voter] = (ballot, proposal.value)
        if self._is_majority(proposal.answers):
            self._learn(self.term + 1, proposal.value)
            self._effects += [Send(peer, Decided(self.term, proposal.value)) for peer in self._others()]

    def _yield(self, ballot: int, now_ns: int) -> None:
        """A greater ballot is under way: give up one's own, and wait until that one can be over."""
        self.ledger = msgspec.structs.replace(self.ledger, ballot=max(self.ledger.ballot, ballot))
        self._pause(now_ns + 2 * self.settings.answer_ns)

    def _pause(self, from_ns: int) -> None:
        self.proposal = None
        self._propose_ns = from_ns + self._pause_ns()

    # The acceptor: what it says is durable first

    def _prepare(self, sender: NodeId, ballot: int, now_ns: int) -> None:
        """Phase 1b: promise, "with the highest-numbered proposal (if any) that it has accepted"."""
        if self._promise(sender, ballot, now_ns):
            answer = Promise(self.term + 1, ballot, self.ledger.accepted, self.ledger.value)
            self._effects.append(Send(sender, answer, after=self._written))

    def _accept(self, sender: NodeId, ballot: int, value: NodeId, now_ns: int) -> None:
        """Phase 2b: accept "unless it has already responded to a prepare request having a number greater than n"."""
        if self._promise(sender, ballot, now_ns):
            if ballot != self.ledger.accepted:
                self.ledger = msgspec.structs.replace(self.ledger, accepted=ballot, value=value)
                self._persist(self.ledger)
            self._effects.append(Send(sender, Accepted(self.term + 1, ballot), after=self._written))

    def _promise(self, sender: NodeId, ballot: int, now_ns: int) -> bool:
        """Whether this ballot is none below the one promised; from now on it is that one."""
        if ballot < self.ledger.promised:
            self._effects.append(Send(sender, Refused(self.term + 1, self.ledger.promised)))
            return False
        if ballot > self.ledger.promised:
            self._yield(ballot, now_ns)
            self.ledger = msgspec.structs.replace(self.ledger, promised=ballot)
            self._persist(self.ledger)
        return True

    def _count_own(self, now_ns: int) -> None:
        proposal = self.proposal
        if proposal is not None and self._durable >= proposal.record:
            if proposal.value is None:
                self._promised(self.me, proposal.ballot, (self.ledger.accepted, self.ledger.value), now_ns)
            else:
                self._accepted(self.me, proposal.ballot)

    # The learner

    def _told(self, sender: NodeId, term: int, leader: NodeId) -> None:
        """What is chosen is chosen: take it from anybody, and tell who is behind."""
        if term < self.term:
            self._tell(sender)
        elif term > self.term or self.leader is None:
            self._learn(term, leader)
        elif leader != self.leader:
            raise UnexpectedMessage(sender, Decided(term, leader), f"but node {self.leader} was chosen in that term")

    def _learn(self, term: int, leader: NodeId) -> None:
        """This term is over, and that is its leader."""
        if term > self.term:
            self._enter(term + 1)
        self.ledger = msgspec.structs.replace(self.ledger, leader=leader)
        self._persist(self.ledger)
        self._recognise(leader)

    def _enter(self, term: int) -> None:
        """Take part in this instance: whoever is in it knows that all before it are over."""
        self.term, self.proposal = term - 1, None
        self._tries, self._propose_ns = 0, NEVER_NS
        self.ledger = Ledger(self.voters, self.ledger.ballot, self.term)
        self._recognise(None)

    def _tell(self, peer: NodeId) -> None:
        """What this node knows of the last term, to one that is behind."""
        known = Refused(self.term + 1, 0) if self.leader is None else Decided(self.term, self.leader)
        self._effects.append(Send(peer, known))

    # When to propose, and timers

    def _start(self, records: tuple[Record, ...], now_ns: int) -> None:
        """Go on where the last life ended. Its voters stay, whoever is a member now: two counts, two majorities."""
        for record in records:
            assert isinstance(record, Ledger)
            self._restore_voters(record.voters)
            self.ledger = record
        self.term = self.ledger.term
        self._recognise(self.ledger.leader)
        self._repeat_ns = now_ns + 1 + int(self.chance.random() * self.settings.repeat_ns)

    def _settle(self, now_ns: int) -> None:
        """After each event: a voter that misses the leader will propose; the role and the timer follow."""
        misses_leader = self.leader is None or self.leader in self.suspects or self.leader not in self.members
        if self.proposal is None:
            if not misses_leader or self.me not in self.voters:
                self._propose_ns, self._tries = NEVER_NS, 0
            elif self._propose_ns == NEVER_NS:
                self._pause(now_ns)
        self.wake_ns = min(self._propose_ns, self._repeat_ns)
        if self.me not in self.members:  # it has left: its vote is lost to the others, who count it for ever
            self._recognise(None)
            self.role, self.wake_ns = Role.GONE, NEVER_NS
        elif self.leader == self.me:
            self.role = Role.LEADING
        elif self.proposal is not None:
            self.role = Role.PROPOSING
        else:
            self.role = Role.WAITING if misses_leader else Role.FOLLOWING

    def _time_out(self, now_ns: int) -> None:
        """Propose oneself, or give up what no majority has answered; tell the next node what is chosen."""
        if now_ns >= self._propose_ns:
            if self.proposal is None:
                self._propose(self.me, now_ns)
            else:
                self._pause(now_ns)
        if now_ns >= self._repeat_ns:
            self._repeat_ns = now_ns + self.settings.repeat_ns
            others = self._others()  # nobody, perhaps: who is alone now need not stay so
            self._turn += 1
            if others and self.leader is not None:
                self._tell(others[self._turn % len(others)])

    def why_not(self, to: NodeId | None) -> str | None:
        if self.role is not Role.LEADING or to == self.me:
            return None
        if not self._able():
            return "no other voter seems to live, and this node would lead again: take the node out"
        return None if to is None else self._why_not_to(to)

    def _asked(self, to: NodeId | None, now_ns: int) -> None:
        """Propose the other node for the next term: one try, and this one leads on until the other is chosen."""
        if self.role is Role.LEADING and to != self.me:
            self._propose(self._able()[0] if to is None else to, now_ns)
