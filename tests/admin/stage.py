"""One node with its admin server, on an event loop in a thread; and a reader of its events."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from tenure.admin.news import News
from tenure.admin.server import Admin
from tenure.algorithms.raft import Raft
from tenure.core.events import NodeId
from tenure.runtime.node import RuntimeNode
from tenure.transports.base import Identity, Receiver, Transport, identify
from tenure.transports.unix import UnixTransport
from tests.runtime.test_driver import QUICK

LIMIT_S = 30.0
T = TypeVar("T")


class Stage:
    """Node a, alone in its group, with raft: it leads within half a second of `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="node")
        self.thread.start()
        self.news = News()
        self.node = RuntimeNode(
            identify("test", ["a"], "a"),
            self._make,
            peers={},
            carry=self._carry,
            directory=folder / "a",
            owner=self.news,
            cluster="test",
        )
        self.admin = self.call(self._serve())
        self.url = self.admin.url
        self.is_started = False

    def _make(self, me: NodeId, members: Sequence[NodeId], chance: Random) -> Raft:
        return Raft(me, members, chance, QUICK)

    def _carry(self, me: Identity, receiver: Receiver) -> Transport:
        return UnixTransport(me, f"unix:{self.folder}/a.sock", receiver)

    async def _serve(self) -> Admin:
        return Admin(self.node, self.news, "127.0.0.1:0")

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the node's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(LIMIT_S)

    def tell(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it on the node's loop, and wait until it has returned."""

        async def run() -> None:
            function(*arguments)

        self.call(run())

    def start(self) -> Self:
        self.call(self.node.start())
        self.is_started = True
        return self

    def lead(self) -> Self:
        """Start it, and wait until it may act."""
        self.start()
        until(lambda: self.node.driver.held is not None)
        return self

    def close(self) -> None:
        """Everything, in the order of the command."""
        if self.loop.is_closed():
            return
        if self.is_started:
            self.call(self.node.stop())
        self.call(self.admin.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(LIMIT_S)
        self.loop.close()


def until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Wait for it."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.005)


class Told(NamedTuple):
    """One event of a stream, as its lines say."""

    id: str | None
    event: str
    data: Any


class Reader:
    """Reads `/v1/events`, from behind `last_id` if that is given."""

    def __init__(self, url: str, last_id: str | None = None, limit_s: float = LIMIT_S) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=limit_s)
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        self._connection.request("GET", "/v1/events", headers=headers)
        self.response = self._connection.getresponse()

    def lines(self) -> list[str]:
        """Up to the next empty line; empty at the end of the stream."""
        lines: list[str] = []
        while line := self.response.readline().decode():
            if line == "\n":
                return lines
            lines.append(line.removesuffix("\n"))
        return lines

    def next(self) -> Told | None:
        """The next event, comments passed over; None at the end."""
        while lines := self.lines():
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if fields:
                return Told(fields.get("id"), fields["event"], json.loads(fields["data"]))
        return None

    def find(self, event: str) -> Told:
        """The next one of that kind."""
        end_s = time.monotonic() + LIMIT_S  # comments come for ever
        while (told := self.next()) is not None:
            if told.event == event:
                return told
            assert time.monotonic() < end_s, f"no {event} came"
        raise AssertionError(f"the stream ended before {event}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.response.close()
        self._connection.close()
