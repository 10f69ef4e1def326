"""Certain death: when the kernel vouches that the leader's process is gone, nobody waits for what it was promised.

Two processes of one host can know of each other's end for certain, and `PeerLost(peer, certain=True)` says so: the
process is gone, and with it every job of its that could have outlived it. Then a follower need not wait for a time-out.
That a connection broke (`certain=False`) changes nothing: it mends itself, and where it does not, everybody who has
promised would refuse until the promise is over, by which time patience ends as well.

Who is dead. A leader in its term, together a `Leadership`, is of one life: who crashed and came back must be elected in
a later term to lead again. By the driver's duty 9 no later life of the peer was heard when PeerLost comes; so whatever
leadership of the peer this node has promised to is of a life that is gone, and never speaks for itself again. What is
still under way from it is dropped. News of somebody else, of oneself, or of a leader that this node has not followed
last, changes nothing here, and so neither does news that is late.

The promise. A voter promises to a leadership. If that is dead, its lease protects nobody; leases of leaders before it
had ended when it was elected, or else it could not have been. So a dead leadership's promise is void.

The tenure. A tenure is valid until its deadline, its end, or the death of the process and its job, whichever comes
first. So the tenure of a dead leadership is over. Not so those before it, which it may have been waiting for itself
without ever opening its own: of these each voter remembers, at the first word of each leadership, how long they may
last (`_before_ns`), and that is what is left when the leadership is dead. Some voter of every majority that elects the
next leader has heard of such a tenure, so the next one waits for it too. It would not if the voters were others by
then: new ones among themselves know of no tenure but that of the dead leader, and take it for over. So a leader changes
who votes only when every tenure before its own is over (`membership`).

Who believes it. Whoever was told by its own kernel; and a voter whom a candidate tells that runs on the dead leader's
host, where it can have been told (`Settings.hosts`). A candidate says only what it was told itself, never what it
believes: no rumour goes round. Nothing of it is kept through a crash: a restarted voter does not know to whom its
earlier life promised, and waits.

Who campaigns. All who were told would ask at once, and split the vote. So they go by rank, `stagger_ns` apart, in the
order of their numbers: the first at once, the next when the first ought to have been elected. Pre-vote is asked as
always. Only in the term of the dead leadership does anybody hurry: its candidate's term is then no later than that of
any leader elected since, whom it cannot depose by it.
"""

from __future__ import annotations

from tenure.algorithms.raft.messages import Canvass, Leadership, RequestVote
from tenure.algorithms.raft.transfers import Transfers
from tenure.core.events import NodeId


class Deaths(Transfers):
    """What a node knows of the end of the leader that it promised to, and what follows from it."""

    _is_dead = False
    """Whether the leadership to which this node has promised is."""
    _has_witnessed = False
    """Whether its own kernel has told it so."""
    _lost = frozenset[NodeId]()
    """Voters whose process is known to be gone, as far as none of a later life was heard, or heard of."""

    def _bind(self, leadership: Leadership) -> None:
        super()._bind(leadership)
        self._is_dead = self._has_witnessed = False

    def _peer_lost(self, peer: NodeId, now_ns: int) -> None:
        """The kernel vouches for it."""
        if peer == self.me:
            return
        self._lost = (self._lost | {peer}) & self.quorum.voters
        dead = self.promised_to
        if dead is None or dead.leader != peer or self._has_witnessed:
            return
        self._has_witnessed = True
        self._bury(now_ns)
        if self.term == dead.term and self.may_lead:
            self._hurry(now_ns)

    def _hurry(self, now_ns: int) -> None:
        """Campaign when it is this node's turn."""
        if rank := self._rank():
            self._election_ns = min(self._election_ns, now_ns + rank * self.settings.stagger_ns)
        else:
            self._lose_patience(now_ns)

    def _rank(self) -> int:
        """How many go before it: voters of a smaller number that are not lost, on its host if that is known, since
        nobody else was told.
        """
        hosts = self.settings.hosts
        host = hosts.get(self.me)
        rivals = (peer for peer in self.quorum.voters - self._lost if host is None or hosts.get(peer) == host)
        return sum(peer < self.me for peer in rivals)

    def _witnessed(self) -> Leadership | None:
        """Whom this node, as a candidate, says to be dead."""
        return self.promised_to if self._has_witnessed else None

    def _hear_of_death(self, candidate: NodeId, asked: Canvass | RequestVote, now_ns: int) -> None:
        """Believe what the candidate can have been told, of the leadership to which this node has promised."""
        dead = asked.dead
        if dead is not None and dead == self.promised_to and self._shares_host(candidate, dead.leader):
            self._bury(now_ns)

    def _shares_host(self, one: NodeId, other: NodeId) -> bool:
        """Whether both are known to run on one host."""
        host = self.settings.hosts.get(one)
        return host is not None and host == self.settings.hosts.get(other)

    def _bury(self, now_ns: int) -> None:
        """The leadership to which this node has promised is dead: so are the promise and its tenure."""
        dead = self.promised_to
        assert dead is not None, "who has promised nothing has nobody to bury"
        self._is_dead = True
        self.promised_until_ns = min(self.promised_until_ns, now_ns)
        self.tenure_until_ns = min(self.tenure_until_ns, self._before_ns)
        if self.term == dead.term and self.leader == dead.leader:
            self._follow_nobody()

    def _comes_from_the_dead(self, sender: NodeId, term: int) -> bool:
        """Whether a leader's word was under way when its sender died."""
        return self._is_dead and self.promised_to == Leadership(sender, term)
