"""The thread that writes: whatever has been given since the last sync goes out as one batch.

It is handed records by a `SimpleQueue` and rings an eventfd when they are durable, which measured quickest of what
Python has (decision 0016 has the figures).
"""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress

from tenure.storage.wal.appender import Appender
from tenure.storage.wal.files import PIECE
from tenure.storage.wal.format import join

JOINED_BYTES = PIECE // 2
"""A batch takes no more records once it has so many bytes; one longer than all that goes out by itself."""


class Writer:
    """`bell` is an eventfd; `lock` is a descriptor that is closed when this thread will touch nothing any more."""

    def __init__(self, appender: Appender, bell: int, lock: int) -> None:
        self._appender = appender
        self._bell = bell
        self._lock = lock
        self._queue = queue.SimpleQueue[tuple[int, bytes] | None]()
        self.durable = (0, 0)
        """The number of the last record that is durable, and the bytes of all up to it: one is not read without the
        other.
        """
        self.batches = 0
        """Written and synced in this life."""
        self.error: Exception | None = None
        self.has_ended = False
        self.thread = threading.Thread(target=self._run, name="tenure-wal-writer", daemon=True)

    def put(self, number: int, data: bytes) -> None:
        """The next record."""
        self._queue.put((number, data))

    def end(self) -> None:
        """Write what was put, and end."""
        self._queue.put(None)

    def fail(self, error: Exception) -> None:
        """Something else of the log has failed: nothing becomes durable any more."""
        self.error = self.error or error
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        try:
            self._appender.append(
                b""
            )  # says where the log ended that was read: from now on that is known to be durable
            self._write_until_the_end()
            self._appender.append(b"")  # and where it ends now
        except Exception as error:  # noqa: BLE001  whatever it is, nobody else would ever hear of it
            self.error = self.error or error
        finally:
            with suppress(OSError):  # what was written was synced, and says what it has to say by that
                self._appender.close()
            os.close(self._lock)
            self.has_ended = True
            os.eventfd_write(self._bell, 1)

    def _write_until_the_end(self) -> None:
        total, waiting = 0, self._queue
        while (item := waiting.get()) is not None and self.error is None:
            number, data = item
            batch, size, is_last = [data], len(data), False
            while size < JOINED_BYTES and not waiting.empty():
                more = waiting.get()
                if more is None:
                    is_last = True
                    break
                number, data = more
                batch.append(data)
                size += len(data)
            self._appender.append(join(batch))
            total += size
            self.batches += 1
            self.durable = (number, total)
            os.eventfd_write(self._bell, 1)
            if is_last:
                return
