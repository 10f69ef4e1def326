"""Groups of real processes with `--http`, whose leader is killed, stopped and cut off: at no instant do two nodes
answer `/leader` with 200.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.admin.stage import Reader, until
from tests.admin.wires import Wires, all_to_and_from
from tests.health.asking import ask, connected, status

LIMIT_S = 60.0
NAMES = ("a", "b", "c")


class Yes(NamedTuple):
    """A node said 200 to `/leader`: at some instant between `sent_s` and `came_s` it might act under the token."""

    name: str
    token: int
    sent_s: float
    came_s: float


def both_at_once(answers: Sequence[Yes]) -> list[tuple[Yes, Yes, Yes]]:
    """Pairs of answers of one node under one token, and an answer of another node that lies wholly between them: a
    tenure is one stretch of time, so at that instant both might act.
    """
    first: dict[tuple[str, int], Yes] = {}
    last: dict[tuple[str, int], Yes] = {}
    for one in answers:  # of each node they are in order
        first.setdefault((one.name, one.token), one)
        last[one.name, one.token] = one
    return [
        (first[tenure], other, last[tenure])
        for tenure in first
        for other in answers
        if other.name != tenure[0] and first[tenure].came_s <= other.sent_s < other.came_s <= last[tenure].sent_s
    ]


def test_the_check_finds_two_at_once_and_nothing_in_turns() -> None:
    """One between two of another's is found; in turns, under tokens of their own, or overlapping in doubt, not."""
    a, later = Yes("a", 1, 0, 1), Yes("a", 1, 4, 5)
    assert both_at_once([a, Yes("b", 2, 2, 3), later]) != []
    assert both_at_once([a, Yes("b", 2, 2, 3), Yes("a", 3, 4, 5)]) == []
    assert both_at_once([a, later, Yes("b", 2, 4.5, 6)]) == []


