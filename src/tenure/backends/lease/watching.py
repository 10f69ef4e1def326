"""Readings of an election, one after every change; and when a lease runs out, which nothing but the clock tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

import msgspec

from tenure.backends.base import Reading
from tenure.backends.file.inotify import (
    ATTRIB,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    News,
    Watches,
)
from tenure.backends.file.tools import Bell, Tools
from tenure.backends.lease import reading
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import Sightings
from tenure.durations import NS_PER_S

BLIND_S = 0.25
AGAIN_S = 0.005
"""A tenure is shown as led a moment after it was made, and nothing tells of that."""
_LATER_S = 0.0005
_NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF | MOVE_SELF
_TENURES = CREATE | ATTRIB | DELETE_SELF | MOVE_SELF
_PRESENCES = CLOSE_WRITE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF


async def watch(tools: Tools, place: LeasePlace, sightings: Sightings) -> AsyncGenerator[Reading, None]:
    """A reading now, and one after each change; see Backend.watch."""
    loop = asyncio.get_running_loop()
    bell = Bell(tools)
    watches = Watches(tools.inotify)
    again = False

    def news(_mask: int) -> None:
        nonlocal again
        again = True
        bell.ring()

    stop = tools.clock.on_move(lambda: _soon(loop, bell))
    last: Reading | None = None
    try:
        while True:
            bell.hush()
            seeing = await tools.worker.run(partial(_set, watches, place, news))
            look = await tools.worker.run(partial(reading.look, tools, place, sightings))
            found = look.reading
            if last is not None:
                found = msgspec.structs.replace(found, token=max(found.token, last.token))
            if found != last and not _is_older(found, last):
                last = found
                yield found
                continue
            delay_s = tools.poll_s if seeing else min(BLIND_S, tools.poll_s)
            if look.over_ns:
                delay_s = min(delay_s, max(0, look.over_ns - tools.clock.now_ns()) / NS_PER_S + _LATER_S)
            if again:
                again, delay_s = False, min(AGAIN_S, delay_s)
            await bell.wait(delay_s)
    finally:
        stop()
        tools.worker.post(partial(watches.set, {}))


def _soon(loop: asyncio.AbstractEventLoop, bell: Bell) -> None:
    """The clock was moved, on any thread."""
    loop.call_soon_threadsafe(bell.ring)


def _is_older(found: Reading, last: Reading | None) -> bool:
    leaders = (found.leader, None if last is None else last.leader)
    return leaders[0] is not None and leaders[1] is not None and leaders[0].token < leaders[1].token


def _set(watches: Watches, place: LeasePlace, news: News) -> bool:
    """Watch all that there is of the election; what is not there yet will come with news from what is."""
    wanted = {
        place.root: (CREATE | MOVED_TO, news),
        place.directory: (_NAMES, news),
        place.tenures: (_TENURES, news),
        place.candidates: (_PRESENCES, news),
    }
    return watches.set(wanted)
