"""The thread: it ends when it is told to, leaves nothing, and never waits for the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from urllib.parse import urlsplit

import pytest

from tenure import Health, announcer, serve_health
from tenure.health import service as service_module
from tenure.keeper import Keeper
from tests.election.stage import LIMIT_S, Stage, wait_until
from tests.health.asking import ask, status


def threads() -> list[str]:
    """The names of those of health."""
    return [thread.name for thread in threading.enumerate() if thread.name == "tenure-health"]


def is_free(url: str | None) -> bool:
    """Whether nobody listens there any more."""
    assert url is not None
    with socket.socket() as probe:
        return probe.connect_ex((urlsplit(url).hostname, urlsplit(url).port)) != 0


def test_closing_ends_the_thread_and_frees_the_port(stage: Stage) -> None:
    """With a client that is in the middle of its request; twice does no harm."""
    before = os.listdir("/proc/self/fd")  # noqa: PTH208  only counted
    health = serve_health("127.0.0.1:0")
    assert status(health.url, "/livez") == 200
    where = urlsplit(health.url)
    with socket.create_connection((str(where.hostname), where.port)) as client:
        client.sendall(b"GET /live")
        health.close()
        health.close()
        with contextlib.suppress(ConnectionResetError):  # there was something that it had not read
            assert client.recv(1) == b""
    assert threads() == []
    assert is_free(health.url)
    assert sorted(os.listdir("/proc/self/fd")) == sorted(before)  # noqa: PTH208  only counted


def test_both_kinds_of_block_close_it(stage: Stage) -> None:
    """With and without asyncio."""
    with serve_health("127.0.0.1:0") as first:
        assert status(first.url, "/livez") == 200
    assert is_free(first.url)

    async def main() -> str | None:
        async with serve_health("127.0.0.1:0") as second:
            assert await asyncio.to_thread(status, second.url, "/livez") == 200
        return second.url

    assert is_free(asyncio.run(main()))
    assert threads() == []


def test_a_port_can_be_had_again_at_once(stage: Stage) -> None:
    """Connections that linger in the kernel keep nobody from starting anew."""
    with serve_health("127.0.0.1:0") as health:
        assert status(health.url, "/livez") == 200
    assert health.url is not None
    with serve_health(health.url.removeprefix("http://")) as again:
        assert status(again.url, "/livez") == 200


def test_it_answers_while_the_keeper_is_held(stage: Stage, health: Health) -> None:
    """Every path; nothing waits for the keeper's thread, nor it for any of this."""
    let_go = threading.Event()
    with stage.blocking().lead():
        Keeper.current().loop.call_soon_threadsafe(let_go.wait, LIMIT_S)
        try:
            found = [ask(health.url, path).status for path in ("/livez", "/readyz", "/leader", "/standby", "/metrics")]
            assert found == [200, 200, 200, 503, 200]
        finally:
            let_go.set()


def test_without_an_address_it_answers_whoever_asks(stage: Stage) -> None:
    """For those who have a web server already."""
    with Health() as health, stage.blocking().lead():
        assert health.url is None
        status_code, kind, body = health.answer("/leader")
        assert (status_code, kind, b'"leads":true' in body) == (200, "application/json", True)


def test_a_defect_of_the_watch_is_said_and_ends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers go on, and so does the watch."""
    monkeypatch.setattr(service_module, "TICK_S", 0.01)
    failed = 0

    def fail() -> None:
        nonlocal failed
        failed += 1
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(service_module, "lags", fail)
        with serve_health("127.0.0.1:0") as health:
            wait_until(lambda: failed > 1)
            assert status(health.url, "/livez") == 200
    assert announcer.ANNOUNCER.flush(LIMIT_S)
    assert "a defect of tenure in what watches its health" in caplog.text


def test_a_forked_child_lets_go_of_the_port(stage: Stage) -> None:
    """The parent closes, and the port is free while the child lives; the child may serve its own."""
    health = serve_health("127.0.0.1:0")
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            with serve_health("127.0.0.1:0") as own:
                is_good = status(own.url, "/livez") == 200 and health.answer("/livez").status == 200
            health.close()
            os.write(ready[1], b"+" if is_good else b"-")
            os.close(done[1])
            os.read(done[0], 1)
        finally:
            os._exit(0)
    try:
        assert os.read(ready[0], 1) == b"+"
        assert status(health.url, "/livez") == 200
        health.close()
        assert is_free(health.url)
    finally:
        health.close()
        for one in (*ready, *done):
            os.close(one)
        os.waitpid(child, 0)
