"""A client's side: one connection to one node, on which it asks and is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tenure.errors import ConfigurationError
from tenure.transports import hello as greetings
from tenure.transports import tcp, unix
from tenure.transports.addresses import TcpAddress, is_loopback, parse
from tenure.transports.base import Limits, checked_name, checked_size
from tenure.transports.complaints import Trouble
from tenure.transports.connection import Connection
from tenure.transports.frames import HEADER, FrameError, FrameReader
from tenure.transports.hello import Refusal, Refused, Welcome
from tenure.transports.tls import Channel, Contexts, Tls


class Calls:
    """Dials nodes as the client `name`; with `tls`, whose certificate names it, and that of each node is checked.

    Raises ConfigurationError for a name that cannot be, and for files that do not fit.
    """

    def __init__(
        self, name: str, *, tls: Tls | None = None, allow_plain: bool = False, limits: Limits | None = None
    ) -> None:
        self.name = checked_name(name)
        self.limits = limits or Limits()
        self._allow_plain = allow_plain
        self._contexts = None if tls is None else Contexts(tls, name, is_client=True)

    async def dial(
        self, address: str, receive: Callable[[bytes], None], lost: Callable[[], None], *, cluster: bytes = b""
    ) -> Line:
        """A connection to the node at `address`, which is of the cluster of that id, if one is given.

        `receive` is given what it answers, on the loop's thread; `lost` is called once the connection is over. Raises
        Refused or OSError, ConfigurationError for what is no address.
        """
        where = parse(address)
        loop = asyncio.get_running_loop()
        is_tcp = isinstance(where, TcpAddress)
        channel = None if self._contexts is None or not is_tcp else self._contexts.channel(listens=False)
        line = Line(self, channel, cluster, receive, lost, is_tcp=is_tcp)
        is_open = False
        try:
            async with asyncio.timeout(self.limits.connect_s):
                if isinstance(where, TcpAddress):
                    await loop.create_connection(lambda: line, where.host, where.port)
                else:
                    await loop.create_unix_connection(lambda: line, where.path)
            async with asyncio.timeout(self.limits.hello_s):
                why = await line.introduced
            if why is not None:
                raise why
            is_open = True
        except TimeoutError as error:
            raise TimeoutError(f"{address} did not answer in time") from error
        finally:
            if not is_open:
                line.abort()
        return line

    def check_plain(self, host: str) -> None:
        """Raise ConfigurationError where what is said would leave this machine for all to read."""
        if self._contexts is None and not self._allow_plain and not is_loopback(host):
            raise ConfigurationError(
                f"{host} is another machine, where anybody could answer as a node: give this client a certificate, "
                "or allow plain connections on a network that is closed otherwise"
            )


class Line(Connection):
    """One connection to a node; it is heard as soon as it is welcomed."""

    def __init__(
        self,
        calls: Calls,
        channel: Channel | None,
        cluster: bytes,
        receive: Callable[[bytes], None],
        lost: Callable[[], None],
        *,
        is_tcp: bool,
    ) -> None:
        self.limits = calls.limits
        super().__init__(self, channel)
        self.node: Welcome | None = None
        """Who answers there."""
        loop = asyncio.get_running_loop()
        self.introduced: asyncio.Future[Exception | None] = loop.create_future()
        """None once it is welcome; otherwise why not."""
        self._calls, self._cluster, self._receive, self._lost, self._is_tcp = calls, cluster, receive, lost, is_tcp
        self._greeting = greetings.answer_reader()
        self._frames = FrameReader(self.limits.frame_bytes)
        self._failure: Exception | None = None
        self._waiting: list[bytes] = []

    # Surroundings of its own

    def vet(self, transport: asyncio.Transport) -> None:
        """Set its socket's options."""
        connection = transport.get_extra_info("socket")
        if self._is_tcp:
            tcp.prepare(connection, self.limits.silence_s)
            self._calls.check_plain(str(transport.get_extra_info("peername")[0]))
        else:
            unix.check_user(connection)

    def begin_turn(self) -> None:
        """Nothing has to be held back: requests leave by themselves."""

    def end_turn(self) -> None:
        """As above."""

    # As of a Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            super().connection_made(transport)
        except ConfigurationError as error:
            self._failure = error
            self.abort()

    def made(self) -> None:
        if self._channel is None:
            self._say_hello()
        else:
            self._channel.begin()
            self.write_plain(self._channel.outgoing())

    def opened(self) -> None:
        self._say_hello()

    def take(self, data: bytes | memoryview) -> None:
        if self.node is None:
            found = self._greeting.feed(data)
            if found is None:
                return
            said, data = found
            if isinstance(said, Refusal):
                raise Refused(Trouble.REFUSED, said.text)
            self.check_certificate(said.name)
            if self._cluster not in {b"", said.cluster}:
                raise Refused(Trouble.CLUSTER, f"node {said.name!r} is of another cluster: correct the address")
            self.node = said
            if not self.introduced.done():  # nobody may wait for it any more
                self.introduced.set_result(None)
        try:
            for payload in self._frames.feed(data):
                self._receive(payload)
                if self.is_over:
                    return
        except FrameError as error:
            raise Refused(Trouble.MALFORMED, f"what came from there cannot be: {error}") from error

    def refuse(self, why: Refused) -> None:
        self._failure = why
        self.finish()

    def ended(self) -> None:
        if not self.introduced.done():
            closed = Refused(Trouble.UNREACHABLE, "it closed the connection before it answered")
            self.introduced.set_result(self._failure or closed)
        else:
            self._lost()

    # Asking

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be sent that nothing more should be asked now."""
        return self.unsent_bytes > self.limits.queue_bytes

    def send(self, payload: bytes) -> None:
        """Send it with whatever else is sent in this turn of the loop. Raises TooLong."""
        size = checked_size(payload, self.limits.frame_bytes)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(HEADER.pack(size))
        self._waiting.append(payload)

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        if data and not self.is_over:
            self.write(data)

    def _say_hello(self) -> None:
        self.write(greetings.client_hello(self._calls.name, self._cluster))
