"""Looking at an election: who leads, with which token, who stands."""

from __future__ import annotations

import msgspec

from tenure.backends.base import Leader, Reading, Standing
from tenure.backends.file import queue
from tenure.backends.file.tools import Tools
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import LONG_AGO_NS, Sightings
from tenure.backends.lease.stamp import Phase
from tenure.backends.lease.survey import Found, Survey, refuse_moved, survey
from tenure.durations import NS_PER_S

UNKNOWN = "(unknown)"
"""The candidate of a leader whose name cannot be read."""


class Look(msgspec.Struct, frozen=True):
    """A reading, and when it will be another one by itself: the leader's lease runs out."""

    reading: Reading
    over_ns: int


def look(tools: Tools, place: LeasePlace, sightings: Sightings) -> Look:
    """One look; on the worker. Nothing is written and nobody is waited for."""
    found = survey(place, sightings, details=True)
    refuse_moved(place, found)
    now_ns = sightings.clock.now_ns()
    leader = _leader(found, now_ns)
    tools.seen.note(place.election, found.top)
    # A tenure that was made and is neither led nor closed has told its token to nobody.
    token = next((each.token for each in found.tenures if each.stamp.phase is not Phase.CLAIMED), 0)
    reading = Reading(
        leader=None if leader is None else _shown(leader, now_ns),
        token=token,
        candidates=_standing(place, leader.holder.nonce if leader is not None and leader.holder is not None else ""),
    )
    return Look(reading, LONG_AGO_NS if leader is None else leader.over_ns)


def _leader(found: Survey, now_ns: int) -> Found | None:
    """The last tenure that is led. One above it that is only claimed waits for its end."""
    led = next((each for each in found.tenures if each.stamp.phase is not Phase.CLAIMED), None)
    return led if led is not None and led.stamp.phase is Phase.LED and led.over_ns > now_ns else None


def _shown(tenure: Found, now_ns: int) -> Leader:
    warning = ""
    ahead_ns = tenure.stamp.at_ns - now_ns
    if tenure.sure and ahead_ns > 0:  # its holder read the same clock before it wrote: it never does that
        warning = (
            f"the stamp of tenure {tenure.token} lies {ahead_ns / NS_PER_S:.3g} s in the future, so no candidate of "
            f"this boot wrote it: it is waited for no longer than one lease from when it was first seen"
        )
    if not tenure.sure:
        warning = (
            f"the lease of tenure {tenure.token} was stamped in another time namespace, or its stamp is damaged: "
            f"whether it still leads shows only after one lease"
        )
    holder = tenure.holder
    if holder is None:
        damage = f"the file of tenure {tenure.token} does not tell whose it is: it is damaged"
        return Leader(
            candidate=UNKNOWN, token=tenure.token, metadata={}, warning=f"{warning}; {damage}".removeprefix("; ")
        )
    return Leader(
        candidate=holder.candidate,
        token=tenure.token,
        metadata=holder.metadata,
        value=tenure.value,
        since=holder.since,
        warning=warning,
    )


def _standing(place: LeasePlace, leader_nonce: str) -> tuple[Standing, ...]:
    """Who stands. A winner's presence goes a moment after its tenure is seen: it is left out already."""
    try:
        found = list(queue.standing(place))
    except FileNotFoundError:
        return ()
    mark = queue.mark(leader_nonce) if leader_nonce else None
    return tuple(
        Standing(candidate=presence.candidate, priority=presence.priority, metadata=presence.metadata)
        for name, presence in found
        if queue.mark_of(name) != mark
    )
