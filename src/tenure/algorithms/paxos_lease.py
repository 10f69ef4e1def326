"""PaxosLease: a majority lends the leadership for a while, and who does not renew it loses it by its own clock.

M. Trencseni, A. Gazso and H. Reinhardt, "PaxosLease: Diskless Paxos for Leases", 2012, arXiv:1209.4187, with the rules
that Trencseni's revision of 2026 makes explicit.

The idea. Paxos chooses a value for ever; here it chooses an owner, whom each voter forgets after a while. Who knows of
no live lease asks the voters, under a ballot number of its own, to promise that they lend nothing below it; with
promises of a majority it asks them to lend; what a majority has lent is owned. The owner stops at its own deadline,
before any voter does: it counts from when it *began to ask*, they from when they lent.

Assumes. Clocks that run at 1 +- `rho_ppm` millionths of true time. Otherwise nothing about time, for safety; to own
the lease takes a while in which a majority answers within `answer_ns`. Nodes crash and come back with what was
durable; messages are lost, repeated and overtaken; links fail, one by one or whole groups. Voters, `lease_ns` and
`rho_ppm` are for ever and the same everywhere: name the voters in the settings where members come and go.

Guarantees. No two nodes are authorised at one instant, and every token is greater than all before it. Once a majority
of the voters can talk, somebody owns the lease. A suspicion makes that no sooner, for the owner may live.

Why no two own it. They would have a voter in common. It lends nothing to the second while its loan to the first runs:
by true time for `lease_ns / (1 + rho)` at least, from later than when the first began to ask. The first counts
`lease_ns (1 - rho) / (1 + rho)` from there, by true time no more than that. A voter that has crashed since lends
nothing for `lease_ns` after it has come back, which ends later still.

Differs from the paper. (1) Not diskless: what a voter has promised is durable, so that ballots only grow, and fencing
tokens with them: a tenure's token is the ballot that won it. (2) So a voter that has come back is silent only about
loans. (3) A voter whose loan to another runs promises nothing either, so that no candidate disturbs the owner. (4) Who
has won or renewed tells everybody. (5) A release ends all that was lent up to its ballot.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

import msgspec

from tenure.core.ballots import Balloting, BallotSettings, Role
from tenure.core.effects import Authorised, Deposed, Send
from tenure.core.events import Message, NodeId, Record
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NEVER_NS, PPM, safe_ns

Owner = tuple[NodeId, int]
"""A node, and the number of its life."""


class Settings(BallotSettings, frozen=True, kw_only=True):
    """`voters`, `lease_ns` and `rho_ppm` must be the same at all nodes; the other times may differ."""

    lease_ns: int = 15_000_000_000
    """How long a voter lends. Kubernetes lends for 15 s, Chubby for 12 s, Consul for 10 s at least."""
    rho_ppm: int = 100_000
    """How far a clock's rate may be off: a tenth, for chrony may slew by 8.3 %. It shortens a tenure twice."""
    renew_ns: int = 4_000_000_000
    """An owner asks anew so long after it asked last: a third of its time, as in etcd, so that it may fail twice."""

    @property
    def tenure_ns(self) -> int:
        """How long the owner counts on what was lent for `lease_ns`: one clock may be slow, the other fast."""
        return safe_ns(self.lease_ns, self.rho_ppm)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.renew_ns < 1:
            raise ValueError(f"renew_ns is {self.renew_ns}; it is a duration: give one nanosecond at least")
        if not 0 <= self.rho_ppm < PPM:
            raise ValueError(f"rho_ppm is {self.rho_ppm}; a clock may be off by 0 to {PPM - 1} millionths")
        needed_ns = self.renew_ns + 2 * self.answer_ns
        if needed_ns >= self.tenure_ns:
            raise ValueError(f"renew_ns + 2 answer_ns is {needed_ns}, and an owner has {self.tenure_ns}: lend for more")


class Ledger(Record, frozen=True, tag="paxos-lease"):
    """What a node never forgets."""

    voters: tuple[NodeId, ...]
    incarnation: int = 0
    """The number of its life."""
    ballot: int = 0
    """The greatest that it promised, to itself or another."""


