"""One connection: bytes in and out, with TLS or without, then a greeting, then frames.

Between nodes who dials sends, and who listens receives: a pair of nodes has two connections, so that a fault of one
direction shows as what it is. On its own connection who dialled receives nothing but the answer to its hello. A client
that dials asks, and is answered on the same connection (see `serving`).
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import termios
from abc import ABC, abstractmethod
from typing import Any, Protocol, cast

from tenure.core.codec import CodecError
from tenure.core.elector import UnexpectedMessage
from tenure.core.events import NodeId
from tenure.transports import hello as greetings
from tenure.transports.base import Identity, Limits
from tenure.transports.complaints import Complaints, Trouble
from tenure.transports.forking import not_for_children
from tenure.transports.frames import FrameError, FrameReader
from tenure.transports.hello import ClientHello, Hello, Refused
from tenure.transports.tls import Channel

READ_BYTES = 64 * 1024
"""Read at a time, so that a flood from one leaves the others their turn."""
WRITE_BYTES = 256 * 1024
"""Handed to the loop at a time; as much again may wait there."""


class Surroundings(Protocol):
    """What every connection needs of whom it belongs to."""

    limits: Limits

    def vet(self, transport: asyncio.Transport) -> None:
        """Set its socket's options. Raises Refused where the system says that the other side is not welcome."""

    def begin_turn(self) -> None: ...
    def end_turn(self) -> None: ...


class Flushed(Protocol):
    """What has something to send."""

    def flush(self) -> None:
        """Let leave what waits."""


class Guest(Protocol):
    """A client that was let in."""

    def take(self, data: bytes | memoryview) -> None:
        """Take in what it said. Raises Refused."""

    def pause(self) -> None:
        """Enough waits for it to be read."""

    def resume(self) -> None:
        """It has been read."""


class House(Surroundings, Protocol):
    """What a connection of a node needs of the transport that it belongs to."""

    me: Identity
    complaints: Complaints
    ends_with_process: bool

    def entered(self, inbound: Inbound) -> None:
        """It was accepted, and has not introduced itself."""

    def admit(self, inbound: Inbound, said: Hello) -> None:
        """It has: set `peer` and `who`, or raise Refused."""

    def admit_client(self, inbound: Inbound, said: ClientHello) -> Guest:
        """It has, as a client; or raise Refused."""

    def left(self, inbound: Inbound) -> None:
        """It is over."""

    def handed(self, peer: NodeId, payload: bytes) -> None:
        """Hand over what came from `peer`."""

    def will_flush(self, sender: Flushed) -> None:
        """Call its `flush` before this turn of the loop ends."""

    started: int
    """When this process did, as hellos say it."""


