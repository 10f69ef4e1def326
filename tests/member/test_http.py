"""An application's node over HTTP, and its view of itself."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tenure import ConfigurationError, Election, Node, NodeFailed, NodeStopped
from tests.admin.stage import Reader
from tests.health.asking import ask, status
from tests.member.group import LIMIT_S, alone, led, make, three
from tests.member.test_node import Counter, descriptors
from tests.runtime.group import on_a_loop


def threads() -> set[str]:
    """Those that a node and its server have."""
    return {one.name for one in threading.enumerate() if "tenure-node" in one.name or "tenure-admin" in one.name}


async def comes(url: str, path: str, wanted: int) -> None:
    """Wait for that status."""
    async with asyncio.timeout(LIMIT_S):
        while await asyncio.to_thread(status, url, path) != wanted:  # noqa: ASYNC110  HTTP rings no bell
            await asyncio.sleep(0.005)


@on_a_loop
async def test_a_node_is_served_while_it_is_entered_and_leaves_nothing() -> None:
    """Probes, JSON, events and metrics; then neither thread nor descriptor nor port."""
    async with alone(http="127.0.0.1:0"):
        ...  # what a process keeps from its first one on: the pipe of a bell
    before = threads(), descriptors()
    async with alone(http="127.0.0.1:0") as node:
        url = node.http_url
        assert url is not None
        for path in ("/leader", "/readyz", "/livez"):
            await comes(url, path, 200)
        assert await asyncio.to_thread(status, url, "/standby") == 503
        shown = (await asyncio.to_thread(ask, url, "/v1/status")).json()
        assert (shown["name"], shown["leader_name"], shown["authority"]["token"] > 0) == ("a", "a", True)
        metrics = (await asyncio.to_thread(ask, url, "/metrics")).body.decode()
        assert "tenure_node_is_leader 1\n" in metrics
        with await asyncio.to_thread(Reader, url) as reader:
            assert (await asyncio.to_thread(reader.find, "status")).data["name"] == "a"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(status, url, "/livez")
    assert (threads(), descriptors()) == before


@on_a_loop
async def test_an_election_goes_on_beside_it() -> None:
    """What is heard for the stream is handed on to those who stand at the node; the stream tells of their leaving."""
    async with alone(http="127.0.0.1:0") as node:
        assert node.http_url is not None
        with await asyncio.to_thread(Reader, node.http_url) as reader:
            async with asyncio.timeout(LIMIT_S), Election("orders", at=node).lead() as tenure:
                assert tenure.token > 0
            deposed = await asyncio.to_thread(reader.find, "deposed")
            assert deposed.data["token"] == tenure.token


@on_a_loop
async def test_a_status_is_the_whole_view() -> None:
    """The same as over HTTP, whoever leads; with the leader's view of the others' logs. It ends with the node."""
    async with three() as nodes:
        leader = await led(nodes)
        for node in nodes:
            seen = await node.status()
            assert (seen.name, seen.state, seen.leader_name) == (node.name, "running", leader.name)
            assert [one.name for one in seen.members] == ["a", "b", "c"]
            assert seen.log is not None
            assert any(one.replication is not None for one in seen.members) is (node is leader)
            assert b'"leader_name":"%s"' % leader.name.encode() in msgspec.json.encode(seen)
    with pytest.raises(NodeStopped, match="was closed"):
        await leader.status()


@on_a_loop
async def test_a_node_whose_thread_breaks_is_not_alive() -> None:
    """Its server has a thread of its own, and says so."""
    with suppress(NodeFailed):
        async with alone(http="127.0.0.1:0", machine=Counter()) as node:
            assert node.http_url is not None
            await comes(node.http_url, "/leader", 200)
            with pytest.raises(NodeFailed):
                await node.propose(b"exit")
            for path in ("/livez", "/readyz", "/leader"):
                await comes(node.http_url, path, 503)


@on_a_loop
async def test_a_forked_child_serves_nobody_and_holds_no_port() -> None:
    """The child lives on: the port is refused and the streams end all the same when the parent leaves its node."""
    told, tell = os.pipe()
    async with alone(http="127.0.0.1:0") as node:
        url = node.http_url
        assert url is not None
        with await asyncio.to_thread(Reader, url) as reader:
            await asyncio.to_thread(reader.find, "status")
            child = os.fork()
            if child == 0:  # nothing of the test framework may run in here
                try:
                    os.close(tell)
                    os.read(told, 1)
                finally:
                    os._exit(0)
            os.close(told)
            await comes(url, "/livez", 200)
            await node.__aexit__(None, None, None)
            while await asyncio.to_thread(reader.next) is not None:
                continue
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(status, url, "/livez")
        os.close(tell)
        await asyncio.to_thread(os.waitpid, child, 0)


@on_a_loop
async def test_where_it_cannot_be_served_no_node_is_entered(folder: Path) -> None:
    """An address that is taken or none is said; nothing is left, and the next one may be entered."""
    before = threads()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for http, why in ((f"127.0.0.1:{taken.getsockname()[1]}", "address in use"), ("9464", "HOST:PORT")):
            with pytest.raises(ConfigurationError, match=why):
                await make(folder, "a", peers={}, http=http).__aenter__()
    assert threads() == before
    (folder / "a.d" / "node.json").unlink(missing_ok=True)
    async with make(folder, "a", peers={}, http="127.0.0.1:0") as node:
        assert isinstance(node, Node)
        assert node.http_url is not None
