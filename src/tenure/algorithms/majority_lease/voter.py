"""The voter in a node: one lessee at a time, tokens that only grow, and no older configuration than its own."""

from __future__ import annotations

from tenure.algorithms.majority_lease.messages import Claim, Configuration, Granted, Lessee, Refused, Renew, Vote
from tenure.algorithms.majority_lease.settings import Settings
from tenure.core.events import NodeId


class Voter:
    """What it granted. `vote` must be durable before a grant leaves; all else is forgotten in a crash."""

    def __init__(self, vote: Vote, settings: Settings, now_ns: int) -> None:
        """A voter whose earlier life granted anything takes the last claim for its lessee, from now on."""
        self.vote = vote
        self.settings = settings
        self.lessee: Lessee | None = None
        self.until_ns = now_ns
        """The lessee's lease lasts until this instant on this node's clock."""
        self._heir: NodeId | None = None
        self._heir_until_ns = 0
        if vote.token > 0:
            self._lease_to(Lessee(vote.node, vote.token, vote.claim), now_ns)

    def answer(self, sender: NodeId, asked: Claim | Renew, now_ns: int) -> Granted | Refused:
        """Grant or extend the lease, or say what stands against it. Whenever `vote` is another object afterwards, the
        answer must wait until that is durable.
        """
        lessee = Lessee(sender, asked.token, asked.claim)
        if self._is_outdated(asked.configuration) or not self._may_have(lessee, asked, now_ns):
            left_ns = 0 if self.lessee_at(now_ns) is None else self.until_ns - now_ns
            return Refused(asked.claim, self.vote.token, self.vote.configuration, left_ns)
        self._lease_to(lessee, now_ns)
        self._vote_for(lessee, asked.configuration)
        mine = self.vote.configuration
        return Granted(asked.token, asked.claim, asked.sent_ns, mine.number if mine.token == asked.token else 0)

    def release(self, lessee: Lessee, heir: NodeId | None, now_ns: int) -> None:
        """The lessee gives its lease back; nobody else can. The token stays used.

        If it names an heir, no other claim is granted for as long as the heir needs for two, of which the first may
        overtake this: who claims in vain all the time would come first now and then.
        """
        if self.lessee != lessee:
            return
        self.lessee = None
        if heir is not None:
            self._heir, self._heir_until_ns = heir, now_ns + 2 * self.settings.retry_ns

    def lessee_at(self, now_ns: int) -> Lessee | None:
        """Who has the lease now, if anybody."""
        return self.lessee if now_ns < self.until_ns else None

    def _may_have(self, lessee: Lessee, asked: Claim | Renew, now_ns: int) -> bool:
        """Who has the lease may; else it must be free, and a claim, which is to win, above all that was granted, and
        not before that of an heir.
        """
        holder = self.lessee_at(now_ns)
        if holder is not None:
            return holder == lessee
        if isinstance(asked, Renew):
            return True
        is_early = self._heir not in {None, lessee.node} and now_ns < self._heir_until_ns
        return asked.token > self.vote.token and not is_early

    def _is_outdated(self, configuration: Configuration) -> bool:
        """Whether a claim counts on other voters than this one knows to be in force, and on none that came later."""
        mine = self.vote.configuration
        return configuration != mine and not configuration.is_newer_than(mine)

    def _lease_to(self, lessee: Lessee, now_ns: int) -> None:
        self.lessee, self.until_ns = lessee, now_ns + self.settings.duration_ns

    def _vote_for(self, lessee: Lessee, configuration: Configuration) -> None:
        """Note a greater token, and a newer configuration unless a greater token was granted meanwhile."""
        if lessee.token < self.vote.token:
            return
        newest = configuration if configuration.is_newer_than(self.vote.configuration) else self.vote.configuration
        vote = Vote(lessee.token, lessee.node, lessee.claim, newest)
        if vote != self.vote:
            self.vote = vote