class Prepare(Message, frozen=True):
    """I ask to be the owner, and this is the number of my life: promise to lend nothing below this ballot."""

    ballot: int
    incarnation: int


class Promise(Message, frozen=True):
    """I do, and no loan of mine to another runs."""

    ballot: int


class Accept(Message, frozen=True):
    """Lend to me, from when this arrives."""

    ballot: int
    incarnation: int


class Accepted(Message, frozen=True):
    """I have."""

    ballot: int


class Refused(Message, frozen=True):
    """Not in this ballot: I have promised that one, or a loan of mine to another runs."""

    ballot: int
    promised: int


class Owned(Message, frozen=True):
    """I own the lease, under this token."""

    token: int


class Released(Message, frozen=True):
    """I own nothing any more that was lent in this life, up to this ballot; `to` is wished to ask at once."""

    ballot: int
    incarnation: int
    to: NodeId | None


class Loan(msgspec.Struct, frozen=True):
    """What a voter has lent: to which life of which node (None: an earlier life of the voter knew), and until when."""

    owner: Owner | None
    ballot: int
    until_ns: int


NO_LOAN = Loan(None, 0, 0)


class Proposal(msgspec.Struct):
    """A ballot of this node that is under way."""

    ballot: int
    asked_ns: int
    record: int
    """When this record of the node itself is durable, its own vote counts."""
    is_promised: bool = False
    answers: set[NodeId] = set()
    """Who said yes in this phase."""


