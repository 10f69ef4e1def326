"""A checkpoint: what all segments up to one amount to, in a file of its own.

It is read back from the disk, so that nothing of the log is kept in memory for it and no segment is dropped that could
not be read; it is written beside the log, made durable, and then given its name: it is there whole, or it is not there.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import suppress

from tenure.core.codec import Codec, TooLong
from tenure.core.events import Record
from tenure.storage.base import StorageDamaged, StorageError
from tenure.storage.wal.files import PIECE
from tenure.storage.wal.format import (
    BLOCK,
    PART_HEAD,
    Head,
    Kind,
    Position,
    blocks,
    checkpoint_name,
    encode_head,
    join,
    put_part,
)
from tenure.storage.wal.recovery import LogFile, Reader
from tenure.storage.wal.segments import NEW_CHECKPOINT, Segments


def fold(
    segments: Segments,
    codec: Codec[Record],
    checkpoint: LogFile | None,
    files: list[LogFile],
    *,
    wanted: tuple[Position, int],
    breathe: Callable[[], None],
) -> bytes:
    """What these files amount to, as a batch's payload. `wanted`: where the last batch in them ends, and its sequence.

    Raises StorageDamaged where they do not say now what was written to them, StorageError where it has become too much.
    """
    found = Reader(codec, breathe).read(checkpoint, files)
    if (found.end, found.sequence) != wanted:
        raise StorageDamaged(
            f"{segments.path} does not read as it was written: up to {found.end} instead of {wanted[0]}. The disk "
            "loses what it was given; replace it, and add the node anew with an empty directory"
        )
    return payload_of(codec, found.kept)


def payload_of(codec: Codec[Record], kept: tuple[Record, ...]) -> bytes:
    """A checkpoint's batch. Raises StorageError where it has become too much."""
    try:
        return join(codec.encode(record) for record in kept)
    except TooLong as error:
        raise StorageError(
            f"what the node keeps has become too much ({error}); raise kept_bytes in its storage's limits"
        ) from error


def write(
    segments: Segments, payload: bytes, number: int, *, end: Position, sequence: int, breathe: Callable[[], None]
) -> LogFile:
    """Make the checkpoint that stands for all segments up to `number`. Raises OSError; then there is none."""
    most = PIECE - PART_HEAD
    pieces = [memoryview(payload)[at : at + most] for at in range(0, len(payload), most)] or [memoryview(b"")]
    size = BLOCK + sum(blocks(PART_HEAD + len(piece)) for piece in pieces)
    head = Head(log=segments.log, kind=Kind.CHECKPOINT, number=number, size=size, sequence=sequence)
    new, files = segments.path / NEW_CHECKPOINT, segments.files
    fd = files.make(new)
    try:
        buffer = memoryview(mmap.mmap(-1, PIECE))
        buffer[:BLOCK] = encode_head(head)
        files.write(fd, buffer[:BLOCK], 0)
        offset = BLOCK
        for count, piece in enumerate(pieces, start=1):
            breathe()
            length = put_part(buffer, piece, seed=head.seed(), sequence=count, synced=end, is_last=count == len(pieces))
            files.write(fd, buffer[:length], offset)
            offset += length
        files.sync(fd)
        files.rename(new, segments.path / checkpoint_name(number))
        files.sync_directory(segments.path)
    except BaseException:
        with suppress(OSError):  # it is cleared away when the log is opened next
            files.unlink(new)
        raise
    finally:
        files.close(fd)
    return segments.log_file(segments.path / checkpoint_name(number), number)
