"""Looks at a node from another thread: the view is made in the node's own loop, one for all who wait for it, so that
however many ask, a turn of that loop makes at most one.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import msgspec

from tenure.admin.numbers import Totals, totals
from tenure.durations import NS_PER_S
from tenure.errors import TenureError
from tenure.runtime.node import RuntimeNode
from tenure.runtime.status import Authority, Status, authority, status

LOOK_S = 0.8
"""How long a look waits for the node's loop; Kubernetes gives a probe one second unless it is told otherwise."""


class Glance(msgspec.Struct, frozen=True):
    """What there is to see at one instant."""

    status: Status
    totals: Totals


class NotSeen(TenureError):
    """The node's loop has made no view `for_s` seconds: it is stuck or very busy; for ever, where it has ended."""

    def __init__(self, what: str, for_s: float) -> None:
        super().__init__(f"the node's event loop {what}")
        self.for_s = for_s


class Window:
    """On a node whose loop is `loop`. But for that, use it in one other loop's thread."""

    def __init__(self, node: RuntimeNode, loop: asyncio.AbstractEventLoop) -> None:
        self._node, self._loop = node, loop
        self._pending: asyncio.Future[Glance] | None = None
        self._asked_ns = 0

    @property
    def incarnation(self) -> str:
        """The life of the node, in hexadecimal digits."""
        return f"{self._node.me.incarnation:016x}"

    @property
    def name(self) -> str:
        """The node's."""
        return self._node.me.name

    def authority(self) -> Authority | None:
        """What the node may do at this instant, by the clock; without asking its loop."""
        return authority(self._node)

    async def look(self) -> Glance:
        """A view that is made from now on. Raises NotSeen after LOOK_S."""
        if self._pending is None:
            self._ask()
        assert self._pending is not None
        try:
            async with asyncio.timeout(LOOK_S):
                return await asyncio.shield(self._pending)
        except TimeoutError as error:
            for_s = (self._node.clock.now_ns() - self._asked_ns) / NS_PER_S
            raise NotSeen(f"has not turned for {for_s:.1f} s", for_s) from error

    def _ask(self) -> None:
        home = asyncio.get_running_loop()
        future = home.create_future()
        try:
            self._loop.call_soon_threadsafe(self._loop.call_soon, self._make, home, future)
        except RuntimeError as error:
            raise NotSeen("has ended", math.inf) from error
        self._asked_ns, self._pending = self._node.clock.now_ns(), future
        future.add_done_callback(self._done)

    def _done(self, future: asyncio.Future[Glance]) -> None:
        self._pending = None
        if not future.cancelled():
            future.exception()  # whoever waited has it; nobody may have

    def _make(self, home: asyncio.AbstractEventLoop, future: asyncio.Future[Glance]) -> None:
        """In the node's loop, a turn after it was asked for: one that stood still has done by then what is overdue."""
        view: Glance | None = None
        error: Exception | None = None
        try:
            view = Glance(status(self._node), totals(self._node))
        except Exception as defect:  # noqa: BLE001  it is told to who asked, and the node goes on
            error = defect
        with suppress(RuntimeError):  # who asked may have ended
            home.call_soon_threadsafe(_settle, future, view, error)


def _settle(future: asyncio.Future[Glance], view: Glance | None, error: Exception | None) -> None:
    if future.done():
        return
    if view is not None:
        future.set_result(view)
    else:
        assert error is not None
        future.set_exception(error)
