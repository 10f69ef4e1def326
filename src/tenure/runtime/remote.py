"""A group as a client elsewhere reaches it: by connections to some of its nodes.

One connection is kept to a node of those whose addresses are given; whom a client asks besides, mostly the leader, is
dialled too, at the address that the nodes have for it. While that is under way, and where it cannot be reached from
here, the node that is reached hands on what is asked.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any, Self

from tenure.algorithms.raft import Raft
from tenure.core.codec import Codec, CodecError
from tenure.core.elector import WishRefused
from tenure.core.events import Answer, NodeId, Request
from tenure.errors import ConfigurationError, TenureError
from tenure.runtime.operations import (
    ANSWERS,
    ASKS,
    NUMBER_BYTES,
    OPERATES,
    OPERATIONS,
    RESULT,
    RESULTS,
    WHOEVER,
    Denied,
    Done,
    Elsewhere,
    LeaderIs,
    NotNow,
    Operation,
    Result,
    RosterIs,
    StatusIs,
    TellLeader,
    TellRoster,
)
from tenure.runtime.way import AnswerLost, NotAsked
from tenure.transports.base import Limits, Say, log
from tenure.transports.calling import Calls, Line
from tenure.transports.hello import Refused, Welcome
from tenure.transports.tls import Tls

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
"""Between two rounds of attempts while nobody is reached: twice as long each time."""
AGAIN_AFTER_S = 1.0
"""A node that is asked through another is dialled so often."""
MOST_LINES = 16
"""Connections at a time; groups are smaller."""


TOLD = RosterIs | StatusIs | LeaderIs | Done | Elsewhere
"""What an operation comes to where something came of it, or it is known who should be asked."""


class Unreachable(TenureError, ConnectionError):
    """No node of the group is reached, each for the reason that is named. Start one, or correct the addresses."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h


