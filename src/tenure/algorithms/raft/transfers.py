"""The leader gives way to another.

Ongaro 2014, section 3.10: the leader "stops accepting new client requests", "fully updates the target server's log",
and "sends a TimeoutNow request to the target server". Its tenure is closed, and its lease counts no more, from the
moment it begins: who asks for it sees to it that the tenure's work has stopped. "If leadership transfer does not
complete after about an election timeout", it steps down all the same, where the dissertation lets it go on: whoever
asked for it has been told that this node leads no more. Where nobody else has a vote it steps down at once, and may be
elected again, for another tenure.
"""

from __future__ import annotations

import msgspec

from tenure.algorithms.raft.messages import TimeoutNow
from tenure.algorithms.raft.reads import Reads
from tenure.algorithms.raft.state import Role
from tenure.core.events import NodeId
from tenure.durations import NEVER_NS


class Transfer(msgspec.Struct, frozen=True):
    """To whom this leader gives way, and until when it waits for that."""

    to: NodeId
    until_ns: int
    opens_ns: int
    """When all tenures before this leader's own are over, for which its heir waits too."""


class Transfers(Reads):
    """Both sides of a transfer."""

    _transfer: Transfer | None = None
    _urge_ns = 0
    """Of a transfer: when the target is told next."""

    def _is_giving_way(self) -> bool:
        return self._transfer is not None

    def why_not(self, to: NodeId | None) -> str | None:
        able = self._able()
        if self.role is not Role.LEADING or to is None or to in {self.me, *able}:
            return None
        return f"node {to} has no vote: ask for one of {able}"

    def _able(self) -> list[NodeId]:
        """Who may lead in this one's place."""
        return sorted(set(self.configuration.voters) - {self.me})

    def _asked_to_go(self, to: NodeId | None, now_ns: int) -> None:
        """Begin to give way; a second wish while that goes on changes nothing."""
        if self.role is not Role.LEADING or to == self.me or self._transfer is not None:
            return
        able = self._able()
        if not able:
            self._end_tenure("it was asked to go")
            self._step_down("it was asked to go, and only it has a vote", now_ns)
            return
        if to is None:
            to = max(able, key=lambda peer: (self.peers[peer].match, self.peers[peer].heard_ns, -peer))
        self._transfer = Transfer(to, now_ns + self.settings.transfer_ns, self.opens_ns)
        self._end_tenure(f"it gives way to node {to}")

    def _transfer_on(self, now_ns: int) -> None:
        """Tell the target to campaign as soon as it has the whole log, again with each heartbeat; then go."""
        transfer = self._transfer
        if transfer is None:
            return
        if now_ns >= transfer.until_ns:
            self._step_down(f"it gave way to node {transfer.to}", now_ns)
        elif transfer.to not in self.peers:
            self._step_down(f"it gave way to node {transfer.to}, which is no peer any more", now_ns)
        elif self.peers[transfer.to].match == self.log.last_index and now_ns >= self._urge_ns:
            self._urge_ns = now_ns + self.settings.heartbeat_ns
            self._send(transfer.to, TimeoutNow(self.term, max(0, transfer.opens_ns - now_ns)), now_ns)

    def _transfer_due_ns(self) -> int:
        """When the target is told again, or it is over."""
        transfer = self._transfer
        if transfer is None:
            return NEVER_NS
        is_ready = self.peers[transfer.to].match == self.log.last_index
        return min(transfer.until_ns, self._urge_ns) if is_ready else transfer.until_ns

    def _timeout_now(self, leader: NodeId, message: TimeoutNow, now_ns: int) -> None:
        """The target "starts a new election", without asking first, if it still follows that leader in that term: one
        that has been elected again since has not given way.
        """
        follows = message.term == self.term and self.leader == leader and self.role is Role.FOLLOWING
        if follows and self.me in self.configuration.voters:
            self._begin_campaign(now_ns, left_ns=message.left_ns)
