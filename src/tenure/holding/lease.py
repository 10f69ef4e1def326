"""The time of one grant: until when it may be acted on, and when its renewal is due, overdue or useless."""

from __future__ import annotations

import random

from tenure.durations import NEVER_NS
from tenure.holding.budget import Budget
from tenure.holding.events import Granted

BEATS = 16
"""Renewals are brought forward by less than this part of their interval."""


class Lease:
    """One grant's deadlines and renewals. A grant without a lease has none of either: every instant is NEVER_NS."""

    def __init__(self, budget: Budget, granted: Granted, chance: random.Random) -> None:
        self.bounded = granted.lease_ns is not None
        self.deadline_ns = budget.deadline_ns(granted.sent_ns, granted.lease_ns)
        self.failing = False
        """The latest renewal failed or overran its time; none has been answered since."""
        self._budget = budget
        self._chance = chance
        self._sent_ns: dict[int, int] = {}  # every renewal that may still be answered, oldest first
        self._waiting_for: int | None = None
        self._next_ns = self._after(granted.sent_ns) if self.bounded else NEVER_NS

    @property
    def soft_ns(self) -> int:
        """When work must be told to stop, so that its grace ends by the deadline."""
        return self.deadline_ns - self._budget.grace_ns if self.bounded else NEVER_NS

    @property
    def wake_ns(self) -> int:
        """When the next renewal is due, or the one under way is overdue."""
        if self._waiting_for is None:
            return self._next_ns
        return self._sent_ns[self._waiting_for] + self._budget.call_timeout_ns

    def due(self, now_ns: int) -> bool:
        return self._waiting_for is None and now_ns >= self._next_ns

    def sent(self, call: int, now_ns: int) -> None:
        """Renewal `call` leaves now. Abandoned ones before it may still be answered, but only so many are kept."""
        self._sent_ns[call] = now_ns
        self._waiting_for = call
        self._next_ns = self._after(now_ns)
        while len(self._sent_ns) > self._budget.attempts + 1:
            del self._sent_ns[next(iter(self._sent_ns))]

    def overdue(self, now_ns: int) -> int | None:
        """The renewal that has had its time, if any; it is waited for no longer, but may still be answered."""
        call = self._waiting_for
        if call is None or now_ns < self._sent_ns[call] + self._budget.call_timeout_ns:
            return None
        self._retry_later(now_ns)
        return call

    def failed(self, call: int, now_ns: int) -> bool:
        """Renewal `call` failed, outcome unknown; False if it was abandoned before, when nothing changes."""
        if call != self._waiting_for:
            return False
        self._retry_later(now_ns)
        return True

    def awaits(self, call: int) -> bool:
        """Whether `call` is a renewal of this grant that says something new, whatever it says."""
        return call in self._sent_ns

    def let_go(self) -> int | None:
        """No more renewals: the grant is given back. Returns the one under way, if any."""
        call, self._waiting_for, self._next_ns = self._waiting_for, None, NEVER_NS
        return call

    def answered(self, call: int, lease_ns: int) -> tuple[int, bool] | None:
        """Count from when `call` was sent; returns that instant and whether it came late, None for nothing new.

        Answers of renewals sent before one that was answered already say nothing new. A later one decides even where
        it grants less than was left: the service has replaced the former lease by it.
        """
        sent_ns = self._sent_ns.get(call)
        if sent_ns is None:
            return None
        late = self.failing
        self._sent_ns = {later: at_ns for later, at_ns in self._sent_ns.items() if later > call}
        self.deadline_ns = self._budget.deadline_ns(sent_ns, lease_ns)
        if self._waiting_for is None or call == self._waiting_for:
            self._waiting_for = None
            self._next_ns = self._after(sent_ns)
        self.failing = False
        return sent_ns, late

    def _after(self, sent_ns: int) -> int:
        """When the renewal after the one sent at `sent_ns` is due: a little early, on a beat that all grants of one
        clock share, so that a process which leads many elections wakes for some at once and not for each.
        """
        due_ns = sent_ns + self._budget.renew_every_ns
        return due_ns - due_ns % max(1, self._budget.renew_every_ns // BEATS)

    def _retry_later(self, now_ns: int) -> None:
        self._waiting_for = None
        self.failing = True
        self._next_ns = now_ns + spread(self._budget.backoff_ns, self._chance)


def spread(backoff_ns: int, chance: random.Random) -> int:
    """A pause from the upper half of `backoff_ns`, so that those who failed together do not try again together."""
    return backoff_ns - int(chance.random() * (backoff_ns // 2))
