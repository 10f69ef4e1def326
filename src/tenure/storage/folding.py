"""What many records of one type amount to, without doing the same work again for each.

`later.over(earlier)` may copy both. Done one by one that is quadratic; `over` is associative, so here only
neighbours that stand for about as many records are put together, as in a binary counter: n records cost n log n.
"""

from __future__ import annotations

from tenure.core.events import Record


class Folding:
    """Records in the order in which they were written, by their types."""

    def __init__(self) -> None:
        self._parts: dict[type[Record], list[tuple[int, Record]]] = {}  # (how many it stands for, what they amount to)

    def add(self, record: Record) -> None:
        """The next record."""
        kind = type(record)
        parts = self._parts.setdefault(kind, [])
        if kind.over is Record.over:  # the last one alone counts
            parts[:] = [(1, record)]
            return
        count = 1
        while parts and parts[-1][0] <= count:
            earlier_count, earlier = parts.pop()
            record, count = record.over(earlier), count + earlier_count
        parts.append((count, record))

    def result(self) -> tuple[Record, ...]:
        """What they amount to: one of each type, in the order in which types were first seen."""
        for parts in self._parts.values():
            while len(parts) > 1:
                count, later = parts.pop()
                earlier_count, earlier = parts.pop()
                parts.append((earlier_count + count, later.over(earlier)))
        return tuple(parts[0][1] for parts in self._parts.values())
