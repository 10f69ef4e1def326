"""Between processes of one host and one user: Unix sockets, where the kernel vouches for who has died (see `vouching`).

The socket is for its owner alone (mode 0600), and both sides ask the kernel whose process the other one is: only one's
own user and root are spoken with. So whoever can speak as a member could as well kill it.

Beside the socket stands a lock file, which is never removed: who holds its lock may remove a socket that a dead process
has left, and a second process on one path is refused rather than stealing the first one's callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from tenure.errors import ConfigurationError
from tenure.transports import vouching
from tenure.transports.addresses import Address, UnixAddress
from tenure.transports.base import Identity, Limits, Receiver, Say, log
from tenure.transports.complaints import Trouble
from tenure.transports.connection import Inbound
from tenure.transports.hearing import Vouching
from tenure.transports.hello import Hello, Refused
from tenure.transports.outbound import Outbound
from tenure.transports.stream import BACKLOG, StreamTransport

_ROOT = 0


class UnixTransport(StreamTransport):
    """`listen` is `unix:/path`; its folder must be there."""

    def __init__(
        self,
        me: Identity,
        listen: str,
        receiver: Receiver,
        *,
        limits: Limits | None = None,
        chance: random.Random | None = None,
        say: Say = log,
        ends_with_process: bool = True,
    ) -> None:
        super().__init__(
            me, listen, receiver, limits=limits, chance=chance, say=say, ends_with_process=ends_with_process
        )
        self._lock: int | None = None

    def descriptors(self) -> list[int]:
        return [*super().descriptors(), -1 if self._lock is None else self._lock]

    def _suited(self, address: Address) -> Address:
        if not isinstance(address, UnixAddress):
            raise ConfigurationError(
                f"{address} is no path: this node listens on a Unix socket, so give its peers as unix:/path, too"
            )
        return address

    async def _serve(self, factory: Callable[[], Inbound]) -> list[asyncio.Server]:
        assert isinstance(self._listens, UnixAddress)
        path = Path(self._listens.path)
        lock = _lock(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _remove_stale(path)
            listening.bind(os.fspath(path))
            os.chmod(path, 0o600)  # noqa: PTH101  a call that does not wait, in a coroutine
            server = await self._loop.create_unix_server(factory, sock=listening, backlog=BACKLOG)
        except BaseException:
            listening.close()
            os.close(lock)
            raise
        self._lock = lock
        return [server]

    def _stopped_serving(self) -> None:
        assert isinstance(self._listens, UnixAddress)
        with contextlib.suppress(FileNotFoundError):
            Path(self._listens.path).unlink()
        if self._lock is not None:
            os.close(self._lock)  # behind the last step: until here nobody else touches the socket's path
            self._lock = None

    async def _connect(self, factory: Callable[[], Outbound], address: Address) -> object:
        assert isinstance(address, UnixAddress)
        return await self._loop.create_unix_connection(factory, address.path)

    def vet(self, transport: asyncio.Transport) -> None:
        check_user(transport.get_extra_info("socket"))

    def _witness(self, inbound: Inbound, said: Hello) -> Vouching | None:
        return vouching.witness(inbound.about("socket"), said.pid, said.started)


def check_user(connection: socket.socket) -> None:
    """Speak with one's own user, and with root. Raises Refused for anybody else at the other end."""
    user = vouching.peer_user(connection)
    if user not in {os.geteuid(), _ROOT}:
        raise Refused(
            Trouble.USER,
            f"the process at the other end belongs to user {user}, and this one to user {os.geteuid()}: run all that "
            "speak over Unix sockets as one user, or use TCP with TLS",
        )


def _lock(path: Path) -> int:
    beside = path.with_name(path.name + ".lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"the folder {path.parent} for the socket {path.name} is not there: make it"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigurationError(
            f"another process listens on {path} already (it holds {beside}): stop it, or listen on another path"
        ) from error
    return lock


def _remove_stale(path: Path) -> None:
    """Remove the socket that a process has left which is gone; only who holds the lock may."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"{path} is there and is no socket: listen on another path, or move that file away")
    path.unlink()
