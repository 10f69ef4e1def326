"""`HOST:PORT`, and a socket that listens there."""

from __future__ import annotations

import errno
import re
import socket

from tenure.errors import ConfigurationError

BACKLOG = 128
"""How many connections the kernel keeps for us; what many systems allow at most (net.core.somaxconn)."""
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")


def listen(address: str) -> socket.socket:
    """A socket that listens at `address`, on the first of its host's addresses; port 0 takes one that is free.

    It is not inherited by programs that this process starts. Raises ConfigurationError, which says what to change.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:  # noqa: PLR2004  the highest port there is
        raise ConfigurationError(
            f"{address!r} is no HOST:PORT; write it like 127.0.0.1:8080 or [::1]:8080, and 0.0.0.0:8080 or [::]:8080 "
            "for every interface"
        )
    try:
        found = socket.getaddrinfo(
            match["six"] or match["host"], int(match["port"]), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, ValueError) as error:  # a name that is no name at all cannot even be encoded
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"no host is found for {address!r} ({why}); give its address") from error
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or a restart would wait for a minute
        listener.bind(where)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot serve at {address}: {_why(error)}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Where `listener` is reached, with the port that it really has."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "address in use: say --http (or serve_health) with another port, or with 0 for any that is free"
        case errno.EACCES | errno.EPERM:
            return "not allowed: ports below 1024 need a privilege; say --http (or serve_health) with a higher one"
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has that address; give one that it has, or 0.0.0.0 for all"
        case _:
            return f"{error.strerror}; give another address"
