"""A tenure's file in the hands of who made it, which alone ever writes to it.

How tenure N comes about, keeps others off and ends. Why there are never two leaders, in four steps:

1. A renewal writes the stamp and *then* looks whether a later tenure is there. If it finds none, then whoever makes one
   afterwards reads that stamp.
2. Who makes a tenure reads the stamps of all before it *after* its own file has its name, and waits them out. So it
   waits out every renewal that succeeded; and none succeeds after its file has its name.
3. A holder counts its deadline from before it wrote its stamp, and a margin less than the lease: it is over before the
   wait is.
4. Whoever is frozen anywhere holds nothing that others wait for but its last stamp. When it wakes, its next look finds
   the later tenure; until then its deadline, which has passed, keeps it from acting.

Gray and Cheriton, "Leases" (SOSP 1989), give the time; link(2), which makes a name or fails, gives the one winner.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from tenure.backends.file import steps
from tenure.backends.file.place import open_regular, sync_directory
from tenure.backends.lease import record, stamp
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.stamp import Phase, Stamp
from tenure.errors import BackendUnreachable

BUSY_S = 1.0
"""How long one thread waits for another that writes to the same file: that one is stuck in the disk by then."""

_AFTER_ITS_END = {Phase.CLOSED: (Phase.FLOOR, Phase.RETIRED), Phase.RETIRED: (Phase.RETIRED, Phase.CLOSED)}
"""What may still be stamped on a tenure that is over; nothing on any other."""

_log = logging.getLogger(__name__)


class TenureFile:
    """Tenure `token`, as long as it is ours. Its methods may be called on several threads."""

    def __init__(self, place: LeasePlace, token: int, fd: int, first: Stamp) -> None:
        found = os.fstat(fd)
        self.place = place
        self.token = token
        self.value = record.NOTHING
        self.stamp = first
        self._inode = (found.st_dev, found.st_ino)
        self._fd = fd
        self._mutex = threading.Lock()  # within this process only: a stuck thread may have been replaced

    def renew(self, now_ns: int) -> bool:
        """Stamp it, and only then look whether it is still the last; returns that.

        `now_ns` is the clock as read before. The order matters: of a look before the stamp whoever comes in between
        would know nothing.
        """
        if not self._write(at_ns=now_ns):
            return False
        return self.is_last()

    def lead(self) -> None:
        """Show readers that this tenure is led; its holder is told after that. It lengthens nothing."""
        self._write(phase=Phase.LED)

    def close(self, *, clean: bool, heir: str = "", heir_until_ns: int = 0) -> None:
        """End it by its own word, so that nobody waits it out, and wake who waits."""
        if self._write(phase=Phase.CLOSED, clean=clean, heir=heir, heir_until_ns=heir_until_ns):
            self.drop()
            self.poke()

    def vouch(self) -> None:
        """Let nobody look at what was before: it is over."""
        self._write(phase=Phase.FLOOR)
        self._sync()
        self.drop()
        self.poke()

    def retire(self, url: str) -> bool:
        """Say that the election is at `url` from now on, durably and in both slots, and only *then* look whether this
        is the last tenure; returns that. If not, it is taken back.

        The order matters as it does for `renew`: who makes a later tenure after that look reads this stamp.
        """
        if not self.publish(url):
            return False
        self._sync()
        for _ in stamp.OFFSETS:
            if not self._write(phase=Phase.RETIRED):
                return False
        self._sync()
        if not self.is_last():
            self._write(phase=Phase.CLOSED)
            return False
        self.drop()
        self.poke()
        return True

    def publish(self, text: str) -> bool:
        """Write the leader's value; returns whether there was still somebody to write it."""
        with self._alone():
            if self._fd < 0:
                return False
            value = record.Value(self.value.number + 1, text)
            data, at = record.value_slot(value)
            steps.write_whole(self._fd, data, at)
            self.value = value
        return True

    def is_last(self) -> bool:
        """Whether no later tenure was made, and this file is still there."""
        return self.place.is_last(self.token, self._inode)

    def poke(self) -> None:
        """Wake those who watch. A write to an open file wakes nobody."""
        try:
            steps.poke(self.place.path(self.token))
        except OSError as error:  # pruned, or another user's directory: they look by themselves
            _log.debug("%s: nobody could be woken: %s", self.place.path(self.token), error)

    def drop(self) -> None:
        """Let the file be as it is, as if this process had died."""
        with contextlib.suppress(BackendUnreachable), self._alone():  # stuck in the disk: it is closed with the process
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                os.close(fd)

    def forget(self) -> None:
        """In a forked child, where nothing else runs: the file is the parent's."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _write(self, *, at_ns: int = 0, **changes: object) -> bool:
        """Write the next stamp, unless the tenure is over; an instant never goes back, nor does the phase."""
        with self._alone():
            phase = changes.get("phase")
            if self._fd < 0 or (self.stamp.is_over and phase not in _AFTER_ITS_END.get(self.stamp.phase, ())):
                return False
            later = max(at_ns, self.stamp.at_ns)
            new = msgspec.structs.replace(self.stamp, number=self.stamp.number + 1, at_ns=later, **changes)
            steps.write_whole(self._fd, stamp.pack(new), stamp.offset(new))
            self.stamp = new
        return True

    def _sync(self) -> None:
        with self._alone():
            if self._fd >= 0:
                os.fsync(self._fd)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._mutex.acquire(timeout=BUSY_S):
            raise BackendUnreachable(f"{self.place.path(self.token)}: the disk does not answer; try again later")
        try:
            yield
        finally:
            self._mutex.release()


def make(place: LeasePlace, token: int, first: Stamp, holder: record.Holder) -> TenureFile | None:
    """Make tenure `token`, whole and durable; None where somebody else has made it.

    The file is complete and synced before it gets its name by link(2), which fails where there is one: nobody ever
    sees half a tenure, and of many who try one succeeds. (rename(2) would put the last one in place of the first.)
    """
    path = place.path(token)
    unfinished = place.begin()
    try:
        steps.write_whole(unfinished.fileno, record.image(first, holder), 0)
        os.fsync(unfinished.fileno)
        assert unfinished.name is not None
        try:
            os.link(unfinished.name, path, follow_symlinks=False)
        except FileExistsError:
            return None
        fd = open_regular(path, os.O_RDWR)  # news about the temporary name would reach nobody
        if not os.path.samestat(os.fstat(fd), os.fstat(unfinished.fileno)):  # the directory is another one by now
            os.close(fd)
            return None
        made = TenureFile(place, token, fd, msgspec.structs.replace(first, number=first.number + 1))
    finally:
        unfinished.close()
    try:
        sync_directory(place.tenures)
    except OSError:
        _give_back(made)
        raise
    return made


def _give_back(made: TenureFile) -> None:
    try:
        made.close(clean=False)
    except (OSError, BackendUnreachable) as error:  # others wait for its lease, then
        _log.debug("%s: %s", made.place.path(made.token), error)
        made.drop()
