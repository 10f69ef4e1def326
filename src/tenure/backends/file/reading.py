"""Looking at an election without locking anything: who leads, with which token, who stands."""

from __future__ import annotations

import asyncio
import os
from functools import partial

import msgspec

from tenure.backends.base import Leader, Reading, Standing
from tenure.backends.file import counter, identity, queue, record, tenures
from tenure.backends.file.place import Place
from tenure.backends.file.tools import Tools
from tenure.errors import BackendRefused

DOUBT_S = 0.1
"""How long a lock may be held by a process that is dead, or by a leader that has closed its tenure: the kernel and a
release need less than a millisecond, a busy machine some more."""
DOUBT_STEP_S = 0.002
UNKNOWN = "(unknown)"
"""The candidate of a leader whose record could not be written or read."""


STRANGER_S = 0.1
"""How long a lock may be held by nobody who leads: who wins has shown itself by then, unless its disk hangs."""


class _Look(msgspec.Struct, frozen=True):
    reading: Reading
    doubtful: bool


async def read(tools: Tools, place: Place) -> Reading:
    """One linearizable look; see Backend.read."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + DOUBT_S
    while True:
        look = await tools.worker.run(partial(_look, tools, place, patient=loop.time() < until_s))
        if not look.doubtful:
            return look.reading
        await asyncio.sleep(DOUBT_STEP_S)


async def read_and_warn(tools: Tools, place: Place) -> Reading:
    """The same, and where nobody leads, who bars the way: whoever may read the lock's file can lock it."""
    found = await read(tools, place)
    until_s = asyncio.get_running_loop().time() + STRANGER_S
    while found.leader is None and (holders := await tools.worker.run(partial(_strangers, place))):
        if asyncio.get_running_loop().time() >= until_s:
            warning = f"nobody can be elected: {place.lock} is locked by {', '.join(holders)}; end what holds it"
            return msgspec.structs.replace(found, warning=warning)
        await asyncio.sleep(DOUBT_STEP_S)
        found = await read(tools, place)
    return found


def _strangers(place: Place) -> list[str]:
    """Who holds the lock, though nobody leads."""
    try:
        seen = os.stat(place.lock, follow_symlinks=False)  # noqa: PTH116 -- a string, like all paths here
    except FileNotFoundError:
        return []
    return identity.lock_holders((seen.st_dev, seen.st_ino))[: identity.SURVIVORS_SHOWN]


def _look(tools: Tools, place: Place, *, patient: bool) -> _Look:
    state, held = _state(place)
    tenures.refuse_moved(place, state)
    counted = counter.highest(place)  # after the lock was asked for: whoever wins takes a token before showing the lock
    if counted is not None:
        counted = tenures.highest_given(state, counted)
    recorded = 0 if state is None else state.token
    if patient and _is_doubtful(state, counted, held=held):
        return _Look(Reading(leader=None, token=recorded, candidates=()), doubtful=True)
    tools.seen.note(place.election, max(counted or 0, recorded))
    leader = _leader(place, state, max(counted or 0, recorded)) if held else None
    if counted is None:
        damage = f"the counter {place.token} is damaged; see tenure doctor {place.election}"
        if leader is None:
            raise BackendRefused(f"{damage}. Nothing was changed, and nobody can be elected until it has a floor")
        leader = msgspec.structs.replace(leader, warning=f"{leader.warning}; {damage}".removeprefix("; "))
    # A token that the counter has and no record knows was never told to anybody: its winner is at work, or died.
    token = (recorded or counted or 0) if leader is None else leader.token
    nonce = "" if leader is None or state is None else state.nonce
    return _Look(Reading(leader=leader, token=token, candidates=_candidates(place, nonce)), doubtful=False)


def _is_doubtful(state: record.Record | None, counted: int | None, *, held: bool) -> bool:
    """Whether this looks like the middle of a win, a release or a death, which is over in a moment."""
    if state is None:
        return bool(held or counted)
    return held and (state.closed or (counted or 0) > state.token or identity.is_dead(state.process))


def _state(place: Place) -> tuple[record.Record | None, bool]:
    """The record and whether the lock is held, both true when the lock was asked for."""
    before, held = record.read(place), place.is_held()
    for _ in range(10):
        after = record.read(place)
        if after == before:
            break
        before, held = after, place.is_held()
    return before, held


def _leader(place: Place, state: record.Record | None, token: int) -> Leader:
    """Who leads, given that the lock is held. Not even a damaged or missing record makes a held lock a vacancy."""
    if state is None or state.token < token:
        warning = f"somebody holds {place.lock}, but {place.leader} does not tell who: it could not be written or read"
        return Leader(candidate=UNKNOWN, token=token, metadata={}, warning=warning)
    warning = ""
    if state.closed:
        warning = f"tenure {state.token} has ended, but its lock is still held by {_survivors(state)}"
    elif identity.is_dead(state.process):
        warning = f"the leader's process {state.process.pid} is dead, but its lock is still held by {_survivors(state)}"
    elif identity.is_stopped(state.process):
        pid = state.process.pid
        warning = (
            f"the leader's process {pid} is stopped (SIGSTOP or Ctrl-Z) and leads on; continue it: kill -CONT {pid}"
        )
    return Leader(
        candidate=state.candidate,
        token=state.token,
        metadata=state.metadata,
        value=state.value,
        since=state.since,
        warning=warning,
    )


def _survivors(state: record.Record) -> str:
    found = identity.survivors((state.lock_device, state.lock_inode))
    shown = ", ".join(found[: identity.SURVIVORS_SHOWN]) or "a process that this user may not see"
    more = len(found) - identity.SURVIVORS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _candidates(place: Place, leader_nonce: str) -> tuple[Standing, ...]:
    """Who stands. A winner's presence goes a moment after its lock is seen: it is left out already."""
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
