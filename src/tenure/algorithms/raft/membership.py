"""Changes of who votes: joint consensus.

Ongaro and Ousterhout 2014, section 6. Any set of voters may follow any other. Newcomers first get the log, without a
vote; when they have it, the leader appends the joint configuration of old and new, and once that is committed the new
one. Each is in force at a node from when it stands in its log. One change at a time, and none before an entry of the
leader's own term is committed (D. Ongaro, "bug in single-server membership changes", raft-dev, July 2015).

What newcomers learn for stands in the log with them. So whoever leads next goes on with the change, as it does with a
joint configuration, and gives it up if they do not catch up: nobody is left a learner by the death of a leader. Whoever
asked for the change is told that its outcome is unknown, and may ask the next leader for the same: who asks for what is
under way already is answered when that is through.
"""

from __future__ import annotations

import msgspec

from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import Busy, Changed, ChangeVoters, Configured, NotLeader, Refused, Unknown
from tenure.algorithms.raft.progress import Pace, Progress
from tenure.algorithms.raft.snapshots import Snapshots
from tenure.algorithms.raft.state import Role
from tenure.core.events import NodeId
from tenure.durations import NEVER_NS

MOST_REQUESTS = 64
"""That wait for one change."""


class Change(msgspec.Struct, frozen=True):
    """A change of voters under way at this leader."""

    voters: frozenset[NodeId]
    learners: frozenset[NodeId]
    newcomers: frozenset[NodeId]
    until_ns: int
    """When it is given up if the newcomers have not caught up."""
    requests: tuple[int, ...]
    """Whom to answer."""
    is_begun: bool
    """Whether some of it is in the log, so that the next leader goes on with it."""
    is_decided: bool = False
    """Whether the joint configuration is appended, or it is given up: what remains is to commit that."""
    late: tuple[NodeId, ...] = ()
    """For whose sake it is given up."""


