"""A thread that leads or campaigns, as the keeper sees it: the owner behind `tenure.blocking`."""

from __future__ import annotations

import os
import sys
import threading

from tenure.backends.base import Grant
from tenure.bell import Bell
from tenure.errors import ConfigurationError, LeadershipLost, Reason, TenureError
from tenure.holding import events
from tenure.holding.events import Resign
from tenure.keeper import Seat
from tenure.options import Options
from tenure.reports import report_overrun, stack

_HELD = threading.local()


def held_here() -> dict[tuple[str, str], Post]:
    """What this thread leads, by backend and election."""
    held: dict[tuple[str, str], Post] = _HELD.__dict__.setdefault("held", {})
    return held


def raise_if_around(failure: BaseException, options: Options) -> None:
    """Raise what a job raised if it is the loss of a tenure around this one: then standing again would be no help."""
    around = {name for _, name in tuple(held_here())} - {options.name}
    if isinstance(failure, LeadershipLost) and failure.election in around:
        raise failure


def _forget_in_child() -> None:
    _HELD.__dict__.clear()  # the parent leads on: the thread that forked may stand for itself


os.register_at_fork(after_in_child=_forget_in_child)


class Post:
    """The owner of one candidacy. `thread` runs, or will run, its body; nothing can interrupt that."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.thread: threading.Thread | None = None
        self.held: dict[tuple[str, str], Post] = {}
        """What its thread leads, this one among it by its `key` while its body runs."""
        self.bell = Bell()
        """Rung at each change of what stands below; nothing here has a lock that the keeper could wait for."""
        self.is_lost = False
        """The body was told to stop, or has left."""
        self.key = ("", "")
        self._seat: Seat | None = None
        self._result: Grant | TenureError | None = None
        self._is_over = False
        self._withdrawn: str | None = None
        self._alive_ns = 0

    def stand(self, wait_s: float | None) -> tuple[Seat, Grant]:
        """Campaign, and wait until elected. Raises what the candidate was told instead."""
        self._forget_the_last()
        self._seat = seat = self.options.seat(self)
        seat.stand(wait_s)
        if self._withdrawn is not None:
            seat.withdraw(self._withdrawn)
        self.bell.wait_for(lambda: self._result is not None)
        if isinstance(self._result, TenureError):
            raise self._result
        assert self._result is not None
        return seat, self._result

    def belong_here(self) -> None:
        """The thread that asks is the one that will lead. Raises ConfigurationError where it leads this already."""
        self.thread = threading.current_thread()
        self.held, self.key = held_here(), self.options.key
        if self.key in self.held:
            raise ConfigurationError(f"this thread leads {self.options.name!r} already; it would wait for itself")

    def _forget_the_last(self) -> None:
        self._result = None
        self._is_over = self.is_lost = False

    def gone(self) -> None:
        """Nobody is in the body, or will be: have what was or will be won released, without waiting for that.

        As often as one likes, from any thread, and from a finalizer.
        """
        if self._seat is not None:
            self._seat.post(events.BodyLeft())
        self.forget()

    def forget(self) -> None:
        """Its thread leads this no more."""
        if self.held.get(self.key) is self:
            del self.held[self.key]

    def let_go(self) -> None:
        """The body has left: have the grant released, and wait for that, within the budget's limit."""
        assert self._seat is not None
        self._seat.post(events.BodyLeft())
        self.bell.wait_for(lambda: self._is_over, self.options.release_limit_s)
        self.is_lost = True
        self.bell.ring()

    def withdraw(self, detail: str) -> None:
        """End it from another thread: resign if it leads, give up if it stands, or as soon as it does."""
        self._withdrawn = detail
        if self._seat is not None:
            self._seat.withdraw(detail)

    # As the keeper's owner: called on the keeper's thread

    def started(self, grant: Grant) -> None:
        self._settle(grant)

    def not_elected(self, error: TenureError) -> None:
        self._settle(error)

    def told_to_stop(self, reason: Reason) -> None:
        del reason
        self.is_lost = True
        self.bell.ring()

    def prove_alive(self, seat: Seat) -> None:
        """A thread proves itself alive by existing or, where `stall_after` was given, by calling `check()`."""
        assert self.thread is not None
        if not self.options.stall_checked and self._exists():
            self._alive_ns = seat.clock.now_ns()
        seat.feed(events.OwnerTicked(self._alive_ns))

    def works(self) -> bool:
        return True

    def overran(self, reason: Reason) -> None:
        report_overrun(self.options, reason, self.where())

    @property
    def exits(self) -> bool:
        return self.options.on_overrun == "exit"

    def where(self) -> str:
        assert self.thread is not None
        frame = sys._current_frames().get(self.thread.ident or 0)  # noqa: SLF001  the way to another thread's stack
        return f"its thread runs\n{stack(frame)}"

    def still_runs(self) -> bool:
        """The main thread has ended its program when this is asked; other threads may be daemons in their work."""
        return self.thread is not threading.main_thread() and self._exists()

    def is_here(self) -> bool:
        return self.thread is threading.current_thread()

    def over(self) -> None:
        self._is_over = True
        self.bell.ring()

    def _exists(self) -> bool:
        """Whether the thread runs. Not by `is_alive`: on 3.11 and 3.12 a `join` that an exception has interrupted,
        such as that of `resign_on`, leaves a running thread marked as ended (CPython issue 45274 and what mended it).
        """
        return self.thread is not None and self.thread.ident in sys._current_frames()  # noqa: SLF001  the way to ask

    def _settle(self, result: Grant | TenureError) -> None:
        self._result = result
        self.bell.ring()

    # As the handle's steering: called on any thread

    def resign(self) -> None:
        assert self._seat is not None
        self._seat.post(events.Asked(Resign()))

    def owner_is_alive(self) -> None:
        assert self._seat is not None
        self._alive_ns = self._seat.clock.now_ns()
