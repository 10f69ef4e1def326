"""How long event loops let wait what is posted to them: the keeper's, and those on which this process leads.

A loop that does not turn says nothing; so a look counts the question that is still unanswered. Times are on the
monotonic clock: a machine that was suspended was not late.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from weakref import WeakKeyDictionary

WINDOW_NS = 30_000_000_000
"""The worst lag is that of the last one to two of these: longer than the usual 15 s between two scrapes."""


class Lag:
    """The lag of one loop. Any thread may ask; one question is under way at most, so that none pile up."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self._loop = weakref.ref(loop)
        self._asked_ns: int | None = None
        self._window_ns = time.monotonic_ns()
        self._worst_ns = (0, 0)  # of the window before, and of this one

    def ask(self) -> None:
        """Have the loop answer when it turns next; never waits for that."""
        loop = self._loop()
        if loop is None or loop.is_closed() or self._asked_ns is not None:
            return
        self._asked_ns = time.monotonic_ns()
        try:
            loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # closed in between
            self._asked_ns = None

    def _answer(self) -> None:
        silent_ns, self._asked_ns = self.silent_ns(), None
        before_ns, now_ns = self._of_windows()
        self._worst_ns = (before_ns, max(now_ns, silent_ns))

    def silent_ns(self) -> int:
        """For how long the question under way has not been answered; 0 without one, and for a loop that is not run."""
        loop, asked_ns = self._loop(), self._asked_ns
        if asked_ns is None or loop is None or not loop.is_running():
            return 0
        return time.monotonic_ns() - asked_ns

    def worst_ns(self) -> int:
        """The longest that an answer took in the last 30 to 60 seconds, or has taken by now."""
        return max(*self._of_windows(), self.silent_ns())

    def _of_windows(self) -> tuple[int, int]:
        passed = (time.monotonic_ns() - self._window_ns) // WINDOW_NS
        if passed:
            self._window_ns += passed * WINDOW_NS
            self._worst_ns = (self._worst_ns[1] if passed == 1 else 0, 0)
        return self._worst_ns


_LAGS: WeakKeyDictionary[asyncio.AbstractEventLoop, Lag] = WeakKeyDictionary()
_lock = threading.Lock()


def lag_of(loop: asyncio.AbstractEventLoop, name: str) -> Lag:
    """The lag of `loop`, which is from now on among `lags()`; `name` says what it is to us, not which one it is."""
    with _lock:
        lag = _LAGS.get(loop)
        if lag is None:
            lag = _LAGS[loop] = Lag(name, loop)
        return lag


def lags() -> list[Lag]:
    """Every loop that was asked for and is still there."""
    with _lock:
        return list(_LAGS.values())


def _forget_in_child() -> None:
    global _lock  # noqa: PLW0603  another thread may have held it when the process forked
    _lock = threading.Lock()
    _LAGS.clear()


os.register_at_fork(after_in_child=_forget_in_child)
