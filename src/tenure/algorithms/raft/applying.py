"""Committed entries are applied, and their clients answered; snapshots take the place of what was applied long ago.

Ongaro and Ousterhout 2014, sections 5.3, 7 and 8; Ongaro 2014, chapter 5.
"""

from __future__ import annotations

from tenure.algorithms.raft.messages import Command, Opening, Snapshot, Unknown
from tenure.algorithms.raft.tenures import Tenures
from tenure.core.effects import Answered
from tenure.core.events import Answer


class Applying(Tenures):
    """What becomes of entries that are committed."""

    _compact_at: tuple[int, int] | None = None
    """The record of a snapshot, and the index up to which the log goes when that is durable."""

    def _commit_to(self, index: int, now_ns: int) -> None:
        """Commit and apply, in order of the log: a commit index never goes back."""
        assert self.commit <= index <= self.log.last_index
        first, self.commit = self.commit + 1, index
        sessions, asked, effects = self.sessions, self._asked, self._effects
        for at, entry in enumerate(self.log.slice(first, index), first):
            answer: Answer
            if isinstance(entry, Command):
                answer = sessions.execute(at, entry)
            elif isinstance(entry, Opening):
                answer = sessions.open(at)
            else:
                continue
            if asked and (request := asked.pop(at, None)) is not None:
                effects.append(Answered(request, answer))
        if index - self.snapshot.index >= self.settings.snapshot_every:
            self._take_snapshot(now_ns)

    def _disown(self) -> None:
        """Whether what was asked comes about is for another leader to say."""
        for request in self._asked.values():
            self._answer(request, Unknown())
        self._asked.clear()

    # Snapshots of one's own

    def _take_snapshot(self, now_ns: int) -> None:
        """Section 7: "the last included index and term", and "the latest configuration in the log as of last included
        index". The log goes only when it is durable.
        """
        index, log = self.commit, self.log
        self.snapshot = Snapshot(index, log.term_at(index), log.configuration_at(index), self.sessions.snapshot())
        number = self._persist(self.snapshot, now_ns)
        self._compact_at = (number, index - self.settings.keep_tail)

    def _compact(self, now_ns: int) -> None:
        """Forget the entries that a durable snapshot holds, but for a tail."""
        if self._compact_at is not None and self._compact_at[0] <= self._durable:
            _, index = self._compact_at
            self._compact_at = None
            if index > self.log.base_index:
                self.log.compact(index)
                self._keep_base(now_ns)
