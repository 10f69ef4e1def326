"""Which rules of Raft took effect in a run, told from what each node was given, did, and became.

The core counts nothing: all of this is read from the outside, so that a rule that never fires is seen by its zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tenure.algorithms.raft import Raft, Role
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import (
    Appended,
    AppendEntries,
    Canvass,
    Canvassed,
    ChangeVoters,
    Configured,
    Execute,
    Executed,
    InstallSnapshot,
    Matched,
    Mismatched,
    OpenSession,
    Queried,
    RequestVote,
    Snapshot,
    Vote,
)
from tenure.algorithms.raft.progress import Pace
from tenure.core.effects import Answered, Authorised, Deposed, Effect, Persist, Send
from tenure.core.events import Answer, Demand, Event, Message, NodeId, PeerLost, Received, Request, Requested

BEHIND, PROMISED, OVER = "its log is behind", "promised to another", "its term is over"
GIVEN, LED = "given already", "the term has a leader"
RULES = (
    *(f"pre-vote refused: {why}" for why in (BEHIND, PROMISED, OVER)),
    *(f"vote refused: {why}" for why in (BEHIND, PROMISED, GIVEN)),
    "vote granted in spite of a promise",
    "told of a certain death",
    "pre-vote asked upon a certain death",
    "follower: no such entry",
    "follower: entries replaced",
    "follower: configuration taken back",
    "leader: went back",
    "snapshot taken",
    "snapshot sent",
    "snapshot resumed after a loss",
    "snapshot installed",
    "learner taken in",
    "joint configuration entered",
    "joint configuration left",
    "change given up",
    "leader went without a vote",
    "transfer begun",
    "transfer came about",
    "transfer timed out",
    "read by lease",
    "read by index",
    "read at a follower",
    "retry answered from memory",
    "told NoSession",
    "told Outrun",
    "told Busy",
    "told Changed",
    "told Refused",
    "batch with a change of voters amid commands",
    "batch in a joint configuration",
    "batch while the leader gives way",
    "batch of entries for as much as fits",
    "window of a follower full",
    "told of the leader's certain death in a joint configuration",
    "told NotLeader",
    "told Unknown",
    "tenure opened at once",
    "tenure opened after earlier ones",
    "deposed: it is no voter any more",
    "deposed: its disk stands still",
    "deposed: no majority answered before its deadline",
    "deposed: no majority answers",
    "deposed: this node has left",
)
"""What must fire some time in some hundreds of runs; what is rarer is counted as well."""
GIVES_WAY = "it gives way"


class Seen(NamedTuple):
    """A node as it was after an event."""

    life: int
    role: Role
    term: int
    commit: int
    last_index: int
    leader: NodeId | None
    configuration: Configuration
    configuration_index: int

    @classmethod
    def now(cls, life: int, elector: Raft) -> Seen:
        """As it is now, in this life of its."""
        log = elector.log
        role, term, commit = elector.role, elector.term, elector.commit
        last_index, configuration_index = log.last_index, log.configuration_index
        return cls(life, role, term, commit, last_index, elector.leader, elector.configuration, configuration_index)

    @property
    def leads_in(self) -> int | None:
        """The term that it leads; None where it does not."""
        return self.term if self.role is Role.LEADING else None


class _Piece(NamedTuple):
    """Of a snapshot, as last sent to one peer."""

    of: tuple[int, int]
    """The leader's term, and the snapshot's index."""
    offset: int
    is_again: bool


class RaftRules:
    """Counts in `fired`; `see` is called after each event of each node that did something or became another."""

    def __init__(self, fired: Counter[str]) -> None:
        self.fired = fired
        self._pieces: dict[tuple[NodeId, NodeId], _Piece] = {}
        self._gives_way: dict[NodeId, int] = {}  # who has begun to, in which term
        self._tokens: dict[NodeId, int] = {}

    def see(
        self, before: Seen | None, event: Event | Demand, elector: Raft, effects: Sequence[Effect], now_ns: int
    ) -> None:
        """What came of an event at a node that was as `before` in this life of its, and whose clock shows `now_ns`."""
        me = elector.me
        if before is None:
            self._gives_way.pop(me, None)
        for effect in effects:
            match effect:
                case Send(to=to, message=message):
                    if type(message) is not Matched:  # half of all messages, and no rule
                        self._see_sent(event, elector, to, message, now_ns)
                case Persist(record=Appended() as appended):
                    self._see_appended(elector, appended, before)
                case Persist(record=Snapshot(index=index)) if index:
                    took = isinstance(event, Received) and isinstance(event.message, InstallSnapshot)
                    self.fired["snapshot installed" if took else "snapshot taken"] += 1
                case Answered(answer=answer):
                    self._see_answer(elector, answer, before, now_ns)
                case Authorised(token=token):
                    self._see_opened(me, token, before)
                case Deposed(why=why) if why.startswith(GIVES_WAY):
                    self.fired["transfer begun"] += 1
                    self._gives_way[me] = elector.term
                case _:
                    ...
        if before is not None:
            self._see_change(elector, before)
        if isinstance(event, Requested):
            self._see_batch(event.requests, elector, effects)
        elif isinstance(event, PeerLost) and before is not None and event.peer == before.leader:
            self.fired["told of the leader's certain death in a joint configuration"] += elector.configuration.is_joint

    def _see_sent(self, event: Event | Demand, elector: Raft, to: NodeId, message: Message, now_ns: int) -> None:
        heard = event.message if isinstance(event, Received) else None
        match message:
            case AppendEntries(prev_index=previous, entries=entries):
                self.fired["batch of entries for as much as fits"] += (
                    0 < len(entries) < elector.log.last_index - previous
                )
                if isinstance(heard, Mismatched) and heard.term == message.term and previous < heard.prev_index:
                    self.fired["leader: went back"] += 1
            case Canvass(dead=dead) if dead is not None:
                self.fired["pre-vote asked upon a certain death"] += 1
            case Mismatched(prev_index=previous) if previous:
                self.fired["follower: no such entry"] += 1
            case InstallSnapshot():
                self._see_piece(elector.me, to, message)
            case Canvassed(granted=False) if isinstance(heard, Canvass):
                self.fired[f"pre-vote refused: {_why_not_canvassed(elector, heard, now_ns)}"] += 1
            case Vote(granted=granted) if isinstance(heard, RequestVote):
                if not granted:
                    self.fired[f"vote refused: {_why_no_vote(elector, to, heard, now_ns)}"] += 1
                elif now_ns < elector.promised_until_ns:
                    self.fired["vote granted in spite of a promise"] += 1
            case _:
                ...

    def _see_piece(self, leader: NodeId, to: NodeId, piece: InstallSnapshot) -> None:
        last = self._pieces.get((leader, to))
        of, is_again = (piece.term, piece.index), False
        if last is None or last.of != of:
            self.fired["snapshot sent"] += 1
        else:
            is_again = last.offset == piece.offset
            self.fired["snapshot resumed after a loss"] += last.is_again and last.offset < piece.offset
        self._pieces[leader, to] = _Piece(of, piece.offset, is_again)

    def _see_appended(self, elector: Raft, appended: Appended, before: Seen | None) -> None:
        if before is None or not appended.entries:
            return
        if appended.first_index <= before.last_index:
            self.fired["follower: entries replaced"] += 1
            if before.configuration_index >= appended.first_index:
                self.fired["follower: configuration taken back"] += 1
        if elector.role is not Role.LEADING:
            return
        ends = elector.log.last_index
        self.fired["window of a follower full"] += any(
            peer.pace is Pace.STREAMING and peer.next <= ends for peer in elector.peers.values()
        )
        was = before.configuration
        for entry in appended.entries:
            if isinstance(entry, Configured):
                self.fired[_changed(was, entry.configuration)] += 1
                was = entry.configuration

    def _see_answer(self, elector: Raft, answer: Answer, before: Seen | None, now_ns: int) -> None:
        if isinstance(answer, Queried):
            if elector.role is not Role.LEADING:
                self.fired["read at a follower"] += 1
            else:
                by_lease = elector.settings.lease_reads and elector.may_read(now_ns)
                self.fired["read by lease" if by_lease else "read by index"] += 1
        elif isinstance(answer, Executed):
            self.fired["retry answered from memory"] += before is not None and answer.index <= before.commit
        else:
            self.fired[f"told {type(answer).__name__}"] += 1

    def _see_opened(self, me: NodeId, token: int, before: Seen | None) -> None:
        if self._tokens.get(me) != token:
            self._tokens[me] = token
            waited = before is not None and before.commit >= token
            self.fired["tenure opened after earlier ones" if waited else "tenure opened at once"] += 1

    def _see_batch(self, requests: Sequence[Request], elector: Raft, effects: Sequence[Effect]) -> None:
        """Several were handed to a leader at once."""
        if elector.role is not Role.LEADING or len(requests) < 2:  # noqa: PLR2004  one is no batch
            return
        self.fired["batch in a joint configuration"] += elector.configuration.is_joint
        self.fired["batch while the leader gives way"] += elector.me in self._gives_way
        refused = {effect.id for effect in effects if isinstance(effect, Answered)}
        for place, request in enumerate(requests):
            if isinstance(request, ChangeVoters) and request.id not in refused:
                amid = any(map(_is_command, requests[:place])) and any(map(_is_command, requests[place + 1 :]))
                self.fired["batch with a change of voters amid commands"] += amid

    def _see_change(self, elector: Raft, before: Seen) -> None:
        """A leader has gone."""
        if before.role is not Role.LEADING or elector.role is Role.LEADING:
            return
        if self._gives_way.pop(elector.me, None) == before.term:
            self.fired["transfer timed out" if elector.term == before.term else "transfer came about"] += 1
        elif elector.term == before.term and elector.me not in elector.configuration.voters:
            self.fired["leader went without a vote"] += 1


def _is_command(request: Request) -> bool:
    return isinstance(request, Execute | OpenSession)


def _changed(was: Configuration, now: Configuration) -> str:
    if now.is_joint:
        return "joint configuration entered"
    if was.is_joint:
        return "joint configuration left"
    return "learner taken in" if len(now.learners) > len(was.learners) else "change given up"


def _is_bound(elector: Raft, now_ns: int) -> bool:
    return elector.role is Role.LEADING or now_ns < elector.promised_until_ns


def _why_not_canvassed(elector: Raft, asked: Canvass, now_ns: int) -> str:
    if asked.term <= elector.term:
        return OVER
    return PROMISED if _is_bound(elector, now_ns) else BEHIND


def _why_no_vote(elector: Raft, candidate: NodeId, asked: RequestVote, now_ns: int) -> str:
    if asked.term < elector.term:
        return OVER
    if _is_bound(elector, now_ns) and not asked.sanctioned:
        return PROMISED
    if not elector.log.is_covered_by(asked.last_index, asked.last_term):
        return BEHIND
    return GIVEN if elector.voted_for not in {None, candidate} else LED
