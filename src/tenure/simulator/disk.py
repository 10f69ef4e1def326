"""A node's disk: the last record of each type, what is being written, and what a crash leaves of it.

Writes end in their order. A crash in the middle leaves any first part of what was being written, as a log with
checksums does: a torn record is found out and counts as never written.
"""

from __future__ import annotations

from collections import deque
from random import Random

from tenure.core.events import Record

TORN, LOST = "torn-write", "lost-write"


class Disk:
    """`least_ns` and `most_ns` bound how long one write takes until it is durable; `stalled` writes never end."""

    def __init__(self, least_ns: int, most_ns: int, chance: Random) -> None:
        self.least_ns, self.most_ns = least_ns, most_ns
        self.is_stalled = False
        self.is_lying = False
        """It says that records are durable at once, and a crash loses those of which it only said so."""
        self._chance = chance
        self._durable: dict[type[Record], Record] = {}
        self._writing = deque[tuple[int, int, Record]]()  # (done at, number, record)
        self._only_said = deque[tuple[int, Record]]()
        self._last_ns = 0

    @property
    def records(self) -> tuple[Record, ...]:
        """What the next life starts with: for each type what its durable records amount to."""
        return tuple(self._durable.values())

    def record(self, kind: type[Record]) -> Record | None:
        """What the durable records of this type amount to; None where there is none."""
        return self._durable.get(kind)

    def write(self, number: int, record: Record, now_ns: int) -> int:
        """Begin to write a record of this life; the true instant at which it is done, if the disk goes on."""
        self._last_ns = max(self._last_ns, now_ns + self._takes_ns())
        self._writing.append((self._last_ns, number, record))
        return self._last_ns

    def _takes_ns(self) -> int:
        """How long the next write takes; another kind of disk says so otherwise."""
        return self.least_ns + int(self._chance.random() * (self.most_ns - self.least_ns))

    def done(self, now_ns: int) -> list[tuple[int, Record]]:
        """What has become durable by now, or of which the disk says so, and was not told before."""
        told: list[tuple[int, Record]] = []
        while self._writing and self._writing[0][0] <= now_ns and not self.is_stalled:
            _, number, record = self._writing.popleft()
            if self.is_lying:
                self._only_said.append((number, record))
            else:
                self._sync(record)
            told.append((number, record))
        return told

    def mend(self, least_ns: int, most_ns: int, now_ns: int) -> int:
        """As fast and honest as that from now on, also about what it has said and not written; when all is done."""
        self.least_ns, self.most_ns = least_ns, most_ns
        self.is_stalled = self.is_lying = False
        self._sync_said()
        self._last_ns = min(self._last_ns, now_ns + most_ns)
        self._writing = deque(
            (min(done_ns, self._last_ns), number, record) for done_ns, number, record in self._writing
        )
        return self._last_ns

    def crash(self) -> tuple[str, ...]:
        """Lose what was not durable; of what was being written, any first part may have made it. What that did, by
        name: TORN where a part made it and a part did not, LOST where none did.
        """
        survivors = int(self._chance.random() * (len(self._writing) + 1))
        for _, _, record in list(self._writing)[:survivors]:
            self._sync(record)
        lost = len(self._writing) - survivors + len(self._only_said)
        self._writing.clear()
        self._only_said.clear()
        self._last_ns = 0
        return () if not lost else (TORN,) if survivors else (LOST,)

    def wipe(self) -> None:
        """Forget everything."""
        self.crash()
        self._durable.clear()

    def _sync(self, record: Record) -> None:
        self._sync_said()  # an honest sync writes what lies before it as well
        self._keep(record)

    def _sync_said(self) -> None:
        while self._only_said:
            _, record = self._only_said.popleft()
            self._keep(record)

    def _keep(self, record: Record) -> None:
        earlier = self._durable.get(type(record))
        self._durable[type(record)] = record if earlier is None else record.over(earlier)
