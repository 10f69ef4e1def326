"""The service of one lab: that of `memory://`, which also writes down to whom it gave tokens. It decides nothing."""

from __future__ import annotations

from collections import deque

from tenure.backends.base import Candidate
from tenure.backends.memory import MemoryService
from tenure.backends.memory.bell import Bell
from tenure.backends.memory.record import Held
from tenure.clock import Clock

TOKENS_KEPT = 10_000
"""How many tokens of one election are remembered, the newest."""


class Ledger(MemoryService):
    """It stands in for whatever the code is written for, so it has every grade and scope that may be demanded."""

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock=clock, grade="A", scope="cluster")
        self.strangers: set[str] = set()
        """The nonces of candidates that are not the code under test."""
        self._given: dict[str, deque[int]] = {}

    def stand(self, owner: object, candidate: Candidate, *, lease_ns: int, once: bool, bell: Bell) -> Held | None:
        held = super().stand(owner, candidate, lease_ns=lease_ns, once=once, bell=bell)
        if held is not None and candidate.nonce not in self.strangers:
            given = self._given.setdefault(candidate.election, deque(maxlen=TOKENS_KEPT))
            if not given or given[-1] != held.token:  # else the request was a repetition
                given.append(held.token)
        return held

    def tokens(self, election: str) -> tuple[int, ...]:
        """What the code under test was given, the oldest first."""
        return tuple(self._given.get(election, ()))
