"""Candidates that are stopped, or killed, before and after each of their system calls; `programs/frozen.py` does it.

At least a thousand stops. During each of them somebody else is elected, or the program fails: the election is never
frozen. Afterwards one audit judges all that they wrote down: never two valid tenures, tokens only grow, no late act.
"""

from __future__ import annotations

import ast
import collections
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenure.audit import Reader, audit
from tenure.backends import file, lease
from tests.backends.lease.programs import frozen

PROGRAM = str(Path(frozen.__file__))
ROOT = Path(__file__).parents[3]
SIDE_BY_SIDE = 8
"""So many elections at once: nearly all of their time is waiting for leases."""
CHANGES = ("clock_gettime_ns", "close", "fcntl", "fsync", "inotify_watch", "link", "listdir", "open", "pread", "pwrite",
           "rename", "stat", "unlink", "utime")  # fmt: skip  # a name a line would fill the page
LIVES = [
    *(str(where + which) for where in (0, 300, 600) for which in range(2 * frozen.EVERY)),
    *(f"{call}:{when}" for call in CHANGES for when in ("before", "after")),
]
"""Victims hit at each seventh call from 0, 150 and 300 on, at another one of seven each; and some hit at each call of a
kind, since there are few of it."""
DEATHS = [str(first // 2 * 2 + first // 2 % 2) for first in range(0, 320, 2)]
MODULES = [
    *sorted(Path(lease.__file__).parent.glob("*.py")),
    *(
        Path(file.__file__).with_name(f"{name}.py")
        for name in ("identity", "inotify", "place", "queue", "steps", "wishes")
    ),
]
"""All whose code a step of this backend runs."""
NO_CALLS = {"fsencode", "fsdecode", "strerror", "geteuid", "getpid", "major", "minor", "urandom", "pidfd_open",
            "PathLike", "path"}  # fmt: skip  # as above
"""What is called by the name of `os` and changes or asks nothing that another process could change meanwhile."""


def test_every_call_to_the_system_is_known() -> None:
    """The program hits all functions of `os` that these modules use: none was added without it."""
    used: set[str] = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                used.add(node.attr)
    calls = {name for name in used if not name.isupper() and not name.startswith(("O_", "EFD"))} - NO_CALLS

    assert calls <= set(frozen.OS_CALLS) | {"rmdir", "samestat"}, "put these into frozen.OS_CALLS"


@pytest.mark.serial
@pytest.mark.timeout(600)
def test_L25_a_candidate_stopped_at_any_call_freezes_nothing(tmp_path: Path) -> None:
    """A thousand stops at all calls of all paths: somebody else leads during each, and never two at once (L16)."""
    stops = play(tmp_path, signal.SIGSTOP, LIVES)

    assert sum(stops.values()) >= 1000
    assert {(call, when) for (_, call, when) in stops} >= set(itertools.product(CHANGES, ("before", "after")))
    paths = {place.partition(".")[0] for (place, _, _) in stops}
    assert {"tenure_file", "place", "survey", "stamp", "record", "clock", "queue", "steps"} <= paths


@pytest.mark.serial
@pytest.mark.timeout(600)
def test_a_candidate_killed_at_any_call_is_followed(tmp_path: Path) -> None:
    """Its death at any call of any path costs the others a lease at most, and nothing that it left bars the next."""
    deaths = play(tmp_path, signal.SIGKILL, DEATHS)

    assert sum(deaths.values()) >= len(DEATHS) * 9 // 10, "a victim may be done before its call comes"


def play(folder: Path, number: signal.Signals, lives: list[str]) -> collections.Counter[tuple[str, str, str]]:
    """Play all lives in some elections side by side, judge them, and return where they were hit."""
    places = [folder / f"election{share}" for share in range(SIDE_BY_SIDE)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, str(place), str(int(number)), *lives[share::SIDE_BY_SIDE]],
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for share, place in enumerate(places)
    ]
    try:
        said = [process.communicate()[1].decode() for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with what it bore, stopped or not
                process.wait()
    assert [text for process, text in zip(processes, said, strict=True) if process.returncode] == []
    stops: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for place in places:
        verdict = audit(Reader(place / "ledger.jsonl").new())
        assert verdict.is_clean, str(verdict)
        assert len(verdict.tenures) > 1
        for line in (place / "stops.jsonl").read_text().splitlines():
            hit = json.loads(line)
            stops[hit["in"], hit["call"], hit["when"]] += 1
        kept = [path for path in (place / "elections" / frozen.ELECTION / "tenures").iterdir() if path.suffix == ""]
        assert len(kept) < 20, "tenures that are over are removed"
    return stops
