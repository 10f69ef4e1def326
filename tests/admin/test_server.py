"""What a served node answers: before it starts, while it leads, when its loop stands still, and at its end."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from tenure.admin import paths as paths_module
from tenure.admin import serve_admin
from tenure.admin.paths import Paths
from tenure.admin.window import Window
from tenure.algorithms.raft.messages import Execute
from tenure.clock import ManualClock
from tenure.errors import ConfigurationError
from tenure.machines.kv import Put, encode
from tenure.storage.wal.files import Files
from tests.admin.stage import Reader, Stage, until
from tests.health.asking import Reply, ask, status
from tests.metrics.stand_in import parsed

PATHS = ("/livez", "/readyz", "/leader", "/standby", "/metrics", "/v1/status", "/v1/members", "/v1/leader", "/v1/log")


def test_before_the_node_has_started_it_is_alive_and_not_ready(stage: Stage) -> None:
    """Nobody is sent to it; who asks for more is told that it is starting."""
    assert ask(stage.url, "/livez").json() == {"live": True, "troubles": []}
    ready = ask(stage.url, "/readyz")
    assert (ready.status, ready.json()["troubles"]) == (503, ["the node does not take part: it is starting"])
    assert status(stage.url, "/leader") == status(stage.url, "/standby") == 503
    assert ask(stage.url, "/v1/status").json()["state"] == "starting"
    assert parsed(ask(stage.url, "/metrics").body.decode())["tenure_node_running", frozenset()] == 0
    stage.start()
    until(lambda: status(stage.url, "/readyz") == 200)


def test_a_leader_is_shown_on_every_path(stage: Stage) -> None:
    """With its token, its term and its log."""
    stage.lead()
    leads = ask(stage.url, "/leader")
    assert (leads.status, leads.json()["node"], leads.json()["leads"], leads.json()["token"]) == (200, "a", True, 1)
    assert 0 < leads.json()["remaining_s"] < 0.3
    standby = ask(stage.url, "/standby")
    assert (standby.status, standby.json()["leads"]) == (503, True)
    assert ask(stage.url, "/readyz").json() == {"ready": True, "troubles": []}
    seen = ask(stage.url, "/v1/status").json()
    assert (seen["cluster"], seen["leader_name"], seen["log"]["committed"]) == ("test", "a", 1)
    assert ask(stage.url, "/v1/members").json() == seen["members"]
    who = ask(stage.url, "/v1/leader").json()
    assert (who["leader"], who["leader_name"], who["term"], who["is_me"], who["gives_authority"]) == (
        1,
        "a",
        1,
        True,
        True,
    )
    assert ask(stage.url, "/v1/log").json() == {"log": seen["log"], "peers": {}}
    assert ask(stage.url, "/v1/detector").status == 404  # raft times out by itself
    numbers = parsed(ask(stage.url, "/metrics").body.decode())
    assert numbers["tenure_node_is_leader", frozenset()] == numbers["tenure_node_token", frozenset()] == 1
    assert numbers["tenure_node_role_changes_total", frozenset({("role", "leading")})] == 1
    assert numbers["tenure_node_durable_seconds_count", frozenset()] >= 1
    assert numbers["tenure_node_disk_syncs_total", frozenset()] >= 1


def test_rule_1_leader_ends_by_the_clock_though_the_node_still_believes(stage: Stage) -> None:
    """At the deadline, to the nanosecond, though no event has come that says so."""
    stage.lead()
    held = stage.node.driver.held
    assert held is not None
    stage.node.clock = ManualClock(held[1] - 1)
    assert (status(stage.url, "/leader"), status(stage.url, "/standby")) == (200, 503)
    stage.node.clock = ManualClock(held[1] + 10**9)
    assert stage.node.driver.held is not None
    assert (status(stage.url, "/leader"), status(stage.url, "/standby")) == (503, 200)
    assert ask(stage.url, "/leader").json() == {"node": "a", "leads": False}


def test_a_node_whose_disk_stands_still_is_not_ready(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has failed and the loop turns, so it is alive; it says since when, and is ready when the disk goes on."""
    stage.lead()
    until(lambda: status(stage.url, "/readyz") == 200)
    monkeypatch.setattr(paths_module, "DISK_STALL_S", 0.2)
    release, real = threading.Event(), Files.write_synced

    def held(self: Files, fd: int, data: memoryview, offset: int) -> None:
        release.wait()
        real(self, fd, data, offset)

    monkeypatch.setattr(Files, "write_synced", held)
    try:
        stage.tell(stage.node.driver.ask, Execute, 1, 1, encode(Put("k", b"v")))
        until(lambda: "its disk has kept nothing for 0." in ask(stage.url, "/readyz").body.decode())
        assert (status(stage.url, "/readyz"), status(stage.url, "/livez")) == (503, 200)
        assert ask(stage.url, "/v1/status").json()["disk"]["stalled_s"] > 0.2
    finally:
        release.set()
    until(lambda: status(stage.url, "/readyz") == 200)
    until(lambda: ask(stage.url, "/v1/status").json()["disk"]["stalled_s"] == 0)


def test_what_is_overdue_is_done_before_a_view_is_made(stage: Stage) -> None:
    """Of a node that stood still: first it finds out that its tenure is over, then it is looked at."""
    stage.lead()
    release = threading.Event()
    stage.loop.call_soon_threadsafe(release.wait)
    held = stage.node.driver.held
    assert held is not None
    answers: list[Reply] = []
    asker = threading.Thread(target=lambda: answers.append(ask(stage.url, "/readyz")))
    asker.start()
    until(lambda: stage.admin._window._pending is not None)  # noqa: SLF001  it waits for the loop
    until(lambda: stage.node.clock.now_ns() > held[1])
    release.set()
    asker.join()
    assert answers[0].status == 503


