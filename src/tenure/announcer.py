"""Tells notices to `logging` and to subscribers, on a thread of its own.

A log handler or a subscriber may block (a full pipe, a slow disk); the keeper must not, or it would renew late. So the
keeper only appends to a bounded queue, and this thread does the telling. When the queue is full the oldest notices go,
and how many went is logged.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from tenure.holding import notices
from tenure.holding.notices import Notice

QUEUE_LIMIT = 10_000

_log = logging.getLogger("tenure")
_LEVELS: dict[type[Notice], int] = {
    notices.Campaigning: logging.DEBUG,
    notices.CampaignFailed: logging.WARNING,
    notices.Elected: logging.INFO,
    notices.Renewed: logging.DEBUG,
    notices.Uncertain: logging.WARNING,
    notices.Stalled: logging.WARNING,
    notices.Lost: logging.WARNING,
    notices.Overran: logging.ERROR,
    notices.Released: logging.INFO,
    notices.JobFailed: logging.ERROR,
}
"""How loud each notice is logged; every kind stands here (a test sees to it)."""


class Announcer:
    """One queue, one daemon thread that starts with the first notice and sleeps while there is none."""

    def __init__(self) -> None:
        self._queue: deque[Notice] = deque(maxlen=QUEUE_LIMIT)
        self._subscribers: list[Callable[[Notice], None]] = []
        self._condition = threading.Condition()
        self._busy = False
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def tell(self, notice: Notice) -> None:
        """Queue `notice`; never blocks for longer than the queue's own lock is held. Any thread."""
        if not self._subscribers and not _log.isEnabledFor(level(notice)):
            return
        with self._condition:
            self._dropped += len(self._queue) == QUEUE_LIMIT
            self._queue.append(notice)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tenure-announcer", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def subscribe(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        with self._condition:
            self._subscribers = [*self._subscribers, callback]

        def end() -> None:
            with self._condition:
                self._subscribers = [one for one in self._subscribers if one is not callback]

        return end

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until everything queued so far was told; False if that took longer than `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        with self._condition:
            return self._condition.wait_for(
                lambda: not self._queue and not self._busy, timeout=max(0.0, end_s - time.monotonic())
            )

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._queue)
                notice, self._busy = self._queue.popleft(), True
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _log.warning("%d notices were dropped: subscribers or log handlers are too slow", dropped)
            self._tell_all(notice)

    def _tell_all(self, notice: Notice) -> None:
        _log.log(level(notice), "%s", describe(notice), extra={"notice": notice})
        for callback in self._subscribers:
            try:
                callback(notice)
            except Exception:  # noqa: BLE001  a subscriber's error is its own: the next one, and the keeper, must not suffer from it
                _log.exception("a subscriber failed on %s", type(notice).__name__)


def level(notice: Notice) -> int:
    """How loud `notice` is logged. A campaign that is over was told to whoever waited for it: no need to be loud."""
    if isinstance(notice, notices.CampaignFailed) and notice.retry_at_ns is None:
        return logging.DEBUG
    return _LEVELS[type(notice)]


def describe(notice: Notice) -> str:
    """The notice in one line of words, as it is logged."""
    fields = {name: getattr(notice, name) for name in notice.__struct_fields__ if name not in {"election", "at_ns"}}
    parts = (f"{name}={getattr(value, 'value', value)!s}" for name, value in fields.items() if value not in {None, ""})
    return f"{notice.election}: {type(notice).__name__.lower()} {' '.join(parts)}"


ANNOUNCER = Announcer()


def subscribe(callback: Callable[[Notice], None]) -> Callable[[], None]:
    """Call `callback` with every notice of this process from now on; returns a function that ends that.

    It is called on a thread of its own, in order, and may block without harm to any tenure; if it falls more than
    QUEUE_LIMIT notices behind, the oldest are dropped and a warning says so. An exception in it is logged.
    """
    return ANNOUNCER.subscribe(callback)


def _forget_in_child() -> None:
    global ANNOUNCER  # noqa: PLW0603 -- the thread does not exist in a forked child: a new announcer takes its place
    ANNOUNCER = Announcer()


os.register_at_fork(after_in_child=_forget_in_child)
