"""Reading a log: what is kept, where it ends, and whether what cannot be read was torn or is damaged.

The rule: each batch names where the one before it ended, and that one had been synced by then. So what cannot be read
is *damage* if anything valid behind it names a later end than the last batch that was read: that had been durable, and
somebody may have been told. It is a *torn tail* if nothing does: nobody was told, and it is left out. A batch of some
parts, torn in any of them, is one torn tail, whichever parts are whole (all of them name the end before their batch).

Nothing here touches a file: a `LogFile` is a name and how to get its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from tenure.core.codec import Codec, CodecError
from tenure.core.events import Record
from tenure.storage.base import StorageDamaged, StorageForeign
from tenure.storage.folding import Folding
from tenure.storage.wal.format import (
    BLOCK,
    Head,
    Kind,
    LaterVersion,
    Part,
    Position,
    Unreadable,
    begins_like,
    checkpoint_name,
    decode_head,
    read_part,
    segment_name,
    split,
)

PAGE = "docs/reference/wal.md"


class LogFile(msgspec.Struct, frozen=True):
    """One file of a log."""

    path: str
    number: int
    read: Callable[[], memoryview]


class Cut(msgspec.Struct, frozen=True):
    """A write that had begun and was not complete: nobody was told that it is durable, and it is left out."""

    path: str
    offset: int


class Recovered(msgspec.Struct, frozen=True):
    """What was read."""

    log: bytes | None
    """None where there is no log yet."""
    kept: tuple[Record, ...]
    end: Position
    """Where the last batch ends; of segment 0, where there is none."""
    sequence: int
    """Of the last part that was read."""
    cut: Cut | None
    files: int
    batches: int
    records: int
    bytes: int

    def __str__(self) -> str:
        """For a line of a program's log."""
        text = f"read {self.records} records in {self.batches} batches of {self.files} files"
        if self.cut is None:
            return text
        return (
            f"{text}; left out an incomplete write at byte {self.cut.offset} of {self.cut.path}, of which none was told"
        )


