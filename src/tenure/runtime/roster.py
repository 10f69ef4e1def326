"""Who has which number for ever, and where each node is reached: what members tell one another, and keep.

The roster decides nothing: who votes stands in the algorithm's own log or records, by number. So it needs no agreement.
Each seat has a version, the greater one counts, and a number that is gone is gone for ever: whoever is told of two
rosters, in whatever order and however often, ends with the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from tenure.core.codec import Codec
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError
from tenure.runtime import place
from tenure.transports.hello import Name, Number

FILE = "roster.json"
VERSION = 1
MOST_SEATS = 4096
"""Numbers that were ever given in a cluster; what they take fits into one frame."""


class Seat(msgspec.Struct, frozen=True, array_like=True):
    """Who a number belongs to, and where that node is reached."""

    number: Number
    name: Name
    address: Annotated[str, msgspec.Meta(max_length=200)]
    version: Annotated[int, msgspec.Meta(ge=0)] = 0
    """0 for what founders were started with."""
    is_gone: bool = False
    """It was removed, and nobody will ever have its number."""

    def is_newer_than(self, other: Seat) -> bool:
        return (self.is_gone, self.version) > (other.is_gone, other.version)


class Told(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """All the seats that a node knows."""

    mark: int
    """Above 0, whoever is told says by Kept when it is durable."""
    seats: Annotated[tuple[Seat, ...], msgspec.Meta(max_length=MOST_SEATS)]


class Kept(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What was told is durable here; `mark` says which, as its teller marked it."""

    mark: int


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    founders: tuple[str, ...]
    seats: tuple[Seat, ...]


_decoder = msgspec.json.Decoder(_File)
SAID: Codec[Told | Kept] = Codec((Told, Kept))


class Roster:
    """All seats that this node knows."""

    def __init__(self, founders: Iterable[str], seats: Iterable[Seat]) -> None:
        self.founders = tuple(sorted(founders))
        """Names of those who began the cluster; all nodes are given the same."""
        self._seats = {seat.number: seat for seat in seats}

    @property
    def seats(self) -> tuple[Seat, ...]:
        """By number, those of removed nodes among them."""
        return tuple(self._seats[number] for number in sorted(self._seats))

    @property
    def members(self) -> tuple[Seat, ...]:
        """Those that are not gone."""
        return tuple(seat for seat in self.seats if not seat.is_gone)

    @property
    def has_changed(self) -> bool:
        """Whether it is not what its founders were started with."""
        return any(seat.version > 0 for seat in self._seats.values())

    def get(self, number: NodeId) -> Seat | None:
        return self._seats.get(number)

    def learn(self, seats: Iterable[Seat]) -> list[Seat]:
        """Take over what is newer; the seats that changed by it."""
        changed = []
        for seat in seats:
            known = self._seats.get(seat.number)
            if known is None and len(self._seats) >= MOST_SEATS:
                continue
            if known is None or seat.is_newer_than(known):
                self._seats[seat.number] = seat
                changed.append(seat)
        return changed

    def encode(self) -> bytes:
        """As it is kept."""
        return msgspec.json.encode(_File(version=VERSION, founders=self.founders, seats=self.seats))


def read(directory: Path) -> Roster | None:
    """The roster that a data directory keeps, if any. It blocks. Raises ConfigurationError, OSError."""
    path = directory / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}); put it back from a copy, or from another node's directory"
        ) from error
    if found.version != VERSION:
        raise ConfigurationError(f"{path} has version {found.version}, and this is version {VERSION}: upgrade tenure")
    return Roster(found.founders, found.seats)


def write(directory: Path, data: bytes) -> None:
    """Keep an encoded roster, durably. It blocks. Raises OSError."""
    place.write_durably(directory / FILE, data)
