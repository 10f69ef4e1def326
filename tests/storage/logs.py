"""Logs made of bytes: what the log's own thread would have written, in memory, to be damaged in every way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tenure.core.codec import Codec
from tenure.core.events import Record
from tenure.storage.wal.appender import Appender
from tenure.storage.wal.files import Files
from tenure.storage.wal.format import BLOCK, PART_HEAD, Head, Kind, encode_head, join
from tenure.storage.wal.recovery import LogFile, Reader, Recovered
from tenure.storage.wal.segments import Segment

SIZE = 4 * BLOCK
LOG = b"the-only-one-id."
SECTOR = 512


class Marked(Record, frozen=True, tag="marked"):
    """Of which the last counts."""

    value: int
    text: str = ""


class Added(Record, frozen=True, tag="added"):
    """Of which all count."""

    values: tuple[int, ...]

    def over(self, earlier: Record) -> Added:
        """All values, in their order."""
        assert isinstance(earlier, Added)
        return Added(earlier.values + self.values)


CODEC: Codec[Record] = Codec((Marked, Added))


class Sheets(Files):
    """Files that are bytes; a descriptor is a segment's number."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: dict[int, bytearray] = {}
        self.writes: list[tuple[int, int, int]] = []

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        self.sheets[fd][offset : offset + len(data)] = data
        self.writes.append((fd, offset, offset + PART_HEAD + int.from_bytes(data[4:8], "little")))

    def write_synced(self, fd: int, data: memoryview, offset: int) -> None:
        self.write(fd, data, offset)

    def sync(self, fd: int) -> None: ...

    def close(self, fd: int) -> None: ...


class Batch(NamedTuple):
    """Where a batch stands: parts as (segment, begin, end of what its checksum covers)."""

    values: tuple[int, ...]
    parts: tuple[tuple[int, int, int], ...]


class Book:
    """A log of some lives. `old` fills segments before they are used, as what a recycled one holds."""

    def __init__(self, size: int = SIZE, old: bytes = b"") -> None:
        self.files = Sheets()
        self.size = size
        self.old = old
        self.batches: list[Batch] = []
        self._appender: Appender | None = None

    @property
    def sheets(self) -> dict[int, bytearray]:
        """The segments' bytes."""
        return self.files.sheets

    def _take(self) -> Segment:
        number = max(self.sheets, default=0) + 1
        head = Head(log=LOG, kind=Kind.SEGMENT, number=number, size=self.size)
        self.sheets[number] = bytearray(self.old.ljust(self.size, b"\0")[: self.size])
        self.sheets[number][:BLOCK] = encode_head(head)
        return Segment(number, number, self.size, head.seed())

    def live(self) -> Book:
        """A new life, which reads what is there."""
        recovered = self.read()
        self._appender = Appender(
            self.files, self._take, lambda *_: None, recovered.end, recovered.sequence, piece=2 * BLOCK
        )
        return self

    def write(self, *values: int, padding: int = 0) -> Book:
        """One batch."""
        self.files.writes.clear()
        assert self._appender is not None
        records: list[Record] = [Added((value,)) for value in values]
        if padding:
            records.append(Marked(values[-1], "x" * padding))
        self._appender.append(join(CODEC.encode(record) for record in records))
        self.batches.append(Batch(values, tuple(self.files.writes)))
        return self

    def log_files(self) -> list[LogFile]:
        """As a reader wants them."""
        return [LogFile(f"segment-{n}", n, lambda n=n: memoryview(self.sheets[n])) for n in sorted(self.sheets)]  # type: ignore[misc]  # mypy does not see the default

    def read(self) -> Recovered:
        """What a reader finds."""
        return Reader(CODEC).read(None, self.log_files())

    def values(self) -> tuple[int, ...]:
        """What a reader finds to be kept."""
        return values_of(self.read().kept)


def values_of(kept: Sequence[Record]) -> tuple[int, ...]:
    """Of the Added among them."""
    return next((record.values for record in kept if isinstance(record, Added)), ())
