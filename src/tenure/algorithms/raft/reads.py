"""Reads that see all that was done before them, without an entry in the log.

Ongaro 2014, section 6.4: the leader notes its commit index, once an entry of its own term is committed; it makes sure
that it still leads, by a round of heartbeats to a majority, or by its lease (section 6.4.1); then whoever has applied
the log up to that index may answer. A follower asks its leader for the index, and answers itself.
"""

from __future__ import annotations

import msgspec

from tenure.algorithms.raft.membership import Membership
from tenure.algorithms.raft.messages import Busy, NotLeader, Queried, Read, ReadableFrom, ReadIndex, Refused
from tenure.algorithms.raft.state import Role
from tenure.core.events import NodeId
from tenure.durations import NEVER_NS

NUMBER_BITS = 48


class Waiting(msgspec.Struct, frozen=True):
    """A read that waits, at the leader for its leadership to be confirmed, at a follower for an index."""

    since_ns: int
    request: Read | None = None
    """One's own client's."""
    peer: NodeId = 0
    """Else the follower that asks, and the number under which it does."""
    number: int = 0


class Reads(Membership):
    """The leader confirms, and everybody answers its own clients."""

    _waiting: tuple[Waiting, ...] = ()
    """Of a leader: for the next round."""
    _confirming: tuple[Waiting, ...] = ()
    """Of a leader: for the answers to the round that is under way."""
    _confirmed_index = 0
    """Up to where those must see."""
    _forwarded: tuple[Waiting, ...] = ()
    """Of a follower: for the leader's answer."""
    _readable: tuple[tuple[int, Waiting], ...] = ()
    """Of a follower: until it has applied that far."""
    _number: int | None = None
    """Of the last question to a leader."""

    def _read(self, requests: list[Read], now_ns: int) -> None:
        """Take in what clients ask at once; what is too long or too much is refused."""
        most_bytes, asked, requests = self.settings.command_bytes, requests, []
        for request in asked:
            if len(request.query) > most_bytes:
                why = f"the query has {len(request.query)} bytes, and {most_bytes} are allowed: send less"
                self._answer(request.id, Refused(why))
            else:
                requests.append(request)
        free = max(0, self.settings.reads - self._reads_waiting())
        for request in requests[free:]:
            self._answer(request.id, Busy())
        taken = requests[:free]
        if self.role is Role.LEADING:
            self._waiting += tuple(Waiting(now_ns, request) for request in taken)
        elif self.leader is None:
            for request in taken:
                self._answer(request.id, NotLeader(None))
        elif taken:
            number = self._next_number()
            self._forwarded += tuple(Waiting(now_ns, request, number=number) for request in taken)
            self._send(self.leader, ReadIndex(self.term, number), now_ns)

    def _next_number(self) -> int:
        """Never one of an earlier life, an answer to which may still be on its way."""
        self._number = self.chance.getrandbits(NUMBER_BITS) if self._number is None else self._number + 1
        return self._number

    def _reads_waiting(self) -> int:
        return len(self._waiting) + len(self._confirming) + len(self._forwarded) + len(self._readable)

    # The leader

    def _read_index(self, peer: NodeId, message: ReadIndex, now_ns: int) -> None:
        """A follower asks; where there is no room it will ask again."""
        if self.role is Role.LEADING and self._reads_waiting() < self.settings.reads:
            self._waiting += (Waiting(now_ns, peer=peer, number=message.number),)

    def _confirm(self, now_ns: int) -> None:
        """One round for all that wait. None begins before an entry of this leader's term is committed: until then its
        commit index may be behind that of an earlier one.
        """
        if self._confirming and (self._reached(lambda peer: peer.round, self.round) or 0) >= self.round:
            self._confirmed(self._confirming, self._confirmed_index, now_ns)
            self._confirming = ()
        if not self._waiting or self.term_committed != self.term:
            return
        if self.settings.lease_reads and self.may_read(now_ns):
            self._confirmed(self._waiting, self.commit, now_ns)
            self._waiting = ()
        elif not self._confirming:
            self._confirming, self._waiting, self._confirmed_index = self._waiting, (), self.commit
            self.round += 1
            self._beat(now_ns)
            if not self.peers:
                self._confirm(now_ns)

    def may_read(self, now_ns: int) -> bool:
        """Whether this node leads and nobody else can, so that its lease is as good as a round."""
        return self.role is Role.LEADING and not self._is_giving_way() and self._has_lease(now_ns)

    def _confirmed(self, reads: tuple[Waiting, ...], index: int, now_ns: int) -> None:
        for read in reads:
            if read.request is not None:
                self._answer_read(read.request)
            elif read.peer in self.peers:
                self._send(read.peer, ReadableFrom(self.term, read.number, index), now_ns)

    def _answer_read(self, request: Read) -> None:
        self._answer(request.id, Queried(self.commit, self.sessions.machine.query(request.query)))

    # The follower

    def _readable_from(self, message: ReadableFrom) -> None:
        """Everything asked up to that number may be answered from that index on."""
        found = tuple(read for read in self._forwarded if read.number <= message.number)
        if found and found[-1].number == message.number:
            self._forwarded = self._forwarded[len(found) :]
            self._readable += tuple((message.index, read) for read in found)

    def _answer_reads(self, now_ns: int) -> None:
        """What can be answered is, and what has waited for too long or for another leader is not any more."""
        if self._readable:
            for index, read in self._readable:
                if index <= self.commit and read.request is not None:
                    self._answer_read(read.request)
            self._readable = tuple(one for one in self._readable if one[0] > self.commit)
        if self._forwarded or self._readable:
            self._forwarded = self._kept(self._forwarded, now_ns)
            kept = self._kept(tuple(read for _, read in self._readable), now_ns)
            self._readable = self._readable[len(self._readable) - len(kept) :]

    def _kept(self, reads: tuple[Waiting, ...], now_ns: int) -> tuple[Waiting, ...]:
        """Those that may wait on; they stand in the order in which they came."""
        late = [read for read in reads if now_ns >= read.since_ns + self.settings.election_ns]
        self._fail(tuple(late))
        return reads[len(late) :]

    def _fail(self, reads: tuple[Waiting, ...]) -> None:
        """A read changes nothing: what was not answered was not done."""
        leader = None if self.leader == self.me else self.leader
        for read in reads:
            if read.request is not None:
                self._answer(read.request.id, NotLeader(leader))

    def _drop_reads(self) -> None:
        """Of a leader that leads no more, or a node that leaves."""
        reads = self._waiting + self._confirming + self._forwarded + tuple(read for _, read in self._readable)
        self._waiting = self._confirming = self._forwarded = self._readable = ()
        self._fail(reads)

    def _reads_due_ns(self) -> int:
        """When one has waited for too long."""
        since_ns = [read.since_ns for read in self._forwarded[:1]] + [read.since_ns for _, read in self._readable[:1]]
        return min(since_ns) + self.settings.election_ns if since_ns else NEVER_NS
