"""Watching who leads, without ever lying: a snapshot, then changes, and `Unknown` where nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from tenure.backends.base import Backend, Leader
from tenure.durations import NS_PER_S

RETRY_S = (0.1, 5.0)
"""The first and the longest pause before a backend that could not be watched is asked again."""


class Led(msgspec.Struct, frozen=True, tag="led", tag_field="view"):
    """`leader` led when the backend was looked at last, and no change has been told since."""

    leader: Leader


class Vacant(msgspec.Struct, frozen=True, tag="vacant", tag_field="view"):
    """Nobody led."""


class Unknown(msgspec.Struct, frozen=True, tag="unknown", tag_field="view"):
    """The backend has not answered for `for_s` seconds; `last` is what was seen before that, if anything."""

    last: Led | Vacant | None
    for_s: float


View = Led | Vacant | Unknown


class Lookout:
    """Watches one election on the keeper's loop and hands each view to `deliver`, which must not block."""

    def __init__(self, backend: Backend, election: str, deliver: Callable[[View], None]) -> None:
        self._backend = backend
        self._election = election
        self._deliver = deliver
        self._last: Led | Vacant | None = None
        self._token = 0

    async def run(self) -> None:
        """Watch until cancelled; a backend that fails is reported as Unknown, and asked again and again."""
        pause_s = RETRY_S[0]
        seen_ns = self._backend.clock.now_ns()
        while True:
            with suppress(Exception):  # whatever it is, the answer to the user is the same: nobody knows
                async for reading in self._backend.watch(self._election):
                    if reading.token < self._token:
                        continue  # an older state after a newer one: never shown
                    self._token, pause_s = reading.token, RETRY_S[0]
                    self._last = Led(reading.leader) if reading.leader is not None else Vacant()
                    self._deliver(self._last)
                    seen_ns = self._backend.clock.now_ns()
            self._deliver(Unknown(self._last, (self._backend.clock.now_ns() - seen_ns) / NS_PER_S))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S[1])
