"""A connection that a node dialled to another: it says hello, is answered, and then sends, bounded in what waits."""

from __future__ import annotations

import asyncio

from tenure.core.events import NodeId
from tenure.transports import hello as greetings
from tenure.transports.base import checked_size
from tenure.transports.complaints import Trouble
from tenure.transports.connection import WRITE_BYTES, Connection, House
from tenure.transports.frames import HEADER
from tenure.transports.hello import Refusal, Refused
from tenure.transports.tls import Channel


class Outbound(Connection):
    """A connection that was dialled: it says hello, is answered, and then sends."""

    def __init__(self, house: House, channel: Channel | None, peer: NodeId, name: str) -> None:
        super().__init__(house, channel)
        self.house = house
        self.peer = peer
        self.name = name
        loop = asyncio.get_running_loop()
        self.introduced: asyncio.Future[Refused | None] = loop.create_future()
        """None once the peer has welcomed this node; otherwise why not."""
        self.over: asyncio.Future[Refused | None] = loop.create_future()
        """Done when the connection is; with what this side refuses, if it was that."""
        self.waiting_bytes = 0
        self._failure: Refused | None = None
        self._queue: list[bytes] = []
        self._is_paused = False
        self._greeting = greetings.answer_reader()

    def made(self) -> None:
        if self._channel is None:
            self._say_hello()
        else:
            self._channel.begin()
            self.write_plain(self._channel.outgoing())

    def opened(self) -> None:
        self.check_certificate(self.name)
        self._say_hello()

    def take(self, data: bytes | memoryview) -> None:
        if self.introduced.done():
            raise Refused(Trouble.MALFORMED, f"node {self.name!r} sends where it only receives")
        found = self._greeting.feed(data)
        if found is None:
            return
        said, _ = found
        if isinstance(said, Refusal):
            is_removed = said.why == Trouble.REMOVED.value
            raise Refused(Trouble.REMOVED if is_removed else Trouble.REFUSED, said.text)
        greetings.examine_answer(said, self.peer, self.name)
        self.introduced.set_result(None)

    def refuse(self, why: Refused) -> None:
        self._failure = why
        self.finish()  # not at once: an alert of TLS tells the other side why

    def ended(self) -> None:
        if not self.introduced.done():
            closed = Refused(Trouble.UNREACHABLE, "it closed the connection before it answered")
            self.introduced.set_result(self._failure or closed)
        if not self.over.done():
            self.over.set_result(self._failure)

    # Sending ------------------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> bool:
        """Queue a frame; False where too much waits."""
        limits = self.house.limits
        size = HEADER.size + checked_size(payload, limits.frame_bytes)
        if self.waiting_bytes + size > limits.queue_bytes:
            self.house.complaints.complain(
                self.name,
                Trouble.FULL,
                f"{self.waiting_bytes} bytes wait for node {self.name!r}, and more is dropped: it reads too slowly, "
                "or the way to it is too narrow",
            )
            return False
        if not self._queue and not self._is_paused:
            self.house.will_flush(self)
        self._queue.append(HEADER.pack(size - HEADER.size))
        self._queue.append(payload)
        self.waiting_bytes += size
        return True

    def flush(self) -> None:
        """Hand to the loop what waits, unless it has enough of this already."""
        if self.is_over:
            return
        if self.waiting_bytes <= WRITE_BYTES and not self._is_paused:
            data = b"".join(self._queue)
            self._queue.clear()
            self.waiting_bytes = 0
            if data:
                self.write(data)
            return
        while self._queue and not self._is_paused:
            self.write(self._piece())

    def _piece(self) -> bytes:
        """The first frames that wait, of WRITE_BYTES together, or the first one if that is longer."""
        size = count = 0
        while count < len(self._queue) and size < WRITE_BYTES:
            size += len(self._queue[count]) + len(self._queue[count + 1])
            count += 2
        piece = b"".join(self._queue[:count])
        del self._queue[:count]
        self.waiting_bytes -= size
        return piece

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self.flush()

    def _say_hello(self) -> None:
        house = self.house
        self.write(greetings.hello(house.me, self.peer, house.started, house.ends_with_process))
