"""Snapshots for followers that are too far behind: figure 13's InstallSnapshot RPC, piece by piece.

Ongaro and Ousterhout 2014, section 7. The follower says how far it has got, so that a piece that was lost is sent
again and nothing else; one piece is under way at a time, and goes again with each heartbeat, whose place it takes.
"""

from __future__ import annotations

from typing import NamedTuple

from tenure.algorithms.raft.messages import Installing, InstallSnapshot, Matched, Snapshot
from tenure.algorithms.raft.progress import Progress
from tenure.algorithms.raft.replication import Replication
from tenure.core.events import NodeId


class Pieces(NamedTuple):
    """What there is of a snapshot that is coming."""

    of: tuple[int, int, int]
    """Its index, its term, and its size: it is the same bytes at all nodes, so another leader goes on with it."""
    data: bytearray
    """To which each piece is added where it is, so that the whole costs what it is long."""


class Snapshots(Replication):
    """Sending and taking snapshots."""

    _pieces: Pieces | None = None
    """Of a snapshot that is coming."""

    # The leader

    def _begin_install(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        assert self.snapshot.index >= self.log.base_index, "nothing is forgotten that no snapshot holds"
        progress.install(self.snapshot)
        self._send_piece(peer, progress, now_ns)

    def _send_piece(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        snapshot, offset = progress.snapshot, progress.offset
        assert snapshot is not None
        piece = snapshot.data[offset : offset + self.settings.piece_bytes]
        message = InstallSnapshot(
            term=self.term,
            index=snapshot.index,
            snapshot_term=snapshot.term,
            configuration=snapshot.configuration,
            offset=offset,
            data=piece,
            size=len(snapshot.data),
            sent_ns=now_ns,
            round=self.round,
        )
        self._send_at_once(peer, message)

    def _installing(self, peer: NodeId, answer: Installing, now_ns: int) -> None:
        """Go on from where it is, if that is news."""
        progress = self._heard(peer, answer, now_ns)
        if progress is None or progress.snapshot is None or progress.snapshot.index != answer.index:
            return
        has_restarted = answer.offset == 0 < progress.offset
        if progress.offset < answer.offset < len(progress.snapshot.data) or has_restarted:
            progress.offset = answer.offset
            self._send_piece(peer, progress, now_ns)

    # The follower

    def _install_snapshot(self, leader: NodeId, message: InstallSnapshot, now_ns: int) -> None:
        """Figure 13, "Receiver implementation"; one that says less than this node knows is of no use to it."""
        if self._tuner is not None:
            self._tuner.void()  # pieces are no measure of heartbeats; and Installing promises what is configured
        self._follow(leader, now_ns)
        if message.index <= self.commit:
            self._send(leader, Matched(self.term, self.commit, message.sent_ns, message.round), now_ns)
            return
        data = self._data_up_to(message)
        if message.offset == len(data):
            if message.is_last:
                whole = bytes(data) + message.data
                self._install(Snapshot(message.index, message.snapshot_term, message.configuration, whole), now_ns)
                self._send(leader, Matched(self.term, message.index, message.sent_ns, message.round), now_ns)
                return
            data += message.data
            self._pieces = Pieces((message.index, message.snapshot_term, message.size), data)
        self._send(leader, Installing(self.term, message.index, len(data), message.sent_ns, message.round), now_ns)

    def _data_up_to(self, message: InstallSnapshot) -> bytearray:
        """What there is already of this snapshot."""
        pieces = self._pieces
        known = (message.index, message.snapshot_term, message.size)
        return pieces.data if pieces is not None and pieces.of == known else bytearray()

    def _drop_pieces(self) -> None:
        """Of a snapshot that says no more than what is known by now."""
        assert self._pieces is not None
        if self._pieces.of[0] <= self.commit:
            self._pieces = None

    def _install(self, snapshot: Snapshot, now_ns: int) -> None:
        """Figure 13: "if existing log entry has same index and term as snapshot's last included entry, retain log
        entries following it", else "discard the entire log". The gate has restored the machine.
        """
        self.snapshot, log = snapshot, self.log
        self._persist(snapshot, now_ns)
        self._compact_at = None
        if log.has(snapshot.index, snapshot.term):
            log.compact(snapshot.index)
        else:
            log.reset(snapshot.index, snapshot.term, snapshot.configuration)
        self.commit = snapshot.index
        self._keep_base(now_ns)
