"""The lock that people write by hand: a row with an owner and the time at which it expires.

It is meant honestly and is what one finds in many code bases, with a table, a key of Redis or a file: whoever finds it
free or expired takes it, in one atomic statement; a thread renews it in good time; whoever finds that it was taken
stops. It has no token, so nothing written under it tells whether it came too late, and no deadline that the work is
held to. A process that is paused in the middle of its work does not know that it was.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

TIMEOUT_S = 2.0
"""People take 10 s to 60 s; here it is short, so that you need not wait. Nothing else depends on it."""
RENEW_S = TIMEOUT_S / 4
POLL_S = 0.1
_BUSY_S = 20.0


def create(path: Path) -> None:
    """A lock that nobody has."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE lock (owner TEXT, expires_at REAL)")
        connection.execute("INSERT INTO lock VALUES (NULL, 0)")


class TimeoutLock:
    """The row, as one owner sees it. `is_held` turns false when a renewal finds that somebody else took it."""

    def __init__(self, path: Path, owner: str) -> None:
        self._path = path
        self._owner = owner
        self._stopped = threading.Event()
        self.is_held = False

    def acquire(self) -> None:
        """Wait until the lock is free or expired, and take it; a thread renews it from then on."""
        while not self._change(
            "UPDATE lock SET owner = ?, expires_at = ? WHERE owner IS NULL OR expires_at < ?",
            self._owner, time.time() + TIMEOUT_S, time.time(),
        ):  # fmt: skip  # the statement, and what it is given
            time.sleep(POLL_S)
        self.is_held = True
        threading.Thread(target=self._renew, name="renew", daemon=True).start()

    def release(self) -> None:
        """Let the next one in."""
        self._stopped.set()
        self._change("UPDATE lock SET owner = NULL WHERE owner = ?", self._owner)

    def _renew(self) -> None:
        while not self._stopped.wait(RENEW_S):
            if not self._change("UPDATE lock SET expires_at = ? WHERE owner = ?", time.time() + TIMEOUT_S, self._owner):
                self.is_held = False
                return

    def _change(self, statement: str, *values: object) -> bool:
        with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as connection, connection:
            return connection.execute(statement, values).rowcount == 1
