"""What else stands in the file of a tenure: who holds it, and the value that its leader published.

    0, 4096          the two slots of its stamp (`stamp`)
    8192             who holds it: written once, before the file gets its name
    16384, 24576     the two slots of the value, written in turn

None of this has authority: where it is damaged the tenure is led, renewed and closed all the same, by its stamp.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping

import msgspec

from tenure.backends.file.identity import Process
from tenure.backends.lease import stamp
from tenure.backends.lease.stamp import Stamp

_HEAD = struct.Struct("<8sQII")  # magic, number, length of the payload, crc32 of number and payload
_MAGIC = b"tenure&\n"
_HOLDER_AT = 2 * stamp.OFFSETS[1]
_SLOT_BYTES = 8192
_VALUES_AT = (_HOLDER_AT + _SLOT_BYTES, _HOLDER_AT + 2 * _SLOT_BYTES)


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a tenure."""

    candidate: str
    nonce: str
    metadata: Mapping[str, str]
    process: Process
    since: float | None
    """When, by the wall clock; to be shown, never to decide anything."""


class Value(msgspec.Struct, frozen=True):
    """What a leader published; `number` grows with each."""

    number: int
    text: str | None


NOTHING = Value(0, None)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Holder)


def image(first: Stamp, holder: Holder) -> bytes:
    """A whole new file."""
    return stamp.image(first) + _block(0, _encoder.encode(holder))


def holder(fd: int) -> Holder | None:
    """Who made the tenure of an open file; None where that cannot be read."""
    found = _payload(os.pread(fd, _SLOT_BYTES, _HOLDER_AT))
    try:
        return None if found is None else _decoder.decode(found[1])
    except msgspec.MsgspecError:  # written by another version
        return None


def value_slot(value: Value) -> tuple[bytes, int]:
    """The bytes of a value and where they are written: never over the value before it."""
    text = value.text or ""
    return _block(value.number, text.encode()), _VALUES_AT[value.number % len(_VALUES_AT)]


def value(fd: int) -> Value:
    """The newest value in an open file."""
    found = [_payload(os.pread(fd, _SLOT_BYTES, at)) for at in _VALUES_AT]
    number, data = max((each for each in found if each is not None), default=(0, b""))
    return Value(number, data.decode(errors="replace")) if number else NOTHING


def _block(number: int, payload: bytes) -> bytes:
    assert len(payload) + _HEAD.size <= _SLOT_BYTES, "limits of values, metadata and names keep this within its slot"
    return _HEAD.pack(_MAGIC, number, len(payload), _crc(number, payload)) + payload


def _payload(data: bytes) -> tuple[int, bytes] | None:
    if len(data) < _HEAD.size:
        return None
    magic, number, length, crc = _HEAD.unpack_from(data)
    payload = data[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(payload) != length or _crc(number, payload) != crc:
        return None
    return number, payload


def _crc(number: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(number.to_bytes(8, "little")))
