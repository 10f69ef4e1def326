"""`tenure cluster`: one for development, and what operators do with it, with real processes and their exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenure.runtime.joining import join
from tenure.simulator.replay import judge
from tenure.trace import read
from tests.cli.scene import LIMIT_S, TENURE, Ended, ended, environment, tenure


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="tn-") as name:
        yield Path(name)


class Process:
    """A command that runs, with a file of what it says."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen([*TENURE, *arguments], stderr=file, env=environment(PYTHONUNBUFFERED="1"))

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], object]) -> None:
        until_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < until_s, self.said
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


@contextmanager
def running(log: Path, *arguments: str) -> Iterator[Process]:
    """It is killed at the end, unless it has ended before, and what it started with it."""
    found = Process(log, *arguments)
    try:
        yield found
    finally:
        if found.process.poll() is None and found.end(signal.SIGTERM) < 0:
            raise AssertionError(found.said)


def at(folder: Path, names: str = "abc") -> str:
    """Where these nodes listen."""
    return ",".join(f"unix:{folder}/{name}.sock" for name in names)


def cluster(where: str, *arguments: str) -> Ended:
    """What `tenure cluster` came to."""
    return tenure("cluster", *arguments, TENURE_CLUSTER_AT=where, TENURE_CLUSTER_STATUS_WAIT="5s")


def led(where: str) -> str | None:
    """Who leads, once somebody may act."""
    seen = cluster(where, "status", "-o", "json")
    found = json.loads(seen.out) if seen.out else {}
    return str(found["leader"]) if seen.code == 0 and found["token"] is not None else None


def node_of(up: Process, folder: Path, name: str) -> int:
    """The process id of that node, which its data directory names."""
    up.until(lambda: (folder / name / "lock").exists() and (folder / name / "lock").read_text().strip())
    return int((folder / name / "lock").read_text())


def test_a_cluster_is_started_looked_at_changed_and_ended(folder: Path) -> None:
    """Up, a newcomer, a hand-over, a removal, a death that is said, and an end in good order, with valid traces."""
    with running(folder / "up.log", "cluster", "up", "3", "--data", str(folder), "--trace") as up:
        up.until(lambda: led(at(folder)))
        listed = cluster(at(folder), "members", "-o", "json").json()
        assert [(one["name"], one["number"], one["role"]) for one in listed] == [
            ("a", 1, "voter"),
            ("b", 2, "voter"),
            ("c", 3, "voter"),
        ]
        options = ["--name", "d", "--listen", at(folder, "d"), "--data", str(folder / "d")]
        with running(folder / "d.log", "node", "--join", at(folder, "a"), "--join", at(folder, "b"), *options) as d:
            d.until(lambda: "d is no member yet; add it: tenure cluster add d=unix:" in d.said)
            added = cluster(at(folder, "b"), "add", f"d={at(folder, 'd')}", "-o", "json")
            assert (added.code, added.json()["name"]) == (0, "d"), added.err
            assert cluster(at(folder), "transfer", "--to", "d").out == "d leads\n"
            d.until(lambda: "this node may act under token" in d.said)
            assert "voter" in re.findall(r"^d .*$", cluster(at(folder, "d"), "members").out, re.MULTILINE)[0]
            removed = cluster(at(folder), "remove", "d", "--wait", "30s")
            assert (removed.code, removed.out) == (0, "d is no member any more\n")
            assert d.process.wait(LIMIT_S) == 0
            assert "this node was removed from the cluster" in d.said
        again = ended(*TENURE, "node", "--join", at(folder, "a"), *options)
        assert again.code == 78
        assert "join with an empty data directory" in again.err
        up.until(lambda: led(at(folder)))
        os.kill(node_of(up, folder, "b"), signal.SIGKILL)
        up.until(lambda: "b was killed by signal 9, and is not started again; by hand: tenure node" in up.said)
        up.until(lambda: led(at(folder)) in {"a", "c"})
        assert up.end(signal.SIGINT) == 1, "b did not end in good order"
        assert not [name for name in "ac" if (folder / f"{name}.sock").exists()], "all have ended"
    whole = join([read(path) for path in sorted((folder / "traces").iterdir())])
    assert judge(whole, ("one-at-a-time", "tokens-grow")) == []


