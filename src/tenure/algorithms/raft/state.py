"""What one node knows, and the few steps that every part of the algorithm takes: keep, send, recognise.

Ongaro and Ousterhout 2014, figure 2, "State". The rules are in the classes above this one, each in its own file; they
stand on one another in the order of `elector`.
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.log import Log
from tenure.algorithms.raft.messages import AnyEntry, Appended, HardState, Snapshot
from tenure.algorithms.raft.progress import Progress
from tenure.algorithms.raft.sessions import Sessions
from tenure.algorithms.raft.settings import Settings
from tenure.algorithms.raft.tuning import Tuner
from tenure.core.account import Account, LogPositions, PeerPosition
from tenure.core.effects import Answered, Effect, Persist, Recognised, Send
from tenure.core.elector import NEW, Serving
from tenure.core.events import Answer, Message, NodeId, Record
from tenure.core.quorum import Quorum
from tenure.durations import NEVER_NS
from tenure.machines.base import Machine
from tenure.machines.kv import KeyValue


class Role(enum.StrEnum):
    """What a node is doing."""

    NEW = NEW
    FOLLOWING = "following"
    """Also who has no vote."""
    CANVASSING = "canvassing"
    """Asks whether it could win."""
    CAMPAIGNING = "campaigning"
    """Asks for votes."""
    LEADING = "leading"
    GONE = "gone"
    """Has left the group, and says nothing any more."""


class State(Serving):
    """One node's state."""

    def __init__(
        self,
        me: NodeId,
        members: Iterable[NodeId],
        chance: Random,
        settings: Settings | None = None,
        machine: Machine | None = None,
    ) -> None:
        super().__init__(me, members, chance)
        self.settings = settings or Settings()
        self.role: Role = Role.NEW
        founders = Configuration(tuple(sorted(set(self.settings.voters) or self.members)))
        self.voted_for: NodeId | None = None
        self.log = Log(founders)
        self.snapshot = Snapshot(0, 0, founders, b"")
        """The latest; of index 0 until there is one."""
        self.configuration = founders
        self.quorum: Quorum = founders.quorum()
        self.commit = 0
        """Entries up to here are committed, as far as this node knows, and applied."""
        self.told_commit: tuple[int, int] | None = None
        """The commit index in the first word of a leader in this life, and that leader's term."""
        self.sessions = Sessions(KeyValue() if machine is None else machine, self.settings.sessions)
        self.peers: dict[NodeId, Progress] = {}
        """Of a leader: everybody else whom it sends the log, with a vote or without."""
        self._asked: dict[int, int] = {}
        """Of a leader: by the index of an entry, the request that it came from."""
        self._is_in_the_way = False
        """Whether a candidate that is behind has counted on this node's vote since it last lost patience."""
        self._effects: list[Effect] = []
        self._written = self._durable = 0  # records of this life
        self._unwritten = deque[tuple[int, int]]()  # (number, when it was given) of records that are not durable
        self._hard = HardState(0, None)  # as last written
        self._election_ns = NEVER_NS  # when a follower loses patience
        self._timing = self._configured = self.settings.timing()
        tuning = self.settings.tuning
        self._tuner = None if tuning is None else Tuner(tuning, self._configured)

    def account(self, now_ns: int) -> Account:
        log, known = self.log, self.configuration
        return Account(
            voters=tuple(sorted({*known.voters, *known.old})),
            learners=known.learners,
            log=LogPositions(
                last=log.last_index,
                durable=log.durable_index,
                committed=self.commit,
                applied=self.commit,
                snapshot=self.snapshot.index,
                is_caught_up=self._is_caught_up,
            ),
            peers={
                peer: PeerPosition(
                    match=one.match, next=one.next, pace=one.pace.value, silent_ns=max(0, now_ns - one.heard_ns)
                )
                for peer, one in self.peers.items()
                if self.role is Role.LEADING
            },
        )

    @property
    def _is_caught_up(self) -> bool:
        """A leader may not know yet how far its predecessor had committed: an entry of its term, once committed, tells.

        Whoever led before and has been overtaken without knowing it can be the first to be heard; it tells less, for
        as long as its check of the quorum lets it lead.
        """
        applied_term = self.log.term_at(self.commit)
        if self.role is Role.LEADING:
            return applied_term == self.term
        if self.told_commit is None:
            return False
        told, term = self.told_commit
        return self.commit >= told and applied_term >= term

    # What other parts do for one another

    @abstractmethod
    def _step_down(self, why: str, now_ns: int) -> None:
        """Lead no more, in this term."""

    @abstractmethod
    def _bound_until_ns(self) -> int:
        """Until when this node may elect nobody."""

    @abstractmethod
    def _begin_install(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """Send a snapshot to a peer that lacks what is in the log no more."""

    @abstractmethod
    def _send_piece(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """Send what follows of the snapshot that the peer gets."""

    @abstractmethod
    def _is_giving_way(self) -> bool:
        """Whether this leader has begun a transfer, from when on its lease means nothing."""

    @abstractmethod
    def _lose_patience(self, now_ns: int) -> None:
        """Expect nothing of the leader any more."""

    @abstractmethod
    def _begin_campaign(self, now_ns: int, left_ns: int | None = None) -> None:
        """Ask for votes in the next term, sanctioned by the last leader if it left so much time."""

    # Records and messages

    def _persist(self, record: Record, now_ns: int) -> int:
        """Behind term and vote: a crash may keep the first of two records and lose the second, and an entry without its
        term would let this node campaign in the very term whose leader wrote it.
        """
        self._keep_hard_state(now_ns)
        self._written += 1
        self._unwritten.append((self._written, now_ns))
        self._effects.append(Persist(self._written, record))
        return self._written

    def _keep_hard_state(self, now_ns: int) -> None:
        """Term and vote, if they have changed since they were last written."""
        if self._hard.term != self.term or self._hard.voted_for != self.voted_for:
            self._hard = HardState(self.term, self.voted_for)
            self._persist(self._hard, now_ns)

    def _put(self, first: int, entries: tuple[AnyEntry, ...], now_ns: int) -> None:
        """Write entries to the log: what stood there and behind is gone."""
        log = self.log
        assert self.role is not Role.LEADING or first > log.last_index, "a leader never replaces entries of its own log"
        log.put(first, entries)
        log.is_written_by(self._persist(Appended(log.base_index, log.base_term, first, entries), now_ns))
        self._configure()

    def _keep_base(self, now_ns: int) -> None:
        """Make durable that the log begins later than it did."""
        log = self.log
        log.is_written_by(self._persist(Appended(log.base_index, log.base_term, log.last_index + 1, ()), now_ns))
        self._configure()

    def _configure(self) -> None:
        """What is latest in the log is in force."""
        if self.log.configuration is not self.configuration:
            self.configuration = self.log.configuration
            self.quorum = self.configuration.quorum()

    def _send(self, to: NodeId, message: Message, now_ns: int) -> None:
        """Once all that this node has written is durable, so that it says nothing that it could forget."""
        self._keep_hard_state(now_ns)
        self._effects.append(Send(to, message, self._written if self._written > self._durable else 0))

    def _answer(self, request: int, answer: Answer) -> None:
        self._effects.append(Answered(request, answer))

    # Terms and leaders

    def _adopt(self, term: int, now_ns: int) -> None:
        """Section 5.1: whoever sees a later term is a follower in it, without a vote given."""
        if self.role is Role.LEADING:
            self._step_down(f"there is a term {term}", now_ns)
        self.term, self.voted_for = term, None
        self._follow_nobody()

    def _follow_nobody(self) -> None:
        self.role = Role.FOLLOWING
        self._recognise(None)

    def _recognise(self, leader: NodeId | None) -> None:
        if leader != self.leader:
            self.leader = leader
            self._effects.append(Recognised(leader, self.term))

    def _draw_time_out(self, now_ns: int) -> None:
        """Section 5.2: "election timeouts are chosen randomly from a fixed interval", anew each time. A candidate votes
        for itself, so it waits for its own promise too; that is over by then, unless times were tuned since.
        """
        spread_ns = int(self.chance.random() * self._timing.spread_ns)
        self._election_ns = max(now_ns + self._timing.election_ns + spread_ns, self._bound_until_ns())

    def _be_more_patient(self) -> None:
        """An election is on, which takes longer than to hear from a leader."""
        if self._tuner is not None:
            self._timing = self._tuner.give_up(self._timing)

    @property
    def may_lead(self) -> bool:
        """Whether it votes in the latest configuration, or in any from the last that it knows to be committed: "a
        server that is not part of its own latest configuration should still start new elections, as it might still be
        needed until the Cnew entry is committed" (dissertation, section 4.2.2). It may have come and gone in between,
        or others may count on a vote that it never had by its own log: once they have asked for that, it may lead.
        """
        return self._is_in_the_way or any(
            self.me in one.voters or self.me in one.old for one in self.log.configurations_from(self.commit)
        )

    def _reached(self, of: Callable[[Progress], int | None], own: int) -> int | None:
        """Of a leader: the greatest that a majority of every configuration has reached, itself with `own`; peers of
        whom nothing is known count as having reached nothing.
        """
        known = {peer: value for peer, progress in self.peers.items() if (value := of(progress)) is not None}
        known[self.me] = own
        return self.quorum.reached(known)

    def _others(self) -> list[NodeId]:
        """Everybody who gets the log: members without a vote too, so that they know who leads."""
        return sorted((self.members | self.configuration.everybody) - {self.me})
