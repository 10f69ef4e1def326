"""Real groups under faults and load for five minutes; that the nemesis objects where a rule is missing, or too little
was done; and that nothing is left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nemesis.__main__ import WHOLE_S, missing
from tests.nemesis.faults import KINDS
from tests.nemesis.round import Outcome

pytestmark = pytest.mark.serial
LIMIT_S = 60.0


def command(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "tests.nemesis", *arguments]


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that this folder stands in."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has ended meanwhile
        if str(folder) in line:
            found.append(line)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need, in which the nemesis keeps its own."""
    with tempfile.TemporaryDirectory(prefix="tn-") as name:
        yield Path(name)


@pytest.mark.timeout(1200)
def test_five_minutes_of_faults_break_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With at least so many fail-overs, writes and faults as `__main__` states; what is wrong stays to be looked at."""
    done = subprocess.run(command("--for", f"{WHOLE_S:g}s"), capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\n{done.stdout}", end="")  # noqa: T201  how much was done is for whoever runs this to see
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_reads_that_ask_nobody_are_noticed(folder: Path) -> None:
    """With every node answering from its own copy: the history has a read that is too old."""
    line = command("--for", "12s", "--kind", "raft/tcp", "--mutant", "stale-reads")
    env = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=240, check=False)
    assert "history: not linearizable" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert processes_of(folder) == []
    kept = [path.name for path in folder.glob("n-*/*")]
    assert {"traces", "history.jsonl", "ledger.jsonl", "a.log"} <= set(kept), "what is wrong can be looked at"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_it_finds_nothing_left(number: signal.Signals, folder: Path) -> None:
    """No process, no mount and no folder."""
    line = command("--for", "60s", "--kind", "raft/tcp")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(folder)}) as running:
        until_s = time.monotonic() + LIMIT_S
        while not list(folder.glob("n-*/history.jsonl")) and not list(folder.glob("n-*/traces/nemesis.jsonl")):
            assert time.monotonic() < until_s
            time.sleep(0.05)
        running.send_signal(number)
        told, _ = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130
    assert "interrupted" in told
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []
    assert str(folder) not in Path("/proc/mounts").read_text()


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ({}, []),
        ({"fail_overs": 14}, ["only 14 fail-overs"]),
        ({"writes": 1199}, ["only 1199 writes"]),
        ({"faults": dict.fromkeys(KINDS, 2)}, ["only 26 faults"]),
        ({"faults": dict.fromkeys(KINDS[1:], 4)}, ["'kill' was never done"]),
    ],
)
def test_a_run_that_has_shown_too_little_has_failed(lacks: dict[str, object], says: list[str]) -> None:
    """Each minimum is looked at."""
    enough: dict[str, object] = {"fail_overs": 15, "writes": 1200, "faults": dict.fromkeys(KINDS, 4)}
    found = missing(Outcome(seconds=300, served_s=240, **(enough | lacks)))  # type: ignore[arg-type]  # by name
    assert len(found) == len(says)
    assert all(one in text for one, text in zip(says, found, strict=True))
