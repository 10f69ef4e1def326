"""The backend of an application that is a member of its own group: `Election(name, at=node)`.

Coroutines here run on the keeper's loop, and cross to the node's thread for everything but a renewal: that reads,
behind a lock, the deadline that the elector has given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from tenure.backends.base import (
    METADATA_LIMIT_BYTES,
    VALUE_LIMIT_BYTES,
    Backend,
    Candidate,
    Capabilities,
    Gone,
    Grant,
    Leader,
    Reading,
    Scope,
)
from tenure.backends.member.asking import Authority
from tenure.backends.member.held import Attempt, Held
from tenure.core.model import Guarantee
from tenure.durations import NS_PER_S
from tenure.errors import BackendRefused, BackendUnreachable, ConfigurationError, NodeFailed, NodeStopped, TenureError
from tenure.holding.events import Deposed, Wish
from tenure.runtime.node import RuntimeNode
from tenure.runtime.threads import LoopThread, bridge_to

LOOK_AGAIN_S = 1.0
"""A watch asks so often whether what it saw is still so: a node that has died says nothing."""
LOOK_ONCE_S = 0.05
"""A single try that was not elected yet asks so often whether somebody else was."""
WATCH_PATIENCE_S = 2.0
"""For so long a watch looks for somebody who may act, before it says that nobody knows."""
MAJORITY = 3
"""So many nodes can lose one."""

_T = TypeVar("_T")


class MemberBackend(Backend):
    """Elections of the group that `node` is a member of. Raises ConfigurationError where the group's algorithm gives no
    authority.
    """

    def __init__(
        self, node: RuntimeNode, authority: Authority, thread: LoopThread, *, cluster: str, scope: Scope
    ) -> None:
        elector = node.elector
        if Guarantee.ONE_AT_A_TIME not in elector.guarantees:
            raise ConfigurationError(
                f"node {node.me.name!r} runs {elector.name}, which elects and gives no authority: in a partition two "
                'may lead. Make it Node(..., authority="majority"), or with algorithm="raft"'
            )
        self.url = f"member://{cluster}"
        self.clock = node.clock
        self.capabilities = Capabilities(
            grade="A" if len(node.peers) + 1 >= MAJORITY else "B",
            scope=scope,
            default_lease_s=elector.authority_ns / NS_PER_S,
            takes_leases=False,
            movable=False,
            apart=False,
            ordered=False,
            transfer=True,
            watch="push",
        )
        self._authority, self._thread = authority, thread
        self._attempts = set[Attempt]()
        self._closed: TenureError | None = None

    async def campaign(self, candidate: Candidate, *, once: bool) -> Grant | None:
        self._check(candidate)
        election = candidate.election
        if once and (await self._cross(self._authority.view, election)).leader is not None:
            return None
        attempt = Attempt(candidate)
        self._attempts.add(attempt)
        try:
            self._thread.post(self._authority.stand, attempt)
            future = self._thread.wait(attempt.crossing)
            while once and not future.done():
                await asyncio.wait([future], timeout=LOOK_ONCE_S)
                if not future.done() and (await self._cross(self._authority.view, election)).leader is not None:
                    held = await self._cross(self._authority.try_to_withdraw, attempt)
                    return None if held is None else self._grant(held)
            return self._grant(await future)
        except (NodeStopped, NodeFailed) as error:
            raise _ended(error) from error
        except BaseException:
            self._give_up(attempt)
            raise
        finally:
            self._attempts.discard(attempt)

    def _grant(self, held: Held) -> MemberGrant:
        return MemberGrant(held, self._authority, self._thread)

    def _give_up(self, attempt: Attempt) -> None:
        with suppress(TenureError):  # the node has ended, and with it all that it had granted
            self._thread.post(self._authority.withdraw, attempt)

    async def read(self, election: str) -> Reading:
        return await self._cross(self._authority.view, election)

    async def watch(self, election: str) -> AsyncGenerator[Reading, None]:
        rung = asyncio.Event()
        bell = _bell(rung)
        self._post(self._authority.bells.add, bell)
        last: Reading | None = None
        try:
            while True:
                rung.clear()
                reading = await self._cross(self._authority.view, election, WATCH_PATIENCE_S)
                if reading != last:
                    last = reading
                    yield reading
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await rung.wait()
        finally:
            with suppress(TenureError):
                self._thread.post(self._authority.bells.discard, bell)

    async def ask(self, election: str, wish: Wish) -> Leader:
        return await self._cross(self._authority.ask, election, wish)

    async def floor(self, election: str, token: int) -> None:
        raise BackendRefused(
            f"the tokens of {election} at {self.url} are positions in the group's log, or its ballots, and cannot be "
            f"set to {token}; nothing was changed"
        )

    async def elections(self) -> tuple[str, ...]:
        return await self._cross(self._authority.elections)

    async def close(self) -> None:
        """Candidates stand no more, and grants end at their deadlines as if their holder had died; the node goes on."""
        self._closed = BackendUnreachable(f"{self.url} was closed here; nothing was asked")
        for attempt in tuple(self._attempts):
            self._give_up(attempt)
            attempt.failed(self._closed)

    def forked(self) -> None:
        self._closed = BackendRefused(
            f"{self.url} stayed with the parent of this forked process: make a Node of its own in each process"
        )
        self._attempts.clear()

    def _check(self, candidate: Candidate) -> None:
        size = _size("metadata", lambda: msgspec.json.encode(dict(candidate.metadata)))
        if size > METADATA_LIMIT_BYTES:
            raise BackendRefused(
                f"the metadata of {candidate.name!r} has {size} bytes, and {METADATA_LIMIT_BYTES} are allowed; it did "
                "not stand. Put less there"
            )
        usual_s = self.capabilities.default_lease_s
        assert usual_s is not None
        if candidate.lease_ns is not None and candidate.lease_ns > usual_s * NS_PER_S:
            raise BackendRefused(f"a lease here is the group's, {usual_s:g} s: give Node(..., lease=) a longer one")

    def _post(self, call: Callable[..., object], *arguments: object) -> None:
        if self._closed is not None:
            raise self._closed
        try:
            self._thread.post(call, *arguments)
        except (NodeStopped, NodeFailed) as error:
            raise _ended(error) from error

    async def _cross(self, function: Callable[..., Coroutine[Any, Any, _T]], *arguments: object) -> _T:
        """What it comes to in the node's thread."""
        if self._closed is not None:
            raise self._closed
        try:
            return await self._thread.call(function, *arguments)
        except (NodeStopped, NodeFailed) as error:
            raise _ended(error) from error


