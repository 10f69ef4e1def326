"""The log as one node has it: entries behind a base, how far they are durable, and the configurations in them.

Ongaro and Ousterhout 2014, sections 5.3 and 7. Indexes begin at 1; what lies up to `base_index` is in a snapshot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence

from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import AnyEntry, Command, Configured

ENTRY_BYTES = 32
"""What an entry takes in a message besides its command or its configuration."""


class Log:
    """Entries by index. Slices are tuples, so that whoever is sent one keeps it whatever happens here."""

    def __init__(self, configuration: Configuration) -> None:
        self.base_index = 0
        self.base_term = 0
        self.last_index = 0
        self.last_term = 0
        self.durable_index = 0
        """Up to where the entries that are here now are durable."""
        self._entries: list[AnyEntry] = []
        self._ends: list[int] = []  # of each entry: the bytes of all up to it, from some origin
        self._origin = 0  # the bytes up to the base, from there
        self._configurations: list[tuple[int, Configuration]] = [(0, configuration)]
        self._writing = deque[tuple[int, int]]()  # (number of the record, last index in it that is still here)

    @property
    def configuration(self) -> Configuration:
        """The latest, "regardless of whether the entry is committed" (section 6)."""
        return self._configurations[-1][1]

    @property
    def configuration_index(self) -> int:
        return self._configurations[-1][0]

    def configuration_at(self, index: int) -> Configuration:
        """The one that was in force at an index."""
        return next(known for at, known in reversed(self._configurations) if at <= index)

    def configurations_from(self, index: int) -> Iterator[Configuration]:
        """The one that was in force at an index, and those that came behind it."""
        yield self.configuration_at(index)
        yield from (known for at, known in self._configurations if at > index)

    # Reading

    def term_at(self, index: int) -> int:
        """The term of an entry that is here, or of the base."""
        position = index - self.base_index
        return self._entries[position - 1].term if position > 0 else self.base_term

    def has(self, index: int, term: int) -> bool:
        """Whether an entry of this term stands there, at the base or behind it."""
        return self.base_index <= index <= self.last_index and self.term_at(index) == term

    def is_covered_by(self, last_index: int, last_term: int) -> bool:
        """Whether another log with that end is at least as up-to-date (section 5.4.1)."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def slice(self, first: int, last: int) -> tuple[AnyEntry, ...]:
        """The entries from `first` to `last`."""
        base = self.base_index
        return tuple(self._entries[first - base - 1 : last - base])

    def batch(self, first: int, most_entries: int, most_bytes: int) -> tuple[tuple[AnyEntry, ...], int]:
        """Entries from `first` on, at least one, and their bytes."""
        begin = first - self.base_index - 1
        before = self._ends[begin - 1] if begin else self._origin
        end = min(begin + most_entries, len(self._entries))
        if self._ends[end - 1] - before > most_bytes:
            end = max(begin + 1, bisect_right(self._ends, before + most_bytes, begin, end))
        return tuple(self._entries[begin:end]), self._ends[end - 1] - before

    def bytes_behind(self, index: int) -> int:
        """What the entries behind an index take, which is the base's or later."""
        ends, known = self._ends, index - self.base_index
        return (ends[-1] if ends else self._origin) - (ends[known - 1] if known else self._origin)

    def last_not_after(self, index: int, term: int) -> int:
        """The last index up to `index` whose entry is of `term` at most; `index` itself where that is forgotten, and
        the index before the base, which is forgotten too, where the base is of a later term.
        """
        if index < self.base_index:
            return index
        if term < self.base_term:
            return self.base_index - 1
        return self.base_index + bisect_right(
            self._entries, term, 0, min(index, self.last_index) - self.base_index, key=_term
        )

    # Writing

    def put(self, first: int, entries: Sequence[AnyEntry]) -> None:
        """Let these stand from `first` on, in place of all that is there and behind."""
        assert self.base_index < first <= self.last_index + 1
        if first <= self.last_index:
            self._truncate(first)
        self._entries += entries
        end, ends = self._ends[-1] if self._ends else self._origin, self._ends
        for index, entry in enumerate(entries, first):
            end += ENTRY_BYTES
            if isinstance(entry, Command):
                end += len(entry.payload)
            elif isinstance(entry, Configured):
                end += entry.configuration.size
                self._configurations.append((index, entry.configuration))
            ends.append(end)
        self.last_index = first - 1 + len(entries)
        self.last_term = self.term_at(self.last_index)

    def _truncate(self, first: int) -> None:
        """A follower "deletes the existing entry and all that follow it"; with it, configurations and durability."""
        kept = first - self.base_index - 1
        del self._entries[kept:]
        del self._ends[kept:]
        while self.configuration_index >= first:
            self._configurations.pop()
        self.durable_index = min(self.durable_index, first - 1)
        self._writing = deque((number, min(last, first - 1)) for number, last in self._writing)

    def compact(self, index: int) -> None:
        """Forget what lies up to `index`; the configuration in force there stays."""
        self.base_term, forgotten = self.term_at(index), index - self.base_index
        self.base_index = index
        self._origin = self._ends[forgotten - 1] if forgotten else self._origin
        del self._entries[:forgotten]
        del self._ends[:forgotten]
        while len(self._configurations) > 1 and self._configurations[1][0] <= index:
            self._configurations.pop(0)

    def reset(self, index: int, term: int, configuration: Configuration) -> None:
        """Be empty behind this base."""
        self.base_index = self.last_index = index
        self.base_term = self.last_term = term
        self.durable_index = min(self.durable_index, index)
        self._entries, self._ends, self._configurations = [], [], [(index, configuration)]
        self._writing = deque((number, min(last, index)) for number, last in self._writing)

    # Durability

    def is_written_by(self, number: int) -> None:
        """The record of this number has all that is here."""
        self._writing.append((number, self.last_index))

    def persisted(self, number: int) -> bool:
        """Records up to this one are durable; whether that brought the log forward."""
        before = self.durable_index
        while self._writing and self._writing[0][0] <= number:
            self.durable_index = self._writing.popleft()[1]
        return self.durable_index > before


def _term(entry: AnyEntry) -> int:
    return entry.term
