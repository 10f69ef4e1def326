"""Groups of `tenure node`, asked over their own port."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from benchmarks.groups.base import VALUE, WRITE_S, Asker, Group
from benchmarks.servers import free_port
from tenure.machines.kv import Put, encode
from tenure.runtime.client import Client
from tenure.runtime.operations import TellStatus
from tenure.runtime.remote import RemoteGroup
from tenure.runtime.status import Status

COMMAND = encode(Put("key", VALUE))


class _Asker(Asker):
    def __init__(self, client: Client) -> None:
        self._client = client

    async def write(self) -> None:
        await self._client.propose(COMMAND, within_s=WRITE_S)


class TenureNodes(Group):
    """By TCP, where nobody vouches for a death."""

    options: tuple[str, ...] = ()

    def __init__(self, folder: Path, members: int = 3) -> None:
        super().__init__(folder, members)
        self.addresses = {name: self.address(name) for name in self.names}

    def address(self, name: str) -> str:
        """Where a member listens."""
        del name
        return f"127.0.0.1:{free_port()}"

    def command(self, name: str) -> list[str]:
        peers = [f"--peer={other}={self.addresses[other]}" for other in self.names if other != name]
        node = [sys.executable, "-m", "tenure", "node", "--name", name, "--listen", self.addresses[name]]
        return [*node, *peers, "--data", f"{self.folder}/{name}.d", *self.options]

    async def leader(self) -> str | None:
        async with RemoteGroup(list(self.addresses.values())) as group:
            answer = await group.operate(0, TellStatus)
            return msgspec.json.decode(answer.status, type=Status).leader_name

    async def asker(self, name: str) -> Asker:
        group = await self.ends.enter_async_context(RemoteGroup([self.addresses[name]]))
        return _Asker(Client(group))


class QuickTenureNodes(TenureNodes):
    """With time-outs as short as etcd's short ones."""

    options = ("--election-timeout", "100ms")


class TenureNodesOnOneHost(TenureNodes):
    """By Unix sockets, where the kernel vouches for a death."""

    def address(self, name: str) -> str:
        return f"unix:{self.folder}/{name}"