class Connection(asyncio.BufferedProtocol, ABC):
    """What all of them share."""

    def __init__(self, around: Surroundings, channel: Channel | None) -> None:
        self._around = around
        self._channel = channel
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._transport: asyncio.Transport | None = None
        self.is_over = False

    # What the loop calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._transport = stream
        not_for_children(self)
        stream.set_write_buffer_limits(high=WRITE_BYTES)
        try:
            self._around.vet(stream)
        except Refused as why:
            self.refuse(why)
        else:
            self.made()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._view

    def buffer_updated(self, count: int) -> None:
        if self.is_over:
            return
        self._around.begin_turn()
        try:
            if self._channel is None:
                self.take(self._view[:count])
            else:
                self._take_sealed(self._channel, self._view[:count])
        except Refused as why:
            self.refuse(why)
        finally:
            self._around.end_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_over = True
        self.ended()

    # What subclasses do -------------------------------------------------------------------------------------------

    @abstractmethod
    def made(self) -> None:
        """The connection stands."""

    @abstractmethod
    def opened(self) -> None:
        """The handshake of TLS is over."""

    @abstractmethod
    def take(self, data: bytes | memoryview) -> None:
        """Take in what was said, decrypted. Raises Refused."""

    @abstractmethod
    def refuse(self, why: Refused) -> None:
        """This connection cannot go on."""

    @abstractmethod
    def ended(self) -> None:
        """The connection is over."""

    # What they use ------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes; encrypted, where that is spoken."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data if self._channel is None else self._channel.seal(data))

    def write_plain(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """End it once what was written has left; nothing more is taken in."""
        self.is_over = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self.is_over = True
        if self._transport is not None:
            self._transport.abort()

    def descriptors(self) -> list[int]:
        """As of forking.Opens."""
        connection = None if self._transport is None or self._transport.is_closing() else self.about("socket")
        return [] if connection is None else [connection.fileno()]

    def about(self, name: str) -> Any:
        """What the loop knows of the connection, such as its socket."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    @property
    def unsent_bytes(self) -> int:
        """How much waits in the loop until the other side reads."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def hear(self, is_heard: bool) -> None:
        """Read on, or leave what comes in the kernel until it is to be read."""
        if self._transport is None or self.is_over or self._transport.is_closing():
            return
        if is_heard:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    @property
    def speaks_plainly(self) -> bool:
        """Whether the other side understands what `write` sends."""
        return self._channel is None or self._channel.is_open

    def check_certificate(self, name: str) -> None:
        """Raise Refused unless the other side has shown that it is the node `name`; without TLS nothing is shown."""
        if self._channel is not None:
            self._channel.check(name)

    def check_client_certificate(self, name: str) -> None:
        """The same for a client."""
        if self._channel is not None:
            self._channel.check_client(name)

    def _take_sealed(self, channel: Channel, data: memoryview) -> None:
        was_open = channel.is_open
        try:
            said = channel.feed(data)
        finally:
            if outgoing := channel.outgoing():  # also what tells the other side why this one refuses it
                self.write_plain(outgoing)
        if channel.is_open and not was_open:
            self.opened()
        if said:
            self.take(said)


class Inbound(Connection):
    """A connection that was accepted: it introduces itself, then what it says is handed over."""

    def __init__(self, house: House, channel: Channel | None) -> None:
        super().__init__(house, channel)
        self.house = house
        self.peer: NodeId | None = None
        self.guest: Guest | None = None
        """Who speaks there, if it is a client."""
        self.who = ""
        """The peer's name once it is known; "" for a stranger."""
        self._greeting = greetings.hello_reader()
        self._frames = FrameReader(house.limits.frame_bytes)
        self._timer: asyncio.TimerHandle | None = None

    def made(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.house.limits.hello_s, self._too_slow)
        self.house.entered(self)

    def opened(self) -> None:
        """It speaks first."""

    def take(self, data: bytes | memoryview) -> None:
        if self.peer is None and self.guest is None:
            found = self._greeting.feed(data)
            if found is None:
                return
            said, data = found
            if isinstance(said, ClientHello):
                self.guest = self.house.admit_client(self, said)
            else:
                self.house.admit(self, said)
            self._stop_timer()
            self.write(greetings.welcome(self.house.me))
        if not len(data):
            return
        if self.guest is not None:
            self.guest.take(data)
        elif self.peer is not None:
            self._hand_over(self.peer, data)

    def pause_writing(self) -> None:
        if self.guest is not None:
            self.guest.pause()

    def resume_writing(self) -> None:
        if self.guest is not None:
            self.guest.resume()

    def _hand_over(self, peer: NodeId, data: bytes | memoryview) -> None:
        try:
            for payload in self._frames.feed(data):
                self.house.handed(peer, payload)
                if self.is_over:  # whoever received it has forgotten the peer, or closed everything
                    return
        except FrameError as error:
            raise Refused(Trouble.MALFORMED, f"the connection from node {self.who!r} was closed: {error}") from error
        except (CodecError, UnexpectedMessage) as error:
            raise Refused(
                Trouble.MESSAGE,
                f"the connection from node {self.who!r} was closed, since what it sent is of no use here: {error}; "
                "run the same version and the same algorithm on all nodes",
            ) from error

    def refuse(self, why: Refused) -> None:
        text = str(why) if self.who else f"a connection from {self.origin()} was refused: {why}"
        self.house.complaints.complain(self.who, why.trouble, text)
        if self.peer is None and self.guest is None:
            if self.speaks_plainly:
                self.write(greetings.refusal(why))
            elif why.trouble is Trouble.PLAIN:
                self.write_plain(greetings.refusal(why))
        self.finish()

    def ended(self) -> None:
        self._stop_timer()
        self.house.left(self)

    def origin(self) -> str:
        """Where it comes from, for the log."""
        name = self.about("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "a process of this machine"

    def unread(self) -> int:
        """How many bytes of it wait in the kernel."""
        found = array.array("i", [0])
        connection = self.about("socket")
        if connection is not None and not self.is_over:
            with contextlib.suppress(OSError):
                fcntl.ioctl(connection.fileno(), termios.FIONREAD, found)
        return found[0]

    def _too_slow(self) -> None:
        limit_s = self.house.limits.hello_s
        self.house.complaints.complain(
            "",
            Trouble.SLOW,
            f"a connection from {self.origin()} did not introduce itself within {limit_s:g} s and was closed: "
            "look who dials this port",
        )
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
