"""Between hosts, or between containers of one: TCP, with TLS unless it stays on this machine.

The kernel can vouch for no process at the other end, so no loss is ever told as certain here.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable

from tenure.errors import ConfigurationError
from tenure.transports.addresses import Address, TcpAddress, is_loopback
from tenure.transports.base import Identity, Limits, Receiver, Say, log
from tenure.transports.connection import Inbound
from tenure.transports.outbound import Outbound
from tenure.transports.stream import BACKLOG, StreamTransport
from tenure.transports.tls import Tls


class TcpTransport(StreamTransport):
    """`listen` is `host:port`. Without `tls` it listens on this machine's loopback alone, unless `allow_plain`."""

    def __init__(
        self,
        me: Identity,
        listen: str,
        receiver: Receiver,
        *,
        limits: Limits | None = None,
        tls: Tls | None = None,
        allow_plain: bool = False,
        chance: random.Random | None = None,
        say: Say = log,
        ends_with_process: bool = True,
    ) -> None:
        super().__init__(
            me, listen, receiver, limits=limits, tls=tls, chance=chance, say=say, ends_with_process=ends_with_process
        )
        self._allow_plain = allow_plain

    def _suited(self, address: Address) -> Address:
        if not isinstance(address, TcpAddress):
            raise ConfigurationError(
                f"{address} is no address for TCP: this node listens on host:port, so give host:port"
            )
        return address

    async def _serve(self, factory: Callable[[], Inbound]) -> list[asyncio.Server]:
        assert isinstance(self._listens, TcpAddress)
        host, port = self._listens.host, self._listens.port
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        hosts = list(dict.fromkeys(str(each[4][0]) for each in found))
        exposed = [each for each in hosts if not is_loopback(each)]
        if exposed and self._tls is None and not self._allow_plain:
            raise ConfigurationError(
                f"{self._listens} can be reached from other machines ({', '.join(exposed)}), where anybody could "
                "speak as a member: give this node certificates, listen on 127.0.0.1, or allow plain connections "
                "on a network that is closed otherwise"
            )
        if port == 0:
            hosts = hosts[:1]  # each would be given a port of its own
        server = await self._loop.create_server(factory, hosts, port, backlog=BACKLOG)
        self._listens = TcpAddress(host, server.sockets[0].getsockname()[1])
        return [server]

    async def _connect(self, factory: Callable[[], Outbound], address: Address) -> object:
        assert isinstance(address, TcpAddress)
        return await self._loop.create_connection(factory, address.host, address.port)

    def vet(self, transport: asyncio.Transport) -> None:
        prepare(transport.get_extra_info("socket"), self.limits.silence_s)


def prepare(connection: socket.socket, silence_s: float) -> None:
    """Say at once what is said, and notice within `silence_s` that nobody acknowledges it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(silence_s * 1000))
        # Who only receives sends nothing that could stay unacknowledged, but for these probes.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(silence_s)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
