"""The lab for asyncio: what takes time is awaited, so that the loop of the code under test turns meanwhile."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from tenure.keeper import Keeper
from tenure.testing.lab import Lab, Steps

__all__ = ["ElectionLab"]

_T = TypeVar("_T")
TURNS = 5
"""Turns of the loop in one step: a cancellation, or an election, has reached its task after three."""


class ElectionLab(Lab):
    """An election service for one test; `with ElectionLab() as lab`, or the fixture `tenure_lab`.

    While it is open TENURE_URL names it. `lease` is that of code which asks for none. `limit` bounds each wait, in
    seconds of real time; no wait takes that long unless something does not happen.

    Its clock stands still until the test moves it, and it alone: `asyncio.sleep` and `asyncio.timeout` go by real time.
    Methods take the election's name where the lab has more than one. What does not come true raises AssertionError,
    with the state of everything and where the code under test waits; so does leaving the lab with a tenure, or a
    candidacy, that is not over, or after an overrun that is still in `overruns`.
    """

    async def grant(self, name: str | None = None) -> int:
        """Let the code under test lead: who leads elsewhere steps down. Returns its token once its body has begun.

        Work that is over as soon as it begins counts, too: then its token is that of the tenure that was.
        """
        return await _taken(self._granting(name))

    async def make_uncertain(self, name: str | None = None) -> None:
        """Let no renewal be answered, and time pass until the first has failed: the tenure's state is UNCERTAIN.

        It stays valid until its deadline. `recover` ends that.
        """
        await _taken(self._failing(name))

    async def recover(self) -> None:
        """Let renewals be answered again, and time pass until they were: what is still led is SAFE."""
        await _taken(self._recovering())

    async def advance(self, seconds: float | str) -> None:
        """Let time pass as it does for a program that runs: renewals are sent, deadlines come.

        Work that was told to stop has `limit` seconds of real time to leave before the clock goes past its deadline.
        """
        await _taken(self._advancing(seconds))

    async def wait_stopped(self, name: str | None = None) -> None:
        """Wait until all work whose tenure has ended has left its body, and the grant was given back."""
        await _taken(self._stopping(name))

    async def wait_standing(self, name: str | None = None) -> None:
        """Wait until the code under test stands by while somebody else leads."""
        await _taken(self._standing(name))


async def _taken(steps: Steps[_T]) -> _T:
    """Take every step; between two of them the keeper and this loop tell each other what they have to."""
    while True:
        try:
            pause_s = next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
        for _ in range(2):
            await asyncio.wrap_future(Keeper.current().run(asyncio.sleep(0)))
            for _ in range(TURNS):
                await asyncio.sleep(0)
        if pause_s:
            await asyncio.sleep(pause_s)
