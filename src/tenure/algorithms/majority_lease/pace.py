"""When a node claims: not again at once after a failure, at once when called, and by itself after long silence."""

from __future__ import annotations

from random import Random

from tenure.algorithms.majority_lease.settings import Settings
from tenure.durations import NEVER_NS

MOST_DOUBLINGS = 20


class Pace:
    """Of one node; instants are of its clock."""

    def __init__(self, settings: Settings, chance: Random) -> None:
        self.settings = settings
        self.chance = chance
        self._failures = 0  # claims in a row
        self._not_before_ns = 0
        self._called_until_ns = 0
        self._patient_until_ns = 0

    def claims_from_ns(self, now_ns: int, *, should_lead: bool, votes: bool) -> int:
        """From when on it claims: when it should lead or is called, and if it votes, when nobody has held for long."""
        if not self.settings.eligible:
            return NEVER_NS
        if should_lead or max(now_ns, self._not_before_ns) < self._called_until_ns:
            return self._not_before_ns
        return max(self._not_before_ns, self._patient_until_ns) if votes else NEVER_NS

    def somebody_holds(self, now_ns: int) -> None:
        """Or may soon. However wrong the elector is, some voter claims once that has been untrue for long."""
        by_chance_ns = int(self.chance.random() * self.settings.duration_ns)
        self._patient_until_ns = now_ns + self.settings.patience_ns + by_chance_ns

    def failed(self, now_ns: int, free_ns: int | None) -> None:
        """Wait twice as long as the last time, up to a lease, and of that half to all, so that no two meet for ever;
        but where leases of others stood in the way, not for long after those have run out, at `free_ns`.
        """
        most_ns = min(self.settings.duration_ns, self.settings.retry_ns << min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        self._not_before_ns = now_ns + 1 + int((1 + self.chance.random()) * most_ns / 2)
        if free_ns is not None and free_ns > now_ns:
            soon_ns = free_ns + int(self.chance.random() * self.settings.retry_ns / 2)
            self._not_before_ns = min(self._not_before_ns, soon_ns)

    def won(self) -> None:
        """The next failure is a first one."""
        self._failures = 0

    def called(self, now_ns: int) -> None:
        """Somebody makes way for this node: it may claim for as long as a lease, whoever should lead.

        Its failures so far were no duel, and the call may have overtaken the release: it soon tries again.
        """
        self._failures = 0
        self._not_before_ns, self._called_until_ns = now_ns, now_ns + self.settings.duration_ns

    def stepped_down(self, now_ns: int) -> None:
        """Give others the time to win, and to be seen."""
        self.somebody_holds(now_ns)
        self._not_before_ns = now_ns + 2 * self.settings.duration_ns
