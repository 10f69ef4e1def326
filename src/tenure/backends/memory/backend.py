"""The backend `memory://`: one process's connection to a memory service, and the grants it won there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial

import msgspec

from tenure.backends.base import (
    METADATA_LIMIT_BYTES,
    VALUE_LIMIT_BYTES,
    Backend,
    Candidate,
    Capabilities,
    Grant,
    Leader,
    Reading,
)
from tenure.backends.memory.connection import Connection
from tenure.backends.memory.faults import Faults
from tenure.backends.memory.record import Held
from tenure.backends.memory.service import MemoryService
from tenure.clock import Clock
from tenure.durations import NS_PER_S, to_ns
from tenure.errors import BackendRefused, BackendUnreachable, ConfigurationError
from tenure.holding.events import Deposed, Granted, Wish

DEFAULT_LEASE_S = 15.0
"""Kubernetes: 15 s; Consul: 15 s at least; etcd's election recipe: 60 s."""


class MemoryBackend(Backend):
    """A connection to `service`, with leases of `lease` seconds; it belongs to one event loop at a time.

    `clock` is the one that this process counts on, if that is not the service's own. `faults` are met by this
    connection only, before those that the service has for all. Raises ConfigurationError for a lease of 0.
    """

    def __init__(
        self,
        service: MemoryService,
        *,
        lease: float | str = DEFAULT_LEASE_S,
        clock: Clock | None = None,
        faults: Faults | None = None,
        url: str | None = None,
    ) -> None:
        self._lease_ns = to_ns(lease)
        if self._lease_ns <= 0:
            raise ConfigurationError(f"a lease of {lease!r} ends before it begins; give more than 0 seconds")
        self.service = service
        self.faults = faults if faults is not None else Faults()
        self.clock = clock if clock is not None else service.clock
        self.url = url if url is not None else f"memory://{service.name}"
        self.capabilities = Capabilities(
            grade=service.grade,
            scope=service.scope,
            default_lease_s=self._lease_ns / NS_PER_S,
            ordered=True,
            transfer=True,
            watch="push",
        )
        self._connection = Connection(service, self.faults)

    async def campaign(self, candidate: Candidate, *, once: bool) -> Grant | None:
        _check(METADATA_LIMIT_BYTES, "the metadata", lambda: msgspec.json.encode(dict(candidate.metadata)))
        lease_ns = self._lease_ns if candidate.lease_ns is None else candidate.lease_ns
        if lease_ns <= 0:
            raise BackendRefused("a lease of 0 ends before it begins; ask for more; nothing was changed")
        election, name = candidate.election, candidate.name
        with self._connection.bell() as bell:
            stand = partial(
                self.service.stand,
                self._connection,
                candidate,
                lease_ns=lease_ns,
                once=once,
                bell=bell,
            )
            try:
                while True:
                    sent_ns = self.clock.now_ns()
                    held = await self._connection.call("campaign", election, name, stand)
                    if held is not None:
                        return MemoryGrant(self.service, self._connection, held, sent_ns)
                    if once:
                        return None
                    await bell.wait()
            except BaseException:  # cancelled, too: what was taken is given back, whatever was heard of it
                self._connection.withdraw(election, name, candidate.nonce)
                raise

    async def read(self, election: str) -> Reading:
        return await self._connection.call("read", election, "", partial(self.service.read, election))

    async def watch(self, election: str) -> AsyncGenerator[Reading, None]:
        with self._connection.bell() as bell:
            end = self.service.watch(election, bell)
            read = partial(self.service.read, election, "watch")
            try:
                last: Reading | None = None
                while True:
                    reading = await self._connection.call("watch", election, "", read)
                    if reading != last:
                        last = reading
                        yield reading
                    await bell.wait()
            finally:
                end()

    async def ask(self, election: str, wish: Wish) -> Leader:
        return await self._connection.call("ask", election, "", partial(self.service.ask, election, wish))

    async def floor(self, election: str, token: int) -> None:
        await self._connection.call("floor", election, "", partial(self.service.floor, election, token))

    async def shut(self, election: str, token: int, url: str, *, clean: bool) -> int:
        _check(VALUE_LIMIT_BYTES, "the URL", url.encode)
        shut = partial(self.service.shut, election, token, url, clean=clean)
        return await self._connection.call("shut", election, "", shut)

    async def elections(self) -> tuple[str, ...]:
        return await self._connection.call("read", "", "", self.service.elections)

    async def close(self) -> None:
        self._connection.break_off(
            lambda: BackendRefused(f"{self.url} was closed here; connect to it again"), for_good=True
        )

    def forked(self) -> None:
        self._connection.forget(
            lambda: BackendRefused(f"{self.url} stayed with the parent of this forked process; connect again")
        )

    # -------------------------------------------------------------------------------- what a test may do to it

    def kill(self) -> None:
        """Act as if this process were killed: nothing is given back, nothing more is sent or heard."""
        self._connection.break_off(
            lambda: BackendUnreachable(f"the process behind this connection to {self.url} was killed by its test"),
            for_good=True,
        )

    def break_connection(self) -> None:
        """Let every call that waits fail; the next one connects again. What is held stays held."""
        self._connection.break_off(
            lambda: BackendUnreachable(f"the connection to {self.url} was broken by its test"), for_good=False
        )


class MemoryGrant(Grant):
    """A grant of a memory service."""

    def __init__(self, service: MemoryService, connection: Connection, held: Held, sent_ns: int) -> None:
        self.granted = Granted(token=held.token, sent_ns=sent_ns, lease_ns=held.lease_ns, clean=held.clean)
        self._service = service
        self._connection = connection
        self._held = held
        self._renew = partial(service.renew, held)
        self._election, self._name = held.candidate.election, held.candidate.name

    async def renew(self) -> int:
        return await self._connection.call("renew", self._election, self._name, self._renew)

    async def release(self, to: str | None = None, *, acted: bool = True) -> None:
        release = partial(self._service.release, self._held, to, acted=acted)
        await self._connection.call("release", self._election, self._name, release)

    async def retire(self, url: str) -> None:
        _check(VALUE_LIMIT_BYTES, "the URL", url.encode)
        retire = partial(self._service.retire, self._held, url)
        await self._connection.call("retire", self._election, self._name, retire)

    async def attend(self) -> AsyncGenerator[Wish | Deposed, None]:
        with self._connection.bell() as bell:
            end = self._service.attend(self._held, bell)
            try:
                heard = self._held.told
                while True:
                    news = partial(self._service.news, self._held, heard)
                    for item in await self._connection.call("attend", self._election, self._name, news):
                        yield item
                        if isinstance(item, Deposed):
                            return
                        heard += 1  # only now: whoever left while it was told is told again
                    await bell.wait()
            finally:
                end()

    async def publish(self, value: str) -> None:
        _check(VALUE_LIMIT_BYTES, "the value", value.encode)
        publish = partial(self._service.publish, self._held, value)
        await self._connection.call("publish", self._election, self._name, publish)


def _check(limit: int, what: str, encode: Callable[[], bytes]) -> None:
    """Raise BackendRefused for text that is too long, or that is no text: half a surrogate pair has no UTF-8."""
    try:
        size = len(encode())
    except UnicodeEncodeError as error:
        raise BackendRefused(f"{what} cannot be written as UTF-8 ({error}); nothing was changed") from error
    if size > limit:
        raise BackendRefused(f"{what} has {size} bytes and may have {limit}; nothing was changed")
