"""The wish that a leader step down: one small file, bound to one token, replaced by a later wish."""

from __future__ import annotations

import os

import msgspec

from tenure.backends.file.place import Place, remove, retried
from tenure.holding.events import Wish


class Note(msgspec.Struct, frozen=True):
    """A wish and the tenure that it is about. `serial` tells two equal wishes apart."""

    token: int
    wish: Wish
    serial: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Note)
_READ_BYTES = 4096


def leave(place: Place, note: Note) -> None:
    """Make the wish durable, in place of an earlier one."""
    retried(lambda: place.put(place.wish, _encoder.encode(note), durable=True))


def read(place: Place) -> Note | None:
    """The wish that lies there, whomever it is for."""
    try:
        fd = os.open(place.wish, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return _decoder.decode(os.pread(fd, _READ_BYTES, 0))
    except msgspec.MsgspecError:  # put there by hand, or by another version: nobody's wish
        return None
    finally:
        os.close(fd)


def discard(place: Place) -> None:
    """Remove the wish; by a new leader, for whom an old wish is not, and by a leader that steps down."""
    remove(place.wish)
