"""What a leader writes and does while it leads and when it steps down, and floors. All of it runs on the worker."""

from __future__ import annotations

import logging

from tenure.backends.base import TOKEN_LIMIT
from tenure.backends.file import queue, steps
from tenure.backends.file.identity import this_process
from tenure.backends.file.outcomes import HEIR_NS
from tenure.backends.file.place import retried
from tenure.backends.file.tenures import check_url
from tenure.backends.lease import tenure_file
from tenure.backends.lease.contest import Victory
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.record import Holder
from tenure.backends.lease.sightings import Sightings
from tenure.backends.lease.stamp import Phase, Stamp
from tenure.backends.lease.survey import survey
from tenure.backends.lease.tenure_file import TenureFile
from tenure.clock import Clock
from tenure.errors import BackendError, BackendRefused

_log = logging.getLogger(__name__)


def give_back(victory: Victory) -> None:
    """Close a tenure whose winner nobody waits for any more; how the one before it ended still counts."""
    try:
        victory.tenure.close(clean=victory.granted.clean)
    except (OSError, BackendError) as error:  # then it is waited out
        _log.warning("tenure %d could not be closed: %s", victory.granted.token, error)
        victory.tenure.drop()


def end(clock: Clock, tenure: TenureFile, to: str | None, *, clean: bool) -> None:
    """Close the tenure in good order and wake who is next. A later tenure is not touched by that."""
    place = tenure.place
    heir = _find(place, to) if to is not None else ""
    tenure.close(clean=clean, heir=heir, heir_until_ns=clock.now_ns() + HEIR_NS if heir else 0)
    if heir:
        try:
            steps.poke(f"{place.candidates}/{heir}")
        except OSError as error:  # it has just gone, or is another user's: it looks by itself
            _log.debug("%s: the heir could not be woken: %s", heir, error)


def _find(place: LeasePlace, name: str) -> str:
    try:
        return next((entry for entry, presence in queue.standing(place) if presence.candidate == name), "")
    except (OSError, BackendRefused) as error:  # nobody is preferred, then: the tenure ends all the same
        _log.warning("%s: the heir could not be found: %s", place.candidates, error)
        return ""


def floor(place: LeasePlace, sightings: Sightings, token: int) -> None:
    """Let every later token be above `token`; lets go of damaged tenures too. See Backend.floor.

    It is a tenure of nobody, closed from the start. Like any other it is made first, and then all before it is looked
    at once more.
    """
    place.create()
    tokens = place.tokens()
    top = tokens[-1] if tokens else 0
    damage = _check(place, sightings)
    if token < top:
        raise BackendRefused(
            f"{place.election} has given token {top} already; a floor of {token} would go back. Nothing was changed"
        )
    if token >= TOKEN_LIMIT:
        raise BackendRefused(
            f"a floor must be below the largest token, {TOKEN_LIMIT}, and {token} is not; nothing was changed"
        )
    found = None if damage else survey(place, sightings)
    moved = found is not None and found.moved is not None
    if token == top and not damage and not moved:
        return
    made = _make(place, sightings, max(token, top + 1), clean=found is not None and found.clean)
    try:
        _check(place, sightings, below=made.token)
        if damage or moved:
            made.vouch()
    finally:
        made.drop()
        made.poke()


def shut(place: LeasePlace, sightings: Sightings, token: int, url: str, *, clean: bool) -> int:
    """Say that the election is at `url`; returns the floor that opens this place again. See Backend.shut.

    A tenure of nobody again, which says it by its last stamp.
    """
    check_url(url)
    place.create()
    _check(place, sightings)
    made = _make(place, sightings, max(token, survey(place, sightings).top + 1), clean=clean)
    try:
        _check(place, sightings, below=made.token)
        if not made.retire(url):
            raise BackendRefused(f"somebody was elected for {place.election} meanwhile; have the leader resign first")
    finally:
        made.drop()
        made.poke()
    return made.token


def _make(place: LeasePlace, sightings: Sightings, token: int, *, clean: bool) -> TenureFile:
    """A closed tenure of nobody, above all others. Raises BackendRefused where somebody else made one meanwhile."""
    if token > TOKEN_LIMIT:
        raise BackendRefused(f"the tokens of {place.election} are at their end, {TOKEN_LIMIT}; nothing was changed")
    first = Stamp(
        number=0, phase=Phase.CLOSED, at_ns=sightings.clock.now_ns(), lease_ns=1, frame=sightings.frame, clean=clean
    )
    nobody = Holder(candidate="", nonce="", metadata={}, process=this_process(), since=None)
    came: list[TenureFile | None] = []
    retried(lambda: came.append(tenure_file.make(place, token, first, nobody)))
    (made,) = came
    if made is None or not made.is_last():
        if made is not None:
            made.drop()
        raise BackendRefused(f"somebody was elected for {place.election} meanwhile; have the leader resign first")
    return made


def _check(place: LeasePlace, sightings: Sightings, *, below: int | None = None) -> bool:
    """Refuse a floor while somebody leads; returns whether a tenure is damaged, of which nobody can tell.

    Whoever sets a floor then was told to make sure that nobody leads.
    """
    damage = False
    now_ns = sightings.clock.now_ns()
    tokens = [token for token in place.tokens() if below is None or token < below]
    for token in reversed(tokens):
        try:
            found = survey(place, sightings, only=token)
        except BackendRefused:
            damage = True
            continue
        if found.over_ns > now_ns:
            raise BackendRefused(
                f"somebody leads {place.election}, or may; its tokens were not changed. Have the leader resign first, "
                f"or wait for one lease"
            )
        if found.tenures and found.tenures[0].stamp.phase is Phase.FLOOR:
            break
    return damage
