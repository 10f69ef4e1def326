"""`tenure run --http`: real processes, asked over HTTP while they are killed, stopped, and told to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tenure.supervise.processes import Process, children_of, identify, send
from tests.cli.scene import LIMIT_S, TENURE, eventually, started, tenure
from tests.health.asking import Reply, ask, status
from tests.metrics.stand_in import value

SHORT_S = 0.3
"""How long a stopped process gets to answer; one that runs takes a millisecond."""
WAIT = ("sh", "-c", "echo up; exec sleep 1000")
DEAF = ("sh", "-c", "trap '' TERM; echo up; echo $$; while :; do sleep 0.05; done")

LOADED = """
import atexit, os, sys
atexit.register(lambda: os.write(2, repr([m for m in sys.modules if m.split(".")[:2] in HEALTH]).encode()))
HEALTH = [["tenure", "health"], ["tenure", "metrics"]]
from tenure.__main__ import main
main()
"""
"""`tenure` that says at its end what it has loaded of health."""


class Candidate:
    """One `tenure run job --http`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        said = next(line for line in process.stderr if "serving health at" in line)
        self.url = said.split()[-1]

    def ask(self, target: str, limit_s: float = LIMIT_S) -> Reply:
        return ask(self.url, target, limit_s=limit_s)

    def status(self, target: str) -> int:
        return status(self.url, target)

    def job(self) -> Process:
        """The main process of its job, which has just begun."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"
        found = identify(int(self.process.stdout.readline()))
        assert found is not None
        return found

    def is_gone(self) -> bool:
        """Whether nobody listens at its port any more."""
        with socket.socket() as probe:
            return probe.connect_ex((urlsplit(self.url).hostname, urlsplit(self.url).port)) != 0

    def until_up(self) -> None:
        """Wait until its job says so."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Paused, as by a debugger or a virtual machine."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def candidate(url: str, name: str, *options: str, job: tuple[str, ...] = WAIT) -> Iterator[Candidate]:
    """In the background; ended as a service manager would, so that its job goes too."""
    asked = ("--at", url, "--candidate", name, "--http", "127.0.0.1:0", *options)
    with started(*TENURE, "run", "job", *asked, "--", *job) as process:
        try:
            yield Candidate(process)
        finally:
            process.send_signal(signal.SIGCONT)
            if process.poll() is None:
                process.terminate()
                process.wait(LIMIT_S)


@contextmanager
def leader_and_standby(url: str, *options: str) -> Iterator[tuple[Candidate, Candidate]]:
    """Two candidates of which the first leads."""
    with candidate(url, "anna", *options) as anna:
        anna.until_up()
        with candidate(url, "ben", *options) as ben:
            eventually(lambda: ben.status("/readyz") == 200)
            yield anna, ben


def sockets_of(pid: int) -> set[str]:
    """The sockets that a process holds."""
    folder = Path("/proc") / str(pid) / "fd"
    return {target for one in folder.iterdir() if (target := str(one.readlink())).startswith("socket:")}


