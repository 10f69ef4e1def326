"""What no honest driver, operator or peer would give is refused, before anything has changed."""

from __future__ import annotations

from tenure.algorithms.raft.messages import (
    AnyEntry,
    AppendEntries,
    Configured,
    Installing,
    InstallSnapshot,
    Matched,
    Mismatched,
)
from tenure.algorithms.raft.requests import Requests
from tenure.algorithms.raft.state import Role
from tenure.algorithms.raft.tuning import Tuned
from tenure.core.elector import DutyBroken, UnexpectedMessage, WishRefused
from tenure.core.events import Demand, Event, NodeId, PeerLost, Persisted, Received, Reconfigure, Requested


class Admission(Requests):
    """The gate."""

    def _let_in(self, event: Event | Demand) -> None:
        """What every elector refuses; and demands of clients before the beginning."""
        if not isinstance(event, Requested | PeerLost):
            self._admit(event)
        elif self.role is Role.NEW:
            raise DutyBroken(1, f"{type(event).__name__} came before Started")

    def _refuse(self, event: Event | Demand, now_ns: int) -> None:
        match event:
            case Persisted(number=number) if number > self._written:
                raise DutyBroken(4, f"record {number} is said to be durable, and {self._written} were given")
            case Reconfigure(voters=voters):
                self._refuse_voters(voters)
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

    def _refuse_voters(self, voters: tuple[NodeId, ...]) -> None:
        whom = self._whom_to_ask()
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
        if not message.configuration.voters:
            return "with a configuration in which nobody votes"
        data = self._data_up_to(message)
        if message.is_last and message.index > self.commit and message.offset == len(data):
            try:
                self.sessions.restore(data + message.data)
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


def _can_be(tuned: Tuned) -> bool:
    return tuned.promise_ns >= 0 and tuned.heartbeat_ns >= 1


def _is_nobodys(entry: AnyEntry) -> bool:
    return isinstance(entry, Configured) and not entry.configuration.voters
