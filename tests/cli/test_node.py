"""`tenure node`: what it refuses, and groups of real processes that are killed, told to end and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenure.runtime.joining import join
from tenure.simulator.replay import judge
from tenure.trace import Held, read

LIMIT_S = 60.0


def node(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "tenure", "node", *arguments]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--peer", "b"], 2, "not NAME=ADDRESS"),
        (["--peer", "b=unix:/tmp/b", "--peer", "b=unix:/tmp/c"], 2, "given twice"),
        (["--ca", "x.pem"], 2, "all three"),
        (["--authority", "majority"], 78, "gives authority by itself"),
        (["--algorithm", "raffle"], 78, "there is no algorithm"),
        ([], 78, "give a data directory"),
        (["--data", "d", "--peer", "a=unix:/tmp/b"], 78, "each node has a name of its own"),
        (["--data", "d", "--peer", "b=nowhere"], 78, "is no address"),
        (["--data", "d", "--cluster", "a b"], 78, "is no name"),
        (["--data", "d", "--listen", "0.0.0.0:0"], 78, "certificates"),
        (["--data", "d", "--listen", "0.0.0.0:0", "--ca", "x", "--cert", "y", "--key", "z"], 78, "cannot be used"),
        (["--data", "/proc/nothing/d"], 1, "give a directory that this user may write to"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(
    arguments: list[str], code: int, says: str, tmp_path: Path
) -> None:
    """In a line or two, without a traceback."""
    line = node("--name", "a", "--listen", f"unix:{tmp_path}/a.sock", *arguments)
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert says in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("lisen = 'unix:/tmp/x'", "has 'lisen', and no option of a node is called so; did you mean 'listen'?"),
        ("name = ", "cannot be read as TOML: Invalid value (at "),
        ("peers = ['b=unix:/tmp/b']", "write a table: [peers]"),
        ("join = 'unix:/tmp/b'", "write a list of strings"),
        ("allow-plain = 'yes'", "write allow-plain = true, or false"),
        ("cluster = true", "write a string: cluster"),
        ("config = 'other.toml'", "no option of a node is called so"),
        (None, "cannot be read as TOML: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(file: str | None, says: str, tmp_path: Path) -> None:
    """With its name, and what to write instead; nothing of it counts."""
    path = tmp_path / "node.toml"
    if file is not None:
        path.write_text(file, encoding="utf-8")
    done = subprocess.run(node("--config", str(path)), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (78, False), done.stderr
    assert says in done.stderr
    assert str(path) in done.stderr


def test_several_peers_stand_in_one_variable(tmp_path: Path) -> None:
    """With spaces between them."""
    environment = os.environ | {"TENURE_NODE_PEER": "b=unix:/tmp/b b=unix:/tmp/c"}
    line = node("--name", "a", "--listen", f"unix:{tmp_path}/s")
    done = subprocess.run(line, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment)
    assert done.returncode == 2
    assert "'b' is given twice" in done.stderr


def test_what_is_typed_counts_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    """Of one option each; all of them are needed for the node to lead."""
    path = tmp_path / "node.toml"
    path.write_text(
        f"name = 'of-the-file'\nlisten = 'nowhere'\ndata = '{tmp_path}/d'\nalgorithm = 'bully'\n"
        "authority = 'majority'\nlease = 3\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        node("--config", str(path), "--name", "typed"),
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TENURE_NODE_NAME": "of-the-environment", "TENURE_NODE_LISTEN": f"unix:{tmp_path}/s"},
    )
    assert process.stderr is not None
    try:
        said = ""
        while "may act under token" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        assert "typed is node 1" in said
        assert (tmp_path / "s").exists()
        assert (tmp_path / "d" / "node.json").exists()
    finally:
        process.terminate()
        process.wait(LIMIT_S)
        process.stderr.close()


class Processes:
    """Nodes a, b and c as processes; each keeps its log file and its directory from life to life."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            peers = [f"--peer={other}=unix:{self.folder}/{other}.sock" for other in "abc" if other != name]
            listen, data = f"unix:{self.folder}/{name}.sock", str(self.folder / name)
            line = node("--name", name, "--listen", listen, *peers, "--data", data, *self.options)
            with (self.folder / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(line, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"})

    def end(self, name: str, number: signal.Signals) -> int:
        """Send the signal, and see it end."""
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(LIMIT_S)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def tokens(self) -> dict[int, str]:
        """Who may act, or might, by its token."""
        found = re.compile(r"this node may act under token (\d+)")
        return {int(token): name for name in "abc" for token in found.findall(self.said(name))}

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, for so long as a busy machine may need."""
        until_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < until_s, {name: self.said(name) for name in "abc"}
            time.sleep(0.02)

    def lead_after(self, token: int) -> tuple[int, str]:
        """The next tenure: its token, and whose it is."""
        self.until(lambda: max(self.tokens(), default=0) > token)
        last = max(self.tokens())
        return last, self.tokens()[last]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="tn-") as name:
        yield Path(name)


@pytest.fixture(params=[(), ("--algorithm", "bully", "--authority", "majority")], ids=["raft", "bully+lease"])
def processes(request: pytest.FixtureRequest, folder: Path) -> Iterator[Processes]:
    """Three of them, with traces."""
    group = Processes(folder, *request.param, "--trace", str(folder / "traces"))
    try:
        yield group
    finally:
        for name in tuple(group.running):
            group.end(name, signal.SIGKILL)


def test_another_leads_with_a_greater_token_after_a_kill_and_after_a_farewell(processes: Processes) -> None:
    """The killed one comes back; who is told to end hands over and ends with 0; the traces show no two at a time."""
    processes.start("a", "b", "c")
    first, killed = processes.lead_after(0)
    assert processes.end(killed, signal.SIGKILL) == -signal.SIGKILL
    second, other = processes.lead_after(first)
    assert other != killed
    processes.start(killed)
    processes.until(lambda: "its life number 2" in processes.said(killed))
    third, ended = processes.lead_after(first)
    assert processes.end(ended, signal.SIGTERM) == 0
    processes.lead_after(max(second, third))
    for name in tuple(processes.running):
        assert processes.end(name, signal.SIGTERM) == 0

    files = sorted((processes.folder / "traces").iterdir())
    line = [sys.executable, "-m", "tenure", "replay", *map(str, files), "--picture", f"{processes.folder}/all.svg"]
    told = subprocess.run(line, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert "violations: none" in told.stdout
    whole = join([read(path) for path in files])
    assert judge(whole, ("one-at-a-time", "tokens-grow")) == []
    assert len({record.token for record in whole.records if isinstance(record, Held)}) >= 3
