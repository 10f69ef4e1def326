"""Tells notices to `logging` and to subscribers, on a thread of its own.

A log handler or a subscriber may block (a full pipe, a slow disk); the keeper must not, or it would renew late. So the
keeper only appends to a bounded queue, and this thread does the telling. When the queue is full the oldest notices go,
and how many went is logged.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable

from tenure.bell import Bell
from tenure.errors import Reason
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


_Item = tuple[Notice, BaseException | None] | tuple[int, str, BaseException | None]


class Announcer:
    """One queue, one daemon thread that starts with the first notice and sleeps while there is none."""

    def __init__(self) -> None:
        self._queue: deque[_Item] = deque(maxlen=QUEUE_LIMIT)
        self._subscribers: list[Callable[[Notice], None]] = []
        self._observers: tuple[Callable[[Notice], None], ...] = ()
        self._lock = threading.RLock()  # a raw one (see `tenure.bell`), for a signal's handler may tell something, too
        self._bell = Bell()
        self._busy = False
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def tell(self, notice: Notice, cause: BaseException | None = None) -> None:
        """Queue `notice`, to be logged with the traceback of `cause`; never blocks for longer than the queue's own lock
        is held. Any thread.
        """
        for observer in self._observers:
            observer(notice)
        if self._subscribers or _log.isEnabledFor(level(notice)):
            self._append((notice, cause))

    def say(self, loudness: int, text: str, cause: BaseException | None = None) -> None:
        """Have `text` logged in its turn, for those who must not wait for a log handler."""
        if _log.isEnabledFor(loudness):
            self._append((loudness, text, cause))

    def _append(self, item: _Item) -> None:
        with self._lock:
            self._dropped += len(self._queue) == QUEUE_LIMIT
            self._queue.append(item)
            if self._thread is None:
                self._start()
        self._bell.ring()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="tenure-announcer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # an ending interpreter starts no threads; a release must not fail for want of a log line
            self._queue.clear()
        else:
            self._thread = thread

    def subscribe(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        with self._lock:
            self._subscribers = [*self._subscribers, callback]

        def end() -> None:
            with self._lock:
                self._subscribers = [one for one in self._subscribers if one is not callback]

        return end

    def observe(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call `callback` at once, on whatever thread tells, the keeper's among them; returns what ends that.

        For tenure's own readers alone, who must not miss a notice because a log handler is slow: it must neither wait
        nor raise.
        """
        with self._lock:
            self._observers = (*self._observers, callback)

        def end() -> None:
            with self._lock:
                self._observers = tuple(one for one in self._observers if one is not callback)

        return end

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until everything queued so far was told; False if that took longer than `timeout_s`."""
        return self._bell.wait_for(lambda: not self._queue and not self._busy, timeout_s)

    def _run(self) -> None:
        while True:
            self._busy = False
            self._bell.ring()
            self._bell.wait_for(lambda: self._queue)
            with self._lock:
                self._busy = True  # first: `flush` must not find the queue empty and nobody busy
                item = self._queue.popleft()
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _write(logging.WARNING, f"{dropped} notices were dropped: subscribers or log handlers are too slow")
            match item:
                case (Notice() as notice, cause):
                    self._tell_all(notice, cause)
                case (int() as loudness, str() as text, cause):
                    _write(loudness, text, cause=cause)

    def _tell_all(self, notice: Notice, cause: BaseException | None) -> None:
        _write(level(notice), describe(notice), notice, cause=cause)
        for callback in self._subscribers:
            try:
                callback(notice)
            except BaseException as error:  # noqa: BLE001  whatever it raises is its own: this thread must not end of it
                _write(logging.ERROR, f"a subscriber failed on {type(notice).__name__}", cause=error)


def _write(loudness: int, text: str, notice: Notice | None = None, *, cause: BaseException | None = None) -> None:
    try:
        _log.log(loudness, "%s", text, extra={"notice": notice}, exc_info=cause)
    except Exception:  # noqa: BLE001  a log handler may raise; the thread that tells everybody must not end of it
        sys.excepthook(*sys.exc_info())


def level(notice: Notice) -> int:
    """How loud `notice` is logged. A campaign that is over was told to whoever waited for it, and what somebody asked
    for is no surprise: no need to be loud.
    """
    if isinstance(notice, notices.CampaignFailed) and notice.retry_at_ns is None:
        return logging.DEBUG
    if isinstance(notice, notices.Lost) and notice.reason in {Reason.RESIGNED, Reason.TRANSFERRED}:
        return logging.INFO
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