class Reader:
    """Reads a checkpoint and the segments behind it, in this order; `breathe` is called between batches."""

    def __init__(self, codec: Codec[Record], breathe: Callable[[], None] = lambda: None) -> None:
        self._codec = codec
        self._breathe = breathe
        self._folding = Folding()
        self._log: bytes | None = None
        self._end = Position(0, 0)
        self._sequence = 0
        self._parts: list[Part] = []  # of a batch of which the last part has not come yet
        self._stopped: tuple[LogFile, int] | None = None  # where reading stopped in the latest file that it began in
        self._torn: Cut | None = None
        self._batches = self._records = self._bytes = self._files = 0

    def read(self, checkpoint: LogFile | None, segments: Sequence[LogFile]) -> Recovered:
        """Read all. Raises StorageDamaged, StorageForeign."""
        if checkpoint is not None:
            self._read_checkpoint(checkpoint)
        self._see_that_none_is_missing(checkpoint, segments)
        for segment in segments:
            self._read_segment(segment)
        return Recovered(
            log=self._log,
            kept=self._folding.result(),
            end=self._end,
            sequence=self._sequence,
            cut=self._torn,
            files=self._files,
            batches=self._batches,
            records=self._records,
            bytes=self._bytes,
        )

    # Files

    def _see_that_none_is_missing(self, checkpoint: LogFile | None, segments: Iterable[LogFile]) -> None:
        wanted = 1 if checkpoint is None else checkpoint.number + 1
        for segment in segments:
            if segment.number != wanted:
                raise StorageDamaged(
                    f"{segment_name(wanted)} is missing, and {segment.path} is there: what it held had been durable. "
                    f"Put it back, or see {PAGE}"
                )
            wanted += 1

    def _head(self, file: LogFile, view: memoryview, kind: Kind) -> Head:
        try:
            head = decode_head(view)
        except LaterVersion as later:
            raise StorageForeign(
                f"{file.path} was written by a later version (format {later.args[0]}); run that version, or a later one"
            ) from None
        except Unreadable as error:
            raise _damaged(file, 0, str(error)) from None
        if head.kind is not kind or head.number != file.number:
            name = segment_name if head.kind is Kind.SEGMENT else checkpoint_name
            raise StorageForeign(
                f"{file.path} is a copy of {name(head.number)} under another name; move it away, out of the directory"
            )
        if self._log not in {None, head.log}:
            raise StorageForeign(f"{file.path} belongs to another log; move it away, out of the directory")
        if len(view) != head.size:
            raise _damaged(file, min(len(view), head.size), f"it has {len(view)} bytes, and was made with {head.size}")
        self._log = head.log
        self._files += 1
        return head

    def _read_checkpoint(self, file: LogFile) -> None:
        """It was renamed to its name after all of it was durable: nothing in it can be torn."""
        view = file.read()
        head = self._head(file, view, Kind.CHECKPOINT)
        offset, wanted = BLOCK, 1
        while not (self._parts and self._parts[-1].is_last):
            part = read_part(view, offset, head.seed(), wanted)
            if part is None or part.sequence != wanted:
                raise _damaged(file, offset, "a checksum is wrong")
            self._parts.append(part)
            offset, wanted = part.end, wanted + 1
        self._end = self._parts[-1].synced
        self._take_batch(file)
        self._sequence = head.sequence

    def _read_segment(self, file: LogFile) -> None:
        view = file.read()
        seed = self._head(file, view, Kind.SEGMENT).seed()
        offset = BLOCK
        while (part := read_part(view, offset, seed, self._sequence + 1)) is not None:
            if not self._continues(part):
                break
            self._parts.append(part)
            offset = part.end
            if part.is_last:
                sequence = part.sequence
                self._take_batch(file)
                self._sequence, self._end, self._torn = sequence, Position(file.number, offset), None
                self._breathe()
        self._look_behind(file, view, seed, offset)

    def _continues(self, part: Part) -> bool:
        """Whether this part comes next: of the batch that is not complete, or of the one behind the last that is."""
        if part.synced != self._end:
            return False
        if self._parts and part.sequence == self._parts[-1].sequence + 1:
            return True
        if part.sequence != self._sequence + 1:
            return False
        self._parts.clear()  # torn, and left out in an earlier life
        return True

    # What cannot be read

    def _look_behind(self, file: LogFile, view: memoryview, seed: int, offset: int) -> None:
        """Reading stopped at this offset: was it torn, is it damaged, or is it the end of what was written there?"""
        next_sequence = self._parts[-1].sequence + 1 if self._parts else self._sequence + 1
        begun = begins_like(view, offset, next_sequence)
        if self._stopped is None or offset > BLOCK or begun:
            self._stopped = (file, offset)
        seen = self._parts != []
        for at in range(offset, len(view), BLOCK):
            part = read_part(view, at, seed, self._sequence + 1)
            if part is None:
                continue
            seen = True
            if names_a_later_end(part, self._end):
                where, stopped = (file, offset) if part.synced.segment == file.number else self._stopped
                raise _damaged(where, stopped, f"byte {at} of {file.path} says that it had been durable")
        if (seen or begun) and self._torn is None:
            self._torn = Cut(self._stopped[0].path, self._stopped[1])

    # Records

    def _take_batch(self, file: LogFile) -> None:
        """All parts of a batch are there."""
        parts = self._parts
        payload = parts[0].payload if len(parts) == 1 else memoryview(b"".join(part.payload for part in parts))
        for data in split(payload):
            self._folding.add(self._decode(file, data))
            self._records += 1
        self._batches += 1
        self._bytes += len(payload)
        parts.clear()

    def _decode(self, file: LogFile, data: memoryview) -> Record:
        try:
            return self._codec.decode(bytes(data))
        except CodecError as error:
            raise StorageForeign(
                f"{file.path} holds a record that this node cannot read ({error}). It was written by a later version, "
                "or by another algorithm: run the node as it ran before, or give it a data directory of its own"
            ) from error


def names_a_later_end(part: Part, end: Position) -> bool:
    """Whether a part that was found behind what cannot be read says that more had been durable than was read."""
    return part.synced > end


def _damaged(file: LogFile, offset: int, why: str) -> StorageDamaged:
    return StorageDamaged(
        f"{file.path} is damaged at byte {offset}: {why}. What stood there had been durable, so the node must not go "
        f"on without it. Nothing was changed; take the node out of its group, and add it anew with an empty directory: "
        f"see {PAGE}"
    )
