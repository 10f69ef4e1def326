"""The elector: what happens, and in which order it is dealt with. The rules are in the classes that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, assert_never

from tenure.algorithms.raft.admission import Admission
from tenure.algorithms.raft.messages import (
    Appended,
    AppendEntries,
    Busy,
    Canvass,
    Canvassed,
    Changed,
    ChangeVoters,
    Execute,
    Executed,
    HardState,
    Installing,
    InstallSnapshot,
    Matched,
    Mismatched,
    NoSession,
    NotLeader,
    Opened,
    OpenSession,
    Outrun,
    Queried,
    Read,
    ReadableFrom,
    ReadIndex,
    Refused,
    RequestVote,
    Snapshot,
    StaleTerm,
    TimeoutNow,
    Unknown,
    Vote,
)
from tenure.algorithms.raft.state import Role
from tenure.core.effects import Answered, Effect
from tenure.core.events import (
    Answer,
    Asked,
    Demand,
    Event,
    Joined,
    Left,
    Message,
    NodeId,
    PeerLost,
    Persisted,
    Rated,
    Received,
    Reconfigure,
    Record,
    Request,
    Requested,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NEVER_NS


class Raft(Admission):
    """One node: follower, candidate and leader, with its log, its machine and its clients."""

    name: ClassVar[str] = "raft"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.PARTIAL, crashes=Crashes.RECOVERY, links=Links.LOSSY, partitions=True, clock_drift=True
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset(
        {
            Guarantee.ONE_PER_TERM,
            Guarantee.ONE_AT_A_TIME,
            Guarantee.TOKENS_GROW,
            Guarantee.AGREEMENT,
            Guarantee.TERMINATION,
        }
    )
    messages: ClassVar[tuple[type[Message], ...]] = (
        Canvass,
        Canvassed,
        RequestVote,
        Vote,
        AppendEntries,
        Matched,
        Mismatched,
        StaleTerm,
        InstallSnapshot,
        Installing,
        ReadIndex,
        ReadableFrom,
        TimeoutNow,
    )
    records: ClassVar[tuple[type[Record], ...]] = (HardState, Appended, Snapshot)
    requests: ClassVar[tuple[type[Request], ...]] = (OpenSession, Execute, Read, ChangeVoters)
    answers: ClassVar[tuple[type[Answer], ...]] = (
        Opened,
        Executed,
        Queried,
        Changed,
        NotLeader,
        Unknown,
        Busy,
        NoSession,
        Outrun,
        Refused,
    )

    def handle(self, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        self._let_in(event)
        if self.role is Role.GONE:
            return _nobody_there(event)
        self._refuse(event, now_ns)
        self._effects = []
        self._expire(now_ns)
        match event:
            case Received(sender=sender, message=message):
                self._receive(sender, message, now_ns)
            case Persisted(number=number):
                self._persisted(number, now_ns)
            case Requested(requests=requests):
                self._requested(requests, now_ns)
            case Woke():
                self._wake(now_ns)
            case Started(durable=records):
                self._start(records, now_ns)
            case Asked(to=to):
                self._asked_to_go(to, now_ns)
            case Reconfigure(voters=voters):
                self._begin_change(voters, self.configuration.learners, (), now_ns)
            case Joined(peer=peer):
                self.members.add(peer)
                self._know_members(now_ns)
            case Left(peer=peer):
                self._leave(peer, now_ns)
            case PeerLost(peer=peer, certain=True):
                self._peer_lost(peer, now_ns)
            case Trusted(peer=peer):
                self._lost -= {peer}
            case Suspected() | Rated() | PeerLost():
                ...  # its own time-outs tell it who leads
            case _:
                assert_never(event)
        self._settle(now_ns)
        return self._effects

    def _receive(self, sender: NodeId, message: Message, now_ns: int) -> None:
        """Whoever speaks of a later term leads into it, but for those who only ask (section 5.1); a leader of an
        earlier one is told so.
        """
        if isinstance(message, Canvass):
            self._asked_if_it_would(sender, message, now_ns)
            return
        if isinstance(message, RequestVote):
            self._asked_for_vote(sender, message, now_ns)
            return
        assert isinstance(message, Said)
        if message.term > self.term:
            self._adopt(message.term, now_ns)
        if self._lost:
            self._lost -= {sender}
        match message:
            case AppendEntries() | InstallSnapshot() if message.term < self.term:
                self._send(sender, StaleTerm(self.term), now_ns)
            case AppendEntries() | InstallSnapshot() if self._comes_from_the_dead(sender, message.term):
                ...  # it asks for an answer that nobody would hear
            case AppendEntries():
                self._append_entries(sender, message, now_ns)
            case Matched():
                self._matched(sender, message, now_ns)
            case Mismatched():
                self._mismatched(sender, message, now_ns)
            case InstallSnapshot():
                self._install_snapshot(sender, message, now_ns)
            case Installing():
                self._installing(sender, message, now_ns)
            case Canvassed():
                self._canvassed(sender, message, now_ns)
            case Vote():
                self._voted(sender, message, now_ns)
            case ReadIndex():
                self._read_index(sender, message, now_ns)
            case ReadableFrom():
                self._readable_from(message)
            case TimeoutNow():
                self._timeout_now(sender, message, now_ns)
            case StaleTerm():
                ...  # its term has said it all
            case _:
                assert_never(message)

    def _start(self, records: tuple[Record, ...], now_ns: int) -> None:
        """Go on where the last life ended; a first one keeps who founded the group."""
        kept = {type(record): record for record in records}
        hard, snapshot, appended = kept.get(HardState), kept.get(Snapshot), kept.get(Appended)
        self.role = Role.FOLLOWING
        if isinstance(hard, HardState):
            self.term, self.voted_for, self._hard = hard.term, hard.voted_for, hard
        if isinstance(snapshot, Snapshot):
            self._restore(snapshot, appended if isinstance(appended, Appended) else None, now_ns)
            self._recall_promises(now_ns)
        else:
            self._persist(self.snapshot, now_ns)
        self._draw_time_out(now_ns)

    def _restore(self, snapshot: Snapshot, appended: Appended | None, now_ns: int) -> None:
        self.snapshot, log = snapshot, self.log
        if snapshot.index > 0:
            self.sessions.restore(snapshot.data)
            self.commit = snapshot.index
        log.reset(0, 0, snapshot.configuration)
        if appended is not None:
            log.reset(appended.base_index, appended.base_term, snapshot.configuration)
            log.put(appended.base_index + 1, appended.entries)
        log.durable_index = log.last_index
        if not log.has(snapshot.index, snapshot.term):  # it came from a leader, and the node crashed while it took it
            log.reset(snapshot.index, snapshot.term, snapshot.configuration)
            self._keep_base(now_ns)
        self._configure()

    def _persisted(self, number: int, now_ns: int) -> None:
        """What is durable counts: this node's vote for itself, its log for the commit index, and a snapshot."""
        self._durable = max(self._durable, number)
        while self._unwritten and self._unwritten[0][0] <= number:
            self._unwritten.popleft()
        if self.log.persisted(number):
            self._advance_commit(now_ns)
        self._count_own_vote(now_ns)
        self._compact(now_ns)

    def _wake(self, now_ns: int) -> None:
        if self.role is Role.LEADING:
            if not self._leads_on(now_ns):
                return
            if now_ns >= self.beat_ns + self.settings.heartbeat_ns:
                self._beat(now_ns)
            elif self.settings.tuning is not None:
                self._beat_as_wished(now_ns)
        elif now_ns >= self._election_ns:
            self._lose_patience(now_ns)

    def _settle(self, now_ns: int) -> None:
        """After each event: a leader goes on with what it has begun; what is to be kept is kept; the timer is set."""
        if self.role is Role.LEADING:
            self._change_on(now_ns)
            self._transfer_on(now_ns)
        if self.role is Role.LEADING:
            self._confirm(now_ns)
            self._hold(now_ns)
        self._answer_reads(now_ns)
        if self._pieces is not None:
            self._drop_pieces()
        self._keep_hard_state(now_ns)
        self.wake_ns = self._due_ns(now_ns)

    def _due_ns(self, now_ns: int) -> int:
        """When time alone changes something."""
        reads_ns = self._reads_due_ns()
        if self.role is not Role.LEADING:
            return min(self._election_ns, reads_ns)
        ends_ns = self.deadline_ns
        if ends_ns is None:  # that is over which it waits for, and only answers can open it: none is due
            ends_ns = self.opens_ns if self.opens_ns > now_ns else NEVER_NS
        return min(
            self.beat_ns + self.settings.heartbeat_ns,
            self._quorum_due_ns(now_ns),
            self._disk_due_ns(),
            self._change_due_ns(),
            self._transfer_due_ns(),
            ends_ns if self.commit >= self.token else NEVER_NS,
            reads_ns,
            self._beat_wished_ns(),
        )

    def _know_members(self, now_ns: int) -> None:
        if self.role is Role.LEADING:
            self._greet(now_ns)

    def _leave(self, peer: NodeId, now_ns: int) -> None:
        """Who has left gets the log for as long as it has a vote or is to learn; one's own leaving ends all."""
        if peer != self.me:
            self.members.discard(peer)
            self._know_members(now_ns)
            return
        if self.role is Role.LEADING:
            self._step_down("this node has left", now_ns)
        self._drop_reads()
        self._recognise(None)
        self._election_ns = NEVER_NS
        self.role = Role.GONE


Said = (
    Canvassed
    | Vote
    | AppendEntries
    | Matched
    | Mismatched
    | StaleTerm
    | InstallSnapshot
    | Installing
    | ReadIndex
    | ReadableFrom
    | TimeoutNow
)
"""Messages whose term is that of their sender."""


def _nobody_there(event: Event | Demand) -> Sequence[Effect]:
    """What a node that has left answers."""
    return [Answered(one.id, NotLeader(None)) for one in event.requests] if isinstance(event, Requested) else []
