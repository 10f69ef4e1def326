"""Servers of the peers, each started on loopback in a temporary folder and ended by pid; absent ones are said.

None outlives the benchmark, even if that is killed: each is started with a parent-death signal. It counts the thread
that starts it as its parent (prctl(2)), so servers are started by the main thread.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_LIMIT_S = 30.0
MORTAL = ("setpriv", "--pdeathsig", "KILL")
"""Runs the command behind it so that it dies with the thread that has started it."""


class Absent(Exception):
    """The server or its client library is not on this machine."""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL at its defaults; yields a connection string. It refuses to run as root, so it runs as `postgres`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise Absent("PostgreSQL's server is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        become: list[str] = ["setpriv"]
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            become += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        become += ["--pdeathsig", "QUIT"]  # after the change of user, which clears it; QUIT ends its children too
        data = f"{folder}/data"
        initdb = [*become, str(found[-1].with_name("initdb")), "-D", data, "-A", "trust", "-U", "bench"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        server = [*become, str(found[-1]), "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
        with running(server, port, folder):
            yield f"host=127.0.0.1 port={port} user=bench dbname=postgres"


@contextmanager
def redis() -> Iterator[str]:
    """Redis at its defaults, without persistence; yields its port."""
    if shutil.which("redis-server") is None:
        raise Absent("redis-server is not installed")
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        running([*MORTAL, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], port, folder),
    ):
        yield str(port)


@contextmanager
def etcd() -> Iterator[str]:
    """One etcd at its defaults; yields its endpoint."""
    if shutil.which("etcd") is None or shutil.which("etcdctl") is None:
        raise Absent("etcd-server and etcd-client are not both installed")
    client, peer = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        urls = ["--listen-client-urls", f"http://127.0.0.1:{client}", "--listen-peer-urls", f"http://127.0.0.1:{peer}"]
        urls += ["--advertise-client-urls", f"http://127.0.0.1:{client}"]
        with running([*MORTAL, "etcd", "--data-dir", f"{folder}/etcd", *urls], client, folder):
            yield f"127.0.0.1:{client}"


@contextmanager
def zookeeper() -> Iterator[str]:
    """One ZooKeeper at its defaults; yields host:port."""
    jar = Path("/usr/share/java/zookeeper.jar")
    if not jar.exists() or shutil.which("java") is None:
        raise Absent("ZooKeeper is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = f"tickTime=2000\ndataDir={folder}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        (Path(folder) / "zoo.cfg").write_text(settings + "admin.enableServer=false\n")
        classes = "/etc/zookeeper/conf:/usr/share/java/*"
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        with running([*MORTAL, "java", "-Xmx256m", "-cp", classes, main, f"{folder}/zoo.cfg"], port, folder):
            yield f"127.0.0.1:{port}"


@contextmanager
def running(command: list[str], port: int, folder: str) -> Iterator[None]:
    """Have a server run in `folder`, from when it listens on `port` until the end. Raises Absent if it does not."""
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError as error:
                if server.poll() is not None or time.monotonic() > end_s:
                    raise Absent(f"it did not start: {' '.join(command)}") from error
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
