"""What operators do with a running cluster, from anywhere: look at it, add and remove nodes, hand leadership over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from tenure.core.elector import WishRefused
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError, NotServed, OutcomeUnknown, RequestRefused
from tenure.runtime.operations import (
    WHOEVER,
    AddNode,
    Elsewhere,
    HandOver,
    Operation,
    RemoveNode,
    Result,
    RosterIs,
    StatusIs,
    TellRoster,
    TellStatus,
)
from tenure.runtime.remote import RemoteGroup, Unreachable
from tenure.runtime.roster import Seat
from tenure.runtime.status import Status
from tenure.runtime.way import AnswerLost, NotAsked
from tenure.transports.base import Limits
from tenure.transports.calling import Calls
from tenure.transports.hello import Refused
from tenure.transports.tls import Tls

PAUSE_S = 0.05
"""Between two questions while there is no leader."""
SILENCE_S = 2.0
"""How long one node may take to tell how it stands."""


class NobodyLeads(NotServed):
    """There is no leader that could be asked. Ask again when a majority of the nodes runs."""

    exit_code = 3


class Operators:
    """Speaks with the cluster that has nodes at some of `addresses`. `async with` it."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        name: str = "operator",
        tls: Tls | None = None,
        allow_plain: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._group = RemoteGroup(addresses, name=name, tls=tls, allow_plain=allow_plain, limits=limits)
        self._calls = Calls(name, tls=tls, allow_plain=allow_plain, limits=limits)

    async def open(self, *, within_s: float) -> None:
        """Reach a node. Raises Unreachable, ConfigurationError."""
        await self._group.open(within_s=within_s)

    async def close(self) -> None:
        await self._group.close()

    async def status(self, of: NodeId = WHOEVER, *, within_s: float = SILENCE_S) -> Status:
        """The view that one node has of itself. Raises Unreachable."""
        told = await self._ask(of, TellStatus, within_s)
        assert isinstance(told, StatusIs)
        return msgspec.json.decode(told.status, type=Status)

    async def roster(self, *, within_s: float = SILENCE_S) -> RosterIs:
        """Who is a member, and where, as one node knows it. Raises Unreachable."""
        told = await self._ask(WHOEVER, TellRoster, within_s)
        assert isinstance(told, RosterIs)
        return told

    async def statuses(self) -> list[tuple[Seat, Status | None]]:
        """Of every member at the same time; None for one that does not tell. Raises Unreachable."""
        seats = [seat for seat in (await self.roster()).seats if not seat.is_gone]
        asked = await asyncio.gather(*(self.status(seat.number) for seat in seats), return_exceptions=True)
        return [(seat, one if isinstance(one, Status) else None) for seat, one in zip(seats, asked, strict=True)]

    async def add(self, name: str, address: str, *, within_s: float) -> NodeId:
        """Make the node that waits at `address` a member; its number. It is a voter where there are voters.

        Raises RequestRefused or NotServed, and then it is none; OutcomeUnknown: look who is a member, or ask again.
        """
        cluster = self._group.reached[0].cluster if self._group.reached else b""
        try:
            line = await self._calls.dial(address, lambda _payload: None, lambda: None, cluster=cluster)
        except (Refused, OSError, UnicodeError) as error:
            raise RequestRefused(
                f"no node of this cluster was found at {address} ({error}); start it first: tenure node --join ..."
            ) from error
        node = line.node
        line.abort()
        assert node is not None
        if node.name != name:
            raise ConfigurationError(f"the node at {address} is called {node.name!r}, and not {name!r}")
        await self._at_leader(AddNode, (node.number, name, address), within_s)
        return node.number

    async def remove(self, node: str, *, within_s: float) -> None:
        """Let the member of this name or number be none any more, for ever; errors as for `add`."""
        await self._at_leader(RemoveNode, (node,), within_s)

    async def transfer(self, to: str | None, *, within_s: float) -> Status:
        """Let whoever leads hand over to the member `to`, or to anybody; the view of who leads then. Errors as for
        `add`; NobodyLeads.
        """
        number = None
        if to is not None:
            members = [seat for seat in (await self.roster()).seats if not seat.is_gone]
            seats = [seat for seat in members if to in {seat.name, str(seat.number)}]
            if not seats:
                raise RequestRefused(f"no member is called {to!r}; look who is: tenure cluster members")
            number = seats[0].number
        until_s = asyncio.get_running_loop().time() + within_s
        before = (await self._led(until_s)).leader
        if before == number:
            return await self.status(before or WHOEVER)
        await self._at_leader(HandOver, (number,), within_s)
        while True:
            now = await self._led(until_s)
            if now.leader != before and (number is None or now.leader == number):
                return now
            await asyncio.sleep(PAUSE_S)

    async def _next(self, after: NodeId) -> NodeId:
        """Another member, each in its turn."""
        numbers = [seat.number for seat in (await self.roster()).seats if not seat.is_gone]
        return next((number for number in numbers if number > after), numbers[0])

    async def _led(self, until_s: float) -> Status:
        """The view of somebody who knows who leads."""
        loop = asyncio.get_running_loop()
        while True:
            now = await self.status()
            if now.leader is not None:
                return now
            if loop.time() >= until_s:
                raise NobodyLeads("nobody leads now; ask again when a majority of the nodes runs")
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, of: NodeId, kind: type[Operation], within_s: float) -> Result:
        """Ask for what changes nothing, again if it is lost."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        told: Result = await self._group.operate(of, kind)
                    except (NotAsked, AnswerLost):
                        await asyncio.sleep(PAUSE_S)
                    else:
                        return told
        except TimeoutError:
            self._group.doubt(of)
            raise Unreachable(f"no answer came within {within_s:g} s: is a node of this cluster running?") from None

    async def _at_leader(self, kind: type[Operation], fields: tuple[object, ...], within_s: float) -> None:
        """Have the leader do it, whoever that is; what is asked may be asked for again without harm."""
        whom, is_in_doubt, is_asked = WHOEVER, False, False
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        is_asked = True
                        result: Result = await self._group.operate(whom, kind, *fields)
                        is_asked = False
                    except NotAsked:
                        whom, is_asked = WHOEVER, False
                    except AnswerLost:
                        whom, is_in_doubt = WHOEVER, True
                    else:
                        if not isinstance(result, Elsewhere):
                            return
                        if result.leader is not None:
                            whom = result.leader
                        else:  # nobody leads, or who leads may not do it, and another one may
                            whom = await self._next(whom)
                    await asyncio.sleep(PAUSE_S)
        except TimeoutError:
            if is_in_doubt or is_asked:
                raise OutcomeUnknown(
                    f"no answer came within {within_s:g} s: it may have come about, or may yet; look who is a member"
                ) from None
            raise NotServed(f"nobody could do it within {within_s:g} s, and nothing was done: who leads?") from None
        except WishRefused as error:
            raise RequestRefused(str(error)) from error