def descendants(pid: int) -> list[int]:
    """Every process below this one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [found for child in children for found in (int(child), *descendants(int(child)))]


def listening(url: str) -> str:
    """The socket that listens there, as /proc names it."""
    port = urlsplit(url).port
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    (inode,) = [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
    return f"socket:[{inode}]"


def test_a_leader_and_a_standby_say_what_they_are(url: str) -> None:
    """Both are alive and ready; the numbers are there, for both; the roles are opposite."""
    with leader_and_standby(url) as (anna, ben):
        assert [anna.status(path) for path in ("/livez", "/readyz", "/leader", "/standby")] == [200, 200, 200, 503]
        assert [ben.status(path) for path in ("/livez", "/readyz", "/leader", "/standby")] == [200, 200, 503, 200]
        assert anna.ask("/leader?election=job").json()["candidate"] == "anna"
        numbers = anna.ask("/metrics?alias=client-go").body.decode()
        assert value(numbers, "tenure_is_leader", election="job", candidate="anna") == 1
        assert value(numbers, "leader_election_master_status", name="job") == 1
        assert value(ben.ask("/metrics").body.decode(), "tenure_is_leader", election="job", candidate="ben") == 0


def test_when_the_leader_is_killed_its_port_goes_and_the_standby_says_that_it_leads(url: str) -> None:
    """Neither the guardian nor the job has the listening socket, which would keep the port alive."""
    with leader_and_standby(url) as (anna, ben):
        held = listening(anna.url)
        assert held in sockets_of(anna.process.pid)
        below = descendants(anna.process.pid)
        assert len(below) >= 2  # guardian and job
        assert [pid for pid in below if held in sockets_of(pid)] == []
        token = anna.ask("/leader").json()["token"]

        anna.process.kill()

        eventually(lambda: ben.status("/leader") == 200)
        assert anna.is_gone()
        assert ben.ask("/leader").json()["token"] > token
        assert ben.status("/standby") == 503


def test_a_stopped_leader_answers_nobody_and_leads_on_when_it_goes_on(url: str) -> None:
    """Without a lease: who is paused is not replaced, and whoever asks runs into its own limit."""
    with leader_and_standby(url) as (anna, ben):
        with anna.stopped():
            with pytest.raises(TimeoutError):
                anna.ask("/leader", SHORT_S)
            assert (ben.status("/leader"), ben.status("/standby")) == (503, 200)
        eventually(lambda: anna.status("/leader") == 200)


def test_a_stopped_leader_with_a_lease_is_replaced_and_wakes_without_leadership(tmp_path: Path) -> None:
    """What it says first when it goes on is not that it leads with its old token."""
    with leader_and_standby(f"lease://{tmp_path}/place", "--lease", "3s") as (anna, ben):
        token = anna.ask("/leader").json()["token"]
        with anna.stopped():
            eventually(lambda: ben.status("/leader") == 200)
        woken = anna.ask("/leader")
        assert (woken.status, woken.json()["leads"]) == (503, False)
        assert ben.ask("/leader").json()["token"] > token


def test_a_leader_that_is_told_to_go_answers_503_at_once_though_its_job_runs_on(url: str) -> None:
    """The job does not hear SIGTERM, and has its grace."""
    with candidate(url, "anna", "--once", "--grace", "20s", job=DEAF) as anna:
        anna.until_up()
        assert anna.process.stdout is not None
        job = int(anna.process.stdout.readline())
        assert anna.status("/leader") == 200
        assert tenure("resign", "job", "--at", url, "--wait", "0").code == 0
        eventually(lambda: anna.status("/leader") == 503)
        assert anna.status("/standby") == 200
        assert Path(f"/proc/{job}/cmdline").read_bytes()  # it runs still: that of a zombie is empty
        os.kill(job, signal.SIGKILL)
        assert anna.process.wait(LIMIT_S) == 75


def test_a_clean_end_closes_the_port(url: str) -> None:
    """SIGTERM, and the job's own end."""
    with candidate(url, "anna") as anna:
        anna.until_up()
        anna.process.terminate()
        assert anna.process.wait(LIMIT_S) == 128 + signal.SIGTERM
        assert anna.is_gone()


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("taken", 78, "address in use: say --http"),
        ("8080", 78, "'8080' is no HOST:PORT; write it like 127.0.0.1:8080"),
        ("192.0.2.1:8080", 78, "no interface of this machine has that address"),
    ],
)
def test_where_it_cannot_serve_nothing_is_started(url: str, address: str, code: int, words: str) -> None:
    """It is said before anybody stands, with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}" if address == "taken" else address
        done = tenure("run", "job", "--at", url, "--http", where, "--", "echo", "up")

    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert "never awaited" not in done.err


def test_the_address_comes_from_the_environment_too(url: str) -> None:
    """Like every option; -q says nothing of it."""
    done = tenure("run", "-q", "job", "--at", url, "--", "true", TENURE_RUN_HTTP="[::1]:0")
    assert (done.code, done.err) == (0, "")
    loud = tenure("run", "job", "--at", url, "--", "true", TENURE_RUN_HTTP="[::1]:0")
    assert "serving health at http://[::1]:" in loud.err


def test_without_it_nothing_of_it_is_loaded(url: str) -> None:
    """A standby that does not serve does not pay for it."""
    done = subprocess.run(
        [TENURE[0], "-c", LOADED, "run", "-q", "job", "--at", url, "--", "true"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


def has_ended(process: Process) -> bool:
    """Whether a job's process is gone; the guardian reaps it."""
    return identify(process.pid) != process


def test_a_job_that_was_killed_at_its_deadline_is_no_overrun(tmp_path: Path) -> None:
    """The wrapper stood still, and its guardian did not: nothing ran on, and neither log nor metric says so."""
    with candidate(f"lease://{tmp_path}", "anna", "--lease", "2s", "-v", job=DEAF) as anna:
        job = anna.job()
        with anna.stopped():
            eventually(lambda: has_ended(job))
        anna.job()  # of its next tenure

        assert value(anna.ask("/metrics").body.decode(), "tenure_overruns_total", election="job") == 0
        anna.process.terminate()
        assert "runs on" not in anna.process.communicate(timeout=LIMIT_S)[1]


def test_a_job_that_ran_past_its_deadline_is_an_overrun_told_without_our_stack(tmp_path: Path) -> None:
    """Guardian and wrapper stood still, the job did not: it is counted, and its process is named."""
    with candidate(f"lease://{tmp_path}", "anna", "--lease", "2s", job=DEAF) as anna:
        job = anna.job()
        (guardian,) = map(identify, children_of(anna.process.pid))
        assert guardian is not None
        with anna.stopped():
            assert send(guardian, signal.SIGSTOP)
            time.sleep(2.5)  # past the deadline, which nobody can see pass who stands still
        eventually(lambda: has_ended(job))
        anna.process.wait(LIMIT_S)

        said = anna.process.communicate(timeout=LIMIT_S)[1]
        assert f"work runs on after its tenure was lost (stalled)\nprocesses of the job: {job.pid}" in said
        assert 'File "' not in said
