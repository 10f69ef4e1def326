"""The way to one peer: dialled, dialled again after a pause whenever it breaks, and sent on while it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tenure.core.events import NodeId
from tenure.transports.addresses import Address
from tenure.transports.base import Limits, Receiver
from tenure.transports.complaints import Complaints, Trouble
from tenure.transports.hello import Refused
from tenure.transports.outbound import Outbound

STUCK_S = 0.25
"""An attempt of this age is given up when the peer turns out to be there: its first packet is lost, and Linux sends the
second after a second. Round trips round the earth take 0.3 s at most, so few attempts that would succeed are given up.
"""

Connect = Callable[[Callable[[], Outbound], Address], Awaitable[object]]


class Backoff:
    """The pauses between attempts: twice as long each time, up to a limit, and up to half of each taken off by chance,
    so that nodes which lost one peer together do not return to it together.
    """

    def __init__(self, limits: Limits, chance: Random) -> None:
        self._limits = limits
        self._chance = chance
        self._pause_s = limits.backoff_s

    def next_s(self) -> float:
        """How long to wait now."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, self._limits.longest_backoff_s)
        return pause_s * (1 - self._chance.random() / 2)

    def reset(self) -> None:
        """Begin anew."""
        self._pause_s = self._limits.backoff_s


class Dialling:
    """Keeps a connection to one peer. `make` makes a connection that is not dialled yet, `connect` dials."""

    def __init__(
        self,
        peer: NodeId,
        name: str,
        address: Address,
        *,
        make: Callable[[NodeId, str], Outbound],
        connect: Connect,
        limits: Limits,
        chance: Random,
        complaints: Complaints,
        receiver: Receiver,
    ) -> None:
        self.peer = peer
        self.name = name
        self.address = address
        self.outbound: Outbound | None = None
        """What can be sent on; None while nothing can."""
        self.dropped = 0
        self._make = make
        self._connect = connect
        self._limits = limits
        self._backoff = Backoff(limits, chance)
        self._complaints = complaints
        self._receiver = receiver
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connecting_since_s: float | None = None
        self._is_missed = False

    def start(self) -> None:
        """Dial from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"tenure dials {self.name}")

    def stop(self) -> None:
        """Dial no more, and end what stands."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self.outbound is not None:
            self.outbound.abort()
            self.outbound = None

    def move(self, address: Address) -> None:
        """The peer is reached elsewhere from now on."""
        if address != self.address:
            self.address = address
            if self._task is not None:
                self.stop()
                self._backoff.reset()
                self.start()

    def nudge(self) -> None:
        """The peer is there, for it has dialled this node: there is no need to wait any longer."""
        if self.outbound is not None or self._task is None:
            return
        since_s = self._connecting_since_s
        if since_s is not None and asyncio.get_running_loop().time() - since_s > STUCK_S:
            self.stop()
            self.start()
        else:
            self._wake.set()

    async def farewell(self) -> None:
        """Let what was sent leave, and end the connection, for as long as the caller waits."""
        outbound, self.outbound = self.outbound, None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if outbound is None:
            return
        try:
            while outbound.waiting_bytes and not outbound.over.done():
                outbound.flush()
                await asyncio.sleep(0.001)
            outbound.finish()
            await asyncio.shield(outbound.over)
        finally:
            outbound.abort()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            since_s = loop.time()
            try:
                outbound = await self._attempt()
            except (Refused, OSError, UnicodeError) as error:  # the last: a host's name that cannot be one
                self._miss(error)
            else:
                self._wake.clear()
                self.outbound = outbound
                self._receiver.reached(self.peer)
                if self._is_missed:
                    self._is_missed = False
                    self._complaints.mention(self.name, "reached", f"node {self.name!r} is reached at {self.address}")
                failure = await asyncio.shield(outbound.over)
                self.outbound = None
                if failure is not None:
                    self._miss(failure)
                if loop.time() - since_s >= self._limits.longest_backoff_s:
                    self._backoff.reset()
            await self._pause(self._backoff.next_s())

    async def _attempt(self) -> Outbound:
        """A connection on which the peer has welcomed this node. Raises Refused or OSError."""
        outbound = self._make(self.peer, self.name)
        is_welcome = False
        try:
            self._connecting_since_s = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(self._limits.connect_s):
                    await self._connect(lambda: outbound, self.address)
            except TimeoutError as error:
                raise TimeoutError(f"no answer within {self._limits.connect_s:g} s") from error
            finally:
                self._connecting_since_s = None
            try:
                async with asyncio.timeout(self._limits.hello_s):
                    why = await asyncio.shield(outbound.introduced)
            except TimeoutError as error:
                raise TimeoutError(
                    f"it took the connection, and did not introduce itself within {self._limits.hello_s:g} s"
                ) from error
            if why is not None:
                raise why
            is_welcome = True
        finally:
            if not is_welcome and not outbound.is_over:
                outbound.abort()
        return outbound

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _miss(self, error: Refused | OSError | UnicodeError) -> None:
        self._is_missed = True
        where = f"node {self.name!r} at {self.address}"
        match error:
            case Refused(trouble=Trouble.REFUSED | Trouble.REMOVED as trouble):
                text = f"{where} refuses this node: {error}"
            case Refused(trouble=trouble):
                text = f"{where} cannot be spoken with: {error}"
            case _:
                why = getattr(error, "strerror", None) or str(error) or type(error).__name__
                trouble = Trouble.UNREACHABLE
                pause_s = self._limits.longest_backoff_s
                text = f"{where} is not reached: {why}; trying again, at least once in {pause_s:g} s"
        self._complaints.complain(self.name, trouble, text)
        if trouble is Trouble.REMOVED:
            self._receiver.expelled(self.peer)
