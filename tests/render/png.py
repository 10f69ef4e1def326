"""A screenshot's pixels: the PNG format as far as a browser writes it (8 bits, RGB or RGBA, not interlaced)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}  # by the type of colour


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += length + 12


def rows(data: bytes) -> tuple[int, list[bytes]]:
    """How many bytes a pixel has, and the rows of the picture."""
    assert data.startswith(SIGNATURE)
    packed, width, channels = b"", 0, 0
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            width, _, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            assert (depth, interlaced) == (8, 0)
            channels = CHANNELS[colour]
        elif kind == b"IDAT":
            packed += content
    raw, stride = zlib.decompress(packed), width * channels
    found: list[bytes] = []
    before = bytes(stride)
    for place in range(0, len(raw), stride + 1):
        before = _unfiltered(raw[place], raw[place + 1 : place + 1 + stride], before, channels)
        found.append(before)
    return channels, found


def _unfiltered(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    """RFC 2083, section 6."""
    out = bytearray(row)
    for at in range(len(row)):
        left = out[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        match kind:
            case 0:
                return row
            case 1:
                add = left
            case 2:
                add = above[at]
            case 3:
                add = (left + above[at]) // 2
            case 4:
                guess = left + above[at] - corner
                add = min((left, above[at], corner), key=lambda one: abs(guess - one))
            case _:
                raise ValueError(f"a row has filter {kind}")
        out[at] = (out[at] + add) & 0xFF
    return bytes(out)


def colours(data: bytes) -> dict[bytes, int]:
    """How many pixels have each colour."""
    channels, found = rows(data)
    count: dict[bytes, int] = {}
    for row in found:
        for at in range(0, len(row), channels):
            colour = row[at : at + 3]
            count[colour] = count.get(colour, 0) + 1
    return count
