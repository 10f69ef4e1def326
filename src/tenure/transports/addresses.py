"""Where a node is reached: `host:port`, `[::1]:port`, or `unix:/path`."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path

import msgspec

from tenure.errors import ConfigurationError

GREATEST_PORT = 2**16 - 1
LONGEST_PATH = 107
"""Of a Unix socket, in bytes (unix(7)); one byte more ends it."""
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^\[\]:/\s]+)):([0-9]{1,5})")


class TcpAddress(msgspec.Struct, frozen=True):
    """A host by name or number, and a port; 0 as port, where one listens, is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(msgspec.Struct, frozen=True):
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress


def parse(text: str) -> Address:
    """The address that is written so. Raises ConfigurationError for what is none, and says how one is written."""
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:"))
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"{text!r} is no address: write host:port, [::1]:port or unix:/path")
    host, port = match[1] or match[2], int(match[3])
    if match[1] is not None:
        try:
            ipaddress.IPv6Address(host)
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is no address: {error}") from error
    if port > GREATEST_PORT:
        raise ConfigurationError(f"{text!r} is no address: a port is at most {GREATEST_PORT}")
    return TcpAddress(host, port)


def _unix(path: str) -> UnixAddress:
    if not Path(path).is_absolute() or "\0" in path:
        raise ConfigurationError(f"'unix:{path}' is no address: write the whole path, as in unix:/run/tenure/a.sock")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigurationError(f"the path {path!r} is too long for a Unix socket: at most {LONGEST_PATH} bytes")
    return UnixAddress(path)


def is_loopback(host: str) -> bool:
    """Whether this number of a host is reached from this machine alone."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback
