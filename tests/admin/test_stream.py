"""The stream of events, line by line: ids, resumption, what was missed, and readers that do not read."""

from __future__ import annotations

import contextlib
import json
import re
import socket

import pytest

from tenure.admin import guard, stream
from tenure.admin.news import News
from tests.admin.stage import Reader, Stage, until
from tests.health.asking import ask, connected, status


def life(stage: Stage) -> str:
    """What its ids begin with."""
    return f"{stage.node.me.incarnation:016x}"


def deposed(stage: Stage, *tokens: int) -> None:
    """So many things happen."""
    for token in tokens:
        stage.tell(stage.news.deposed, token, "a test says so")


def test_a_stream_begins_with_what_is_and_goes_on_with_what_happens(stage: Stage) -> None:
    """Its lines are those of the standard: an id, a name, data on one line, an empty line."""
    with Reader(stage.url) as reader:
        assert reader.response.status == 200
        assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.response.headers["cache-control"] == "no-store"
        number, event, data = reader.lines()
        assert number == f"id: {life(stage)}-0"
        assert event == "event: status"
        assert json.loads(data.removeprefix("data: "))["state"] == "starting"
        deposed(stage, 7)
        number, event, data = reader.lines()
        assert number == f"id: {life(stage)}-1"
        assert event == "event: deposed"
        assert re.fullmatch(r'data: \{"at_s":[0-9.e-]+,"token":7,"why":"a test says so"\}', data)
        deposed(stage, 8, 9)
        assert [reader.find("deposed").data["token"] for _ in range(2)] == [8, 9]


def test_an_election_is_told_as_it_happens(stage: Stage) -> None:
    """Following, campaigning, leading; then the authority, once, however often it is extended; then its end."""
    with Reader(stage.url) as reader:
        reader.find("status")
        stage.start()
        roles = [reader.find("became").data["role"] for _ in range(3)]
        assert roles == ["following", "campaigning", "leading"]
        authorised = reader.find("authorised")
        assert authorised.data["token"] == 1
        assert 0 < authorised.data["left_s"] < 1
        began = stage.node.driver.held
        until(lambda: stage.node.driver.held != began)  # it was extended
        stage.tell(stage.node.resign)
        told = reader.next()
        assert told is not None
        assert (told.event, told.data["token"]) == ("deposed", 1)


def test_who_comes_back_is_told_what_followed_and_nothing_twice(stage: Stage) -> None:
    """Each id is one more than the one before, across two connections."""
    deposed(stage, 1, 2, 3)
    with Reader(stage.url, f"{life(stage)}-1") as reader:
        first = [reader.find("deposed") for _ in range(2)]
    deposed(stage, 4, 5)
    assert first[-1].id is not None
    with Reader(stage.url, first[-1].id) as reader:
        second = [reader.find("deposed") for _ in range(2)]
    assert [one.data["token"] for one in first + second] == [2, 3, 4, 5]
    assert [one.id for one in first + second] == [f"{life(stage)}-{number}" for number in (2, 3, 4, 5)]


def test_what_is_kept_no_more_is_said_to_be_missed(stage: Stage) -> None:
    """How many, and then what is still there; nothing is left out in silence."""
    deposed(stage, *range(1, 1025 + 5))
    with Reader(stage.url, f"{life(stage)}-2") as reader:
        missed = reader.next()
        assert missed is not None
        assert (missed.id, missed.event, missed.data["missed"]) == (None, "missed", 3)
        tokens = [reader.find("deposed").data["token"] for _ in range(1024)]
    assert tokens == list(range(6, 1030))


