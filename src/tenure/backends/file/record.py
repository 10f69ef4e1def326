"""The leader's record: who leads, with what value, and whether it ended in good order. For readers and successors.

It has no authority (the lock has), so its loss or damage never ends a tenure nor stops a release. Two slots again: the
older one is overwritten, so readers always find the state before or after a write, and a torn write loses only itself.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from typing import Literal

import msgspec

from tenure.backends.file import steps
from tenure.backends.file.identity import Process
from tenure.backends.file.place import Place, open_regular, retried

_HEAD = struct.Struct("<8sII")  # magic, length of the payload, crc32 of the payload
_MAGIC = b"tenure@\n"
SLOT_BYTES = 8192
"""A value of 4 KiB, metadata of 2 KiB and three names of 128 bytes leave more than a thousand to spare."""
FILE_BYTES = 2 * SLOT_BYTES

Reserve = Literal["none", "begun", "durable"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One state of one tenure. `seq` grows with every write, over all tenures."""

    seq: int
    token: int
    candidate: str
    nonce: str
    metadata: Mapping[str, str]
    process: Process
    lock_device: int
    lock_inode: int
    value: str | None = None
    since: float | None = None
    """When this tenure began, by the wall clock; to be shown, never to decide anything."""
    closed: bool = False
    clean: bool = True
    """False in a closed tenure that nobody acted on, where the one before it was not closed in good order."""
    reserve: Reserve = "none"
    """How far the leader is with putting the counter one ahead for its successor; see `counter`."""
    heir: str = ""
    """The presence file of the candidate in whose favour the leader stepped down."""
    heir_until_ns: int = 0
    moved_to: str = ""
    """The URL of the place that the election is at now; a record that has one is closed, and durable in both slots."""


def metadata_json(metadata: Mapping[str, str]) -> bytes:
    """Metadata in the form in which its length is limited."""
    return msgspec.json.encode(metadata)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def pack(record: Record) -> bytes:
    """One slot, without its padding."""
    payload = _encoder.encode(record)
    assert len(payload) + _HEAD.size <= SLOT_BYTES, "limits of values, metadata and names keep a record within its slot"
    return _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def unpack(data: bytes) -> Record | None:
    """The record in one slot, or None where there is none that can be trusted."""
    if len(data) < _HEAD.size:
        return None
    magic, length, crc = _HEAD.unpack_from(data)
    payload = data[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(payload) != length or zlib.crc32(payload) != crc:
        return None
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:  # written by another version: as good as none
        return None


def offset(record: Record) -> int:
    """Where this state is written: never over the state before it."""
    return record.seq % 2 * SLOT_BYTES


class Found(msgspec.Struct, frozen=True):
    """What a record file holds."""

    newest: Record | None
    whole: bool
    """Whether both slots could be read: else the newest state may be the one that could not."""


def find(fd: int) -> Found:
    """What there is in an open record file."""
    found: list[Record] = []
    slots: tuple[Record | None, ...] = ()
    for _ in range(3):  # two writes during one read can make both slots look bad, or the newer one
        data = os.pread(fd, FILE_BYTES, 0)
        slots = (unpack(data[:SLOT_BYTES]), unpack(data[SLOT_BYTES:]))
        found = [record for record in slots if record is not None]
        if len(found) == len(slots):
            break
    return Found(max(found, key=lambda record: record.seq, default=None), len(found) == len(slots))


def look(place: Place) -> Found:
    """What the record file holds; nothing where nobody has led yet."""
    try:
        fd = open_regular(place.leader, os.O_RDONLY)
    except FileNotFoundError:
        return Found(None, False)
    try:
        return find(fd)
    finally:
        os.close(fd)


def read(place: Place) -> Record | None:
    """The newest state, or None where nobody has led yet."""
    return look(place).newest


def write_durably(fd: int, state: Record) -> Record:
    """Write a state into both slots, synced: what rots in one is in the other. Returns the newer of the two."""
    for _ in range(2):
        state = msgspec.structs.replace(state, seq=state.seq + 1)
        steps.write_record(fd, pack(state), offset(state))
    os.fsync(fd)
    return state


def open_for_writing(place: Place) -> int:
    """A descriptor of the record file, which gets its full size when it is made. Only under the lock."""
    try:
        return open_regular(place.leader, os.O_RDWR)
    except FileNotFoundError:
        retried(lambda: place.put(place.leader, b"\0" * FILE_BYTES, durable=True))
        return open_regular(place.leader, os.O_RDWR)


def write(place: Place, record: Record) -> Record:
    """Write this state, beside the one before it, and return it. Only under the lock."""
    fd = open_for_writing(place)
    try:
        steps.write_record(fd, pack(record), offset(record))
    finally:
        os.close(fd)
    return record
