"""Clients that misbehave lose their own connection, and hold up neither the node nor one another."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from tenure.admin import guard
from tenure.admin.paths import Paths
from tenure.health.answers import Answer
from tenure.health.server import CONNECTIONS, HEAD_BYTES
from tests.admin.stage import Stage, until
from tests.health.asking import ask, connected, sent, status

HOST = b"\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_line", "code"),
    [
        (b"GET /livez HTTP/1.1", b"200"),
        (b"GET /livez HTTP/1.0", b"200"),
        (b"GET /livez?x=y HTTP/1.1", b"200"),
        (b"GET /livez", b"400"),
        (b"", b"400"),
        (b"\xff\xfe\x00", b"400"),
        (b"GET /livez HTTP/2.0", b"505"),
        (b"GET /\xff\xfe HTTP/1.1", b"400"),
        (b"GET /livez HTTP/1.1\r\nContent-Length: -1", b"400"),
        (b"GET /livez HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", b"400"),
        (b"GET /livez HTTP/1.1\r\nTransfer-Encoding: sample", b"501"),
        (b"GET /livez HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade", b"200"),
        (b"GET /livez HTTP/1.1\r\nX : y", b"400"),
        (b"GET /%2e%2e/%00 HTTP/1.1", b"404"),
        (b"PRI * HTTP/2.0", b"505"),
    ],
)
def test_whatever_comes_is_answered_in_http(stage: Stage, request_line: bytes, code: bytes) -> None:
    """And the next one who asks is answered as ever."""
    assert sent(stage.url, request_line + HOST + b"\r\n").startswith(b"HTTP/1.1 " + code)
    assert status(stage.url, "/livez") == 200


def test_a_header_that_is_too_long_is_refused(stage: Stage) -> None:
    """At the limit it is answered; beyond it, 431, whether it ends or not, in one piece or in many."""
    start = b"GET /livez HTTP/1.1" + HOST + b"X: "
    fits = start + b"x" * (HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"
    assert sent(stage.url, fits).startswith(b"HTTP/1.1 200")
    assert sent(stage.url, fits[:-4] + b"x\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert sent(stage.url, start + b"x" * HEAD_BYTES).startswith(b"HTTP/1.1 431")
    with connected(stage.url) as connection:
        connection.sendall(start)
        for _ in range(40):
            with contextlib.suppress(OSError):
                connection.sendall(b"x" * 300)
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_a_header_in_pieces_is_answered(stage: Stage) -> None:
    """Its end may be split like anything else."""
    with connected(stage.url) as connection:
        for piece in (b"GET /livez HT", b"TP/1.1\r\nHost: x\r", b"\n\r", b"\n"):
            connection.sendall(piece)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_one_request_a_connection(stage: Stage) -> None:
    """What is sent behind it is not read, whatever it is; the first answer comes whole."""
    first = b"GET /livez HTTP/1.1" + HOST + b"\r\n"
    for more in (first * 50, b"\x00garbage\r\n\r\n", b"x" * 100_000):
        answer = sent(stage.url, first + more) if len(more) < 50_000 else _answer(stage, first + more)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b"HTTP/1.1 ") == 1


def _answer(stage: Stage, data: bytes) -> bytes:
    """As much as comes before a reset."""
    with connected(stage.url) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        return connection.recv(65536)
    return b""


def test_clients_that_never_finish_hold_nobody_up(stage: Stage) -> None:
    """More of them than there are places send half a request and wait; the leader is still found."""
    stage.lead()
    with contextlib.ExitStack() as slow:
        for _ in range(CONNECTIONS + 40):
            slow.enter_context(connected(stage.url)).sendall(b"GET /livez HTTP/1.1\r\nX: ")
        for _ in range(20):
            assert status(stage.url, "/leader") == 200
        assert ask(stage.url, "/v1/status").json()["authority"]["token"] == 1


def test_a_client_that_sends_a_byte_now_and_then_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is one for the whole request, and no byte begins it anew."""
    monkeypatch.setattr(guard, "REQUEST_S", 0.3)
    with connected(stage.url) as connection:
        began_s = time.monotonic()

        def is_given_up() -> bool:
            try:
                connection.sendall(b"x")
            except OSError:
                return True
            return False

        until(is_given_up)
        assert time.monotonic() - began_s >= 0.3


def test_a_client_that_takes_no_answer_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it is left."""

    async def huge(self: Paths, path: str) -> Answer:
        return Answer(200, "x", b"x" * 10**8)

    monkeypatch.setattr(guard, "REQUEST_S", 0.3)
    gates: list[guard.Gate] = []
    enter = guard.Gate.enter

    def noted(gate: guard.Gate, one: guard.Guarded) -> None:
        gates.append(gate)
        enter(gate, one)

    monkeypatch.setattr(guard.Gate, "enter", noted)
    with connected(stage.url) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(Paths, "answer", huge)
            connection.sendall(b"GET /livez HTTP/1.1" + HOST + b"\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        until(lambda: gates[0].connections == 0)
        received = 12
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                received += len(piece)
        assert received < 10**8
    assert status(stage.url, "/livez") == 200


def test_a_body_that_never_comes_is_not_waited_for(stage: Stage) -> None:
    """It was announced; the answer comes all the same, after half a second."""
    with connected(stage.url) as connection:
        connection.sendall(b"POST /livez HTTP/1.1" + HOST + b"Content-Length: 1000000\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 405"


def test_clients_that_go_at_once_leave_nothing(stage: Stage) -> None:
    """A thousand that connect and reset; then somebody is answered."""
    for _ in range(1000):
        with connected(stage.url) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.sendall(b"GET /v1/events HTTP/1.1" + HOST + b"\r\n")
    until(lambda: status(stage.url, "/livez") == 200)