def test_what_another_life_told_is_said_to_be_missed(stage: Stage) -> None:
    """Nobody knows how much; all of this life follows."""
    deposed(stage, 1, 2)
    other = f"{stage.node.me.incarnation ^ 1:016x}-7"
    with Reader(stage.url, other) as reader:
        missed = reader.next()
        assert missed is not None
        assert (missed.event, missed.data["missed"]) == ("missed", None)
        assert "another life" in missed.data["why"]
        assert [reader.find("deposed").data["token"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("last_id", ["1", "x", "-1", "0123456789abcdeg-1", f"{'0' * 16}-{'9' * 19}", "a" * 5000])
def test_an_id_that_was_never_given_is_refused(stage: Stage, last_id: str) -> None:
    """With what to do; so is one that is not reached yet."""
    for wrong in (last_id, f"{life(stage)}-1"):
        with Reader(stage.url, wrong) as reader:
            assert reader.response.status == 400
            assert "leave it out" in json.loads(reader.response.read())["error"]


def test_head_is_answered_and_ends(stage: Stage) -> None:
    """Its header alone."""
    reply = ask(stage.url, "/v1/events", "HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-type"].startswith("text/event-stream")


def test_a_silent_stream_has_comments(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody on the way takes it for dead."""
    monkeypatch.setattr(stream, "REST_S", 0.05)
    with Reader(stage.url) as reader:
        reader.find("status")
        assert reader.lines() == [": nothing new"]
        assert reader.lines() == [": nothing new"]


def test_so_many_read_at_once_and_one_that_goes_makes_room(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is told so, and other paths are answered."""
    monkeypatch.setattr(guard, "STREAMS", 3)
    with contextlib.ExitStack() as readers:
        three = [readers.enter_context(Reader(stage.url)) for _ in range(3)]
        assert [reader.response.status for reader in three] == [200] * 3
        with Reader(stage.url) as fourth:
            assert fourth.response.status == 503
            assert "as many as may" in json.loads(fourth.response.read())["error"]
        assert status(stage.url, "/livez") == 200

    def is_room() -> bool:
        with Reader(stage.url) as reader:
            return reader.response.status == 200

    until(is_room)


def test_a_reader_that_does_not_read_is_cut_off_and_holds_nobody_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs its buffer; another one hears everything, while the slow one is there and after it is gone."""
    monkeypatch.setattr(stream, "WRITE_S", 0.3)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", int(stage.url.rpartition(":")[2])))
    slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    slow.settimeout(30)
    long, rounds = "y" * 2000, 0
    with slow, Reader(stage.url) as reader:
        reader.find("status")

        def is_cut() -> bool:
            """After ten more events, which the other one hears."""
            nonlocal rounds
            tokens = list(range(10 * rounds, 10 * rounds + 10))
            for token in tokens:
                stage.tell(stage.news.deposed, token, long)
            assert [reader.find("deposed").data["token"] for _ in tokens] == tokens
            rounds += 1
            return _is_reset(slow)

        until(is_cut)


def _is_reset(connection: socket.socket) -> bool:
    """Whether the other side has aborted it, without taking anything from it."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or _state(connection) == 7  # TCP_CLOSE


def _state(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def test_one_that_has_fallen_behind_the_ring_is_told_so(folder: object) -> None:
    """A ring of four: who stands at 1 when 8 have happened has missed three."""
    news = News(limit=4)
    assert news.after(0) == (0, [])
    for token in range(8):
        news.deposed(token, "why")
    missed, events = news.after(1)
    assert (missed, [one.number for one in events]) == (3, [5, 6, 7, 8])
    assert news.after(8) == (0, [])
    assert [one.number for one in news.after(5, most=2)[1]] == [6, 7]
    assert news.latest == 8


def test_clients_cannot_slip_lines_into_a_stream(stage: Stage) -> None:
    """What others said stands in data as JSON: an end of line in it is escaped."""
    with Reader(stage.url) as reader:
        reader.find("status")
        stage.tell(stage.news.deposed, 1, "a\n\nevent: failed\r\ndata: {}\n")
        told = reader.next()
        assert told is not None
        assert (told.event, told.data["why"]) == ("deposed", "a\n\nevent: failed\r\ndata: {}\n")


def test_a_refused_connection_is_answered_all_the_same(stage: Stage) -> None:
    """A stream that its reader leaves ends, and its place is given back."""
    for _ in range(5):
        with connected(stage.url) as connection:
            connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
    assert status(stage.url, "/livez") == 200
