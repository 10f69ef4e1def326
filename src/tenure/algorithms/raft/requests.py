"""What clients ask becomes entries, reads and changes of voters, or is refused at once.

Ongaro and Ousterhout 2014, section 8; Ongaro 2014, chapter 6.
"""

from __future__ import annotations

from collections.abc import Sequence

from tenure.algorithms.raft.elections import Elections
from tenure.algorithms.raft.log import ENTRY_BYTES
from tenure.algorithms.raft.messages import (
    AnyEntry,
    Busy,
    ChangeVoters,
    Command,
    Execute,
    NotLeader,
    Opening,
    OpenSession,
    Read,
    Refused,
)
from tenure.algorithms.raft.state import Role
from tenure.core.events import NodeId, Request


class Requests(Elections):
    """The beginning of every request; its answer comes when its entry is applied, or at once."""

    def _requested(self, requests: Sequence[Request], now_ns: int) -> None:
        """Everything that is asked at once becomes one piece of log, one write and one message to each follower."""
        entries: list[AnyEntry] = []
        changes: list[ChangeVoters] = []
        reads: list[Read] = []
        whom = self._whom_to_ask()
        first = self.log.last_index + 1
        room = self.settings.uncommitted - (self.log.last_index - self.commit)
        room_bytes = self.settings.uncommitted_bytes - self.log.bytes_behind(self.commit)
        leads, most_bytes, term, asked = whom == self.me, self.settings.command_bytes, self.term, self._asked
        for request in requests:
            if isinstance(request, Execute) and leads and len(entries) < room:
                size = len(request.payload)
                if size > most_bytes or request.sequence < 1:
                    self._answer(request.id, Refused(self._why_no_command(request)))
                    continue
                room_bytes -= ENTRY_BYTES + size
                if room_bytes < 0:
                    room = 0  # nor for a shorter one, which would outrun this one of its session
                    self._answer(request.id, Busy())
                    continue
                asked[first + len(entries)] = request.id
                entries.append(Command(term, request.client, request.sequence, request.payload))
            elif isinstance(request, Read):
                reads.append(request)
            elif isinstance(request, ChangeVoters):
                changes.append(request)
            elif not leads:
                self._answer(request.id, NotLeader(whom))
            elif len(entries) >= room or room_bytes < ENTRY_BYTES:
                self._answer(request.id, Busy())
            else:
                assert isinstance(request, OpenSession), f"a {type(request).__name__} is no request of raft"
                room_bytes -= ENTRY_BYTES
                asked[first + len(entries)] = request.id
                entries.append(Opening(term))
        if entries:
            assert self.role is Role.LEADING, "only a leader appends"
            self._put(first, tuple(entries), now_ns)
            self._send_to_all(now_ns)
        for change in changes:  # behind the entries, since a change appends one of its own
            self._asked_to_change(change, whom, now_ns)
        if reads:
            self._read(reads, now_ns)

    def _whom_to_ask(self) -> NodeId | None:
        """Who takes commands now, as far as this node knows."""
        return self.leader if self._transfer is None else self._transfer.to

    def _why_no_command(self, request: Execute) -> str:
        if request.sequence < 1:
            return f"sequence is {request.sequence}: number commands from 1 on"
        return f"the command has {len(request.payload)} bytes, and {self.settings.command_bytes} are allowed: send less"

    def _asked_to_change(self, request: ChangeVoters, whom: NodeId | None, now_ns: int) -> None:
        if whom != self.me:
            self._answer(request.id, NotLeader(whom))
        elif self._joins_change(request):
            return
        elif (why := self._why_not_change(request.voters)) is not None:
            is_early = request.voters and self.term_committed != self.term
            self._answer(request.id, Busy() if is_early else Refused(why))
        else:
            self._begin_change(request.voters, request.learners, (request.id,), now_ns)