def test_a_head_is_the_same_without_a_body(stage: Stage) -> None:
    """It tells the length of what it does not send."""
    stage.start()
    for path in ("/livez", "/nowhere"):
        get, head = ask(stage.url, path), ask(stage.url, path, "HEAD")
        assert (get.status, get.headers, head.body) == (head.status, head.headers, b"")
        assert get.headers["content-length"] == str(len(get.body))
    headers = ask(stage.url, "/livez").headers
    assert headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "connection": "close",
        "content-length": str(len(b'{"live":true,"troubles":[]}\n')),
    }


def test_nothing_can_be_changed(stage: Stage) -> None:
    """Other methods are 405 on every path, with what is allowed; bodies take the answer from nobody."""
    stage.start()
    for path in (*PATHS, "/v1/events"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            reply = ask(stage.url, path, method, body=b"x" * 300_000)
            assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD"), f"{method} {path}"


@pytest.mark.parametrize(
    "path", ["/", "/livez/", "/v1", "/v1/", "/v1/status/x", "//livez", "/LIVEZ", "/../livez", "/%00"]
)
def test_other_paths_are_404_and_name_those_that_there_are(stage: Stage, path: str) -> None:
    """None is sent elsewhere."""
    reply = ask(stage.url, path)
    assert reply.status == 404
    assert reply.json()["paths"] == [*PATHS, "/v1/detector", "/v1/events"]


def test_rule_3_who_asks_while_the_loop_stands_still_is_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock on `/leader`; on others with 503 and why; alive until it has stood still for too long."""
    stage.lead()
    monkeypatch.setattr("tenure.admin.window.LOOK_S", 0.1)
    release = threading.Event()
    stage.loop.call_soon_threadsafe(release.wait)
    try:
        for path in ("/readyz", "/standby", "/v1/status", "/metrics"):
            reply = ask(stage.url, path)
            assert (reply.status, "event loop has not turned" in reply.json()["error"]) == (503, True), path
        reply = ask(stage.url, "/livez")
        assert (reply.status, len(reply.json()["troubles"])) == (200, 1)
        until(lambda: status(stage.url, "/leader") == 503)  # nothing extends it
        monkeypatch.setattr(paths_module, "STALL_S", 0.2)
        until(lambda: status(stage.url, "/livez") == 503)
    finally:
        release.set()
    until(lambda: status(stage.url, "/livez") == 200)
    until(lambda: status(stage.url, "/leader") == 200)


def test_those_who_ask_at_once_share_one_look(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node makes one view for all who wait."""
    stage.start()
    looks = 0
    real = Window._make

    def counted(self: Window, *arguments: object) -> None:
        nonlocal looks
        looks += 1
        real(self, *arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Window, "_make", counted)
    release = threading.Event()
    stage.loop.call_soon_threadsafe(release.wait)
    replies: list[int] = []
    askers = [threading.Thread(target=lambda: replies.append(status(stage.url, "/v1/status"))) for _ in range(20)]
    for asker in askers:
        asker.start()
    until(lambda: len(threading.enumerate()) >= 20)
    release.set()
    for asker in askers:
        asker.join()
    assert replies == [200] * 20
    assert looks < 20


def test_a_node_that_was_stopped_is_not_alive(stage: Stage) -> None:
    """And acts for nobody."""
    stage.lead()
    stage.call(stage.node.stop())
    stage.is_started = False
    reply = ask(stage.url, "/livez")
    assert (reply.status, reply.json()["troubles"]) == (503, ["the node was stopped"])
    assert status(stage.url, "/leader") == status(stage.url, "/standby") == status(stage.url, "/readyz") == 503


def test_who_is_told_to_end_is_not_ready(stage: Stage) -> None:
    """Though it still leads."""
    stage.lead()
    stage.admin.ending("of SIGTERM")
    reply = ask(stage.url, "/readyz")
    assert (reply.status, reply.json()["troubles"]) == (503, ["it is ending: of SIGTERM"])


def test_a_defect_is_answered_and_ends_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 with its name."""
    stage.start()

    async def fail(self: Paths, path: str) -> None:
        raise ZeroDivisionError("sample")

    with monkeypatch.context() as patch:
        patch.setattr(Paths, "answer", fail)
        reply = ask(stage.url, "/livez")
        assert (reply.status, b"ZeroDivisionError: sample" in reply.body) == (500, True)
    assert status(stage.url, "/livez") == 200


def test_it_ends_soon_with_all_that_is_open_and_leaves_nothing(stage: Stage) -> None:
    """Streams, half requests and idle connections end; threads and descriptors are as many as before."""
    stage.lead()
    stage.call(stage.admin.close())
    before = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208  only counted
    stage.admin = stage.call(stage._serve())  # noqa: SLF001  once more
    with Reader(stage.admin.url) as reader, socket.create_connection(("127.0.0.1", int(stage.admin.url[17:]))) as half:
        half.sendall(b"GET /livez HTTP/1.1\r\n")
        assert reader.find("status").data["name"] == "a"
        began_s = time.monotonic()
        stage.call(stage.admin.close())
        assert time.monotonic() - began_s < 5
        assert reader.next() is None
        assert half.recv(1) == b""
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before  # noqa: PTH208  only counted
    with pytest.raises(ConnectionRefusedError):
        ask(stage.admin.url, "/livez")


def test_a_port_that_is_taken_is_said(stage: Stage) -> None:
    """With what to do."""

    async def again() -> None:
        serve_admin(stage.node, stage.news, stage.url.removeprefix("http://"))

    with pytest.raises(ConfigurationError, match="address in use: say --http"):
        stage.call(again())
