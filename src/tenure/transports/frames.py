"""Payloads cut out of a stream of bytes: four bytes of length, the greatest first, then the payload. No I/O.

A length of 0 and one above the limit are refused as soon as the four bytes are there, so that a hostile length costs
nothing: memory is spent on what has come, never on what was announced.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tenure.errors import TenureError

HEADER = struct.Struct(">I")


class FrameError(TenureError):
    """What came is no frame that may come. Close the connection: where the next one begins is unknown."""


class FrameReader:
    """Takes bytes as they come, in pieces of any size, and gives payloads, the same ones however they were cut."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._rest = bytearray()

    @property
    def is_between(self) -> bool:
        """Whether the stream may end here: no frame has begun."""
        return not self._rest

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """The payloads that are whole with these bytes, in order; go through all of them before more is fed.

        Raises FrameError behind the last one that is good.
        """
        if self._rest:
            self._rest += data
            view = memoryview(bytes(self._rest)) if self._is_whole() else None
            if view is None:
                return
            self._rest.clear()
        else:
            view = memoryview(data)
        at, end = 0, len(view)
        while end - at >= HEADER.size:
            begin = at + HEADER.size
            (size,) = HEADER.unpack_from(view, at)
            self._check(size)
            if end - begin < size:
                break
            at = begin + size
            yield bytes(view[begin:at])
        self._rest += view[at:]

    def _is_whole(self) -> bool:
        """Whether the first frame of what is kept is there: only then is it worth looking at."""
        if len(self._rest) < HEADER.size:
            return False
        size: int = HEADER.unpack_from(self._rest)[0]
        self._check(size)
        return len(self._rest) - HEADER.size >= size

    def _check(self, size: int) -> None:
        if size == 0:
            raise FrameError("a frame without a payload came")
        if size > self._limit_bytes:
            raise FrameError(
                f"a frame of {size} bytes came, and {self._limit_bytes} are allowed: "
                "give all nodes the same limit, or look who else writes to this port"
            )
