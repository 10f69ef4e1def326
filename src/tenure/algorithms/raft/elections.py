"""Elections: who becomes the leader of a term, and when one stops.

Ongaro and Ousterhout 2014, sections 5.2 and 5.4.1, figure 2's RequestVote RPC; Ongaro 2014, sections 4.2.3 (servers
that disturb), 6.2 (a leader that hears from no majority steps down) and 9.6 (pre-vote).
"""

from __future__ import annotations

from tenure.algorithms.raft.deaths import Deaths
from tenure.algorithms.raft.messages import Canvass, Canvassed, NoOp, RequestVote, Vote
from tenure.algorithms.raft.state import Role
from tenure.core.events import NodeId
from tenure.core.quorum import Verdict
from tenure.durations import NEVER_NS


class Elections(Deaths):
    """Candidates, voters, and the beginning and end of a leader."""

    _votes: dict[NodeId, bool] = {}  # noqa: RUF012  replaced by another whenever a campaign begins, never added to here
    """Of a candidate, by voter."""
    _own_vote = 0
    """Of a candidate: the record in which it votes for itself."""
    _wait_ns = 0
    """Of a candidate: until when the tenures last that its voters know of."""
    _sanctioned_until_ns: int | None = None
    """Of a candidate to which the last leader gave way: until when tenures before that leader's last."""

    # Candidates

    def _lose_patience(self, now_ns: int) -> None:
        """Section 5.2: "a follower that receives no communication over a period of time called the election timeout"
        "begins an election"; but who has no vote, or a disk that stands still, only forgets its leader.
        """
        self._be_more_patient()
        self._draw_time_out(now_ns)
        self._follow_nobody()
        may_lead, self._is_in_the_way = self.may_lead, False
        if not may_lead or self._disk_stands_still(now_ns):
            return
        if self.settings.pre_vote:
            self._canvass(now_ns)
        else:
            self._begin_campaign(now_ns)

    def _canvass(self, now_ns: int) -> None:
        """Section 9.6: "a candidate only increments its term if it first learns from a majority of the cluster that
        they would be willing to grant the candidate their votes".
        """
        self.role = Role.CANVASSING
        self._votes = {self.me: True}
        question = Canvass(self.term + 1, self.log.last_index, self.log.last_term, self._witnessed())
        self._ask_voters(question, now_ns)
        self._count_votes(now_ns)

    def _canvassed(self, voter: NodeId, answer: Canvassed, now_ns: int) -> None:
        """Answers to other questions than the last are none."""
        if self.role is Role.CANVASSING and answer.asked == self.term + 1:
            self._votes[voter] = answer.granted
            self._count_votes(now_ns)

    def _begin_campaign(self, now_ns: int, left_ns: int | None = None) -> None:
        """Section 5.2: "a follower increments its current term and transitions to candidate state. It then votes for
        itself and issues RequestVote RPCs". All of it must be durable before anybody hears of it, and before it counts.
        """
        self.term += 1
        self._follow_nobody()
        self.role, self.voted_for, self._votes = Role.CAMPAIGNING, self.me, {}
        self._wait_ns = now_ns + self.settings.outlasting_ns(self._left_ns(now_ns))
        self._sanctioned_until_ns = None if left_ns is None else now_ns + self.settings.outlasting_ns(left_ns)
        self._draw_time_out(now_ns)
        self._keep_hard_state(now_ns)
        self._own_vote = self._written
        last = (self.log.last_index, self.log.last_term)
        self._ask_voters(RequestVote(self.term, *last, left_ns is not None, self._witnessed()), now_ns)

    def _ask_voters(self, question: Canvass | RequestVote, now_ns: int) -> None:
        for peer in sorted(self.quorum.voters - {self.me}):
            self._send(peer, question, now_ns)

    def _count_own_vote(self, now_ns: int) -> None:
        if self.role is Role.CAMPAIGNING and self._own_vote <= self._durable and self.me not in self._votes:
            self._votes[self.me] = True
            self._count_votes(now_ns)

    def _voted(self, voter: NodeId, vote: Vote, now_ns: int) -> None:
        """Counted by voter: who answers twice is one."""
        if self.role is not Role.CAMPAIGNING or vote.term != self.term:
            return
        self._votes[voter] = self._votes.get(voter, False) or vote.granted
        if vote.granted:
            self._wait_ns = max(self._wait_ns, now_ns + self.settings.outlasting_ns(vote.left_ns))
        self._count_votes(now_ns)

    def _count_votes(self, now_ns: int) -> None:
        """Of a pre-vote as of an election, both of which need every majority."""
        verdict = self.quorum.verdict(self._votes)
        if verdict is Verdict.LOST:
            self.role = Role.FOLLOWING
        elif verdict is Verdict.WON and self.role is Role.CANVASSING:
            self._begin_campaign(now_ns)
        elif verdict is Verdict.WON:
            self._lead(now_ns)

    # Voters

    def _is_free(self, now_ns: int) -> bool:
        """Whether this node has promised nobody that it elects no other; a leader has promised itself."""
        return self.role is not Role.LEADING and now_ns >= self.promised_until_ns

    def _is_covered_by(self, asked: Canvass | RequestVote) -> bool:
        """Section 5.4.1. Who refuses a vote for its log's sake may be in the way of all who count on that vote, and yet
        have none in any configuration of that log. So it may begin an election, too.
        """
        is_covered = self.log.is_covered_by(asked.last_index, asked.last_term)
        if not is_covered:
            self._is_in_the_way = True
        return is_covered

    def _asked_if_it_would(self, candidate: NodeId, asked: Canvass, now_ns: int) -> None:
        """A refusal bears this node's term, so that a candidate that is behind catches up."""
        self._hear_of_death(candidate, asked, now_ns)
        is_later = asked.term > self.term
        granted = is_later and self._is_free(now_ns) and self._is_covered_by(asked)
        self._send(candidate, Canvassed(self.term, asked.term, granted), now_ns)

    def _asked_for_vote(self, candidate: NodeId, asked: RequestVote, now_ns: int) -> None:
        """Figure 2, RequestVote RPC: "if votedFor is null or candidateId, and candidate's log is at least as up-to-date
        as receiver's log, grant vote". Who has promised to elect nobody does not even look at the term (dissertation,
        section 4.2.3), unless the leader itself gave way or is dead; nor does it vote in a term that it has heard of
        otherwise.
        """
        self._hear_of_death(candidate, asked, now_ns)
        may_vote = asked.sanctioned or self._is_free(now_ns)
        if asked.term > self.term and may_vote:
            self._adopt(asked.term, now_ns)
        granted = (
            may_vote
            and asked.term == self.term
            and self.voted_for in {None, candidate}
            and self.leader is None
            and self._is_covered_by(asked)
        )
        if granted:
            self.voted_for = candidate
            self._be_more_patient()
            self._draw_time_out(now_ns)
        self._send(candidate, Vote(self.term, granted, self._left_ns(now_ns) if granted else 0), now_ns)

    # The leader's beginning and end

    def _lead(self, now_ns: int) -> None:
        """Section 8: "a leader ... commit[s] a blank no-op entry into the log at the start of its term"."""
        self.role = Role.LEADING
        self._recognise(self.me)
        self._election_ns = NEVER_NS
        self.peers = {}
        self.token = self.log.last_index + 1
        self.earlier_until_ns = self._wait_ns if self._sanctioned_until_ns is None else self._sanctioned_until_ns
        self.opens_ns = self.earlier_until_ns
        self.round, self._urge_ns = 0, 0
        self.beat_ns = now_ns
        self._meet_peers(now_ns)
        self._take_up_change(now_ns)
        self._put(self.token, (NoOp(self.term),), now_ns)
        self._send_to_all(now_ns)

    def _step_down(self, why: str, now_ns: int) -> None:
        """Lead no more in this term; its vote in it stays given."""
        if self.deadline_ns is not None:
            self.tenure_until_ns = max(self.tenure_until_ns, self.deadline_ns)  # so long its work may take to stop
            self._before_ns = max(self._before_ns, self.deadline_ns)  # whoever else of those it followed has died
        self._end_tenure(why)
        self._follow_nobody()
        self._disown()
        self._drop_reads()
        self.peers, self._transfer = {}, None
        self._draw_time_out(now_ns)

    def _leads_on(self, now_ns: int) -> bool:
        """Dissertation, section 6.2: "a leader steps down if an election timeout elapses without a successful round of
        heartbeats to a majority of its cluster". So does one whose disk stands still.
        """
        if now_ns >= self._quorum_due_ns(now_ns):
            self._step_down("no majority answers", now_ns)
        elif self._disk_stands_still(now_ns):
            self._step_down("its disk stands still", now_ns)
        return self.role is Role.LEADING

    def _quorum_due_ns(self, now_ns: int) -> int:
        since_ns = self._reached(lambda peer: peer.heard_ns, now_ns)
        return max(now_ns if since_ns is None else since_ns, self._in_force_ns) + self.settings.election_ns

    def _disk_stands_still(self, now_ns: int) -> bool:
        return now_ns >= self._disk_due_ns()

    def _disk_due_ns(self) -> int:
        """When the disk has kept this node waiting for too long."""
        return self._unwritten[0][1] + self.settings.disk_stall_ns if self._unwritten else NEVER_NS
