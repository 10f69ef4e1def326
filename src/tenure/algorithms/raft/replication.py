"""Replication of the log: figure 2's AppendEntries RPC, pipelined.

Ongaro and Ousterhout 2014, sections 5.3 and 5.4; Ongaro 2014, section 10.2 (batching, pipelining, and a leader that
writes to its disk while followers write to theirs).
"""

from __future__ import annotations

from tenure.algorithms.raft.applying import Applying
from tenure.algorithms.raft.messages import AnyEntry, AppendEntries, Installing, Leadership, Matched, Mismatched
from tenure.algorithms.raft.progress import Pace, Progress
from tenure.algorithms.raft.state import Role
from tenure.algorithms.raft.tuning import Pulse, Tuned
from tenure.core.effects import Send
from tenure.core.events import Message, NodeId
from tenure.durations import NEVER_NS


class Replication(Applying):
    """The leader sends, followers take over, and what a majority has is committed."""

    round = 0
    """Of a leader: the number of the last question whether it still leads."""

    # The leader

    def _send_at_once(self, peer: NodeId, message: Message) -> None:
        """A leader's words need not wait for its own disk: its own log counts when it is durable."""
        self._effects.append(Send(peer, message))

    def _send_entries(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """As many as the window has room for; what is in the log no more goes as a snapshot."""
        settings, log = self.settings, self.log
        while progress.next <= log.last_index and progress.may_send(settings):
            if progress.next <= log.base_index:
                self._begin_install(peer, progress, now_ns)
                return
            entries, size = log.batch(progress.next, settings.batch_entries, settings.batch_bytes)
            self._send_after(peer, progress, progress.next - 1, now_ns, entries)
            progress.sent(progress.next - 1 + len(entries), size)
        if progress.told < self.commit and progress.pace is Pace.STREAMING and not progress.under_way:
            self._send_after(peer, progress, progress.next - 1, now_ns)

    def _send_to_all(self, now_ns: int) -> None:
        for peer, progress in self.peers.items():
            self._send_entries(peer, progress, now_ns)

    def _send_after(
        self,
        peer: NodeId,
        progress: Progress,
        previous: int,
        now_ns: int,
        entries: tuple[AnyEntry, ...] = (),
        *,
        pulse: Pulse | None = None,
    ) -> None:
        progress.told = self.commit
        term_at = self.log.term_at(previous)
        message = AppendEntries(self.term, previous, term_at, self.commit, now_ns, self.round, entries, pulse)
        self._send_at_once(peer, message)

    def _beat(self, now_ns: int) -> None:
        """Section 5.2: "heartbeats (AppendEntries RPCs that carry no log entries) to all followers". A heartbeat shows
        as well what was lost: it follows the last entry that was sent.
        """
        self.beat_ns = now_ns
        for peer, progress in self.peers.items():
            self._beat_for(peer, progress, now_ns)

    def _beat_for(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        progress.beaten_ns = now_ns
        if progress.pace is Pace.INSTALLING:
            self._send_piece(peer, progress, now_ns)
        elif progress.next <= self.log.base_index:
            self._begin_install(peer, progress, now_ns)
        else:
            self._send_after(peer, progress, progress.next - 1, now_ns, pulse=self._pulse(progress))

    def _pulse(self, progress: Progress) -> Pulse | None:
        """By which the follower learns how long its answers take, and what it misses."""
        if self.settings.tuning is None:
            return None
        progress.pulses += 1
        pulse = Pulse(progress.pulses, progress.round_trip_ns)
        progress.round_trip_ns = None
        return pulse

    def _beat_as_wished(self, now_ns: int) -> None:
        """Heartbeats between those to all, for followers whose time-outs are tuned."""
        for peer, progress in self.peers.items():
            if now_ns >= progress.wished_beat_ns():
                self._beat_for(peer, progress, now_ns)

    def _beat_wished_ns(self) -> int:
        """When the next of these is due."""
        if self.settings.tuning is None:
            return NEVER_NS
        return min((progress.wished_beat_ns() for progress in self.peers.values()), default=NEVER_NS)

    def _matched(self, peer: NodeId, answer: Matched, now_ns: int) -> None:
        progress = self._heard(peer, answer, now_ns)
        if progress is None:
            return
        progress.matched(answer.match)
        snapshot = progress.snapshot
        if snapshot is not None and progress.match >= self.log.base_index:
            progress.probe(progress.match + 1)  # it has got there by itself
        elif snapshot is not None and progress.match >= snapshot.index:
            self._begin_install(peer, progress, now_ns)  # what follows it in the log went meanwhile
        self._advance_commit(now_ns)
        self._send_entries(peer, progress, now_ns)

    def _mismatched(self, peer: NodeId, answer: Mismatched, now_ns: int) -> None:
        """Go back to where the logs may agree, by terms rather than by entries (section 5.3). An answer to a question
        of long ago is none: what matched matches.
        """
        progress = self._heard(peer, answer, now_ns)
        if progress is None or progress.pace is Pace.INSTALLING or answer.prev_index <= progress.match:
            return
        if progress.pace is Pace.PROBING and answer.prev_index != progress.next - 1:
            return
        progress.probe(self.log.last_not_after(answer.hint_index, answer.hint_term) + 1)
        self._send_entries(peer, progress, now_ns)
        if not progress.waits and progress.pace is Pace.PROBING:  # nothing to send: ask by a heartbeat
            self._send_after(peer, progress, progress.next - 1, now_ns)
            progress.waits = True

    def _heard(self, peer: NodeId, answer: Matched | Mismatched | Installing, now_ns: int) -> Progress | None:
        """Note an answer, whatever it says: it promises; None for one that means nothing now."""
        progress = self.peers.get(peer)
        if progress is None or self.role is not Role.LEADING or answer.term != self.term:
            return None
        self._note_promise(progress, answer, None if isinstance(answer, Installing) else answer.tuned, now_ns)
        return progress

    def _note_promise(
        self, progress: Progress, answer: Matched | Mismatched | Installing, tuned: Tuned | None, now_ns: int
    ) -> None:
        """For as long as it says, and no longer than a voter that has forgotten it would keep to it."""
        sent_ns, settings = answer.sent_ns, self.settings
        progress.heard_ns = now_ns
        if progress.acknowledged_ns is None or sent_ns > progress.acknowledged_ns:
            progress.acknowledged_ns = sent_ns
            progress.wished_ns = None if tuned is None else tuned.heartbeat_ns
            progress.round_trip_ns = now_ns - sent_ns
        promise_ns = settings.promise_ns if tuned is None else min(tuned.promise_ns, settings.promise_ns)
        until_ns = sent_ns + settings.usable_ns(promise_ns)
        if progress.promised_until_ns is None or until_ns > progress.promised_until_ns:
            progress.promised_until_ns = until_ns
        progress.round = max(progress.round, answer.round)

    def _advance_commit(self, now_ns: int) -> None:
        """Section 5.4.2: "only log entries from the leader's current term are committed by counting replicas", and with
        them all before. The leader's own log counts as far as it is durable.
        """
        if self.role is not Role.LEADING or self.commit == self.log.last_index:
            return
        index = self._reached(lambda peer: peer.match, self.log.durable_index)
        if index is not None and index > self.commit and self.log.term_at(index) == self.term:
            self._commit_to(index, now_ns)
            self._send_to_all(now_ns)

    # The follower

    def _append_entries(self, leader: NodeId, message: AppendEntries, now_ns: int) -> None:
        """Figure 2, AppendEntries RPC, "Receiver implementation"."""
        self._follow(leader, now_ns, message.pulse)
        if self.told_commit is None:
            self.told_commit = (message.commit, message.term)
        log, previous = self.log, message.prev_index
        if previous > self.commit and not log.has(previous, message.prev_term):
            hint_index = log.last_not_after(min(previous, log.last_index), message.prev_term)
            hint_term = log.term_at(hint_index)
            self._send(
                leader,
                Mismatched(self.term, previous, hint_index, hint_term, message.sent_ns, message.round, self._tuned()),
                now_ns,
            )
            return
        match = previous + len(message.entries)
        fresh = self._fresh_from(message)
        if fresh <= match:
            assert fresh > self.commit, "what is committed is never replaced"
            self._put(fresh, message.entries[fresh - previous - 1 :], now_ns)
        if message.commit > self.commit:
            self._commit_to(max(self.commit, min(message.commit, match)), now_ns)
        self._send(leader, Matched(self.term, match, message.sent_ns, message.round, self._tuned()), now_ns)

    def _fresh_from(self, message: AppendEntries) -> int:
        """The index of the first entry that is not here: "if an existing entry conflicts with a new one (same index but
        different terms), delete the existing entry and all that follow it", and only then, since a late message may
        hold less than what came after it.
        """
        log, entries, first = self.log, message.entries, message.prev_index + 1
        known_to = min(message.prev_index + len(entries), log.last_index)
        if known_to < first:
            return first
        if known_to <= self.commit or log.term_at(known_to) == entries[known_to - first].term:
            return known_to + 1  # by the log matching property all before it are the same
        at = max(first, self.commit + 1)
        while log.term_at(at) == entries[at - first].term:
            at += 1
        return at

    def _follow(self, leader: NodeId, now_ns: int, pulse: Pulse | None = None) -> None:
        """Whose word comes in this term leads it: promise, and be patient again."""
        self.role = Role.FOLLOWING
        self._recognise(leader)
        if self.promised_to != (leadership := Leadership(leader, self.term)):
            self._bind(leadership)
        if self._tuner is not None:
            self._timing = self._tuner.follow(leader, self.term, pulse)
        self._promise(now_ns)
        self._draw_time_out(now_ns)

    def _tuned(self) -> Tuned | None:
        """What an answer says of the promise in it, if that is not as configured."""
        timing = self._timing
        return None if timing is self._configured else Tuned(timing.promise_ns, timing.heartbeat_ns)
