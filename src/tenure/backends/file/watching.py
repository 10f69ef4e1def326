"""Readings of an election, one after every change."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from functools import partial

import msgspec

from tenure.backends.base import Reading
from tenure.backends.file import reading
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
from tenure.backends.file.place import Place
from tenure.backends.file.tools import Bell, Tools

AGAIN_S = (0.005, 0.05)
"""After news look again so much later: the kernel tells that a lock's descriptor is closed a hair before it lets go."""
BLIND_S = 0.25
_FILE = CLOSE_WRITE | ATTRIB | DELETE_SELF | MOVE_SELF
_NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF | MOVE_SELF
_PRESENCES = CLOSE_WRITE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF


async def watch(tools: Tools, place: Place) -> AsyncGenerator[Reading, None]:
    """A reading now, and one after each change; see Backend.watch."""
    bell = Bell(tools)
    watches = Watches(tools.inotify)
    plan: deque[float] = deque()

    def news(_mask: int) -> None:
        plan.clear()
        plan.extend(AGAIN_S)
        bell.ring()

    last: Reading | None = None
    try:
        while True:
            bell.hush()
            seeing = await tools.worker.run(partial(_set, watches, place, news))
            found = await reading.read(tools, place)
            if last is not None:
                found = msgspec.structs.replace(found, token=max(found.token, last.token))
            if found != last and not _is_older(found, last):
                last = found
                yield found
                continue
            blind_s = tools.poll_s if seeing else min(BLIND_S, tools.poll_s)
            await bell.wait(plan.popleft() if plan else blind_s)
    finally:
        tools.worker.post(partial(watches.set, {}))


def _is_older(found: Reading, last: Reading | None) -> bool:
    leaders = (found.leader, None if last is None else last.leader)
    return leaders[0] is not None and leaders[1] is not None and leaders[0].token < leaders[1].token


def _set(watches: Watches, place: Place, news: News) -> bool:
    """Watch all that there is of the election; what is not there yet will come with news from what is."""
    wanted = {
        place.root: (CREATE | MOVED_TO, news),
        place.directory: (_NAMES, news),
        place.lock: (_FILE, news),
        place.leader: (CLOSE_WRITE, news),
        place.candidates: (_PRESENCES, news),
    }
    return watches.set(wanted)
