"""Asking a server over HTTP, by the standard library's client or by bytes of one's own."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LIMIT_S = 30.0


class Reply(NamedTuple):
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def ask(
    url: str | None, target: str, method: str = "GET", *, limit_s: float = LIMIT_S, body: bytes | None = None
) -> Reply:
    """One request, as a probe makes it."""
    assert url is not None
    where = urlsplit(url)
    assert where.hostname is not None
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=limit_s)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def status(url: str | None, target: str) -> int:
    """Only the status."""
    return ask(url, target).status


def connected(url: str | None) -> socket.socket:
    """A connection on which nothing has been said."""
    assert url is not None
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    return socket.create_connection((where.hostname, where.port), timeout=LIMIT_S)


def sent(url: str | None, data: bytes) -> bytes:
    """All that comes back for these bytes, until the other side closes."""
    with connected(url) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received
