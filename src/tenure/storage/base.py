"""The seam between a node and its disk.

A storage is opened in a thread, since that reads; begun in the loop's thread; and then takes records. Duties of its
user:

 1. `begin` it once, before the first `write`, from the thread in which the loop runs; call all else from there too.
 2. Number the records of one life from 1 on, growing by one.
 3. Take nothing for durable but what `on_durable` named, and what `kept` held.
 4. Take no more work in while `backlog_bytes` is above the limit that the user has set itself.
 5. After `on_failed` write nothing more and end: what is on the disk is known only to the next life that reads it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from tenure.core.events import Record
from tenure.errors import TenureError

OnDurable = Callable[[int], None]
"""Every record up to this number is durable. Called in the loop's thread, never from within `write`."""
OnFailed = Callable[["StorageError"], None]
"""Nothing more will become durable in this life. Called once, in the loop's thread, never from within `write`."""


class StorageError(TenureError):
    """What is kept cannot be read or written; the message says which file, and what to do."""


class StorageInUse(StorageError):
    """Another process has this data directory."""


class StorageDamaged(StorageError):
    """What had been durable cannot be read any more. Nothing was changed: the node must not go on without it."""


class StorageForeign(StorageError):
    """What lies there was written by another log, a later version or another algorithm. Nothing was changed."""


class StorageFailed(StorageError):
    """A write or a sync failed. It is not tried again: a disk that failed once may say that all is well, and lie."""


class Storage(ABC):
    """Keeps the records of one node."""

    kept: tuple[Record, ...]
    """What earlier lives made durable: for each type what its records amount to (`Record.over`)."""

    @property
    def waits_for_space(self) -> bool:
        """Whether the disk is full. Nothing is lost, and what has no place any more becomes durable when there is."""
        return False

    @property
    def syncs(self) -> int:
        """How often the disk was made to keep what was given."""
        return 0

    @abstractmethod
    def begin(self, on_durable: OnDurable, on_failed: OnFailed) -> None:
        """Call these from now on, in the thread of the loop that runs now."""

    @abstractmethod
    def write(self, number: int, record: Record) -> None:
        """Begin to make a record durable, and return at once. Raises StorageError where it is too long to be kept, and
        after the end; then nothing was begun.
        """

    @property
    @abstractmethod
    def backlog_bytes(self) -> int:
        """What was given to `write` and is not durable yet."""

    @abstractmethod
    async def close(self) -> None:
        """Return when all that was begun is durable, or has failed, and give everything back. On a disk that stalls
        this waits: give it a time-out, and leave. On a full one what waits for space fails.
        """


class Count:
    """Sees that the records of a life are numbered as they must be."""

    def __init__(self) -> None:
        self.last = 0

    def take(self, number: int) -> None:
        """The next record has this number."""
        assert number == self.last + 1, f"record {number} was given after {self.last}"
        self.last = number
