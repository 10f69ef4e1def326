"""One look at all tenures of an election: which is the last, who leads, and from when on nobody does."""

from __future__ import annotations

import os

import msgspec

from tenure.backends.base import TOKEN_LIMIT, Moved
from tenure.backends.file.place import open_regular
from tenure.backends.lease import record, stamp
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import LONG_AGO_NS, Sightings
from tenure.backends.lease.stamp import Phase, Stamp
from tenure.errors import BackendRefused, BackendUnreachable

_LOOKS = 10
"""The last tenure is removed only when later ones were made meanwhile: a process that is paused at so many looks in a
row tries again later."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One tenure as it was found."""

    token: int
    stamp: Stamp
    over_ns: int
    sure: bool
    holder: record.Holder | None
    value: str | None


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, the last tenure first."""

    tenures: tuple[Found, ...] = ()

    @property
    def top(self) -> int:
        """The greatest token that was ever taken; 0 before the first."""
        return self.tenures[0].token if self.tenures else 0

    @property
    def over_ns(self) -> int:
        """From when on nobody acts under any of them, as far as is known now."""
        return max((each.over_ns for each in self.tenures), default=LONG_AGO_NS)

    @property
    def last(self) -> Stamp | None:
        """The stamp of the last tenure."""
        return self.tenures[0].stamp if self.tenures else None

    @property
    def moved(self) -> Found | None:
        """The tenure that says where the election is now; None while it is here."""
        return next((each for each in self.tenures if each.stamp.phase is Phase.RETIRED), None)

    @property
    def clean(self) -> bool:
        """Whether the last tenure was closed in good order, or there was none."""
        last = self.last
        return last is None or (last.is_over and last.clean)


def survey(
    place: LeasePlace,
    sightings: Sightings,
    *,
    below: int | None = None,
    only: int | None = None,
    details: bool = False,
) -> Survey:
    """Look at all tenures, at those below a token, or at one only; at holders and values only with `details`.

    A tenure that is removed while it is looked at was waited out by a later one, unless it was the last.
    Raises BackendRefused where a tenure's stamp is damaged: nobody can tell whether its holder still leads.
    """
    for _ in range(_LOOKS):
        try:
            tokens = place.tokens()
        except FileNotFoundError:
            return Survey()
        sightings.forget(place.election, tokens)
        wanted = [each for each in tokens if (below is None or each < below) and only in (None, each)]
        found = _look(place, sightings, wanted, top=tokens[-1] if tokens else 0, details=details)
        if found is not None:
            return found
    raise BackendUnreachable(f"{place.tenures} changes faster than this process can read it; try again later")


def _look(place: LeasePlace, sightings: Sightings, tokens: list[int], *, top: int, details: bool) -> Survey | None:
    """`tokens` are those to look at, `top` is the last of all. None where the last of them was removed meanwhile."""
    found: list[Found] = []
    for token in reversed(tokens):
        try:
            fd = open_regular(place.path(token), os.O_RDONLY)
        except FileNotFoundError:
            if token == tokens[-1]:
                return None
            continue
        try:
            sight = stamp.read(fd)
            if sight is None:
                raise BackendRefused(_advice(place, token, top))
            tenure = Found(
                token=token,
                stamp=sight.stamp,
                over_ns=sightings.over_ns(place.election, token, sight),
                sure=sight.sure and sight.stamp.frame == sightings.frame,
                holder=record.holder(fd) if details else None,
                value=record.value(fd).text if details or sight.stamp.phase is Phase.RETIRED else None,
            )
        finally:
            os.close(fd)
        found.append(tenure)
        if tenure.stamp.phase is Phase.FLOOR:
            break
    return Survey(tenures=tuple(found))


def refuse_moved(place: LeasePlace, found: Survey) -> None:
    """Raise Moved where the election is elsewhere."""
    moved = found.moved
    if moved is not None:
        raise Moved(place.election, place.root, moved.value or "", found.top)


def _advice(place: LeasePlace, token: int, top: int) -> str:
    path = place.path(token)
    if top < TOKEN_LIMIT:  # a floor below the last token would go back
        mend = f"set a floor: tenure doctor {place.election} --floor {top}"
    else:
        mend = f"remove {path}: no token is above {top}, the last one there"
    return (
        f"{path} is damaged: nobody can tell whether its holder leads, nor for how long. Nothing was changed and "
        f"nobody was elected. Make sure that no leader of {place.election} runs, then {mend}"
    )
