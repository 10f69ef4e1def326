"""A won tenure: its renewal, what its leader must hear, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial

from tenure.backends.base import VALUE_LIMIT_BYTES, Gone, Grant
from tenure.backends.file import wishes
from tenure.backends.file.failures import translating
from tenure.backends.file.inotify import CREATE, DELETE, DELETE_SELF, MOVE_SELF, MOVED_FROM, MOVED_TO, Watches
from tenure.backends.file.tenures import check_url
from tenure.backends.file.tools import Bell, Tools
from tenure.backends.lease import ending
from tenure.backends.lease.contest import Victory
from tenure.backends.lease.place import LeasePlace
from tenure.backends.worker import Worker
from tenure.durations import NS_PER_S
from tenure.errors import BackendRefused, Reason, StaleToken
from tenure.holding.events import Deposed, Wish

_MASK = CREATE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF | MOVE_SELF
_LATER_NS = 1_000_000


class LeaseGrant(Grant):
    """One tenure; lasts until it is closed, or until its lease has run out since the last stamp."""

    def __init__(
        self, tools: Tools, pulse: Worker, place: LeasePlace, victory: Victory, ended: Callable[[LeaseGrant], None]
    ) -> None:
        self.granted = victory.granted
        self.place = place
        self._tools = tools
        self._pulse = pulse
        self._tenure = victory.tenure
        self._wishes = place.of(victory.granted.token)
        assert victory.granted.lease_ns is not None, "every grant here has a lease"
        self._lease_ns = victory.granted.lease_ns
        self._over_ns = victory.granted.sent_ns + self._lease_ns
        """From when on others may lead, by the last stamp after which this tenure was seen to be the last."""
        self._released = False
        self._ended = ended
        self._bell = Bell(tools)
        self._watches = Watches(tools.inotify)

    async def renew(self) -> int:
        with translating(self.place.directory, "change"):
            # On a thread of its own: a campaign in this process that waits for the disk must not make it late.
            return await self._pulse.run(self._renew)

    async def release(self, to: str | None = None, *, acted: bool = True) -> None:
        if self._released:
            return
        clean = acted or self.granted.clean
        with translating(self.place.directory, "change"):
            await self._tools.worker.run(partial(self._release, to, clean=clean))
        self._ended(self)

    async def retire(self, url: str) -> None:
        with translating(self.place.directory, "change"):
            await self._tools.worker.run(partial(self._retire, url))
        self._ended(self)

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
        loop = asyncio.get_running_loop()
        stop = self._tools.clock.on_move(lambda: _soon(loop, self._bell.ring))
        with translating(self.place.directory, "change"):
            try:
                watching = await self._tools.worker.run(self._watch)
                while True:
                    self._bell.hush()
                    found = await self._tools.worker.run(self._inspect)
                    if isinstance(found, Deposed):
                        yield found
                        return
                    if found is not None and found.serial != told:
                        told = found.serial
                        yield found.wish
                    else:
                        left_s = max(0, self._over_ns + _LATER_NS - self._tools.clock.now_ns()) / NS_PER_S
                        await self._bell.wait(left_s if watching else min(left_s, self._tools.poll_s))
            finally:
                stop()
                self._tools.worker.post(partial(self._watches.set, {}))

    def drop(self) -> None:
        """Let go without a word, as if this process had died: others wait for the lease."""
        self._released = True
        self._ended(self)
        self._tenure.drop()

    def forget(self) -> None:
        """In a forked child: the tenure stayed with its parent."""
        self._released = True
        self._tenure.forget()

    def ring(self) -> None:
        """Have the leader look at its election; called on the loop."""
        self._bell.ring()

    # ------------------------------------------------------------------------------------------- jobs for the workers

    def _renew(self) -> int:
        now_ns = self._tools.clock.now_ns()
        if now_ns >= self._over_ns:
            raise Gone(f"the lease of tenure {self.granted.token} has run out; another may lead already")
        if not self._tenure.renew(now_ns):
            raise Gone(self._why_gone())
        self._over_ns = max(self._over_ns, now_ns + self._lease_ns)
        return self._lease_ns

    def _release(self, to: str | None, *, clean: bool) -> None:
        ending.end(self._tools.clock, self._tenure, to, clean=clean)
        self._released = True

    def _retire(self, url: str) -> None:
        check_url(url)
        if self._tools.clock.now_ns() >= self._over_ns:
            raise Gone(f"the lease of tenure {self.granted.token} has run out; another may lead already")
        if not self._tenure.retire(url):
            raise Gone(self._why_gone())
        self._released = True

    def _publish(self, value: str) -> None:
        """Write it, and only then look: a value is never told to be published when nobody finds it."""
        if self._released or self._tools.clock.now_ns() >= self._over_ns or not self._tenure.publish(value):
            self._refuse_stale()
            raise BackendRefused(
                f"tenure {self.granted.token} of {self.place.election} has ended; nothing was published"
            )
        if not self._tenure.is_last():
            self._refuse_stale()
            raise BackendRefused(f"{self._why_gone()}; nobody finds what it published")
        self._tenure.poke()

    def _refuse_stale(self) -> None:
        highest = max(self._tokens(), default=0)
        if highest > self.granted.token:
            raise StaleToken(self.granted.token, highest)

    def _tokens(self) -> list[int]:
        try:
            return self.place.tokens()
        except FileNotFoundError:
            return []

    def _why_gone(self) -> str:
        token = self.granted.token
        if self._released:
            return f"tenure {token} was released"
        highest = max(self._tokens(), default=0)
        return f"tenure {highest} came after {token}" if highest > token else f"{self.place.path(token)} was removed"

    def _watch(self) -> bool:
        return self._watches.set({self.place.tenures: (_MASK, lambda _mask: self._bell.ring())})

    def _inspect(self) -> Deposed | wishes.Note | None:
        if not self._tenure.is_last():
            token = self.granted.token
            if max(self._tokens(), default=0) > token:  # who made that one waits for the end of our lease
                return Deposed(Reason.DEPOSED, self._why_gone(), self._over_ns)
            return Deposed(Reason.BACKEND_GONE, f"{self.place.path(token)} was removed underneath its leader")
        if self._tools.clock.now_ns() >= self._over_ns:
            return Deposed(Reason.EXPIRED, f"the lease of tenure {self.granted.token} has run out", self._over_ns)
        note = wishes.read(self._wishes)
        return note if note is not None and note.token == self.granted.token else None


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """A clock may be moved on any thread."""
    loop.call_soon_threadsafe(call)
