"""Messages and records as bytes: one byte of version, then MessagePack. Input from outside is never trusted.

A message is an array whose first item is the name of its type (`tag`), so a decoder for one algorithm refuses those of
every other, and a field that a later version appends is ignored by an earlier one.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from tenure.errors import TenureError

VERSION = 1
LIMIT_BYTES = 1 << 20
"""The longest message. etcd allows 1.5 MiB for one request, ZooKeeper 1 MiB; elections need some hundred bytes."""

T = TypeVar("T")


class CodecError(TenureError):
    """Bytes that are no message of this algorithm and version. Nothing was taken from them; close the connection."""


class TooLong(CodecError):
    """More bytes than one message may have."""


class UnknownVersion(CodecError):
    """Another version of the format wrote it: upgrade the older side."""


class Malformed(CodecError):
    """Cut off, of another type, or no MessagePack at all."""


class Codec(Generic[T]):
    """Encodes and decodes one union of structs. `limit_bytes` counts the whole message with its version."""

    def __init__(self, kinds: tuple[type[T], ...], *, limit_bytes: int = LIMIT_BYTES) -> None:
        if not kinds:
            raise ValueError("a codec needs at least one type")
        union: object = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(union)
        self._encoder = msgspec.msgpack.Encoder()
        self._limit_bytes = limit_bytes

    def encode(self, value: T) -> bytes:
        """The bytes of one message. Raises TooLong: nothing was encoded, send less."""
        data = bytes((VERSION,)) + self._encoder.encode(value)
        if len(data) > self._limit_bytes:
            raise TooLong(f"{type(value).__name__} has {len(data)} bytes, and {self._limit_bytes} are allowed")
        return data

    def decode(self, data: bytes) -> T:
        """The message in these bytes, all of them. Raises TooLong, UnknownVersion or Malformed."""
        if len(data) > self._limit_bytes:
            raise TooLong(f"a message of {len(data)} bytes came, and {self._limit_bytes} are allowed")
        if not data:
            raise Malformed("an empty message came")
        if data[0] != VERSION:
            raise UnknownVersion(f"a message of version {data[0]} came, and this is version {VERSION}")
        try:
            return self._decoder.decode(data[1:])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second: text that is no UTF-8
            raise Malformed(f"a message came that cannot be read: {error}") from error
        except RecursionError as error:  # nested without end
            raise Malformed("a message came that is nested too deeply") from error
