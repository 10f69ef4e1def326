"""The wish that a leader step down: one small file, bound to one token, replaced by a later wish."""

from __future__ import annotations

import logging
import os

import msgspec

from tenure.backends.file.place import IrregularFileError, Place, open_regular, remove, retried
from tenure.holding.events import Wish


class Note(msgspec.Struct, frozen=True):
    """A wish and the tenure that it is about. `serial` tells two equal wishes apart."""

    token: int
    wish: Wish
    serial: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Note)
_READ_BYTES = 4096

_log = logging.getLogger(__name__)


def leave(place: Place, note: Note) -> None:
    """Make the wish durable, in place of an earlier one."""
    retried(lambda: place.put(place.wish, _encoder.encode(note), durable=True))


def read(place: Place) -> Note | None:
    """The wish that lies there, whomever it is for."""
    try:
        fd = open_regular(place.wish, os.O_RDONLY)
    except (FileNotFoundError, IrregularFileError):  # nobody's wish; who leaves one hears what is in the way
        return None
    try:
        return _decoder.decode(os.pread(fd, _READ_BYTES, 0))
    except msgspec.MsgspecError:  # put there by hand, or by another version: nobody's wish
        return None
    finally:
        os.close(fd)


def discard(place: Place) -> None:
    """Remove the wish; by a new leader, for whom an old wish is not, and by a leader that steps down."""
    try:
        remove(place.wish)
    except (IsADirectoryError, PermissionError) as error:  # it has no authority, so it bars nobody from leading
        _log.warning("%s cannot be removed (%s); nobody can be asked to step down until it is", place.wish, error)
