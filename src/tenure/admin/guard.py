"""uvicorn's protocol, with the limits that it leaves to a proxy: so many connections, so long a head, so much time in
all for one request. Whoever misbehaves loses its own connection, and nobody else waits.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tenure.health.server import CONNECTIONS, END, HEAD_BYTES, REQUEST_S

STREAMS = 32
"""Readers of events at once: some dashboards and operators, each with a connection that stays."""

_AT_ONCE = struct.pack("ii", 1, 0)
_silent = logging.getLogger("tenure.admin.strangers")  # who decide how often a request is malformed
_silent.disabled = True


class Gate:
    """Who is connected, those first that came first."""

    def __init__(self) -> None:
        self._reading: dict[Guarded, None] = {}
        """Have not sent their request yet."""
        self._answered: dict[Guarded, None] = {}
        self._streams = set[Guarded]()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._reading) + len(self._answered) + len(self._streams)

    def enter(self, connection: Guarded) -> None:
        """Make room for it: whoever has been sending its request for longest goes."""
        if len(self._reading) + len(self._answered) >= CONNECTIONS:
            next(iter(self._reading or self._answered)).cut()
        self._reading[connection] = None

    def asked(self, connection: Guarded) -> None:
        """Its request is here."""
        if connection in self._reading:
            del self._reading[connection]
            self._answered[connection] = None

    def takes_stream(self, connection: Guarded) -> bool:
        """Whether it may stay for longer than a request may take."""
        if len(self._streams) >= STREAMS:
            return False
        self._answered.pop(connection, None)
        self._streams.add(connection)
        return True

    def leave(self, connection: Guarded) -> None:
        """It is closed."""
        self._reading.pop(connection, None)
        self._answered.pop(connection, None)
        self._streams.discard(connection)

    def descriptors(self) -> list[int]:
        """Of all that are open."""
        every = (*self._reading, *self._answered, *self._streams)
        return [one.transport.get_extra_info("socket").fileno() for one in every]

    def cut_all(self) -> None:
        """End every connection."""
        for connection in [*self._reading, *self._answered, *self._streams]:
            connection.cut()


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration, which each connection gets, with a gate."""

    gate: Gate


class Guarded(H11Protocol):
    """One connection. What serves it finds it in `scope["state"]["connection"]`."""

    config: GuardedConfig

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        self.logger, self.access_log = _silent, False
        self._head: bytes | None = b""
        self._is_cut = False
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._limit = self.loop.call_later(REQUEST_S, self.cut)
        self.config.gate.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self.config.gate.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            end = self._head.find(END)
            if end > HEAD_BYTES - len(END) or (end < 0 and len(self._head) > HEAD_BYTES):
                self._head = None
                self._refuse(431, b"Request Header Fields Too Large\n")
                return
            if end >= 0:
                version = self._head.split(b"\r\n", 1)[0].rpartition(b" ")[2]
                self._head = None
                self.config.gate.asked(self)
                if version.startswith(b"HTTP/") and not version.startswith(b"HTTP/1."):
                    self._refuse(505, b"HTTP Version Not Supported\n")
                    return
        if not self.transport.is_closing():
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._refuse(hint, f"{msg}\n".encode())

    def stay(self) -> bool:
        """Let it be open for as long as it reads; False where too many do."""
        if not self.config.gate.takes_stream(self):
            return False
        if self._limit is not None:
            self._limit.cancel()
        return True

    def cut(self) -> None:
        """End it at once, whatever is under way. By a reset: the kernel would keep megabytes for who does not read."""
        if not self._is_cut:
            self._is_cut = True
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()

    def _refuse(self, status: int, text: bytes) -> None:
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:  # something was answered before: no second answer
            self.cut()
            return
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(text))),
            ("Connection", "close"),
        ]
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=text), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
