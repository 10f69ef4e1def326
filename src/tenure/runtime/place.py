"""What a data directory says of the node that it belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tenure.errors import ConfigurationError
from tenure.storage.base import StorageError
from tenure.transports.base import Identity

FILE = "node.json"
VERSION = 1


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Whose directory it is. `life` counts how often the node was started on it."""

    version: int
    cluster: str
    """The cluster's id, in hexadecimal digits."""
    name: str
    number: int
    algorithm: str
    life: int


_decoder = msgspec.json.Decoder(Place)


def enter(directory: Path, me: Identity, algorithm: str) -> Place:
    """Begin another life of this node on its directory; durable before this returns. It blocks: call it in a thread.

    Raises ConfigurationError for the directory of another node, cluster or algorithm, and StorageError where it cannot
    be written, such as on a full disk; it is left as it was. OSError where it cannot be read.
    """
    path = directory / FILE
    mine = Place(version=VERSION, cluster=me.cluster.hex(), name=me.name, number=me.number, algorithm=algorithm, life=1)
    before = read(directory)
    if before is not None:
        for field, what in (
            ("cluster", "cluster id"),
            ("name", "name"),
            ("number", "number"),
            ("algorithm", "algorithm"),
        ):
            there, here = getattr(before, field), getattr(mine, field)
            if there != here:
                raise ConfigurationError(
                    f"the data directory {directory} belongs to a node whose {what} is {there}, and this node's is "
                    f"{here}; give this node a directory of its own"
                )
        mine = msgspec.structs.replace(mine, life=before.life + 1)
    try:
        write_durably(path, msgspec.json.encode(mine))
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}), so the node was not started; mend that and start it"
        ) from error
    return mine


def read(directory: Path) -> Place | None:
    """Whose directory it is, if anybody's. It blocks. Raises ConfigurationError or OSError."""
    path = directory / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        place = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}); put it back from a copy, for without it nobody knows whose log this is"
        ) from error
    if place.version != VERSION:
        raise ConfigurationError(f"{path} has version {place.version}, and this is version {VERSION}: upgrade tenure")
    return place


def write_durably(path: Path, data: bytes) -> None:
    """The file has these bytes, or those of before, whenever the machine stops."""
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(data + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
