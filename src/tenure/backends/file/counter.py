"""The fencing token's counter: two slots in one file, each with a checksum, in two different blocks of the disk.

The slot that does not hold the highest token is written, so a write that is torn by a crash damages a token that was
never told, and the other slot decides. Where one slot is bad it held either an older token or, after rot, the one above
the readable one: the next token skips that one, and is written to both slots, for the next rot. Both bad is refused:
nothing here can know what was given before.
The file has its full size from the start, so a full disk stops nobody from being elected.

No token is told before the counter is durably at it or above. A leader that has time puts the counter one ahead of its
own token (`reserve`) and notes in its record that it did: then its successor takes that token (`reserved`) without
waiting for the disk. Whether a reserved token was given, only the records tell, which need not be durable: they are
believed for as long as the host has not been started again, and only where nothing of them is damaged. In any doubt the
reserved token is skipped.
"""

from __future__ import annotations

import os
import struct
import zlib

from tenure.backends.base import TOKEN_LIMIT
from tenure.backends.file import steps
from tenure.backends.file.place import Place, open_regular, retried
from tenure.errors import BackendRefused

_SLOT = struct.Struct("<8sIQ40xI")  # magic, version, token, reserved, crc32 of all before it
_MAGIC = b"tenure#\n"
_VERSION = 1
SLOT_BYTES = _SLOT.size
OFFSETS = (0, 4096)
"""Two blocks: a sector or page that is torn or rots takes one slot with it, not both."""
FILE_BYTES = OFFSETS[1] + 4096


def pack(token: int) -> bytes:
    """One slot."""
    head = _SLOT.pack(_MAGIC, _VERSION, token, 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def unpack(data: bytes) -> int | None:
    """The token of one slot, or None where it is damaged or not of this version."""
    if len(data) != SLOT_BYTES:
        return None
    magic, version, token, crc = _SLOT.unpack(data)
    if magic != _MAGIC or version != _VERSION or crc != zlib.crc32(data[:-4]) or token > TOKEN_LIMIT:
        return None
    return int(token)


def image(token: int) -> bytes:
    """A whole counter file whose highest token is `token`."""
    slot = pack(token)
    return (slot.ljust(OFFSETS[1], b"\0") + slot).ljust(FILE_BYTES, b"\0")


def slots(fd: int) -> tuple[int | None, int | None]:
    """Both slots, None for a damaged one."""
    first, second = (unpack(os.pread(fd, SLOT_BYTES, offset)) for offset in OFFSETS)
    return first, second


def newest(fd: int) -> int | None:
    """The greater of the slots that can be read; None where both are damaged."""
    return max((token for token in slots(fd) if token is not None), default=None)


def highest(place: Place) -> int | None:
    """The highest token that was given or begun; 0 where the counter does not exist, None where it is damaged."""
    try:
        fd = open_regular(place.token, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        return newest(fd)
    finally:
        os.close(fd)


def reserve(place: Place, token: int) -> bool:
    """Put the counter one ahead of `token`, durably, for the next winner. Only by the leader that has that token.

    Returns whether it is there: a damaged counter, or one that is not at `token`, is left as it is.
    """
    if token >= TOKEN_LIMIT:
        return False
    fd = open_regular(place.token, os.O_RDWR)
    try:
        first, second = slots(fd)
        if None in {first, second} or max(first or 0, second or 0) != token:
            return False
        steps.write_token(fd, pack(token + 1), OFFSETS[older(first, second)])
        steps.sync_token(fd)
    finally:
        os.close(fd)
    return True


def reserved(place: Place, token: int) -> bool:
    """Whether the counter is still as `reserve` left it, one ahead of `token`."""
    try:
        fd = open_regular(place.token, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return set(slots(fd)) == {token, token + 1}
    finally:
        os.close(fd)


def mint(place: Place, recorded: int, seen: int) -> tuple[int, int]:
    """Take the next token, durably. Returns it and the highest one before it. Only under the lock.

    `recorded` is the token of the leader's record and `seen` the highest that this process knows of: the next is above
    both, whatever the file says. Raises BackendRefused where the counter is missing or damaged.
    """
    try:
        fd = open_regular(place.token, os.O_RDWR)
    except FileNotFoundError:
        if recorded:
            raise BackendRefused(_advice(place, "is missing, although there were tenures", recorded)) from None
        replace(place, 0)
        fd = open_regular(place.token, os.O_RDWR)
    try:
        first, second = slots(fd)
        known = [token for token in (first, second) if token is not None]
        if not known:
            raise BackendRefused(_advice(place, "is damaged in both of its slots", recorded))
        before = max(known)
        step = 1 if len(known) == len(OFFSETS) else 2
        token = max(before + step, recorded + 1, seen + 1)
        if token > TOKEN_LIMIT:
            raise BackendRefused(
                f"the counter {place.token} is at its end: {TOKEN_LIMIT} is the largest token that everybody can "
                f"compare. Nothing was changed and nobody was elected. Go on with an election of another name"
            )
        slot = older(first, second)
        steps.write_token(fd, pack(token), OFFSETS[slot])
        steps.sync_token(fd)
        if token != before + 1:  # or the other slot would be too far below to tell what this one held, if it rots
            steps.write_token(fd, pack(token), OFFSETS[1 - slot])
            steps.sync_token(fd)
    finally:
        os.close(fd)
    return token, max(before, recorded, seen)


def replace(place: Place, token: int) -> None:
    """Put a whole new counter in place of the old one, durably. Only under the lock."""
    retried(lambda: place.put(place.token, image(token), durable=True))


def older(first: int | None, second: int | None) -> int:
    """Which slot is to be written: the damaged one, or the lower."""
    if first is None or second is None:
        return 0 if first is None else 1
    return 0 if first < second else 1


def _advice(place: Place, what: str, recorded: int) -> str:
    known = f"; the last record knows token {recorded}" if recorded else ""
    return (
        f"the counter {place.token} {what}. Nothing was changed and nobody was elected: a token given twice would "
        f"let a stale leader pass{known}. Set a floor that no token was above: tenure doctor {place.election} --floor N"
    )