@pytest.mark.parametrize("options", [(), ("--algorithm", "bully", "--authority", "majority")], ids=["raft", "bully"])
def test_the_next_up_goes_on_where_the_last_one_ended(options: tuple[str, ...], folder: Path) -> None:
    """And ends with 0 when all do."""
    tokens = []
    for _ in range(2):
        with running(folder / "up.log", "cluster", "up", "3", "--data", str(folder), *options) as up:
            up.until(lambda: led(at(folder)))
            tokens.append(cluster(at(folder), "status", "-o", "json").json()["token"])
            assert up.end(signal.SIGTERM) == 0, up.said
    assert tokens[0] < tokens[1]


def test_certificates_are_made_and_needed(folder: Path) -> None:
    """Nodes on ports with TLS take a client with a certificate of their authority, and no other one."""
    made = tenure("cluster", "certificates", str(folder / "tls"), "--node", "a", "-o", "json")
    assert made.code == 0, made.err
    files = {one["for"]: [f"--{kind}={one[kind]}" for kind in ("ca", "cert", "key")] for one in made.json()}
    assert set(files) == {"a", "client-operator"}
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    options = ["--name", "a", "--listen", address, "--data", str(folder / "a"), *files["a"]]
    with running(folder / "a.log", "node", *options) as a:
        a.until(lambda: "this node may act under token" in a.said)
        good = tenure("cluster", "status", "--at", address, *files["client-operator"], "-o", "json")
        assert (good.code, good.json()["leader"]) == (0, "a"), good.err
        plain = tenure("cluster", "status", "--at", address, "--wait", "1s")
        assert plain.code == 69
        assert "speaks TLS" in plain.err or "speak TLS" in plain.err
        other = tenure("cluster", "status", "--at", address, "--client", "x", *files["client-operator"])
        assert other.code == 78
        assert "does not name tenure://tenure/client/x" in other.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["statsu"], 2, "did you mean status?"),
        (["status"], 2, "Missing option '--at'"),
        (["status", "--at", "nowhere"], 78, "is no address"),
        (
            ["status", "--at", "unix:/nowhere/a.sock", "--wait", "0.2s"],
            69,
            "no node was reached within 0.2 s: unix:/now",
        ),
        (["add", "d", "--at", "unix:/nowhere/a.sock"], 2, "is not NAME=ADDRESS"),
        (["members", "--at", "192.0.2.1:1", "--ca", "x"], 2, "all three"),
        (["up", "0"], 2, "range"),
        (["up", "3", "--port", "65535"], 2, "take a lower one"),
        (["up", "3", "--data", "x" * 120], 78, "--port 7101"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a line or two."""
    monkeypatch.chdir(tmp_path)
    done = tenure("cluster", *arguments)
    assert says in done.err
    assert done.code == code
    assert "Traceback" not in done.err


def test_one_of_three_has_no_leader_and_takes_no_orders(folder: Path) -> None:
    """status ends with 3; add, remove and transfer say that nothing was done."""
    options = [f"--peer={name}={at(folder, name)}" for name in "bc"]
    with running(
        folder / "a.log", "node", "--name", "a", "--listen", at(folder, "a"), "--data", f"{folder}/a", *options
    ):
        where = at(folder, "a")
        seen = cluster(where, "status", "-o", "json")
        assert (seen.code, seen.json()["leader"]) == (3, None)
        assert [one["status"] is None for one in seen.json()["nodes"]] == [False, True, True]
        removed = cluster(where, "remove", "c", "--wait", "0.5s")
        assert removed.code == 124
        assert "nothing was done" in removed.err
        handed = cluster(where, "transfer", "--wait", "0.5s")
        assert handed.code == 3
        assert "nobody leads" in handed.err
