"""The elector: it claims when its node should lead, holds while a majority grants, and votes on claims of others."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, assert_never

from tenure.algorithms.majority_lease.lease import Lease
from tenure.algorithms.majority_lease.messages import (
    Claim,
    Configuration,
    Granted,
    Lessee,
    Refused,
    Release,
    Renew,
    TakeOver,
    Vote,
)
from tenure.algorithms.majority_lease.pace import Pace
from tenure.algorithms.majority_lease.settings import Settings
from tenure.algorithms.majority_lease.voter import Voter
from tenure.core.account import Account
from tenure.core.composed import Composed
from tenure.core.effects import Authorised, Deposed, Effect, Send
from tenure.core.elector import NEW, DutyBroken, Elector, UnexpectedMessage, WishRefused
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
    Record,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NEVER_NS
from tenure.errors import ConfigurationError


class Role(enum.StrEnum):
    """What a node is doing about authority; what it does about the election is the inner elector's affair."""

    NEW = NEW
    FOLLOWING = "following"
    ELECTED = "elected"
    """The elector inside has chosen it, and no majority grants it a lease."""
    CLAIMING = "claiming"
    """Waits for the answers of voters."""
    HOLDING = "holding"
    """May act as leader, until its deadline."""
    GONE = "gone"
    """Has left the group."""


