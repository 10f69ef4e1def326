"""Requests and operations that one node hands on to another, for somebody who asked it, and what comes back.

They leave on this node's connection to the other one, and the answers come on the other one's to this. Both break on
their own. So something is handed on only while that node is heard, and whoever waits is told that the answer is lost
as soon as that connection is, or another takes its place: for on the new one it will not come.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from tenure.core.codec import Codec, Malformed
from tenure.core.elector import Elector, Serving
from tenure.core.events import Answer, NodeId, Request
from tenure.errors import TenureError
from tenure.runtime.operations import (
    ANSWERS,
    ASKS,
    NUMBER_BYTES,
    OPERATES,
    OPERATIONS,
    RESULT,
    RESULTS,
    Operation,
    Result,
    renumbered,
    why_none,
)
from tenure.runtime.way import AnswerLost, NotAsked

LIMIT_HANDED_ON = 8192
"""Requests to one peer that wait for their answers; each node keeps to it."""


class Desk(Protocol):
    """Who answers in this node itself."""

    def ask(self, kind: type[Request], *fields: object) -> asyncio.Future[Answer]: ...
    def operate(self, operation: Operation) -> asyncio.Future[Result]: ...


class Relay:
    """What one node hands on, and answers for others. `send` is the transport's."""

    def __init__(self, elector: Elector, desk: Desk, send: Callable[[NodeId, bytes], bool]) -> None:
        self.requests, self.answers = codecs(elector)
        self.answering = set[asyncio.Future[Any]]()
        """What others asked here, and was not answered yet."""
        self._desk, self._send = desk, send
        self._heard = set[NodeId]()
        self._ids = itertools.count(1)
        self._asked: dict[NodeId, dict[int, asyncio.Future[Answer]]] = {}
        self._operated: dict[NodeId, dict[int, asyncio.Future[Result]]] = {}

    @property
    def handed_on(self) -> int:
        """What waits for the answer of another node."""
        return sum(len(waiting) for handed_on in (self._asked, self._operated) for waiting in handed_on.values())

    # What is handed on

    def ask(self, to: NodeId, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        """As of a Way, to another node."""
        request = kind(next(self._ids), *fields)
        waiting = self._asked.setdefault(to, {})
        return self._hand_on(to, waiting, request.id, lambda: bytes((ASKS,)) + self.requests.encode(request))

    def operate(self, to: NodeId, operation: Operation) -> asyncio.Future[Result]:
        """The same for an operation."""
        number = next(self._ids)
        numbered = msgspec.structs.replace(operation, id=number)
        waiting = self._operated.setdefault(to, {})
        return self._hand_on(to, waiting, number, lambda: bytes((OPERATES,)) + OPERATIONS.encode(numbered))

    def led_by(self, leader: NodeId) -> None:
        """Another one leads from now on: who serves clients no more may never answer what it was asked."""
        for to, waiting in self._asked.items():
            if to != leader:
                self._fail(waiting, AnswerLost(f"node {leader} leads now"))

    def _hand_on(
        self, to: NodeId, waiting: dict[int, asyncio.Future[Any]], number: int, encode: Callable[[], bytes]
    ) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        if len(waiting) >= LIMIT_HANDED_ON:
            future.set_exception(NotAsked(f"{LIMIT_HANDED_ON} requests wait for node {to} already; ask again later"))
        elif to not in self._heard or not self._send(to, encode()):
            future.set_exception(NotAsked(f"there is no connection to node {to} and back now; ask again later"))
        else:
            waiting[number] = future
        return future

    # What comes from peers

    def received(self, peer: NodeId, payload: bytes, limit: int) -> None:
        """A frame that is no message of the algorithm. `limit`: as many may wait for their answers here. Raises
        CodecError.
        """
        kind = payload[0]
        if kind == ANSWERS:
            number = int.from_bytes(payload[1 : 1 + NUMBER_BYTES])
            answer = self.answers.decode(payload[1 + NUMBER_BYTES :])
            _told(self._asked, peer, number, answer)
        elif kind == RESULTS:
            result = RESULT.decode(payload[1:])
            _told(self._operated, peer, result.id, result)
        elif len(self.answering) >= limit:
            raise Malformed(f"more than {limit} requests came without waiting for answers")
        elif kind == ASKS:
            request = self.requests.decode(payload[1:])
            fields = [getattr(request, name) for name in request.__struct_fields__[1:]]
            asked = self._desk.ask(type(request), *fields)
            self.answering.add(asked)
            asked.add_done_callback(partial(self._hand_back, peer, request.id))
        elif kind == OPERATES:
            operation = OPERATIONS.decode(payload[1:])
            operated = self._desk.operate(operation)
            self.answering.add(operated)
            operated.add_done_callback(partial(self._tell_back, peer, operation.id))
        else:
            raise Malformed(f"a payload came that begins with {kind:#x}, as none of this version does")

    def heard(self, peer: NodeId) -> None:
        """On a new connection, and nothing of what was asked before will be answered on it for certain."""
        self.lost(peer)
        self._heard.add(peer)

    def lost(self, peer: NodeId) -> None:
        """Nothing that was asked of it will be answered."""
        self._heard.discard(peer)
        for handed_on in (self._asked, self._operated):
            self._fail(handed_on.pop(peer, {}), AnswerLost("the connection broke before the answer came"))

    def stop(self) -> None:
        """The same of everybody."""
        for handed_on in (self._asked, self._operated):
            for waiting in handed_on.values():
                self._fail(waiting, AnswerLost("this node was stopped before the answer came"))

    def _hand_back(self, peer: NodeId, number: int, done: asyncio.Future[Answer]) -> None:
        self.answering.discard(done)
        if not done.cancelled() and done.exception() is None:  # else this node ends, and the connection says it
            answer = self.answers.encode(done.result())
            self._send(peer, bytes((ANSWERS,)) + number.to_bytes(NUMBER_BYTES) + answer)

    def _tell_back(self, peer: NodeId, number: int, done: asyncio.Future[Result]) -> None:
        self.answering.discard(done)
        if done.cancelled() or done.exception() is not None:
            result = why_none(number, None if done.cancelled() else done.exception())
        else:
            result = renumbered(done.result(), number)
        self._send(peer, bytes((RESULTS,)) + RESULT.encode(result))

    @staticmethod
    def _fail(waiting: dict[int, asyncio.Future[Any]], error: TenureError) -> None:
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)
        waiting.clear()


def _told(
    handed_on: Mapping[NodeId, dict[int, asyncio.Future[Any]]], peer: NodeId, number: int, answer: Answer | Result
) -> None:
    future = handed_on.get(peer, {}).pop(number, None)
    if future is not None and not future.done():
        future.set_result(answer)


def codecs(elector: Elector) -> tuple[Codec[Request], Codec[Answer]]:
    """Of what clients ask and are told; of an elector that serves nobody, codecs that take nothing."""
    if isinstance(elector, Serving):
        return Codec(elector.requests), Codec(elector.answers)
    return Codec((Request,)), Codec((Answer,))
