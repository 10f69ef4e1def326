"""The time of one candidacy: for how long it is wanted, and when a campaign that failed is repeated."""

from __future__ import annotations

import random

from tenure.durations import NEVER_NS
from tenure.holding.budget import Budget
from tenure.holding.lease import spread

BACKOFF_LIMIT_NS = 30_000_000_000
"""The longest pause between failed campaigns (Kubernetes repeats each 2 s for ever, kazoo doubles up to an hour)."""


class Attempts:
    """One candidate's attempts to be elected."""

    def __init__(self, budget: Budget, chance: random.Random) -> None:
        self.call: int | None = None
        """The campaign that is under way; None while it waits for the next."""
        self.once = False
        self.give_up_ns = NEVER_NS
        self.retry_ns = NEVER_NS
        self.detail = ""
        """What the latest failure said."""
        self._call_timeout_ns = budget.call_timeout_ns
        self._backoff_ns = budget.backoff_ns
        self._chance = chance
        self._failures = 0

    @property
    def wake_ns(self) -> int:
        return min(self.give_up_ns, self.retry_ns if self.call is None else NEVER_NS)

    def begin(self, wait_ns: int | None, now_ns: int) -> None:
        """From now on. A single try waits for its answer as long as any call; everybody else for somebody's end."""
        self.once = wait_ns == 0
        if wait_ns is not None:
            self.give_up_ns = now_ns + (self._call_timeout_ns if self.once else wait_ns)

    def failed(self, detail: str, now_ns: int) -> int:
        """The campaign failed, outcome unknown; returns when to try again. Pauses double, up to BACKOFF_LIMIT_NS."""
        self.call, self.detail = None, detail
        pause_ns = min(self._backoff_ns << min(self._failures, 16), BACKOFF_LIMIT_NS)
        self._failures += 1
        self.retry_ns = now_ns + spread(pause_ns, self._chance)
        return self.retry_ns

    def succeeded(self) -> None:
        self.call, self._failures, self.detail = None, 0, ""
        if self.once:
            self.give_up_ns = NEVER_NS  # it was answered
