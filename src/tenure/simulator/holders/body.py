"""The work of one tenure: it proves that it is alive, and stops well, badly or late when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tenure.holding import events

if TYPE_CHECKING:
    from tenure.simulator.holders.rider import Rider

KINDS = ("prompt", "prompt", "slow", "deaf", "stuck")
LONGEST_WORK = 8
"""Leases after which a body has ended by itself, if nobody told it to."""
LONGEST_STUCK = 3
"""Leases for which a body may run on after it was told to stop."""
STALLS = 0.3
"""How many owners fall silent once."""


class Body:
    """It begins when its holder says so, unless that is too late already, and does as it likes until the calm."""

    def __init__(self, rider: Rider, token: int) -> None:
        self.token = token
        self.has_left = False
        self._rider = rider
        self._silent_until_ns = 0
        budget, chance = rider.budget, rider.chance
        assert budget.lease_ns is not None
        self._lease_ns, self._grace_ns = budget.lease_ns, budget.grace_ns
        self._beat_ns = budget.stall_after_ns // 4
        self._kind = KINDS[int(chance.random() * len(KINDS))]
        self._works_ns = int(chance.random() * LONGEST_WORK * self._lease_ns)
        self._has_begun = False
        self._was_told = False

    def begin(self) -> None:
        """Take the tenure, unless it was lost on the way here."""
        rider = self._rider
        if not rider.is_valid():
            self._leave()
            return
        self._has_begun = True
        self._beat()
        self._later(self._works_ns, self._end_by_itself)
        if rider.chance.random() < STALLS:
            self._later(int(rider.chance.random() * self._works_ns), self._fall_silent)

    def told(self) -> None:
        """It must stop. Who is deaf does not hear it the first time."""
        if not self._has_begun or (self._kind == "deaf" and not self._was_told and not self._rider.is_calm):
            self._was_told = True
            return
        self._was_told = True
        chance, grace_ns = self._rider.chance, self._grace_ns
        least_ns, most_ns = {
            "slow": (grace_ns // 2, grace_ns * 3 // 2),
            "stuck": (grace_ns, LONGEST_STUCK * self._lease_ns),
        }.get(self._kind, (0, grace_ns // 4))
        after_ns = least_ns + int(chance.random() * (most_ns - least_ns))
        if after_ns > grace_ns // 4:
            after_ns = min(after_ns, max(grace_ns // 4, self._rider.calm_ns - self._rider.world.now_ns))
        self._later(after_ns, self._leave)

    def _beat(self) -> None:
        self._rider.give(events.OwnerTicked(self._rider.now_ns))
        self._later(self._beat_ns, self._beat)

    def _fall_silent(self) -> None:
        """The owner's loop stands still: it neither proves anything nor hears anything."""
        rider = self._rider
        until_ns = rider.world.now_ns + int(rider.chance.random() * LONGEST_STUCK * self._lease_ns)
        self._silent_until_ns = min(until_ns, rider.calm_ns)

    def _end_by_itself(self) -> None:
        if not self._rider.is_calm:
            self._leave()

    def _leave(self) -> None:
        self.has_left = True
        self._rider.body_left()

    def _later(self, after_ns: int, act: Callable[[], None]) -> None:
        self._rider.later(after_ns, self._go_on, act)

    def _go_on(self, act: Callable[[], None]) -> None:
        silent_ns = self._silent_until_ns - self._rider.world.now_ns
        if self.has_left:
            return
        if silent_ns > 0:
            self._later(silent_ns, act)
        else:
            act()
