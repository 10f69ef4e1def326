"""HTTP, as far as probes and scrapers speak it, and clients that misbehave."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import time

import pytest

from tenure import Health, serve_health
from tenure.health import server as server_module
from tenure.health.answers import Answer
from tenure.health.server import CONNECTIONS, HEAD_BYTES
from tests.election.stage import Stage, wait_until
from tests.health.asking import ask, connected, sent, status
from tests.metrics.stand_in import parsed


def test_get_and_head_differ_in_the_body_only(health: Health) -> None:
    """HEAD tells the length of what it does not send."""
    get, head = ask(health.url, "/livez"), ask(health.url, "/livez", "HEAD")

    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert get.json() == {"live": True, "troubles": []}
    assert get.headers == head.headers
    assert get.headers == {
        "Content-Type": "application/json",
        "Content-Length": str(len(get.body)),
        "Cache-Control": "no-store",
        "Connection": "close",
    }


def test_the_numbers_have_the_type_that_prometheus_asks_for(health: Health) -> None:
    """0.0.4, which every version reads, and what is in it is read."""
    reply = ask(health.url, "/metrics")

    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert ("tenure_series_overflow", frozenset()) in parsed(reply.body.decode())


def test_other_methods_and_paths_have_their_status(health: Health) -> None:
    """405 names what is allowed; a body that was sent takes the answer from nobody."""
    reply = ask(health.url, "/leader", "POST", body=b"x" * 100_000)

    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    assert ask(health.url, "/nowhere", "POST").status == ask(health.url, "/").status == 404


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /livez HTTP/1.1", b"200"),
        (b"GET /livez HTTP/1.0", b"200"),
        (b"GET  /livez HTTP/1.1", b"400"),
        (b"GET /livez", b"400"),
        (b"", b"400"),
        (b"\xff\xfe\x00", b"400"),
        (b"GET /livez HTTP/2.0", b"505"),
        (b"GET /\xff\xfe HTTP/1.1", b"404"),
    ],
)
def test_a_request_line_has_three_words(health: Health, request_line: bytes, status: bytes) -> None:
    """Whatever comes, there is an answer, and it is HTTP."""
    assert sent(health.url, request_line + b"\r\n\r\n").startswith(b"HTTP/1.1 " + status)


def test_a_header_that_is_too_long_is_refused(health: Health) -> None:
    """At the limit it is answered; beyond it, 431, whether it ends or not."""
    start = b"GET /livez HTTP/1.1\r\nX: "
    fits = start + b"x" * (HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"

    assert sent(health.url, fits).startswith(b"HTTP/1.1 200")
    assert sent(health.url, fits[:-4] + b"x\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert sent(health.url, start + b"x" * (HEAD_BYTES + 1)).startswith(b"HTTP/1.1 431")


def test_a_client_that_comes_in_pieces_is_answered(health: Health) -> None:
    """The end of its header may be split like anything else."""
    with connected(health.url) as connection:
        for piece in (b"GET /livez HT", b"TP/1.1\r\nHost: x\r", b"\n\r", b"\n"):
            connection.sendall(piece)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_clients_that_never_finish_hold_nobody_up(health: Health) -> None:
    """As many as there are places send half a request and wait: others are answered, now and after more of them."""
    with contextlib.ExitStack() as slow:
        for _ in range(CONNECTIONS + 20):
            slow.enter_context(connected(health.url)).sendall(b"GET /livez HTTP/1.1\r\nX: ")
        for _ in range(20):
            assert status(health.url, "/livez") == 200


def test_a_client_that_sends_a_byte_now_and_then_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is one for the whole request, and no byte begins it anew."""
    monkeypatch.setattr(server_module, "REQUEST_S", 0.3)
    with serve_health("127.0.0.1:0") as health, connected(health.url) as connection:
        began_s = time.monotonic()

        def is_given_up() -> bool:
            try:
                connection.sendall(b"x")
            except OSError:
                return True
            return False

        wait_until(is_given_up)
        assert time.monotonic() - began_s >= 0.3


def test_a_client_that_takes_no_answer_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its connection is not kept."""
    monkeypatch.setattr(server_module, "REQUEST_S", 0.3)
    monkeypatch.setattr("tenure.health.paths.Paths.answer", lambda *_: Answer(200, "x", b"x" * 10**8))
    with serve_health("127.0.0.1:0") as health, connected(health.url) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        server = health._server  # noqa: SLF001  what it keeps open is the question
        assert server is not None
        wait_until(lambda: server._open)  # noqa: SLF001  the same
        wait_until(lambda: not server._open)  # noqa: SLF001  the same


def test_a_hundred_scrapes_at_once_are_all_answered(health: Health) -> None:
    """Each with everything in it."""
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(lambda _: ask(health.url, "/metrics"), range(100)))

    assert {reply.status for reply in replies} == {200}
    assert all(("tenure_series_overflow", frozenset()) in parsed(reply.body.decode()) for reply in replies)


def test_a_defect_is_answered_and_ends_nothing(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 with its name, and the next request is answered as ever."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("sample")

    with monkeypatch.context() as patch:
        patch.setattr("tenure.health.paths.Paths.answer", fail)
        reply = ask(health.url, "/livez")
        assert (reply.status, b"ZeroDivisionError: sample" in reply.body) == (500, True)
    assert status(health.url, "/livez") == 200


def test_a_descriptor_that_cannot_be_had_is_waited_for(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes meanwhile waits in the kernel's queue, and is answered when there is one again."""
    real, refused = socket.socket.accept, 0

    def accept(self: socket.socket) -> object:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise OSError(24, "Too many open files")
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    assert status(health.url, "/livez") == 200  # the first accept may have been under way before
    assert status(health.url, "/livez") == 200
    assert refused == 2