class MemberGrant(Grant):
    """A grant of a node's authority."""

    def __init__(self, held: Held, authority: Authority, thread: LoopThread) -> None:
        self.granted = held.granted
        self._held, self._authority, self._thread = held, authority, thread

    async def renew(self) -> int:
        if self._thread.end is not None:
            raise Gone(str(self._thread.end))
        return self._held.renew()

    async def release(self, to: str | None = None, *, acted: bool = True) -> None:
        with suppress(NodeStopped, NodeFailed):  # then it is gone
            await self._thread.call(self._authority.released, self._held, to, acted)

    async def attend(self) -> AsyncGenerator[Wish | Deposed, None]:
        held, rung = self._held, asyncio.Event()
        ear = _bell(rung)
        self._thread.post(held.ears.add, ear)
        try:
            while True:
                rung.clear()
                while held.told < len(held.news):
                    news = held.news[held.told]
                    yield news
                    if isinstance(news, Deposed):
                        return
                    held.told += 1  # only now: whoever left while it was told is told again
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await rung.wait()
        finally:
            with suppress(TenureError):
                self._thread.post(held.ears.discard, ear)

    async def publish(self, value: str) -> None:
        size = _size("the value", value.encode)
        if size > VALUE_LIMIT_BYTES:
            raise BackendRefused(
                f"the value has {size} bytes, and {VALUE_LIMIT_BYTES} are allowed; nothing was published. Publish an "
                "address of the data, not the data"
            )
        try:
            await self._thread.call(self._authority.publish, self._held, value)
        except (NodeStopped, NodeFailed) as error:
            raise Gone(str(error)) from error


def _bell(rung: asyncio.Event) -> Callable[[], None]:
    """Sets the event, which is of the running loop, from any thread."""
    bridge = bridge_to(asyncio.get_running_loop())

    def ring() -> None:
        with suppress(RuntimeError):  # that loop is closed
            bridge.post(rung.set)

    return ring


def _size(what: str, encode: Callable[[], bytes]) -> int:
    try:
        return len(encode())
    except UnicodeEncodeError as error:
        raise BackendRefused(f"{what} has no form in UTF-8 ({error}); nothing was changed") from None


def _ended(error: TenureError) -> BackendRefused:
    return BackendRefused(f"{error}; nobody is elected here any more")
