"""A leader that is not the code under test: as in another process, so neither its time nor its pauses are ours."""

from __future__ import annotations

import os
from concurrent.futures import Future

from tenure.backends.base import Candidate, Grant
from tenure.backends.memory import MemoryBackend
from tenure.durations import NS_PER_S
from tenure.holding.events import Deposed, Resign, Transfer
from tenure.keeper import Keeper
from tenure.testing.ledger import Ledger

FIRST = 2**40
"""A priority above all that an `Election` may have."""
NO_END_NS = 100 * 365 * 86_400 * NS_PER_S
"""It leads until it is told otherwise, however far the clock is moved: its renewals are nobody's concern."""


class Rival:
    """Stands for `election` at once, before everybody else in the queue; leads until it is asked or made to go."""

    def __init__(self, service: Ledger, election: str, candidate: str) -> None:
        self.election = election
        self.candidate = candidate
        self.token: int | None = None
        self._nonce = os.urandom(8).hex()
        self._backend = MemoryBackend(service)
        self._grant: Grant | None = None
        self._gone = False
        service.strangers.add(self._nonce)
        self._future: Future[None] = Keeper.current().run(self._lead())

    @property
    def leads(self) -> bool:
        return self.token is not None and not self._gone

    def go(self) -> Future[None]:
        """Step down, or stand no more."""
        return Keeper.current().run(self._go())

    async def _lead(self) -> None:
        me = Candidate(
            election=self.election, name=self.candidate, nonce=self._nonce, priority=FIRST, lease_ns=NO_END_NS
        )
        try:
            self._grant = await self._backend.campaign(me, once=False)
            assert self._grant is not None, "who waits for it gets the grant"
            self.token = self._grant.granted.token
            async for news in self._grant.attend():  # a wish of the code under test is obeyed, as by any leader
                match news:
                    case Resign():
                        await self._grant.release()
                    case Transfer(to):
                        await self._grant.release(to)
                    case Deposed():
                        ...
        finally:
            self._gone = True
            await self._backend.close()

    async def _go(self) -> None:
        if self._grant is not None and not self._gone:
            await self._grant.release()
        self._future.cancel()