class RemoteGroup:
    """A Way to a group of Raft's, at some `addresses` of its nodes; it lives on the loop on which it is opened."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        name: str = "client",
        tls: Tls | None = None,
        allow_plain: bool = False,
        limits: Limits | None = None,
        say: Say = log,
    ) -> None:
        if not addresses:
            raise ConfigurationError("give the address of a node at least, such as 127.0.0.1:7101 or unix:/path")
        self._calls = Calls(name, tls=tls, allow_plain=allow_plain, limits=limits)
        self._addresses = list(dict.fromkeys(addresses))
        self._say = say
        self._requests: Codec[Request] = Codec(Raft.requests)
        self._answers: Codec[Answer] = Codec(Raft.answers)
        self._ids = itertools.count(1)
        self._lines: dict[NodeId, _Asked] = {}
        self._seats: dict[NodeId, str] = {}
        self._cluster = b""
        self._favourite: NodeId | None = None
        self._term = 0  # of what was heard of leaders
        self._next = 0  # of the addresses: from there on they are tried
        self._not_before_s: dict[NodeId, float] = {}
        self._another_not_before_s = 0.0
        self._troubles: dict[str, str] = {}
        self._change = asyncio.Event()
        self._reached = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self, *, within_s: float = 10.0) -> None:
        """Reach one node. Raises Unreachable, with the reason for each address; ConfigurationError."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="tenure reaches a group")
        try:
            async with asyncio.timeout(within_s):
                await asyncio.wait(
                    {self._task, reached := asyncio.ensure_future(self._reached.wait())},
                    return_when=asyncio.FIRST_COMPLETED,
                )
        except TimeoutError:
            await self.close()
            reasons = "; ".join(self._troubles.values()) or "nobody has answered yet"
            raise Unreachable(f"no node was reached within {within_s:g} s: {reasons}") from None
        reached.cancel()
        if self._task.done():
            await self._task

    async def close(self) -> None:
        """End every connection; who waits for an answer is told that it is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for asked in list(self._lines.values()):
            asked.close()
        self._lines.clear()
        await asyncio.sleep(0)  # connections that were ended are told so in the next turn

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def reached(self) -> list[Welcome]:
        """The nodes to which a connection stands."""
        return [asked.node for asked in self._lines.values()]

    # As of a Way

    def whom(self) -> NodeId:
        if self._favourite is not None:
            return self._favourite
        asked = self._some_line()
        return WHOEVER if asked is None else asked.node.number

    def ask(self, to: NodeId, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        request = kind(next(self._ids), *fields)
        return self._send(to, request.id, ASKS, lambda: self._requests.encode(request))

    def doubt(self, to: NodeId) -> None:
        if to in self._lines:
            self._lines[to].is_silent = True
        if self._favourite == to:
            self._favourite = None
        self._change.set()

    # Operators

    def operate(self, to: NodeId, kind: type[Operation], *fields: object) -> asyncio.Future[Any]:
        """Ask node `to`, or with 0 whoever is reached, for an operation. It fails as a Way's `ask` does."""
        operation = kind(next(self._ids), *fields)
        return self._send(to, operation.id, OPERATES, lambda: OPERATIONS.encode(operation))

    def _send(self, to: NodeId, number: int, kind: int, encode: Callable[[], bytes]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        asked = self._lines.get(to)
        if asked is None or asked.is_silent:
            asked = self._some_line()
        if to != WHOEVER and to not in self._lines:
            self._change.set()
        if to != WHOEVER:
            self._favourite = to
        if asked is None or asked.line.is_full or len(asked.waiting) >= self._calls.limits.requests:
            why = "no node is reached" if asked is None else "too much waits for an answer"
            future.set_exception(NotAsked(f"{why} now; ask again later"))
            self._change.set()
            return future
        there = WHOEVER if to == asked.node.number else to
        asked.line.send(bytes((kind,)) + there.to_bytes(NUMBER_BYTES) + encode())
        asked.waiting[number] = (to, kind, future)
        return future

    def _some_line(self) -> _Asked | None:
        return next((asked for asked in self._lines.values() if not asked.is_silent), None)

    # What comes back

    def _receive(self, asked: _Asked, payload: bytes) -> None:
        asked.is_silent = False
        try:
            if payload[0] == ANSWERS:
                number = int.from_bytes(payload[1 : 1 + NUMBER_BYTES])
                answer: Answer | Result = self._answers.decode(payload[1 + NUMBER_BYTES :])
            elif payload[0] == RESULTS:
                answer = RESULT.decode(payload[1:])
                number = answer.id
            else:
                raise CodecError(f"a frame came that begins with {payload[0]:#x}")
        except CodecError as error:
            self._say(logging.WARNING, f"node {asked.node.name!r} answers what cannot be read: {error}")
            asked.close()
            return
        to, _, future = asked.waiting.pop(number, (WHOEVER, ASKS, None))
        if future is None or future.done():
            return
        match answer:
            case NotNow(why=why):
                self._miss(to)
                future.set_exception(NotAsked(why))
            case Denied(why=why):
                future.set_exception(WishRefused(why))
            case _ if isinstance(answer, Result) and not isinstance(answer, TOLD):
                self._miss(to)
                future.set_exception(AnswerLost(getattr(answer, "why", "")))
            case _:
                future.set_result(answer)

    def _miss(self, to: NodeId) -> None:
        """That one cannot be asked through others either."""
        if self._favourite == to:
            self._favourite = None

    def _lost(self, asked: _Asked) -> None:
        if not asked.is_ready:
            return
        if self._lines.get(asked.node.number) is asked:
            del self._lines[asked.node.number]
        self._miss(asked.node.number)
        asked.fail()
        self._change.set()

    # Connections

    async def _keep(self) -> None:
        """Be connected to somebody, and to whom is asked."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._change.clear()
            if self._some_line() is None:
                if not (await self._dial_any(spared=self._used()) or await self._dial_any()):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
                pause_s = FIRST_PAUSE_S
            elif self._favourite is not None and self._favourite not in self._lines:
                await self._dial_favourite(self._favourite)
            elif len(self._lines) == 1 and len(self._addresses) > 1:
                await self._dial_another()
            await self._change.wait()

    def _used(self) -> set[str]:
        return {asked.address for asked in self._lines.values()}

    async def _dial_any(self, spared: Container[str] = ()) -> bool:
        everywhere = dict.fromkeys([*self._addresses, *self._seats.values()])
        addresses = [address for address in everywhere if address not in spared]
        for place in range(len(addresses)):
            address = addresses[(self._next + place) % len(addresses)]
            if await self._dial(address):
                self._next += place + 1
                return True
        return False

    async def _dial_favourite(self, number: NodeId) -> None:
        now_s = asyncio.get_running_loop().time()
        address = self._seats.get(number)
        if address is not None and now_s >= self._not_before_s.get(number, 0) and len(self._lines) < MOST_LINES:
            self._not_before_s[number] = now_s + AGAIN_AFTER_S
            await self._dial(address)

    async def _dial_another(self) -> None:
        """Where only one node is reached, nobody would say that it leads no more."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._another_not_before_s:
            self._another_not_before_s = now_s + AGAIN_AFTER_S
            await self._dial_any(spared=self._used())

    async def _dial(self, address: str) -> bool:
        """Whether a node was reached there that was not reached before."""
        asked = _Asked(address)
        try:
            asked.line = await self._calls.dial(
                address, partial(self._receive, asked), partial(self._lost, asked), cluster=self._cluster
            )
        except (Refused, OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self._troubles[address] = f"{address}: {why}"
            return False
        node = asked.node
        if asked.line.is_over:
            return False
        before = self._lines.pop(node.number, None)
        if before is not None:
            before.close()
        self._lines[node.number] = asked
        self._cluster = node.cluster
        self._reached.set()
        self.operate(node.number, TellRoster).add_done_callback(self._learn)
        self._follow(node.number, None)
        return True

    def _follow(self, number: NodeId, known: NodeId | None) -> None:
        """Have that node say when somebody else leads."""
        self.operate(number, TellLeader, known).add_done_callback(partial(self._led, number))

    def _led(self, number: NodeId, done: asyncio.Future[LeaderIs]) -> None:
        if done.cancelled() or done.exception() is not None:
            return  # the connection has ended, or that node is not asked any more
        said = done.result()
        if number in self._lines:
            self._follow(number, said.leader)
        if said.term <= self._term:
            return
        if self._favourite in self._lines and self._favourite not in {said.leader, number}:
            self._lines[self._favourite].is_silent = True  # until it says something: it may stand still
        self._term, self._favourite = said.term, said.leader
        for asked in self._lines.values():
            asked.fail_all_but(said.leader)
        self._change.set()

    def _learn(self, done: asyncio.Future[RosterIs]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        roster = done.result()
        for seat in roster.seats:
            if seat.number != roster.me or seat.number not in self._seats:  # it may listen where it is not reached
                self._seats[seat.number] = seat.address
        self._change.set()


class _Asked:
    """A connection, and what waits for answers on it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.line: Line
        self.waiting: dict[int, tuple[NodeId, int, asyncio.Future[Any]]] = {}
        """By number: who was asked, whether a request or an operation, and who waits."""
        self.is_silent = False

    @property
    def is_ready(self) -> bool:
        """Whether it stood for long enough to be asked something."""
        return hasattr(self, "line")

    @property
    def node(self) -> Welcome:
        assert self.line.node is not None
        return self.line.node

    def fail(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for _, _, future in waiting.values():
            if not future.done():
                future.set_exception(AnswerLost("the connection broke before the answer came"))

    def fail_all_but(self, leader: NodeId) -> None:
        """Requests to others, who serve nobody any more, may never be answered."""
        for to, kind, future in self.waiting.values():
            if kind == ASKS and to != leader and not future.done():
                future.set_exception(AnswerLost(f"node {leader} leads now"))

    def close(self) -> None:
        self.line.abort()
        self.fail()
