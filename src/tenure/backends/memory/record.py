"""What a memory service keeps about one election: who holds it, who waits, and how it is handed on.

Nothing here locks: the service's lock is around every call.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator
from functools import partial

from tenure.backends.base import TOKEN_LIMIT, Candidate, Leader, Reading, Standing
from tenure.backends.memory.alarms import Alarm, Alarms
from tenure.backends.memory.bell import Bell
from tenure.clock import Clock
from tenure.errors import BackendRefused, Reason
from tenure.holding.events import Deposed, Wish


class Timing:
    """What all elections of one service share: the clock, its alarms, and when nobody may win."""

    __slots__ = ("alarms", "born_clean", "clock", "longest_lease_ns", "patience_ns", "quiet_until_ns")

    def __init__(self, clock: Clock, alarms: Alarms, patience_ns: int) -> None:
        self.clock = clock
        self.alarms = alarms
        self.patience_ns = patience_ns
        self.longest_lease_ns = 0
        self.quiet_until_ns: int | None = None
        self.born_clean = True
        """False after a reset: what came before the first tenure is then unknown."""

    def is_quiet(self) -> bool:
        return self.quiet_until_ns is not None and self.clock.now_ns() < self.quiet_until_ns


class Waiter:
    """A candidate in the queue."""

    __slots__ = ("asleep", "bell", "candidate", "order", "owner")

    def __init__(self, candidate: Candidate, owner: object, bell: Bell, arrival: int) -> None:
        self.candidate = candidate
        self.owner = owner
        self.bell = bell
        self.order = (-candidate.priority, arrival)
        self.asleep = False
        """It was offered the grant, let the patience run out, and has not spoken since."""


class Held:
    """A grant, while it lasts and after."""

    __slots__ = (
        "attending",
        "candidate",
        "clean",
        "ended",
        "expires_ns",
        "expiry",
        "lease_ns",
        "since",
        "token",
        "told",
        "value",
        "wishes",
    )

    def __init__(self, candidate: Candidate, token: int, lease_ns: int, expires_ns: int, clean: bool) -> None:
        self.candidate = candidate
        self.token = token
        self.lease_ns = lease_ns
        self.expires_ns = expires_ns
        self.clean = clean
        self.since = time.time()  # the wall clock's, to be shown; never the service's own
        self.expiry: Alarm | None = None
        self.value: str | None = None
        self.wishes: list[Wish] = []
        self.told = 0
        """How many of the wishes the leader has certainly heard."""
        self.ended: Deposed | None = None
        self.attending: list[Bell] = []

    def ring(self) -> None:
        for bell in self.attending:
            bell.ring()

    def why_gone(self) -> str:
        detail = self.ended.detail if self.ended else "somebody else holds it"
        return f"token {self.token} of {self.candidate.election!r} is no more: {detail}"


class ElectionRecord:
    """One election. At most one `held` at a time; `token` only grows."""

    def __init__(self, election: str, timing: Timing) -> None:
        self.election = election
        self.token = 0
        self.held: Held | None = None
        self.was_stood_for = False
        self.moved_to = ""
        """Where the election is instead; empty while it is here."""
        self.watchers: list[Bell] = []
        self._timing = timing
        self._clean = timing.born_clean
        """Whether the last tenure was closed by its leader."""
        self._queue: list[Waiter] = []
        self._heir: str | None = None
        """In whose favour the last tenure was released."""
        self._offered: Waiter | None = None
        self._patience: Alarm | None = None

    def __iter__(self) -> Iterator[Waiter]:
        """Those who wait, in the order in which they would be elected."""
        return iter(list(self._queue))

    def waiter(self, nonce: str) -> Waiter | None:
        return next((each for each in self._queue if each.candidate.nonce == nonce), None)

    def reading(self) -> Reading:
        leader = None
        if (held := self.held) is not None:
            who = held.candidate
            leader = Leader(
                candidate=who.name, token=held.token, metadata=who.metadata, value=held.value, since=held.since
            )
        standing = tuple(
            Standing(candidate=each.candidate.name, priority=each.candidate.priority, metadata=each.candidate.metadata)
            for each in self._queue
        )
        return Reading(leader=leader, token=self.token, candidates=standing)

    def changed(self) -> None:
        for bell in self.watchers:
            bell.ring()

    # ----------------------------------------------------------------------------------------------- the queue

    def join(self, waiter: Waiter) -> None:
        self.was_stood_for = True
        bisect.insort(self._queue, waiter, key=lambda each: each.order)
        self.changed()

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer; whoever else might win now is told."""
        self._queue.remove(waiter)
        self.changed()
        self.offer()

    def turn(self) -> Waiter | None:
        """Whose turn it is: the heir, else the first in the queue; those who sleep only if everybody does."""
        awake = [each for each in self._queue if not each.asleep] or self._queue
        return next((each for each in awake if each.candidate.name == self._heir), awake[0] if awake else None)

    def offer(self) -> None:
        """Wake the one whose turn it is; it alone, since the others would wake for nothing (L15)."""
        waiter = None if self.held is not None or self._timing.is_quiet() else self.turn()
        if waiter is self._offered:
            return
        self._timing.alarms.cancel(self._patience)
        self._offered, self._patience = waiter, None
        if waiter is not None:
            lapses_ns = self._timing.clock.now_ns() + self._timing.patience_ns
            self._patience = self._timing.alarms.set(lapses_ns, self._lapse)
            waiter.bell.ring()

    def _lapse(self) -> None:
        if self._offered is not None:
            self._offered.asleep = True
        self._patience = None
        self.offer()

    # ----------------------------------------------------------------------------------------------- the grant

    def grant(self, waiter: Waiter, lease_ns: int) -> Held:
        assert self.held is None, "a grant is given only while none is held"
        if self.token >= TOKEN_LIMIT:
            raise BackendRefused(
                f"the tokens of {self.election!r} are at their end: {TOKEN_LIMIT} is the largest that everybody can "
                f"compare. Nothing was changed and nobody was elected. Go on with an election of another name"
            )
        timing = self._timing
        self._queue.remove(waiter)
        timing.longest_lease_ns = max(timing.longest_lease_ns, lease_ns)
        self.token += 1
        self.held = held = Held(
            waiter.candidate, self.token, lease_ns, timing.clock.now_ns() + lease_ns, clean=self._clean
        )
        held.expiry = timing.alarms.set(held.expires_ns, partial(self._expire, held))
        self.offer()
        self.changed()
        return held

    def _expire(self, held: Held) -> None:
        if held.expires_ns > self._timing.clock.now_ns():  # it was renewed: a renewal moves no alarm
            held.expiry = self._timing.alarms.set(held.expires_ns, partial(self._expire, held))
        else:
            self.end(Deposed(Reason.EXPIRED, "the lease ran out"))

    def end(self, deposed: Deposed, *, clean: bool = False, heir: str | None = None) -> None:
        """The grant is no more; whose turn it is now is told."""
        held = self.held
        assert held is not None, "only a grant that is held can end"
        self._timing.alarms.cancel(held.expiry)
        self.held, held.ended = None, deposed
        self._clean, self._heir = clean, heir
        held.ring()
        self.changed()
        self.offer()

    def shut(self, url: str, *, clean: bool) -> None:
        """The election is elsewhere. Who waits is offered the grant in turn, and is refused when it asks."""
        assert self.held is None, "a place is shut when nobody leads there"
        self.moved_to, self._clean, self._heir = url, clean, None
        self.changed()

    def wipe(self, deposed: Deposed, error: Exception) -> None:
        """Forget everything but who watches."""
        for waiter in self._queue:
            waiter.bell.ring(error)
        self._queue.clear()
        if self.held is not None:
            self.end(deposed)
        self.offer()
        self.token, self._clean, self._heir, self.moved_to = 0, False, None, ""
        self.changed()