class PaxosLease(Balloting):
    """One node: proposer, acceptor and learner."""

    name: ClassVar[str] = "paxos-lease"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.PARTIAL, crashes=Crashes.RECOVERY, links=Links.LOSSY, partitions=True, clock_drift=True
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset(
        {Guarantee.ONE_AT_A_TIME, Guarantee.TOKENS_GROW, Guarantee.TERMINATION}
    )
    messages: ClassVar[tuple[type[Message], ...]] = (Prepare, Promise, Accept, Accepted, Refused, Owned, Released)
    records: ClassVar[tuple[type[Record], ...]] = (Ledger,)

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        super().__init__(me, members, chance, self.settings)
        self.ledger = Ledger(self.voters)
        self._mine: Owner = (me, 0)  # as whom this life owns
        self.loan = NO_LOAN
        self.proposal: Proposal | None = None
        self.token: int | None = None  # of the tenure of this node
        self._deadline_ns = 0  # the first instant at which it must not act any more
        self._seen = 0  # the greatest ballot
        self._heard_until_ns = 0  # the lease of the leader that told of itself has run out by then
        self._ask_ns = NEVER_NS  # when to ask, for the first time or anew; while a proposal is under way, to give it up

    @property
    def authority_ns(self) -> int:
        return self.settings.tenure_ns - self.settings.renew_ns

    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        match message:
            case Prepare(ballot=ballot, incarnation=incarnation):
                self._prepare((sender, incarnation), ballot, now_ns)
            case Promise(ballot=ballot):
                self._promised(sender, ballot, now_ns)
            case Accept(ballot=ballot, incarnation=incarnation):
                self._accept((sender, incarnation), ballot, now_ns)
            case Accepted(ballot=ballot):
                self._accepted(sender, ballot, now_ns)
            case Refused(promised=promised):
                self._refused(promised)
            case Owned(token=token):
                self._told(sender, token, now_ns)
            case Released():
                self._released(sender, message, now_ns)
            case _:
                raise AssertionError(f"{type(message).__name__} is not admitted")

    # The proposer

    def _ask(self, now_ns: int) -> None:
        """Begin a ballot, to win the lease or to renew it. The number is durable before anybody hears of it."""
        self._seen = ballot = self._next_ballot(self._seen)
        self.ledger = msgspec.structs.replace(self.ledger, ballot=ballot)
        self.proposal = Proposal(ballot, now_ns, self._persist(self.ledger))
        self._ask_ns = now_ns + self.settings.answer_ns
        self._ask_voters(Prepare(ballot, self.ledger.incarnation), after=self._written)

    def _promised(self, voter: NodeId, ballot: int, now_ns: int) -> None:
        """With promises of a majority, none of which has lent to another, lend to oneself and ask all to lend."""
        proposal = self.proposal
        if proposal is None or proposal.ballot != ballot or proposal.is_promised:
            return
        proposal.answers.add(voter)
        if self._is_majority(proposal.answers):
            proposal.is_promised, proposal.answers = True, set()
            self.loan = Loan(self._mine, ballot, now_ns + self.settings.lease_ns)
            self._ask_ns = now_ns + self.settings.answer_ns
            self._ask_voters(Accept(ballot, self.ledger.incarnation))
            self._count_own(now_ns)

    def _accepted(self, voter: NodeId, ballot: int, now_ns: int) -> None:
        """What a majority has lent is owned."""
        self._run_out(now_ns)
        proposal = self.proposal
        if proposal is None or proposal.ballot != ballot:
            return
        proposal.answers.add(voter)
        if self._is_majority(proposal.answers):
            self._own(proposal, now_ns)

    def _own(self, proposal: Proposal, now_ns: int) -> None:
        """The time began when Prepare was sent, however late the answers are; a renewal keeps the token."""
        deadline_ns = proposal.asked_ns + self.settings.tenure_ns
        if now_ns >= deadline_ns:
            self._pause(now_ns)
            return
        self.proposal = None
        self.token = self.term = proposal.ballot if self.token is None else self.token
        self._deadline_ns, self._tries = deadline_ns, 0
        self._ask_ns = max(proposal.asked_ns + self.settings.renew_ns, now_ns + 1)
        self._effects.append(Authorised(self.token, deadline_ns))
        self._recognise(self.me)
        self._effects += [Send(peer, Owned(self.token)) for peer in self._others()]

    def _count_own(self, now_ns: int) -> None:
        """Its own promise, like any other, counts if no loan to another runs; afterwards it has lent to itself. Where
        others are a majority without it, a loan to another that it has forgotten, or still knows, has made no owner:
        one of those others would have had to lend as well, and has not.
        """
        proposal = self.proposal
        if proposal is not None and self._durable >= proposal.record and self._is_free_for(self._mine, now_ns):
            vote = self._accepted if proposal.is_promised else self._promised
            vote(self.me, proposal.ballot, now_ns)

    def _refused(self, promised: int) -> None:
        """Ask under a greater ballot, next time. One refusal ends none: who asks in vain refuses for ever."""
        self._seen = max(self._seen, promised)

    def _pause(self, from_ns: int) -> None:
        self.proposal = None
        self._ask_ns = from_ns + self._pause_ns() if self.me in self.voters else NEVER_NS

    # The end of a tenure

    def _run_out(self, now_ns: int) -> None:
        """At its own deadline an owner stops, whoever has said what."""
        if self.token is not None and now_ns >= self._deadline_ns:
            self._depose("its lease ran out", now_ns)

    def _depose(self, why: str, now_ns: int) -> None:
        assert self.token is not None
        self._effects.append(Deposed(self.token, why))
        self.token = None
        self._recognise(None)
        self._pause(now_ns)

    def why_not(self, to: NodeId | None) -> str | None:
        return None if self.token is None or to is None else self._why_not_to(to)

    def _asked(self, to: NodeId | None, now_ns: int) -> None:
        """Give way to another that could lead; where there is none, only this tenure ends."""
        if self.token is not None and to != self.me:
            self._release("it was asked to step down", to, now_ns)

    def _release(self, why: str, to: NodeId | None, now_ns: int) -> None:
        """Stop, give back what is lent, and let the others ask first."""
        self._depose(why, now_ns)
        self._ask_ns += self.settings.most_backoff_ns
        self.loan = NO_LOAN
        released = Released(self.ledger.ballot, self.ledger.incarnation, to)
        self._effects += [Send(peer, released) for peer in self._others()]

    # The acceptor

    def _prepare(self, owner: Owner, ballot: int, now_ns: int) -> None:
        if self._may_lend(owner, ballot, now_ns):
            self._effects.append(Send(owner[0], Promise(ballot), after=self._written))

    def _accept(self, owner: Owner, ballot: int, now_ns: int) -> None:
        """Lend, for a time that begins now. The loan itself is not durable: see `_start`."""
        if self._may_lend(owner, ballot, now_ns):
            self.loan = Loan(owner, ballot, now_ns + self.settings.lease_ns)
            self._effects.append(Send(owner[0], Accepted(ballot), after=self._written))

    def _may_lend(self, owner: Owner, ballot: int, now_ns: int) -> bool:
        """Whether no greater ballot is promised, and no loan to another runs; from now on this one is promised."""
        if owner[0] not in self.voters or ballot < self.ledger.ballot or not self._is_free_for(owner, now_ns):
            self._effects.append(Send(owner[0], Refused(ballot, self.ledger.ballot)))
            return False
        if ballot > self.ledger.ballot:
            self._seen = max(self._seen, ballot)
            self.ledger = msgspec.structs.replace(self.ledger, ballot=ballot)
            self._persist(self.ledger)
            self._pause(now_ns + 2 * self.settings.answer_ns)
        return True

    def _is_free_for(self, owner: Owner, now_ns: int) -> bool:
        """Nobody's live lease is overwritten but one's own; another life of the same node is another owner."""
        return now_ns >= self.loan.until_ns or self.loan.owner == owner

    def _released(self, sender: NodeId, message: Released, now_ns: int) -> None:
        """Owner and ballot are named: what was lent again after the release was sent stays lent."""
        if self.loan.owner == (sender, message.incarnation) and self.loan.ballot <= message.ballot:
            self.loan = NO_LOAN
        if self.leader == sender and self.term <= message.ballot:
            self._recognise(None)
        if self.token is None and self.proposal is None and self.me in self.voters:
            if message.to == self.me and self._quiet_ns() <= now_ns:
                self._ask(now_ns)
            else:
                self._pause(now_ns if message.to is None else now_ns + 2 * self.settings.answer_ns)

    # The learner

    def _told(self, sender: NodeId, token: int, now_ns: int) -> None:
        """Somebody owns the lease, and does for as long as voters lend; who owns it itself has no use for late news."""
        if self.token is None and token >= self.term:
            self.term, self._tries = token, 0
            self._heard_until_ns = now_ns + self.settings.lease_ns
            self._recognise(sender)

    # When to ask, and timers

    def _start(self, records: tuple[Record, ...], now_ns: int) -> None:
        """A voter that comes back does not know what it has lent: until that must be over it lends nothing, not even to
        itself. Meanwhile it may ask others.
        """
        for record in records:
            assert isinstance(record, Ledger)
            self._restore_voters(record.voters)
            self.ledger = record
            self.loan = Loan(None, 0, now_ns + self.settings.lease_ns)
        self._seen = self.ledger.ballot
        self._mine = (self.me, self.ledger.incarnation + 1)
        self.ledger = Ledger(self.voters, self._mine[1], self.ledger.ballot)
        self._persist(self.ledger)
        self._pause(now_ns)

    def _time_out(self, now_ns: int) -> None:
        """Notice what has ended; ask, if no lease is known to run, or it is one's own."""
        self._run_out(now_ns)
        if self.leader not in {None, self.me} and now_ns >= self._heard_until_ns:
            self._recognise(None)
        if now_ns < self._ask_ns:
            return
        if self.proposal is not None:
            self._pause(now_ns)
        elif self.token is None and self._quiet_ns() > now_ns:
            self._pause(self._quiet_ns())
        else:
            self._ask(now_ns)

    def _quiet_ns(self) -> int:
        """Until when somebody else's lease runs, as far as this node knows."""
        lent_ns = 0 if self.loan.owner in {None, self._mine} else self.loan.until_ns
        return max(lent_ns, 0 if self.leader in {None, self.me} else self._heard_until_ns)

    def _settle(self, now_ns: int) -> None:
        self._run_out(now_ns)
        if self.me not in self.members:
            if self.token is not None:
                self._release("it has left", None, now_ns)
            self._recognise(None)
            self.role, self.wake_ns = Role.GONE, NEVER_NS
            return
        self.wake_ns = self._ask_ns
        if self.token is not None:
            self.role = Role.LEADING
            self.wake_ns = min(self.wake_ns, self._deadline_ns)
        elif self.leader is not None:
            self.role = Role.FOLLOWING
            self.wake_ns = min(self.wake_ns, self._heard_until_ns)
        else:
            self.role = Role.WAITING if self.proposal is None else Role.PROPOSING
