"""What user code holds while it leads: the part that is the same with and without asyncio."""

from __future__ import annotations

import math
import os
import threading
from typing import Protocol
from weakref import WeakSet

from tenure.clock import Clock
from tenure.durations import NEVER_NS, NS_PER_S, to_ns
from tenure.errors import LeadershipLost, Reason
from tenure.holding.holder import Holder
from tenure.holding.phases import State


class Steering(Protocol):
    """What a handle may ask of the keeper."""

    def resign(self) -> None: ...

    def owner_is_alive(self) -> None: ...


class Hold:
    """One tenure as its owner sees it. Thread-safe; every question compares the clock: nothing needs to be in time."""

    def __init__(self, holder: Holder, clock: Clock, steering: Steering) -> None:
        self.election = holder.election
        self.candidate = holder.candidate
        self.token = holder.token
        """The fencing token, greater than that of any earlier tenure; hand it to whatever you write to."""
        self._holder = holder
        self._clock = clock
        self._steering = steering
        self._resigned = False
        self._pid = os.getpid()
        with _lock:
            _HOLDS.add(self)

    @property
    def state(self) -> State:
        """SAFE, UNCERTAIN (renewals fail, the deadline is still ahead) or LOST."""
        return self._holder.state(self._clock.now_ns()) if self.is_valid() else State.LOST

    @property
    def reason(self) -> Reason | None:
        """Why the tenure ended; None while it is valid."""
        if self._forked():
            return Reason.FORKED
        if self._holder.reason is None and self._resigned:
            return Reason.RESIGNED
        if self._holder.reason is None and not self.is_valid():
            return Reason.EXPIRED  # the clock says so; the keeper has not been scheduled yet
        return self._holder.reason

    def is_valid(self, for_s: float = 0) -> bool:
        """Whether this process may act now, and will still be allowed to `for_s` seconds from now without a renewal."""
        return not self._resigned and not self._forked() and self._holder.is_valid(self._clock.now_ns() + to_ns(for_s))

    def check(self, for_s: float = 0) -> None:
        """Raise LeadershipLost unless `is_valid(for_s)`; it also proves that the owner is alive (see `stall_after`)."""
        self._steering.owner_is_alive()
        if not self.is_valid(for_s):
            raise self._as_lost(Reason.EXPIRED)

    def remaining(self) -> float:
        """Seconds until the tenure ends unless it is renewed; 0 when it is lost, infinite for one without a lease."""
        if not self.is_valid():
            return 0.0
        left_ns = self._holder.deadline_ns - self._clock.now_ns()
        return math.inf if self._holder.deadline_ns == NEVER_NS else max(0.0, left_ns / NS_PER_S)

    @property
    def deadline_ns(self) -> int | None:
        """The instant on CLOCK_BOOTTIME by which the work must be gone, unless the tenure is renewed.

        None without a lease, until a loss sets one.
        """
        deadline_ns = self._holder.hard_ns
        return None if deadline_ns == NEVER_NS else deadline_ns

    def resign(self) -> None:
        """Step down: the body is told to stop as at any loss, with reason RESIGNED, and the next candidate leads."""
        if not self._forked():
            self._resigned = True  # at once: this thread must not act any more, however soon the keeper hears of it
            self._steering.resign()

    def _as_lost(self, otherwise: Reason) -> LeadershipLost:
        return LeadershipLost(self.election, self.token, self.reason or otherwise)

    def _forked(self) -> bool:
        return os.getpid() != self._pid

    def __repr__(self) -> str:
        return f"<Tenure {self.token} of {self.election!r} by {self.candidate!r}: {self.state.value}>"


_HOLDS: WeakSet[Hold] = WeakSet()
_lock = threading.Lock()


def valid_holds() -> list[Hold]:
    """What this process leads at this instant, by the clock; from any thread."""
    with _lock:
        holds = list(_HOLDS)
    return [hold for hold in holds if hold.is_valid()]


def _forget_in_child() -> None:
    global _lock  # noqa: PLW0603  another thread may have held it when the process forked
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_in_child)
