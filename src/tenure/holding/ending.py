"""The time after a loss: how long work that was told to stop may still take, and how often a release is tried."""

from __future__ import annotations

import random

from tenure.durations import NEVER_NS
from tenure.holding.budget import Budget
from tenure.holding.lease import Lease, spread


class Ending:
    """A body that was told to stop at `told_ns` and has not left yet."""

    def __init__(self, budget: Budget, lease: Lease, told_ns: int) -> None:
        self._budget = budget
        self._lease = lease
        self._told_ns = told_ns
        self._told_again = False
        self.overran = False
        """The body still ran at the hard deadline."""
        self._until_ns: int | None = None

    @property
    def hard_ns(self) -> int:
        """When the body must be gone; without a lease, nothing but its grace bounds it."""
        if self._until_ns is not None:
            return self._until_ns
        return self._lease.deadline_ns if self._lease.bounded else self._told_ns + self._budget.grace_ns

    @property
    def wake_ns(self) -> int:
        again_ns = NEVER_NS if self._told_again else self._told_ns + self._budget.grace_ns // 2
        return min(again_ns, NEVER_NS if self.overran else self.hard_ns)

    def cut_short(self, until_ns: int | None, now_ns: int) -> None:
        """The grant is gone for certain, and somebody else may lead from `until_ns` on.

        None is from now on; what is left then is the time that a cancellation needs to get through.
        """
        if until_ns is None:
            until_ns = now_ns + min(self._budget.margin_ns, self._budget.grace_ns)
        self._until_ns = min(self.hard_ns, until_ns)

    def may_renew(self, now_ns: int) -> bool:
        """Work that drains keeps its lease, but for no longer than the grace, and not one that is gone."""
        return self._until_ns is None and now_ns < self._told_ns + self._budget.grace_ns

    def tell_again(self, now_ns: int) -> bool:
        """True once, at half the grace: on Python 3.11 `asyncio.wait_for` can swallow a cancellation."""
        if self._told_again or now_ns < self._told_ns + self._budget.grace_ns // 2:
            return False
        self._told_again = True
        return True

    def overrun(self, now_ns: int) -> bool:
        """True once, at the hard deadline."""
        if self.overran or now_ns < self.hard_ns:
            return False
        self.overran = True
        return True


class Releasing:
    """The attempts to give a grant back."""

    def __init__(self, budget: Budget, chance: random.Random) -> None:
        self.call: int | None = None
        self.to: str | None = None
        self.wake_ns = NEVER_NS
        self._budget = budget
        self._chance = chance
        self._tries = 0

    def sent(self, call: int, now_ns: int) -> None:
        self.call = call
        self._tries += 1
        self.wake_ns = now_ns + self._budget.call_timeout_ns

    def failed(self, now_ns: int) -> bool:
        """The attempt failed; True if there will be another, at `wake_ns`."""
        self.call = None
        self.wake_ns = now_ns + spread(self._budget.backoff_ns, self._chance)
        return self._tries < self._budget.attempts
