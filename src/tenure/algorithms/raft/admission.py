"""What no honest driver, operator or peer would give is refused, before anything has changed."""

from __future__ import annotations

from tenure.algorithms.raft.messages import (
    AnyEntry,
    Appended,
    AppendEntries,
    Configured,
    HardState,
    Installing,
    InstallSnapshot,
    Matched,
    Mismatched,
    Snapshot,
)
from tenure.algorithms.raft.requests import Requests
from tenure.algorithms.raft.state import Role
from tenure.algorithms.raft.tuning import Tuned
from tenure.core.elector import DutyBroken, UnexpectedMessage, WishRefused
from tenure.core.events import (
    Demand,
    Event,
    NodeId,
    PeerLost,
    Persisted,
    Received,
    Reconfigure,
    Record,
    Requested,
    Started,
)

DEMANDS = (Requested, PeerLost)


class Admission(Requests):
    """The gate."""

    def _let_in(self, event: Event | Demand) -> None:
        """What every elector refuses; and demands of clients before the beginning."""
        if not isinstance(event, DEMANDS):
            self._admit(event)
        elif self.role is Role.NEW:
            raise DutyBroken(1, f"{type(event).__name__} came before Started")

    def _refuse(self, event: Event | Demand, now_ns: int) -> None:
        match event:
            case Persisted(number=number) if number > self._written:
                raise DutyBroken(4, f"record {number} is said to be durable, and {self._written} were given")
            case Reconfigure(voters=voters):
                self._refuse_voters(voters, now_ns)
            case Started(durable=records):
                _refuse_records(records)
            case Received(sender=sender, message=AppendEntries() | InstallSnapshot() as message):
                is_heeded = message.term >= self.term and not self._comes_from_the_dead(sender, message.term)
                if is_heeded and (why := self._why_no_leader_of_it(sender, message)) is not None:
                    raise UnexpectedMessage(sender, message, why)
            case Received(sender=sender, message=Matched() | Mismatched() | Installing() as answer):
                is_for_it = self.role is Role.LEADING and answer.term == self.term
                if is_for_it and (why := self._why_no_answer(answer, now_ns)) is not None:
                    raise UnexpectedMessage(sender, answer, why)
            case _:
                return

    def _refuse_voters(self, voters: tuple[NodeId, ...], now_ns: int) -> None:
        """Also where this node led until just now, and is to notice by this event that its tenure has run out."""
        whom = None if self._has_run_out(now_ns) else self._whom_to_ask()
        if whom != self.me:
            where = "ask again in a while" if whom is None else f"ask node {whom}"
            raise WishRefused(f"node {self.me} does not lead, and only the leader can change who votes: {where}")
        if (why := self._why_not_change(voters)) is not None:
            raise WishRefused(why)

    def _why_no_leader_of_it(self, sender: NodeId, message: AppendEntries | InstallSnapshot) -> str | None:
        """What a leader of this node's term, or of a later one, would not say."""
        if message.term == self.term and self.leader not in {None, sender}:
            return f"but node {self.leader} leads term {self.term}"
        if isinstance(message, InstallSnapshot):
            return self._why_no_snapshot(message)
        entries, previous, log, pulse = message.entries, message.prev_index, self.log, message.pulse
        if pulse is not None and (pulse.number < 1 or (pulse.round_trip_ns or 0) < 0):
            return "with a round trip that cannot be"
        terms = [message.prev_term, *(entry.term for entry in entries), message.term]
        if previous < 0 or terms[0] < 0 or terms != sorted(terms):
            return "in which terms go back"
        at = min(previous + len(entries), self.commit)
        if at >= max(previous, log.base_index) and log.term_at(at) != terms[at - previous]:
            return f"which contradicts entry {at}, and that is committed"
        if any(entry.__class__ is Configured and _is_nobodys(entry) for entry in entries):
            return "with a configuration in which nobody votes"
        return None

    def _why_no_snapshot(self, message: InstallSnapshot) -> str | None:
        """A last piece is restored here and now: nothing else tells whether it can be. So who comes here takes it."""
        if message.index < 1 or not 1 <= message.snapshot_term <= message.term:
            return "a snapshot of no entry that can be"
        if message.configuration.is_nobodys:
            return "with a configuration in which nobody votes"
        if message.index <= self.commit:
            return None  # it is of no use, and answered so
        if message.offset < 0 or message.offset + len(message.data) > message.size:
            return f"a piece that is not within {message.size} bytes"
        if message.size > (most_bytes := self.settings.snapshot_bytes):
            return f"of a snapshot of {message.size} bytes, and {most_bytes} are allowed: raise snapshot_bytes"
        data = self._data_up_to(message)
        if message.is_last and message.offset == len(data):
            try:
                self.sessions.restore(bytes(data) + message.data)
            except ValueError as error:
                return str(error)
        return None

    def _why_no_answer(self, answer: Matched | Mismatched | Installing, now_ns: int) -> str | None:
        """What nobody would answer to what this leader has said."""
        if answer.sent_ns > now_ns or answer.round > self.round:
            return "which answers what was not sent yet"
        if not isinstance(answer, Installing) and answer.tuned is not None and not _can_be(answer.tuned):
            return "which promises less than nothing"
        if isinstance(answer, Matched) and answer.match > self.log.last_index:
            return f"and the log ends at {self.log.last_index}"
        return None


def _refuse_records(records: tuple[Record, ...]) -> None:
    """Terms are written before what is of them, so a crash leaves no entry of a later term than the node's own."""
    term = max((record.term for record in records if isinstance(record, HardState)), default=0)
    for record in records:
        if isinstance(record, Appended):
            latest = record.entries[-1].term if record.entries else record.base_term
        elif isinstance(record, Snapshot):
            latest = record.term
        else:
            continue
        if latest > term:
            what = f"{type(record).__name__} of term {latest} was kept, and no later term than {term}"
            raise DutyBroken(4, f"{what}: records become durable in their order")


def _can_be(tuned: Tuned) -> bool:
    return tuned.promise_ns >= 0 and tuned.heartbeat_ns >= 1


def _is_nobodys(entry: AnyEntry) -> bool:
    return isinstance(entry, Configured) and entry.configuration.is_nobodys
