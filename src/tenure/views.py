"""Watching who leads, without ever lying: a snapshot, then changes, and `Unknown` where nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from tenure.backends.base import Backend, Leader, Reading
from tenure.durations import NS_PER_S

RETRY_S = (0.1, 5.0)
"""The first and the longest pause before a backend that could not be watched is asked again."""
LOOK_EVERY_S = 5.0
"""How often a backend that tells nothing is asked whether it still answers."""
LOOK_LIMIT_S = 5.0
"""How long it may take over that."""
MISSES = 2
"""A watch that does not tell what was seen by so many looks in a row is begun anew; one alone may have been faster."""


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
    """Watches one election on the keeper's loop and hands each view to `deliver`, which must not block.

    What a backend tells unasked proves nothing while it is silent. So it is asked each LOOK_EVERY_S; without an answer
    the view is Unknown. What it answers is only compared: a view comes from the watch alone, so that none is older
    than the one before, and a watch that has missed something is begun anew.
    """

    def __init__(self, backend: Backend, election: str, deliver: Callable[[View], None]) -> None:
        self._backend = backend
        self._election = election
        self._deliver = deliver
        self._last: Led | Vacant | None = None
        self._token = 0
        self._shown: View | None = None
        self._views = 0
        self._seen_ns = backend.clock.now_ns()
        self._pause_s = RETRY_S[0]

    async def run(self) -> None:
        """Watch until cancelled; a backend that fails is reported as Unknown, and asked again and again."""
        while True:
            watching = asyncio.ensure_future(self._watch())
            try:
                answers = await self._look_after(watching)
            finally:
                watching.cancel()
            if not answers:
                self._show(Unknown(self._last, (self._backend.clock.now_ns() - self._seen_ns) / NS_PER_S))
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, RETRY_S[1])

    async def _watch(self) -> None:
        with suppress(Exception):  # whatever it is, the answer to the user is the same: nobody knows
            async for reading in self._backend.watch(self._election):
                if reading.token < self._token:
                    continue  # an older state after a newer one: never shown
                self._token, self._pause_s = reading.token, RETRY_S[0]
                self._last = _view(reading)
                self._views += 1
                self._seen_ns = self._backend.clock.now_ns()
                self._show(self._last)

    async def _look_after(self, watching: asyncio.Future[None]) -> bool:
        """Return when `watching` is of no use any more: True if the backend answers all the same."""
        missed = 0
        while missed < MISSES:
            await asyncio.wait([watching], timeout=LOOK_EVERY_S)
            views, sent_ns = self._views, self._backend.clock.now_ns()
            reading = None if watching.done() else await self._read()
            if reading is None or watching.done():
                return False
            self._seen_ns = max(self._seen_ns, sent_ns)
            is_told = self._views != views or _view(reading) == self._last
            missed = 0 if is_told else missed + 1
        return True

    async def _read(self) -> Reading | None:
        looking = asyncio.ensure_future(self._backend.read(self._election))
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at: no error is news
        try:
            await asyncio.wait([looking], timeout=LOOK_LIMIT_S)
        finally:
            looking.cancel()  # and not awaited: it may hang
        return looking.result() if looking.done() and not looking.cancelled() and looking.exception() is None else None

    def _show(self, view: View) -> None:
        if view != self._shown:
            self._shown = view
            self._deliver(view)


def _view(reading: Reading) -> Led | Vacant:
    return Led(reading.leader) if reading.leader is not None else Vacant()