class Membership(Snapshots):
    """The leader's part; followers take configurations out of their log."""

    _change: Change | None = None
    _in_force_ns = 0
    """Of a leader: since when its latest configuration is; who is to answer has a time-out for it from then."""

    def _why_not_change(self, voters: tuple[NodeId, ...]) -> str | None:
        """What stands against a change now, if anything; it says what would help."""
        if not voters:
            return "somebody must vote: name some nodes"
        if self.term_committed != self.term:
            return "no entry of this leader's term is committed yet: ask again in a moment"
        if self._change is not None or self.configuration.is_joint or self.log.configuration_index > self.commit:
            return "another change of voters is under way: ask again when it is through"
        return None

    def _joins_change(self, request: ChangeVoters) -> bool:
        """Whether it asks for what is under way: then it is answered with that, or has too many before it."""
        change, voters, learners = self._change, frozenset(request.voters), frozenset(request.learners)
        if change is None or change.voters != voters or change.learners - voters != learners - voters:
            return False
        if len(change.requests) < MOST_REQUESTS:
            self._change = msgspec.structs.replace(change, requests=(*change.requests, request.id))
        else:
            self._answer(request.id, Busy())
        return True

    @property
    def term_committed(self) -> int:
        """The term of the last entry that is committed."""
        return self.log.term_at(self.commit)

    def _begin_change(
        self, voters: tuple[NodeId, ...], learners: tuple[NodeId, ...], requests: tuple[int, ...], now_ns: int
    ) -> None:
        """Newcomers learn first: a configuration with voters who lack the log could commit nothing for a while."""
        now = self.configuration
        newcomers = frozenset(voters) - frozenset(now.voters)
        until_ns = now_ns + self.settings.catch_up_ns
        begins = not newcomers <= set(now.learners)
        self._change = Change(frozenset(voters), frozenset(learners), newcomers, until_ns, requests, begins)
        if begins:
            self._append_configuration(now.learning(frozenset(voters), frozenset(learners)), now_ns)

    def _take_up_change(self, now_ns: int) -> None:
        """Of a new leader: go on with what an earlier one has begun."""
        now = self.configuration
        goal = now if now.goal is None else now.goal
        voters, learners = frozenset(goal.voters), frozenset(goal.learners)
        until_ns = now_ns + self.settings.catch_up_ns
        if now.goal is not None or now.is_joint or self.log.configuration_index > self.commit:
            newcomers, is_decided = voters - {*now.voters}, now.goal is None
            self._change = Change(voters, learners, newcomers, until_ns, (), is_begun=True, is_decided=is_decided)

    def _append_configuration(self, configuration: Configuration, now_ns: int) -> None:
        assert self.role is Role.LEADING, "only a leader appends"
        self._in_force_ns = now_ns
        self._put(self.log.last_index + 1, (Configured(self.term, configuration),), now_ns)
        self._greet(now_ns)
        self._send_to_all(now_ns)
        self._advance_commit(now_ns)

    def _meet_peers(self, now_ns: int) -> list[NodeId]:
        """Know the progress of everybody who gets the log, and of nobody else; those that are new."""
        others, known = self._others(), self.peers
        last_index = self.log.last_index
        self.peers = {peer: known[peer] if peer in known else Progress(last_index, now_ns) for peer in others}
        return [peer for peer in others if peer not in known]

    def _greet(self, now_ns: int) -> None:
        """Those that are new hear at once who leads."""
        for peer in self._meet_peers(now_ns):
            self._send_after(peer, self.peers[peer], self.log.last_index, now_ns)

    def _change_on(self, now_ns: int) -> None:
        """The next step of a change, if it is time for one. None is while a tenure before this leader's may last: some
        voter of every majority knows of that, but newcomers among themselves do not; and who knows no better takes it
        for over with the death of this leader (`deaths`).
        """
        change, configuration = self._change, self.configuration
        if self.log.configuration_index > self.commit or self._may_others_act(now_ns):
            return
        if configuration.is_joint:
            self._append_configuration(configuration.final(), now_ns)
        elif change is not None and change.is_decided:
            self._end_change(change)
        elif self.term_committed != self.term:
            return
        elif self.me not in configuration.voters:
            self._step_down("it is no voter any more", now_ns)
        elif change is None:
            return
        elif all(map(self._has_caught_up, change.newcomers)):
            self._change = msgspec.structs.replace(change, is_begun=True, is_decided=True)
            self._append_configuration(configuration.towards(change.voters, change.learners), now_ns)
        elif now_ns >= change.until_ns:
            self._give_up(change, now_ns)

    def _has_caught_up(self, newcomer: NodeId) -> bool:
        """Whether it has all that is committed, and takes what comes as it comes."""
        progress = self.peers[newcomer]
        return progress.pace is Pace.STREAMING and progress.match >= self.commit

    def _give_up(self, change: Change, now_ns: int) -> None:
        """Newcomers that do not catch up are sent away again; who was a learner before stays one. Whoever asked is told
        once that is committed: until then another leader may still go on with the change.
        """
        late = tuple(sorted(newcomer for newcomer in change.newcomers if not self._has_caught_up(newcomer)))
        given_up = msgspec.structs.replace(change, is_decided=True, late=late)
        if change.is_begun:
            self._change = given_up
            self._append_configuration(self.configuration.given_up(), now_ns)
        else:
            self._end_change(given_up)

    def _end_change(self, change: Change) -> None:
        """It has come about, or never will."""
        self._change = None
        why = (
            f"nodes {list(change.late)} did not catch up in time: see that they run and can be reached, then ask again"
        )
        for request in change.requests:
            self._answer(request, Refused(why) if change.late else Changed(self.log.configuration_index))

    def _disown(self) -> None:
        super()._disown()
        change, self._change = self._change, None
        if change is not None:
            for request in change.requests:
                self._answer(request, Unknown() if change.is_begun else NotLeader(None))

    def _change_due_ns(self) -> int:
        """When a change is given up."""
        change = self._change
        if change is None or change.is_decided or self.log.configuration_index > self.commit:
            return NEVER_NS
        if self.term_committed != self.term:
            return NEVER_NS  # an answer will commit it
        return max(change.until_ns, self.earlier_until_ns)
