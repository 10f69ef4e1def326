"""What the tests of the command share: running it for real, and real processes that lead."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

LIMIT_S = 60.0
"""A limit for what takes milliseconds, on a machine that has other things to do."""
PROGRAMS = Path(__file__).parent / "programs"
TENURE = (sys.executable, "-m", "tenure")


SUBJECT = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root may read everything
    libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; who is not root has none to drop
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a command to which permissions apply, even where root runs the tests."""


OTHER = 4242
"""A user whom this machine does not know."""
needs_other = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="missing here: root, who may become another user"
)


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as one JSON document."""
        return json.loads(self.out)


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without anything that steers tenure, and with `changes`."""
    steering = ("TENURE", "XDG_STATE_HOME", "KUBERNETES_", "NO_COLOR", "_TENURE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | changes


def tenure(*arguments: str, **changes: str) -> Ended:
    """Run the command to its end."""
    return ended(*TENURE, *arguments, **changes)


def tenure_as_subject(*arguments: str, **changes: str) -> Ended:
    """Run the command to its end, as one who may not read what permissions forbid."""
    return ended(sys.executable, "-c", SUBJECT, *TENURE, *arguments, **changes)


def ended_as_other(*command: str, user: int = OTHER, groups: str = "--clear-groups", **changes: str) -> Ended:
    """Run a command to its end as another user, who may read everything: Python may be installed anywhere."""
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", groups)
    reading = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ended(*become, *reading, *command, **changes)


@contextmanager
def closed(place: Path) -> Iterator[None]:
    """A directory that nobody may look into."""
    mode = place.stat().st_mode
    place.chmod(0)
    try:
        yield
    finally:
        place.chmod(mode)


def ended(*command: str, **changes: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        command,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(*command: str, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed at the end, whatever became of it."""
    process = subprocess.Popen(
        command,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


@contextmanager
def candidate(url: str, election: str, name: str, *value: str) -> Iterator[subprocess.Popen[str]]:
    """A process that stands as `name`."""
    with started(sys.executable, str(PROGRAMS / "lead.py"), url, election, name, *value) as process:
        yield process


@contextmanager
def leader(url: str, election: str, name: str, *value: str) -> Iterator[subprocess.Popen[str]]:
    """A process that leads as `name`."""
    with candidate(url, election, name, *value) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit(), "it was elected"
        yield process


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until `holds()`, with a limit."""
    end_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end_s, "it has not become so"
        time.sleep(0.02)


def stands(url: str, election: str, name: str) -> bool:
    """Whether `name` waits to be elected."""
    (seen,) = tenure("status", election, "--at", url, "-o", "json").json()["elections"]
    return any(one["candidate"] == name for one in seen["candidates"])