class MajorityLease(Composed):
    """One node, made by `MajorityLease.over(Bully)`, for example.

    It is Deposed at its deadline, or when it is asked to step down or leaves the group, and releases in that step. A
    driver whose work takes time to stop hands it Asked only when the work has stopped.
    """

    name: ClassVar[str] = "lease"
    own_messages: ClassVar[tuple[type[Message], ...]] = (Claim, Renew, Granted, Refused, Release, TakeOver)
    own_records: ClassVar[tuple[type[Record], ...]] = (Vote,)

    @classmethod
    def assumes_over(cls, inner: type[Elector]) -> FaultModel:
        """Nothing of what the inner one assumes: it may be wrong, and somebody holds all the same."""
        del inner
        return FaultModel(
            synchrony=Synchrony.ASYNCHRONOUS,
            crashes=Crashes.RECOVERY,
            links=Links.LOSSY,
            partitions=True,
            clock_drift=True,
        )

    @classmethod
    def guarantees_over(cls, inner: type[Elector]) -> frozenset[Guarantee]:
        """Authority, whatever the inner one promises. Raises ConfigurationError over one that gives authority itself:
        its tenures would stand among these, with tokens of another count.
        """
        if Guarantee.ONE_AT_A_TIME in inner.guarantees:
            raise ConfigurationError(f"{inner.name} gives authority by itself; leave the +{cls.name} around it out")
        return frozenset({Guarantee.ONE_AT_A_TIME, Guarantee.TOKENS_GROW, Guarantee.TERMINATION})

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        self.settings = settings or Settings()
        self.role: Role = Role.NEW
        self.configuration = Configuration(0, 0, tuple(sorted({*(self.settings.voters or self.members)})))
        """The newest that this node knows of."""
        self._voter = Voter(Vote(0, me, 0, self.configuration), self.settings, 0)
        self._vote_number = 0  # of the record of the voter's last vote
        self._own_answer: tuple[int, Granted] | None = None  # its grant to this node, and the record that it waits for
        self._pace = Pace(self.settings, chance)
        self._lease: Lease | None = None  # what this node claims or holds
        self._highest = 0  # the greatest token known
        self._preferred: NodeId | None = None  # by the inner elector, while this node claims or holds
        self._renew_ns, self._give_way_ns, self._gives_way = 0, NEVER_NS, True
        self._suspects, self._effects = set[NodeId](), list[Effect]()

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        if self.role is Role.GONE:
            return ()
        self._refuse(event, now_ns)
        self._effects = []
        if not self._is_own(event):
            self._effects += self._tell_inner(event, now_ns)
        self._expire(now_ns)
        match event:
            case Started(durable=records):
                self._start(records, now_ns)
            case Received(sender=sender, message=message):
                self._receive(sender, message, now_ns)
            case Persisted():
                self._hear_own_answer(now_ns)
            case Suspected(peer=peer):
                self._suspects.add(peer)
            case Trusted(peer=peer):
                self._suspects.discard(peer)
            case Joined(peer=peer):
                self.members.add(peer)
            case Left(peer=peer):
                self._leave(peer, now_ns)
            case Asked(to=to):
                self._step_down(to, now_ns)
            case Reconfigure(voters=voters):
                self._wish(voters, now_ns)
            case Woke() | Rated():
                ...
            case _:
                assert_never(event)
        self._go_on(now_ns)
        return self._effects

    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        match message:
            case Claim() | Renew():
                self._vote(sender, message, now_ns)
            case Granted():
                self._granted(sender, message, now_ns)
            case Refused():
                self._refused(sender, message, now_ns)
            case Release():
                self._voter.release(Lessee(sender, message.token, message.claim), message.to, now_ns)
            case TakeOver():
                self._pace.called(now_ns)
            case _:
                return  # the inner elector's

    def _is_own(self, event: Event) -> bool:
        """Whether the inner elector has nothing to do with it: authority and voters are not its affair."""
        is_message = isinstance(event, Received) and isinstance(event.message, self.own_messages)
        return is_message or isinstance(event, Asked | Reconfigure)

    # What is refused, before anything has changed

    def _refuse(self, event: Event, now_ns: int) -> None:
        match event:
            case Persisted(number=number) if number > self._written:
                raise DutyBroken(4, f"record {number} is said to be durable, and {self._written} were written")
            case Received(sender=sender, message=Claim() | Renew() | Refused() as message):
                if not message.configuration.voters:
                    raise UnexpectedMessage(sender, message, "with a configuration of nobody")
                if isinstance(message, Refused) and not 0 <= message.left_ns <= self.settings.duration_ns:
                    raise UnexpectedMessage(sender, message, "of a lease that no voter here grants")
            case Received(sender=sender, message=Granted() as message):
                if self._is_for(self._lease, message) and message.sent_ns > now_ns:
                    raise UnexpectedMessage(sender, message, "which answers what was not sent yet")
            case Reconfigure(voters=voters):
                self._refuse_voters(voters, now_ns)
            case _:
                return

    def _own_authority_ns(self) -> int:
        return self.settings.usable_ns - self.settings.renew_every_ns

    def why_not(self, to: NodeId | None) -> str | None:
        has_no_part = self._lease is None and self.inner.leader != self.me
        if has_no_part or to is None or to in self._others():
            return None
        return f"node {to} cannot take over: name another member that is not suspected"

    def account(self, now_ns: int) -> Account:
        return self.inner.account(now_ns).among((*self.configuration.voters, *self.configuration.old))

    def hold_on(self) -> None:
        self._gives_way = False

    def _refuse_voters(self, voters: tuple[NodeId, ...], now_ns: int) -> None:
        lease = self._lease
        if lease is None or lease.deadline_ns is None or now_ns >= lease.deadline_ns:
            holder = self._voter.lessee_at(now_ns)
            whom = self.leader if holder is None else holder.node
            where = "ask again in a while" if whom in {None, self.me} else f"ask node {whom}"
            raise WishRefused(f"node {self.me} does not hold, and only the holder can change who votes: {where}")
        if now_ns >= self._give_way_ns:
            raise WishRefused(f"node {self.me} gives way to node {self._preferred}: ask that one in a while")
        if not voters:
            raise WishRefused("somebody must vote; name some nodes")
        if lease.configuration.old:
            raise WishRefused("another change of voters is under way; ask again when it is through")

    # The voter in this node

    def _start(self, records: tuple[Record, ...], now_ns: int) -> None:
        """Go on with what is durable; a first life keeps its first configuration, so that no later one has another."""
        known = next((record for record in records if isinstance(record, Vote)), None)
        vote = known or self._voter.vote
        self._voter = Voter(vote, self.settings, now_ns)
        self._highest, self.configuration = vote.token, vote.configuration
        if known is None:
            self._keep_vote()
        self._pace.somebody_holds(now_ns)

    def _vote(self, sender: NodeId, asked: Claim | Renew, now_ns: int) -> None:
        """Answer a claim or renewal, one's own as any other; a grant waits until it is durable."""
        before = self._voter.vote
        answer = self._voter.answer(sender, asked, now_ns)
        if self._voter.vote is not before:
            self._keep_vote()
        self._learn(asked.token, asked.configuration)
        if isinstance(asked, Renew):
            self._pace.somebody_holds(now_ns)
        after = self._vote_number if isinstance(answer, Granted) and self._vote_number > self._durable else 0
        if sender != self.me:
            self._effects.append(Send(sender, answer, after))
        elif isinstance(answer, Refused):
            self._refused(self.me, answer, now_ns)
        elif after:
            self._own_answer = (after, answer)
        else:
            self._granted(self.me, answer, now_ns)

    def _keep_vote(self) -> None:
        persist = self._persist(self._voter.vote)
        self._vote_number = persist.number
        self._effects.append(persist)

    def _hear_own_answer(self, now_ns: int) -> None:
        """One's own vote counts when it is durable, like all others."""
        if self._own_answer is not None and self._own_answer[0] <= self._durable:
            _, answer = self._own_answer
            self._own_answer = None
            self._granted(self.me, answer, now_ns)

    # Claiming

    def _claims_from_ns(self, now_ns: int) -> int:
        is_voter = self.me in self.configuration.quorum().voters
        return self._pace.claims_from_ns(now_ns, should_lead=self.inner.leader == self.me, votes=is_voter)

    def _claim(self, now_ns: int) -> None:
        """Ask all voters for their leases, under a token above all that are known."""
        self._highest += 1
        self._lease = Lease(self._highest, self.chance.getrandbits(53), self.configuration, now_ns)
        self._renew_ns = now_ns + self.settings.renew_every_ns
        self._preferred, self._give_way_ns = self.inner.leader, NEVER_NS
        self._ask(self._lease, Claim, now_ns)

    def _ask(self, lease: Lease, kind: type[Claim | Renew], now_ns: int) -> None:
        asked = kind(lease.token, lease.claim, now_ns, lease.configuration)
        self._effects += [Send(voter, asked) for voter in lease.voters if voter != self.me]
        if self.me in lease.voters:
            self._vote(self.me, asked, now_ns)

    def _granted(self, voter: NodeId, granted: Granted, now_ns: int) -> None:
        """Count a voter's lease from when it was asked for; one that comes for a claim that has ended goes back."""
        lease = self._lease
        if lease is None or not self._is_for(lease, granted):
            if voter != self.me:
                self._effects.append(Send(voter, Release(granted.token, granted.claim)))
            return
        is_claim = lease.deadline_ns is None
        lease.granted(voter, granted.sent_ns + self.settings.usable_ns, granted.accepted)
        if lease.extend(now_ns):
            assert lease.deadline_ns is not None
            self._effects.append(Authorised(lease.token, lease.deadline_ns))
            if is_claim:
                self._pace.won()
        if lease.propose():
            self._learn(lease.token, lease.configuration)
            self._renew_ns = now_ns

    def _refused(self, voter: NodeId, refused: Refused, now_ns: int) -> None:
        """Learn why, for the next claim."""
        self._learn(refused.token, refused.configuration)
        if self._lease is not None and refused.claim == self._lease.claim:
            self._lease.refused(voter, now_ns + refused.left_ns)

    def _learn(self, token: int, configuration: Configuration) -> None:
        self._highest = max(self._highest, token)
        if configuration.is_newer_than(self.configuration):
            self.configuration = configuration

    @staticmethod
    def _is_for(lease: Lease | None, granted: Granted) -> bool:
        return lease is not None and (lease.token, lease.claim) == (granted.token, granted.claim)

    # Holding, and its end

    def _go_on(self, now_ns: int) -> None:
        """Whatever has happened: do what is due, say what this node is now, and when something is due next."""
        if self.role is not Role.GONE:
            self._do_what_is_due(now_ns)
            lease = self._lease
            if lease is None:
                self.role = Role.ELECTED if self.inner.leader == self.me else Role.FOLLOWING
                own_ns = self._claims_from_ns(now_ns)
            elif lease.deadline_ns is None:
                self.role, own_ns = Role.CLAIMING, lease.begun_ns + self.settings.retry_ns
            else:
                next_ns = min(self._renew_ns, self._give_way_ns) if now_ns < self._give_way_ns else NEVER_NS
                self.role, own_ns = Role.HOLDING, min(lease.deadline_ns, next_ns)
            self.wake_ns = min(own_ns, self.inner.wake_ns)
        self.leader, self.term = self.inner.leader, self.inner.term

    def _do_what_is_due(self, now_ns: int) -> None:
        if self._lease is None and now_ns >= self._claims_from_ns(now_ns):
            self._claim(now_ns)
        lease = self._lease
        if lease is None:
            return
        if lease.deadline_ns is not None:
            self._hold(lease, now_ns)
        elif now_ns >= lease.begun_ns + self.settings.retry_ns or lease.is_lost():
            self._end("did not win", now_ns)
            self._pace.failed(now_ns, lease.free_from_ns(now_ns))

    def _hold(self, lease: Lease, now_ns: int) -> None:
        """Renew, unless the elector has preferred another for long, and has not done so since before the claim: then
        the tenure lasts until its deadline, and its work has time to stop.
        """
        if self.inner.leader != self._preferred:
            self._preferred = self.inner.leader
            gives_way = self._gives_way and self._preferred not in {None, self.me}
            self._give_way_ns = now_ns + self.settings.give_way_ns if gives_way else NEVER_NS
        while self._give_way_ns > now_ns >= self._renew_ns:  # once more where the answers led to a proposal
            self._renew_ns = now_ns + self.settings.renew_every_ns
            self._ask(lease, Renew, now_ns)

    def _expire(self, now_ns: int) -> None:
        """The deadline has passed; no answer that comes now can help."""
        if self._lease is None or self._lease.deadline_ns is None or now_ns < self._lease.deadline_ns:
            return
        heir = self._preferred if now_ns >= self._give_way_ns else None
        self._end("its lease has run out" if heir is None else f"gave way to node {heir}", now_ns, heir)
        if heir is not None:
            self._effects.append(Send(heir, TakeOver()))

    def _step_down(self, to: NodeId | None, now_ns: int) -> None:
        """Make way for another, and let it know; where nobody else is seen, only this tenure ends."""
        if self._lease is None and self.inner.leader != self.me:
            return
        heir = max(self._others(), default=None) if to is None else to
        self._end("was asked to step down", now_ns, heir)
        if heir is not None:
            self._pace.stepped_down(now_ns)
            self._effects.append(Send(heir, TakeOver()))

    def _wish(self, voters: tuple[NodeId, ...], now_ns: int) -> None:
        """Ask those who shall vote for their leases first; the change is proposed when a majority of them grants."""
        assert self._lease is not None, "or it was refused"
        self._lease.wish = tuple(sorted({*voters}))
        self._renew_ns = now_ns

    def _leave(self, peer: NodeId, now_ns: int) -> None:
        """Who goes gives back what it has. Who votes is no matter of who is a member."""
        self.members.discard(peer)
        self._suspects.discard(peer)
        if peer == self.me:
            self._end("has left the group", now_ns)
            self.role, self.wake_ns = Role.GONE, NEVER_NS

    def _end(self, why: str, now_ns: int, heir: NodeId | None = None) -> None:
        """The claim or tenure is over and never valid again, so no voter need wait for the lease to run out."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        if lease.deadline_ns is not None:
            self._effects.append(Deposed(lease.token, why))
        release = Release(lease.token, lease.claim, heir)
        self._effects += [Send(voter, release) for voter in lease.voters if voter != self.me]
        self._voter.release(Lessee(self.me, lease.token, lease.claim), heir, now_ns)

    def _others(self) -> set[NodeId]:
        return self.members - self._suspects - {self.me}  # who might lead as well
