"""Wakes who waits for something to come true, in such a way that no signal's exception leaves anything locked.

A signal's handler runs between any two steps of the main thread's Python code and may raise there: Ctrl-C, the
SystemExit of `resign_on`, anybody's own. `threading.Event`, `Condition`, `concurrent.futures.Future` and `queue.Queue`
are written in Python: an exception as they enter their own `with` leaves their lock taken, and whoever sets them hangs
in it for ever. That would be the keeper, with every election of the process. So nothing that the keeper's thread
touches may be one of these. A raw lock (`threading.Lock`, `RLock`) is taken and let go in C, in one step; `with` around
one is safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

SIGNAL_S = 1.0
"""So long the main thread sleeps at most. A signal that another thread got, or that came just before the sleep, does
not wake it, and its handler would wait with it for ever: only Python code of the main thread runs handlers."""


class Bell:
    """Rung when something has changed; it has no lock, and who rings it never waits.

    Each who waits has a lock of his own, taken from the start, that is let go to wake him. An exception can leave no
    more behind than such a lock, which is let go once more at the next ring and concerns nobody.
    """

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def ring(self) -> None:
        """Have everybody who waits look again; from any thread, and from a signal's handler."""
        for wake in tuple(self._waiting):  # in one step: no other thread runs meanwhile
            with suppress(RuntimeError):  # woken already, and has not looked yet
                wake()

    def wait_for(self, condition: Callable[[], object], timeout_s: float | None = None) -> bool:
        """Wait until `condition` holds; False when it does not after `timeout_s` seconds. Look again at each ring."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        nap = threading.Lock()
        nap.acquire()
        wake = nap.release
        longest_s = SIGNAL_S if threading.current_thread() is threading.main_thread() else threading.TIMEOUT_MAX
        self._waiting.append(wake)  # before the first look: a ring after it is not missed
        try:
            while not condition():
                left_s = longest_s if end_s is None else end_s - time.monotonic()
                if left_s <= 0:
                    return False
                nap.acquire(timeout=min(left_s, longest_s))
        finally:
            self._waiting.remove(wake)
        return True
