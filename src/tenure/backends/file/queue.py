"""Who stands for an election: one file each in candidates/, whose name is its place in the order.

    <rank>-<since>-<nonce>      rank: priority, the highest first; since: when it began to stand

A candidate holds a lock on its own file for as long as it lives, so anybody can ask whether it does, and the files of
the dead are removed by whoever notices. A name is never used twice, so what was seen dead stays dead.
"""

# ruff: noqa: PTH208 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

import msgspec

from tenure.backends.base import Candidate
from tenure.backends.file import steps
from tenure.backends.file.identity import Process, this_process
from tenure.backends.file.place import TEMPORARY, IrregularFileError, Place, open_regular, remove

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MIDDLE = 1 << 31
"""Priorities beyond two thousand million either way count as that."""
_READ_BYTES = 16384


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate says about itself."""

    candidate: str
    priority: int
    metadata: Mapping[str, str]
    process: Process


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Presence)


def rank(priority: int) -> str:
    """The first part of a name; sorts ascending where priority descends."""
    return f"{_MIDDLE - max(-_MIDDLE, min(priority, _MIDDLE)):010d}"


def entry(candidate: Candidate, since_ns: int) -> str:
    """The name of the presence file of one attempt."""
    return f"{rank(candidate.priority)}-{since_ns:020d}-{mark(candidate.nonce)}"


def mark(nonce: str) -> str:
    """The nonce as it stands at the end of a name."""
    if _PLAIN.fullmatch(nonce):
        return nonce
    import hashlib  # OpenSSL comes with it, and 3 MiB: every nonce of the keeper's is plain

    return hashlib.blake2s(nonce.encode()).hexdigest()


def mark_of(name: str) -> str:
    """The nonce at the end of a name; empty where the name is none of ours."""
    parts = name.split("-", 2)
    return parts[2] if len(parts) == 3 else ""  # noqa: PLR2004 -- rank, since, nonce


def entries(place: Place) -> list[str]:
    """All names in the order of election, the dead among them. Raises FileNotFoundError before the first candidate."""
    return sorted(name for name in os.listdir(place.candidates) if not name.startswith(TEMPORARY))


def is_first(place: Place, name: str) -> bool:
    """Whether nobody, dead or alive, stands before this name. Raises FileNotFoundError before the first candidate."""
    return all(name <= other or other.startswith(TEMPORARY) for other in os.listdir(place.candidates))


def stand(place: Place, candidate: Candidate, name: str) -> int:
    """Make the presence file; returns the descriptor whose being open is the proof of life."""
    presence = Presence(
        candidate=candidate.name,
        priority=candidate.priority,
        metadata=dict(candidate.metadata),
        process=this_process(),
    )
    data = _encoder.encode(presence)
    for left in range(4, -1, -1):
        unfinished = place.begin()
        try:
            steps.write_whole(unfinished.fileno, data, 0)
            unfinished.rename(f"{place.candidates}/{name}")
        except FileNotFoundError:  # it was taken for a dead one's in the microseconds before it was locked
            unfinished.close()
            if left == 0:
                raise
        except OSError:
            unfinished.close()
            raise
        else:
            return unfinished.fileno
    raise AssertionError("the loop returns or raises")


def leave(place: Place, name: str, fd: int) -> None:
    """Stop standing."""
    remove(f"{place.candidates}/{name}")
    os.close(fd)


def lives(place: Place, name: str) -> bool:
    """Whether the candidate of that file still lives; if not, the file is removed."""
    path = f"{place.candidates}/{name}"
    try:
        fd = open_regular(path, os.O_RDONLY)
    except (FileNotFoundError, IrregularFileError):  # what is no file was put there by somebody else: left alone
        return False
    try:
        if steps.is_marked(fd):
            return True
    finally:
        os.close(fd)
    remove(path)
    return False


def tidied(place: Place) -> list[str]:
    """All names in the order of election, after removing what killed processes left unfinished. A living maker, hit in
    its first microseconds, tries again. Raises FileNotFoundError before the first candidate.
    """
    names = os.listdir(place.candidates)
    for name in names:
        if name.startswith(TEMPORARY):
            lives(place, name)
    return sorted(name for name in names if not name.startswith(TEMPORARY))


def standing(place: Place) -> Iterator[tuple[str, Presence]]:
    """Everybody who stands and lives, in the order of election."""
    for name in entries(place):
        presence = _read(f"{place.candidates}/{name}")
        if presence is not None:
            yield name, presence


def _read(path: str) -> Presence | None:
    try:
        fd = open_regular(path, os.O_RDONLY)
    except (FileNotFoundError, PermissionError, IrregularFileError):  # gone meanwhile, another user's, or nobody
        return None
    try:
        return _decoder.decode(os.pread(fd, _READ_BYTES, 0)) if steps.is_marked(fd) else None
    except msgspec.MsgspecError:  # rubbish in the directory is nobody
        return None
    finally:
        os.close(fd)
