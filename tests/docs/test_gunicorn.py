"""The page on workers under the server that it names: one of them leads, also when it is killed, and none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenure import Leader
from tenure.blocking import Election
from tests.docs.blocks import all_blocks, environment

LIMIT_S = 60.0
APPLICATION = """
from tenure.blocking import Election

election = Election("another")  # as applications do that make theirs when they are imported, before the fork

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]
"""
(SETTINGS,) = (block for block in all_blocks("python") if block.mark and block.mark[2] == "gunicorn calls these")

pytestmark = [pytest.mark.needs("gunicorn"), pytest.mark.serial]


def eventually(look: Callable[[], Leader | None], what: str) -> Leader:
    """Wait until `look` gives something."""
    end_s = time.monotonic() + LIMIT_S
    while (found := look()) is None:
        assert time.monotonic() < end_s, what
        time.sleep(0.02)
    return found


def led(election: Election, above: int = 0) -> Leader | None:
    """Who leads under a token above that, if anybody does; who has the lock for an instant has not said who it is."""
    leader = election.leader()
    return leader if leader is not None and leader.token > above and not leader.warning else None


def worker_of(leader: Leader) -> int:
    """The pid in the name under which a candidate stands by default."""
    return int(leader.candidate.rpartition("-")[2])


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Gunicorn with three workers and the page's settings; all of it is killed at the end if it still runs."""
    (folder / "gunicorn.conf.py").write_text(SETTINGS.program, encoding="utf-8")
    (folder / "served.py").write_text(APPLICATION, encoding="utf-8")
    command = [sys.executable, "-m", "gunicorn", "served:app", "--workers", "3", "--bind", "unix:socket", *options]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder / "elections"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as server,
    ):
        try:
            yield server
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "options", [("--worker-class", "sync"), ("--worker-class", "gthread", "--preload")], ids=["sync", "gthread-preload"]
)
def test_one_of_gunicorns_workers_leads_and_another_one_when_it_is_killed(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The leader is a worker, not the master; a reload replaces all; at the end nobody leads, nobody is left."""
    (tmp_path / "elections").mkdir()
    election = Election("scheduler", (tmp_path / "elections").as_uri())
    with serving(tmp_path, *options) as server:
        first = eventually(lambda: led(election), "a worker leads")
        assert worker_of(first) != server.pid

        os.kill(worker_of(first), signal.SIGKILL)
        second = eventually(lambda: led(election, first.token), "another worker leads")
        assert worker_of(second) not in {worker_of(first), server.pid}

        server.send_signal(signal.SIGHUP)
        third = eventually(lambda: led(election, second.token), "a new worker leads after the reload")
        assert worker_of(third) not in {worker_of(first), worker_of(second), server.pid}

        server.terminate()
        assert server.wait(LIMIT_S) == 0, (tmp_path / "log").read_text()

    assert election.leader() is None
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not Path(f"/proc/{worker_of(third)}").exists()
