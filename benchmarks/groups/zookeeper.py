"""ZooKeeper, asked by kazoo."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import shutil
from pathlib import Path
from typing import Any

from benchmarks.groups.base import VALUE, WRITE_S, Asker, Group
from benchmarks.servers import Absent, free_port

CLASSES = "/etc/zookeeper/conf:/usr/share/java/*"
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


class _Asker(Asker):
    def __init__(self, client: Any) -> None:
        self._client = client

    async def write(self) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        self._client.set_async("/key", VALUE).rawlink(lambda result: loop.call_soon_threadsafe(tell, result.exception))
        await done


class ZooKeeper(Group):
    """Debian's. kazoo looks for its server again every 10 ms, not after pauses that grow: that favours it."""

    def __init__(self, folder: Path, members: int = 3) -> None:
        super().__init__(folder, members)
        if importlib.util.find_spec("kazoo") is None:
            raise Absent("the library kazoo is not installed")
        if not Path("/usr/share/java/zookeeper.jar").exists() or shutil.which("java") is None:
            raise Absent("ZooKeeper is not installed")
        self.ports = {name: (free_port(), free_port(), free_port()) for name in self.names}
        everybody = "".join(
            f"server.{number}=127.0.0.1:{self.ports[name][1]}:{self.ports[name][2]}\n"
            for number, name in enumerate(self.names, 1)
        )
        for number, name in enumerate(self.names, 1):
            data = folder / f"{name}.d"
            data.mkdir()
            (data / "myid").write_text(str(number))
            (folder / f"{name}.cfg").write_text(
                f"tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={data}\nclientPort={self.ports[name][0]}\n"
                f"clientPortAddress=127.0.0.1\nadmin.enableServer=false\n{everybody}"
            )

    def command(self, name: str) -> list[str]:
        return ["java", "-Xmx256m", "-cp", CLASSES, MAIN, f"{self.folder}/{name}.cfg"]

    async def leader(self) -> str | None:
        for name in self.names:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[name][0])
            except OSError:
                continue
            try:
                writer.write(b"srvr")
                if b"Mode: leader" in await asyncio.wait_for(reader.read(), WRITE_S):
                    return name
            except (OSError, TimeoutError):
                continue
            finally:
                writer.close()
        return None

    async def asker(self, name: str) -> Asker:
        logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # it would tell of each attempt to connect again
        from kazoo.client import KazooClient
        from kazoo.retry import KazooRetry

        again = KazooRetry(max_tries=-1, delay=0.01, backoff=1, max_jitter=0.0)
        client = KazooClient(hosts=f"127.0.0.1:{self.ports[name][0]}", connection_retry=again)
        self.ends.push_async_callback(asyncio.to_thread, _close, client)
        await asyncio.to_thread(client.start, WRITE_S)
        await asyncio.to_thread(client.ensure_path, "/key")
        return _Asker(client)


def _close(client: Any) -> None:
    client.stop()
    client.close()
