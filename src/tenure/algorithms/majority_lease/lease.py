"""One claim, from its first message to the end of the tenure that it may win: who granted, and until when."""

from __future__ import annotations

import msgspec

from tenure.algorithms.majority_lease.messages import Configuration
from tenure.core.events import NodeId
from tenure.core.quorum import Verdict


class Lease:
    """Of the node that claims or holds; instants are of its clock."""

    def __init__(self, token: int, claim: int, configuration: Configuration, begun_ns: int) -> None:
        self.token, self.claim = token, claim
        self.configuration = configuration
        """Whose majorities count: the newest that this lease was claimed by, or has proposed."""
        self.begun_ns = begun_ns
        self.deadline_ns: int | None = None
        """Until when this node holds, as it has announced; None before it has won."""
        self.wish: tuple[NodeId, ...] | None = None
        """Who shall vote."""
        self._until_ns: dict[NodeId, int] = {}  # until when this node may count on each voter
        self._refused: dict[NodeId, int] = {}  # from when on this voter is free
        self._accepted = set[NodeId]()  # who has made the configuration durable as this token's

    @property
    def voters(self) -> tuple[NodeId, ...]:
        """Everybody who is asked: the voters, and those who shall vote."""
        return tuple(sorted({*self.configuration.quorum().voters, *(self.wish or ())}))

    def granted(self, voter: NodeId, until_ns: int, accepted: int) -> None:
        """A voter's grant, which counts until then, and the configuration that it has accepted."""
        self._until_ns[voter] = max(until_ns, self._until_ns.get(voter, until_ns))
        if accepted == self.configuration.number and self.configuration.token == self.token:
            self._accepted.add(voter)

    def refused(self, voter: NodeId, free_ns: int) -> None:
        """A voter's refusal, and when nobody will have its lease any more."""
        self._refused[voter] = free_ns

    def is_lost(self) -> bool:
        """Whether so many have refused that the claim cannot win."""
        answers = {**dict.fromkeys(self._refused, False), **dict.fromkeys(self._until_ns, True)}
        return self.configuration.quorum().verdict(answers) is Verdict.LOST

    def free_from_ns(self, now_ns: int) -> int | None:
        """When nobody else will have the leases of a majority, by the answers so far; None while those are too few."""
        free_ns = {**self._refused, **dict.fromkeys(self._until_ns, now_ns)}
        earliest_ns = self.configuration.quorum().reached({voter: -at_ns for voter, at_ns in free_ns.items()})
        return None if earliest_ns is None else -earliest_ns

    def extend(self, now_ns: int) -> bool:
        """Move the deadline to what a majority has granted; whether it is later now."""
        reached_ns = self.configuration.quorum().reached(self._until_ns)
        if reached_ns is None or reached_ns <= (now_ns if self.deadline_ns is None else self.deadline_ns):
            return False
        self.deadline_ns = reached_ns
        return True

    def propose(self) -> bool:
        """Take up the next configuration, if there is one to be proposed, and a majority of it has leased for as long
        as this node has announced: no change is begun to nodes that are not there. Whether it was taken up.
        """
        following = self._following()
        if following is None or self.deadline_ns is None:
            return False
        reached_ns = following.quorum().reached(self._until_ns)
        if reached_ns is None or reached_ns < self.deadline_ns:
            return False
        self.configuration = following
        self._accepted.clear()
        return True

    def _following(self) -> Configuration | None:
        """What comes next: what an earlier holder proposed, under this token; then what lies behind it.

        The first configuration of all is followed by the same with a number above 0, so that who joins, and guesses at
        the voters, learns who votes.
        """
        now = self.configuration
        if now.number == 0:
            return Configuration(1, self.token, now.voters)
        if now.token != self.token:
            return msgspec.structs.replace(now, token=self.token) if now.old or self.wish else None
        if not now.quorum().is_met_by(self._accepted):
            return None
        if now.old:
            return Configuration(now.number + 1, self.token, now.voters)
        if self.wish and set(self.wish) != set(now.voters):
            return Configuration(now.number + 1, self.token, self.wish, old=now.voters)
        return None
