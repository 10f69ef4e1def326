"""Serves the clients of a node: takes their frames apart, asks whom they mean, and sends back the answers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tenure.core.codec import Malformed, TooLong
from tenure.core.events import Answer
from tenure.runtime.operations import (
    ANSWERS,
    ASKS,
    NUMBER_BYTES,
    OPERATES,
    OPERATIONS,
    RESULT,
    RESULTS,
    Doubtful,
    Result,
    TellLeader,
    renumbered,
    why_none,
)
from tenure.transports.base import Caller

if TYPE_CHECKING:
    from tenure.runtime.node import RuntimeNode

_BEHIND_TO = 1 + NUMBER_BYTES
_IDS = range(2 ** (8 * NUMBER_BYTES))


class NodeClerk:
    """A Clerk of one node. How much one client may ask at a time, the transport sees to."""

    def __init__(self, node: RuntimeNode) -> None:
        self._node = node
        self._curious: dict[Caller, set[asyncio.Future[Result]]] = {}

    def asked(self, caller: Caller, payload: bytes) -> None:
        """As of a Clerk."""
        if len(payload) <= _BEHIND_TO:
            raise Malformed("a request came that names nobody")
        node, to = self._node, int.from_bytes(payload[1:_BEHIND_TO])
        if payload[0] == ASKS:
            request = node.relay.requests.decode(payload[_BEHIND_TO:])
            _check(request.id)
            fields = [getattr(request, name) for name in request.__struct_fields__[1:]]
            asked = node.ask(to or node.me.number, type(request), *fields)
            asked.add_done_callback(partial(self._answer, caller, request.id))
        elif payload[0] == OPERATES:
            operation = OPERATIONS.decode(payload[_BEHIND_TO:])
            _check(operation.id)
            operated = node.operate(to or node.me.number, operation)
            if isinstance(operation, TellLeader):
                self._curious.setdefault(caller, set()).add(operated)
            operated.add_done_callback(partial(self._tell, caller, operation.id))
        else:
            raise Malformed(f"a request came that begins with {payload[0]:#x}, as none of this version does")

    def left(self, caller: Caller) -> None:
        """As of a Clerk: what it asked for goes on, and nobody hears of it; but what it wanted to know is let go of."""
        for waiting in self._curious.pop(caller, ()):
            waiting.cancel()

    def _answer(self, caller: Caller, number: int, done: asyncio.Future[Answer]) -> None:
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._send(caller, why_none(number, error))
            return
        try:
            answer = self._node.relay.answers.encode(done.result())
            caller.answer(bytes((ANSWERS,)) + number.to_bytes(NUMBER_BYTES) + answer)
        except TooLong as too_long:
            self._send(caller, Doubtful(number, f"it came about, and its answer cannot be sent: {too_long}"))

    def _tell(self, caller: Caller, number: int, done: asyncio.Future[Result]) -> None:
        self._curious.get(caller, set()).discard(done)
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._send(caller, why_none(number, error))
        else:
            self._send(caller, renumbered(done.result(), number))

    @staticmethod
    def _send(caller: Caller, result: Result) -> None:
        try:
            caller.answer(bytes((RESULTS,)) + RESULT.encode(result))
        except TooLong as error:
            caller.answer(bytes((RESULTS,)) + RESULT.encode(Doubtful(result.id, f"it cannot be sent: {error}")))


def _check(number: int) -> None:
    if number not in _IDS:
        raise Malformed(f"a request came under the number {number}, and {NUMBER_BYTES} bytes have to hold it")
