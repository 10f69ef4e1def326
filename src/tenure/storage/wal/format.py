"""The bytes of the log. docs/reference/wal.md draws them.

A file begins with a block of its own, its head; then come parts, each at the beginning of a block. A batch is what one
sync makes durable: one part, or several of which the last says so. Blocks are as large as a disk's sectors today, so
that no write touches a sector with an earlier one in it.

Each part's checksum begins with the log's id and the file's number: what a file held when it had another number, or in
another log, is not valid in it. Each names where the batch before its own ended, and that one had been synced before
anything of this one was written.
"""

from __future__ import annotations

import enum
import re
import struct
import zlib
from collections.abc import Iterable, Iterator

import msgspec

from tenure.storage.base import StorageDamaged

VERSION = 1
BLOCK = 4096
"""A sector of a disk of today, and a page of memory: what direct writes are aligned to on every file system."""
MAGIC = b"tenure\x00W"
_START = struct.Struct("<8sII")  # magic, version, checksum of the rest of the block: the same in every version
_HEAD = struct.Struct("<16sBxxxxxxxQQQ")  # id of the log, kind, number, size, sequence
_PART = struct.Struct("<IIQQI")  # checksum of the rest, bytes of payload, sequence, synced, flags
_RECORD = struct.Struct("<I")
PART_HEAD = _PART.size
LAST = 1
"""The flag of a batch's last part."""
MOST_OFFSET = 1 << 32


class Kind(enum.IntEnum):
    """What a file is."""

    SEGMENT = 1
    CHECKPOINT = 2


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A place in the log: that byte of that segment."""

    segment: int
    offset: int

    def packed(self) -> int:
        """As it stands in a part."""
        return self.segment * MOST_OFFSET + self.offset


class Head(msgspec.Struct, frozen=True):
    """The first block of a file."""

    log: bytes
    """16 bytes that no other log has."""
    kind: Kind
    number: int
    """Of a segment, its own; of a checkpoint, that of the last segment that it stands for."""
    size: int
    """Bytes of the whole file."""
    sequence: int = 0
    """Of a checkpoint: the last part's in the segments that it stands for."""

    def seed(self) -> int:
        """With which the checksums of the file's parts begin."""
        return seed_of(self.log, self.kind, self.number)


class Part(msgspec.Struct, frozen=True):
    """One part, found valid."""

    payload: memoryview
    sequence: int
    synced: Position
    """Where the batch before this part's ended."""
    is_last: bool
    end: int
    """The offset of the block behind it."""


def seed_of(log: bytes, kind: Kind, number: int) -> int:
    """With which the checksums of the parts in that file begin."""
    return zlib.crc32(b"%s%c%d" % (log, kind, number))


def segment_name(number: int) -> str:
    """Of the file."""
    return f"wal-{number:020}.log"


def checkpoint_name(number: int) -> str:
    """Of the file that stands for all segments up to this one."""
    return f"wal-{number:020}.checkpoint"


NAME = re.compile(r"wal-(\d{20})\.(log|checkpoint|spare)")


def blocks(size: int) -> int:
    """So many bytes, and what fills their last block."""
    return -(-size // BLOCK) * BLOCK


# Heads


def encode_head(head: Head) -> bytes:
    """The whole block."""
    body = _HEAD.pack(head.log, head.kind, head.number, head.size, head.sequence)
    block = bytearray(BLOCK)
    _START.pack_into(block, 0, MAGIC, VERSION, 0)
    block[_START.size : _START.size + len(body)] = body
    _START.pack_into(block, 0, MAGIC, VERSION, _checksum(block))
    return bytes(block)


def _checksum(block: bytes | bytearray | memoryview) -> int:
    return zlib.crc32(block[_START.size :], zlib.crc32(block[: _START.size - 4]))


class Unreadable(Exception):
    """No head: the message says what is wrong."""


class LaterVersion(Exception):
    """A later version wrote it."""


def decode_head(block: memoryview) -> Head:
    """The head in a file's first block. Raises Unreadable, or LaterVersion with the version as its argument."""
    if len(block) < BLOCK:
        raise Unreadable("it is shorter than its own head")
    magic, version, checksum = _START.unpack_from(block)
    if magic != MAGIC:
        raise Unreadable("it does not begin as a file of this log")
    if checksum != _checksum(block[:BLOCK]):
        raise Unreadable("the checksum of its head is wrong")
    if version != VERSION:
        raise LaterVersion(version)
    log, kind, number, size, sequence = _HEAD.unpack_from(block, _START.size)
    return Head(log, Kind(kind), number, size, sequence)


# Parts


def put_part(
    buffer: bytearray | memoryview,
    payload: bytes | memoryview,
    *,
    seed: int,
    sequence: int,
    synced: Position,
    is_last: bool,
) -> int:
    """Write a part to the beginning of a buffer, with zeros to the end of its last block; how many bytes that are."""
    end = PART_HEAD + len(payload)
    whole = blocks(end)
    _PART.pack_into(buffer, 0, 0, len(payload), sequence, synced.packed(), LAST if is_last else 0)
    buffer[PART_HEAD:end] = payload
    buffer[end:whole] = bytes(whole - end)
    struct.pack_into("<I", buffer, 0, zlib.crc32(memoryview(buffer)[4:end], seed))
    return whole


def read_part(file: memoryview, offset: int, seed: int, least_sequence: int) -> Part | None:
    """The part that begins there, or None where none does that is valid and of at least this sequence."""
    if offset + PART_HEAD > len(file):
        return None
    checksum, length, sequence, synced, flags = _PART.unpack_from(file, offset)
    end = offset + PART_HEAD + length
    if sequence < least_sequence or end > len(file) or zlib.crc32(file[offset + 4 : end], seed) != checksum:
        return None
    return Part(
        payload=file[offset + PART_HEAD : end],
        sequence=sequence,
        synced=Position(*divmod(synced, MOST_OFFSET)),
        is_last=bool(flags & LAST),
        end=blocks(end),
    )


def begins_like(file: memoryview, offset: int, sequence: int) -> bool:
    """Whether what stands there, valid or not, bears this sequence: a part that was begun."""
    return offset + PART_HEAD <= len(file) and _PART.unpack_from(file, offset)[2] == sequence


# Records in a batch


def join(records: Iterable[bytes]) -> bytes:
    """A batch's payload."""
    return b"".join([piece for record in records for piece in (_RECORD.pack(len(record)), record)])


def split(payload: bytes | memoryview) -> Iterator[memoryview]:
    """The records in a batch's payload. Raises StorageDamaged where the lengths do not add up, as none does that
    was found valid.
    """
    view, at = memoryview(payload), 0
    while at < len(view):
        if at + _RECORD.size > len(view):
            raise StorageDamaged("a batch's checksum is right, and the lengths in it are not: report this as a defect")
        (length,) = _RECORD.unpack_from(view, at)
        at += _RECORD.size
        if at + length > len(view):
            raise StorageDamaged("a batch's checksum is right, and the lengths in it are not: report this as a defect")
        yield view[at : at + length]
        at += length