class Group:
    """Nodes a, b and c as processes, each with its own directory; over wires, if there are any, else Unix sockets."""

    def __init__(self, folder: Path, *options: str, over_tcp: bool = False) -> None:
        self.folder, self.options = folder, options
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in zip(NAMES, free_ports(3), strict=True)}
        self.ports = dict(zip(NAMES, free_ports(3), strict=True)) if over_tcp else {}
        self.wires = Wires(self.ports) if over_tcp else None
        self.answers: list[Yes] = []
        self._is_over = threading.Event()
        self._watchers = [threading.Thread(target=self._watch, args=(name,)) for name in NAMES]

    def start(self, *names: str) -> None:
        for name in names:
            listen = f"127.0.0.1:{self.ports[name]}" if self.wires else f"unix:{self.folder}/{name}.sock"
            peers = [f"--peer={other}={self._reached(name, other)}" for other in NAMES if other != name]
            line = [sys.executable, "-m", "tenure", "node", "--name", name, "--listen", listen, *peers]
            line += ["--data", str(self.folder / name), "--http", self.urls[name].removeprefix("http://")]
            with (self.folder / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen([*line, *self.options], stderr=log)

    def _reached(self, source: str, target: str) -> str:
        return f"127.0.0.1:{self.wires.port(source, target)}" if self.wires else f"unix:{self.folder}/{target}.sock"

    def watch(self) -> None:
        """From now on every node is asked all the time whether it may act."""
        for watcher in self._watchers:
            watcher.start()

    def _watch(self, name: str) -> None:
        while not self._is_over.wait(0.005):
            sent_s = time.monotonic()
            try:
                reply = ask(self.urls[name], "/leader", limit_s=10)
            except (OSError, HTTPException):  # it is not there, or was killed in the middle of its answer
                continue
            if reply.status == 200:
                self.answers.append(Yes(name, reply.json()["token"], sent_s, time.monotonic()))

    def leader(self, *, but: str = "") -> tuple[str, int]:
        """Who may act now, and its token; another one than `but`."""
        found: list[Yes] = []
        since_s = time.monotonic()

        def is_found() -> bool:
            found[:] = [one for one in tuple(self.answers) if one.sent_s > since_s and one.name != but]
            return bool(found)

        until(is_found, LIMIT_S)
        return found[-1].name, found[-1].token

    def settled_leader(self) -> tuple[str, int]:
        """The same, once all agree: at first a bully may lead that a greater one sends off."""
        until(lambda: settled(self), LIMIT_S)
        return self.leader()

    def end(self, name: str, number: signal.Signals) -> int:
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(LIMIT_S)

    def close(self) -> None:
        self._is_over.set()
        for process in self.running.values():
            process.kill()
            process.wait(LIMIT_S)
        for watcher in self._watchers:
            if watcher.is_alive():
                watcher.join(LIMIT_S)
        if self.wires is not None:
            self.wires.close()


def free_ports(count: int) -> list[int]:
    """So many that were free just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def settled(group: Group) -> bool:
    """All three are ready, agree, one leads and two stand by."""
    try:
        leads = [status(url, "/leader") for url in group.urls.values()]
        stands = [status(url, "/standby") for url in group.urls.values()]
        ready = [status(url, "/readyz") for url in group.urls.values()]
        whom = {ask(url, "/v1/leader").json()["leader"] for url in group.urls.values()}
    except (OSError, HTTPException):
        return False
    roles = sorted(leads) == [200, 503, 503] and sorted(stands) == [200, 200, 503]
    return roles and ready == [200] * 3 and len(whom) == 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="tn-") as name:
        yield Path(name)


@pytest.fixture
def group(request: pytest.FixtureRequest, folder: Path) -> Iterator[Group]:
    """Three nodes over Unix sockets, watched."""
    yield from _three(Group(folder, *getattr(request, "param", ())))


@pytest.fixture
def wired(folder: Path) -> Iterator[Group]:
    """Three nodes with raft over TCP, watched."""
    yield from _three(Group(folder, over_tcp=True))


def _three(group: Group) -> Iterator[Group]:
    try:
        group.start(*NAMES)
        group.watch()
        yield group
    finally:
        group.close()
    assert both_at_once(group.answers) == []
    assert len({one.token for one in group.answers}) == len({(one.name, one.token) for one in group.answers})


def test_a_leader_is_killed_and_comes_back_as_a_standby(group: Group) -> None:
    """Another one is 200 under a greater token; its events tell of the death, and who was cut off goes on reading."""
    name, token = group.settled_leader()
    other = next(each for each in NAMES if each != name)
    with Reader(group.urls[other]) as reader:
        first = reader.find("status")
        number = next(one["number"] for one in first.data["members"] if one["name"] == name)
        assert group.end(name, signal.SIGKILL) == -signal.SIGKILL
        lost = reader.find("peer_lost")
        while not lost.data["certain"]:  # its connection may be seen to break before the kernel tells
            lost = reader.find("peer_lost")
        assert lost.data["peer"] == number
    second, greater = group.leader(but=name)
    assert greater > token
    with Reader(group.urls[other], lost.id) as reader:
        assert reader.find("became").data["leader"] != number
    group.start(name)
    until(lambda: settled(group), LIMIT_S)
    with Reader(group.urls[name], lost.id) as reader:  # of another node, and so of another life
        missed = reader.next()
        assert missed is not None
        assert missed.event == "missed"
    assert ask(group.urls[name], "/v1/status").json()["life"] == 2
    assert second in group.urls


@pytest.mark.parametrize(
    "group", [(), ("--algorithm", "bully", "--authority", "majority")], ids=["raft", "bully+lease"], indirect=True
)
def test_the_first_words_of_a_leader_that_was_stopped_are_503(group: Group) -> None:
    """Asked while it stands still, it answers when it wakes; another may act by then, and it knows by the clock."""
    name, token = group.settled_leader()
    process = group.running[name]
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)  # its last thread stands still
    waiting = [connected(group.urls[name]) for _ in range(5)]  # the kernel takes them
    try:
        for connection in waiting:
            connection.sendall(b"GET /leader HTTP/1.1\r\nHost: x\r\n\r\n")
        _, greater = group.leader(but=name)
        assert greater > token
    finally:
        process.send_signal(signal.SIGCONT)
    for connection in waiting:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 503"
    until(lambda: settled(group), LIMIT_S)


def test_a_leader_that_is_cut_off_stops_by_itself(wired: Group) -> None:
    """It is 503 by its own clock, without a word from anybody, before another is 200; healed, all agree."""
    assert wired.wires is not None
    name, token = wired.settled_leader()
    wired.wires.hold(all_to_and_from(name, NAMES))
    _, greater = wired.leader(but=name)
    assert greater > token
    assert status(wired.urls[name], "/leader") == 503
    until(lambda: status(wired.urls[name], "/readyz") == 503, LIMIT_S)
    assert status(wired.urls[name], "/livez") == 200
    wired.wires.heal()
    until(lambda: settled(wired), LIMIT_S)


def test_one_of_three_alone_is_alive_and_not_ready_and_ends_in_time(folder: Path) -> None:
    """It has joined nobody. Told to end, it does, whatever is connected; its last answer is no 200."""
    group = Group(folder)
    try:
        group.start("a")
        until(lambda: _answers(group.urls["a"]), LIMIT_S)
        reply = ask(group.urls["a"], "/readyz")
        assert reply.status == 503
        assert status(group.urls["a"], "/livez") == 200
        until(lambda: "knows of no leader" in ask(group.urls["a"], "/readyz").body.decode(), LIMIT_S)
        with Reader(group.urls["a"]) as reader, connected(group.urls["a"]) as half:
            half.sendall(b"GET /livez HTTP/1.1\r\n")
            reader.find("status")
            began_s = time.monotonic()
            assert group.end("a", signal.SIGTERM) == 0
            assert time.monotonic() - began_s < 20
    finally:
        group.close()


def _answers(url: str) -> bool:
    try:
        return status(url, "/livez") == 200
    except (OSError, HTTPException):
        return False


def ended(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A node that cannot begin."""
    line = [sys.executable, "-m", "tenure", "node", "--name", "a", "--listen", f"unix:{folder}/a.sock", *options]
    return subprocess.run(
        [*line, "--data", str(folder / "a")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.parametrize("module", ["uvicorn", "starlette"])
def test_without_the_extra_one_line_says_what_to_install(module: str, folder: Path) -> None:
    """And no node is begun."""
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / f"{module}.py").write_text("raise ModuleNotFoundError(__name__)\n")
    done = ended(folder, "--http", "127.0.0.1:0", PYTHONPATH=str(hidden))
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (78, 1), done.stderr
    assert "pip install 'tenure[server]'" in lines[0]
    assert not (folder / "a").exists()


def test_where_nobody_can_listen_no_node_is_begun(folder: Path) -> None:
    """The option, or the variable of its name, is said to be wrong."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ended(folder, TENURE_NODE_HTTP=f"127.0.0.1:{taken.getsockname()[1]}")
    assert (done.returncode, "address in use" in done.stderr) == (78, True)
    done = ended(folder, "--http", "9464")
    assert (done.returncode, "is no HOST:PORT" in done.stderr) == (78, True)
    assert not (folder / "a").exists()


def test_what_it_serves_is_where_it_says(folder: Path) -> None:
    """A free port is chosen for port 0, on the host that was named and no other."""
    line = [sys.executable, "-m", "tenure", "node", "--name", "a", "--listen", f"unix:{folder}/a.sock"]
    line += ["--data", str(folder / "a"), "--http", "127.0.0.1:0"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            url = said.split("serving HTTP at ")[1].strip()
            until(lambda: status(url, "/leader") == 200, LIMIT_S)
            seen = json.loads(ask(url, "/v1/status").body)
            assert seen["members"][0]["name"] == "a"
        finally:
            process.kill()
