"""A won tenure: the open descriptor of the locked file, and what its leader must hear."""

# ruff: noqa: PTH112, PTH116 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable
from functools import partial

from tenure.backends.base import VALUE_LIMIT_BYTES, Gone, Grant
from tenure.backends.file import tenures, wishes
from tenure.backends.file.failures import translating
from tenure.backends.file.inotify import CREATE, DELETE, DELETE_SELF, MOVE_SELF, MOVED_FROM, MOVED_TO, Watches
from tenure.backends.file.outcomes import ORPHAN_NS, Victory
from tenure.backends.file.place import Place
from tenure.backends.file.sentry import Sentry
from tenure.backends.file.tools import Bell, Tools
from tenure.durations import NS_PER_S
from tenure.errors import BackendRefused, BackendUnreachable, Reason
from tenure.holding.events import Deposed, Wish

NOTICE_NS = NS_PER_S
"""What a leader gets to stop once it has noticed that its lock file is gone."""
_MASK = CREATE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF | MOVE_SELF
_FOR_EVER_S = 3600.0

_log = logging.getLogger(__name__)


class FileGrant(Grant):
    """The kernel's lock on one file; lasts until it is closed, by us or by the death of everyone who has a copy."""

    def __init__(
        self, tools: Tools, sentry: Sentry, place: Place, victory: Victory, ended: Callable[[FileGrant], None]
    ) -> None:
        self.granted = victory.granted
        self.keep_open = (victory.fd,)
        self.place = place
        self.vouched_ns = victory.granted.sent_ns
        """When the lock file was last seen to be ours."""
        self._tools = tools
        self._sentry = sentry
        self._fds = [victory.fd]
        """The lock's descriptor until somebody takes it out to close it: `pop` gives it to one thread only."""
        self._let_go = False
        self._inode = (victory.state.lock_device, victory.state.lock_inode)
        self._state = victory.state
        self._ended = ended
        self._wished = False
        self._bell = Bell(tools)
        self._watches = Watches(tools.inotify)
        self.is_watched = False
        """Whether the kernel tells about the election's directory, so that it need not be looked at."""

    async def renew(self) -> int:
        """There is no lease to renew: the lock holds until it is let go. Always raises Gone."""
        raise Gone(f"{self.place.lock}: a lock has no lease; it lasts until it is released")

    async def release(self, to: str | None = None, *, acted: bool = True) -> None:
        if self._let_go:
            return
        try:
            with translating(self.place.directory, "change"):
                await self._tools.worker.run(partial(self._release, to, acted=acted))
        except BackendUnreachable:  # no thread is left to do it in good order: nothing else would ever end the tenure
            self.drop()
            raise

    async def retire(self, url: str) -> None:
        with translating(self.place.directory, "change"):
            await self._tools.worker.run(partial(self._retire, url))

    async def publish(self, value: str) -> None:
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise BackendRefused(f"the value has no form in UTF-8 ({error}); nothing was published") from None
        if size > VALUE_LIMIT_BYTES:
            raise BackendRefused(
                f"the value has {size} bytes, and {VALUE_LIMIT_BYTES} are allowed; nothing was published. Publish an "
                f"address of the data, not the data"
            )
        with translating(self.place.directory, "change"):
            await self._tools.worker.run(partial(self._publish, value))

    async def attend(self) -> AsyncGenerator[Wish | Deposed, None]:
        told = ""
        with translating(self.place.directory, "change"):
            try:
                await self._tools.worker.run(self._watch)
                self._sentry.add(self)
                self._tools.worker.post(self._reserve)
                while True:
                    self._bell.hush()
                    found = await self._tools.worker.run(self._inspect)
                    if isinstance(found, Deposed):
                        yield found
                        return
                    if found is not None and found.serial != told:
                        told, self._wished = found.serial, True
                        yield found.wish
                    else:
                        await self._bell.wait(_FOR_EVER_S)
            finally:
                self._sentry.remove(self)
                self._tools.worker.post(partial(self._watches.set, {}))

    def drop(self) -> None:
        """Let go without a word, as if this process had died."""
        self.keep_open = ()
        self._ended(self)
        if (fd := self._take()) is not None:
            self._let_go = True
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: the descriptor was closed with all the others."""
        self._fds.clear()
        self._let_go = True
        self.keep_open = ()

    def ring(self) -> None:
        """Have the leader look at its election; called on the loop."""
        self._bell.ring()

    # ------------------------------------------------------------------------------------------- jobs for the worker

    def is_ours(self) -> bool:
        """Whether the lock file is still ours. Raises OSError where it is not there, or cannot be seen."""
        now_ns = self._tools.clock.now_ns()
        found = os.stat(self.place.lock, follow_symlinks=False)
        if (found.st_dev, found.st_ino) != self._inode:
            return False
        self.vouched_ns = now_ns
        return True

    def _watch(self) -> None:
        self._sentry.remember_root()
        wanted = {self.place.directory: (_MASK, lambda _mask: self._bell.ring())}
        self.is_watched = self._watches.set(wanted)

    def _reserve(self) -> None:
        """Spare the successor a wait for the disk; it does without where that fails."""
        if not self._fds or self._state.reserve != "none":
            return
        try:
            fd = self._fds[0]
            self._state = tenures.reserve(self.place, fd, self._state, leads=lambda: bool(self._fds))
        except (IndexError, OSError, BackendRefused) as error:
            _log.debug("%s: no token could be reserved for the next leader: %s", self.place.token, error)

    def _inspect(self) -> Deposed | wishes.Note | None:
        try:
            if not self.is_ours():
                return self._deposed(Reason.DEPOSED, f"{self.place.lock} was replaced")
        except FileNotFoundError:
            if os.path.isdir(self.place.directory):
                return self._deposed(Reason.DEPOSED, f"{self.place.lock} was deleted")
            return self._deposed(Reason.BACKEND_GONE, f"{self.place.directory} was removed")
        note = wishes.read(self.place)
        return note if note is not None and note.token == self.granted.token else None

    def _deposed(self, reason: Reason, detail: str) -> Deposed:
        """Whoever wins on another file took it after it was last seen to be ours, and waits ORPHAN_NS after that."""
        seen_ns = max(self.vouched_ns, self._sentry.vouched_ns if self.is_watched else 0)
        until_ns = min(self._tools.clock.now_ns() + NOTICE_NS, seen_ns + ORPHAN_NS)
        return Deposed(reason, f"{detail} underneath its leader; the lock on it protects nobody any more", until_ns)

    def _publish(self, value: str) -> None:
        self._state = tenures.publish(self.place, next(iter(self._fds), None), self._state, value)

    def _release(self, to: str | None, *, acted: bool) -> None:
        fd = self._take()
        if fd is None:
            if self._let_go:
                return
            raise BackendUnreachable(
                f"{self.place.lock} is still held: its release waits for the disk, and lets go when that answers. "
                f"Look at the kernel's log"
            )
        self.keep_open = ()
        self._ended(self)
        try:
            clean = acted or self.granted.clean
            tenures.end(self._tools.clock, self.place, fd, self._state, to, clean=clean, wished=self._wished)
        finally:
            self._let_go = True

    def _retire(self, url: str) -> None:
        if not self._fds:
            raise Gone(f"tenure {self.granted.token} of {self.place.election} was released")
        self._state = tenures.retire(self.place, self._fds[0], self._state, url, clean=self.granted.clean)
        if (fd := self._take()) is not None:
            self._let_go = True
            self.keep_open = ()
            self._ended(self)
            tenures.let_go(self.place, fd)

    def _take(self) -> int | None:
        try:
            return self._fds.pop()
        except IndexError:
            return None
