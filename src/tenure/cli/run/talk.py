"""What `tenure run` says, said by a thread of its own.

Stderr may be full: a pipe that nobody reads, a terminal held by Ctrl-S. Whoever writes to it then stands still, and the
wrapper must go on obeying signals, renewing and ending its job. So `Talk` takes the place of `sys.stderr` in the
wrapper, for messages, the log and everything else: a write only queues. The thread writes to the descriptor itself,
because an interpreter that ends while a thread holds the lock of a buffered stream aborts.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import sys
import threading
from collections import deque

QUEUE_LIMIT = 1000
"""How many writes wait for a reader; beyond that the oldest are dropped."""
FLUSH_S = 0.2
"""How long the end waits for what is still to be said."""


class Talk(io.TextIOBase):
    """A text stream that never blocks whoever writes to it; only `drain` waits."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._queue: deque[bytes] = deque(maxlen=QUEUE_LIMIT)
        self._condition = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None

    @classmethod
    def take_over(cls) -> None:
        """Put one in the place of `sys.stderr`, also for the log. After the guardian's fork: it will start a thread."""
        talk = cls(sys.stderr.fileno())
        for handler in logging.getLogger("tenure").handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                handler.setStream(talk)
        sys.stderr = talk
        atexit.register(talk.drain)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, text: str, /) -> int:
        """Queue `text`."""
        with self._condition:
            self._queue.append(text.encode(errors="backslashreplace"))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tenure-talk", daemon=True)
                self._thread.start()
            self._condition.notify_all()
        return len(text)

    def drain(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until everything was written; False if that took longer than `timeout_s`."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._queue and not self._busy, timeout_s)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._queue)
                rest, self._busy = self._queue.popleft(), True
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # somebody made it non-blocking: wait as a blocking one would
                    select.select([], [self._descriptor], [])
                except OSError:  # whoever closed stderr does not want to hear it
                    break
