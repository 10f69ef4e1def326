"""Whoever is killed, wrapper or guardian, nothing of the job outlives the tenure."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import PROGRAMS, Scene, is_alive, read_pid, until

DAEMON = str(PROGRAMS / "daemon.py")
HYDRA = str(PROGRAMS / "hydra.py")
DEAF = "trap '' TERM; echo $$ > {pid}; while :; do sleep 1; done"
MANY = "for i in $(seq 200); do sleep 1000 & done; echo $$ > {pid}; wait"
JOBS = {
    "plain": ["sh", "-c", "echo $$ > {pid}; exec sleep 1000"],
    "grandchild": ["sh", "-c", "sleep 1000 & echo $! > {pid}; wait"],
    "deaf": ["sh", "-c", DEAF],
    "daemon": [sys.executable, DAEMON, "{pid}", "stay"],
    "deaf daemon": [sys.executable, DAEMON, "{pid}", "stay", "deaf"],
    "many": ["sh", "-c", MANY],
    "stopped": ["sh", "-c", "echo $$ > {pid}; kill -STOP $$; sleep 1000"],
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene that is empty at the end."""
    with Scene(tmp_path) as scene:
        yield scene


def job(name: str, scene: Scene) -> tuple[list[str], Path]:
    """The words of a job, and the file into which it writes the pid of the process that must not survive."""
    pid_file = scene.folder / "pid"
    return [word.format(pid=pid_file) for word in JOBS[name]], pid_file


@pytest.mark.parametrize("name", JOBS)
def test_L12_a_killed_wrapper_leaves_nothing_of_the_job(scene: Scene, name: str) -> None:
    """SIGKILL of the wrapper: guardian, job, grandchildren and daemons are gone, and the lock is free."""
    words, pid_file = job(name, scene)
    wrapper = scene.run(*words, grace_s=0.5, lock=True)
    survivor = read_pid(pid_file)
    assert is_alive(survivor)
    assert scene.is_locked()

    os.kill(wrapper.pid, signal.SIGKILL)

    until(lambda: not scene.living(), "nothing is left")
    assert not is_alive(survivor)
    assert not scene.is_locked()
    assert scene.leftovers() == []


@pytest.mark.parametrize("name", JOBS)
def test_L4_a_killed_guardian_leaves_nothing_of_the_job(scene: Scene, name: str) -> None:
    """SIGKILL of the guardian: the wrapper ends the job in its place, and says so by a typed error."""
    words, pid_file = job(name, scene)
    wrapper = scene.run(*words, grace_s=0.5)
    survivor = read_pid(pid_file)

    os.kill(wrapper.guardian, signal.SIGKILL)

    assert wrapper.wait() == 125
    assert wrapper.event("raised")["type"] == "GuardianDied"
    assert not is_alive(survivor)
    assert scene.leftovers() == []


@pytest.mark.parametrize("name", JOBS)
def test_L4_an_order_to_stop_leaves_nothing_of_the_job(scene: Scene, name: str) -> None:
    """SIGTERM to the wrapper: it orders the end, and returns when nobody is left."""
    words, pid_file = job(name, scene)
    wrapper = scene.run(*words, grace_s=0.5)
    survivor = read_pid(pid_file)
    wrapper.event("started")

    os.kill(wrapper.pid, signal.SIGTERM)

    assert wrapper.wait() > 128
    assert wrapper.event("ended")["because"] == "ORDER"
    assert not is_alive(survivor)
    assert scene.leftovers() == []


def test_a_job_that_runs_away_is_caught(scene: Scene) -> None:
    """Processes that fork a successor into a new session and exit, without end, are all killed after the grace."""
    wrapper = scene.run(sys.executable, HYDRA, grace_s=0.2)
    wrapper.event("started")
    until(lambda: len(scene.living()) > 3, "the hydra runs")

    os.kill(wrapper.pid, signal.SIGKILL)

    until(lambda: not scene.living(), "nothing is left", limit_s=15)


def test_L26_with_wrapper_and_guardian_killed_a_survivor_blocks_the_next_leader(scene: Scene) -> None:
    """The job holds the lock's descriptor itself; the lock is free when it is gone, and not before."""
    wrapper = scene.run("sleep", "1000", lock=True)
    guardian, job_pid = wrapper.guardian, wrapper.job
    os.kill(wrapper.pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{wrapper.pid}/stat").read_text(encoding="ascii").split()[2] == "T", "it is stopped")
    os.kill(guardian, signal.SIGKILL)
    os.kill(wrapper.pid, signal.SIGKILL)
    wrapper.wait()  # what has lost its environment only may hold its descriptors still
    until(lambda: not is_alive(guardian), "the guardian is gone, too")
    until(lambda: scene.living() == [job_pid], "only the job is left")

    assert scene.is_locked()

    os.kill(job_pid, signal.SIGKILL)
    until(lambda: not scene.is_locked(), "the lock is free")


def test_the_leftovers_of_a_killed_guardian_are_swept_by_the_next(scene: Scene) -> None:
    """Wrapper and guardian killed: the next guardian removes their deadline file, and not that of one that lives."""
    living = scene.run("sleep", "1000")
    living.event("started")
    killed = scene.run("sleep", "1000")
    job_pid = killed.job
    os.kill(killed.pid, signal.SIGSTOP)
    for pid in (killed.guardian, killed.pid, job_pid):
        os.kill(pid, signal.SIGKILL)
    killed.wait()
    assert len(scene.leftovers()) == 2

    following = scene.run("true")

    assert following.wait() == 0
    assert [str(living.guardian) in path.name for path in scene.leftovers()] == [True]
    os.kill(living.pid, signal.SIGTERM)
    living.wait()
    assert scene.leftovers() == []


def test_the_guardian_outlives_the_death_of_the_wrappers_process_group(scene: Scene) -> None:
    """SIGKILL to the wrapper's whole group, as a supervisor sends it: the guardian still ends the job in order."""
    said = scene.folder / "said"
    wrapper = scene.run("sh", "-c", f"trap 'echo ended > {said}; exit' TERM; while :; do sleep 0.05; done")
    wrapper.event("started")

    os.killpg(wrapper.pid, signal.SIGKILL)

    until(lambda: not scene.living(), "nothing is left")
    assert said.read_text(encoding="ascii") == "ended\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
def test_the_guardian_obeys_no_signals(scene: Scene, number: int) -> None:
    """A signal to everything that looks like tenure is for the wrapper: the guardian and the job go on."""
    wrapper = scene.run("sh", "-c", "read line; exit 5", stdin=-1)
    wrapper.event("started")

    os.kill(wrapper.guardian, number)
    assert wrapper.process.stdin is not None
    wrapper.process.stdin.write(b"\n")
    wrapper.process.stdin.close()
    wrapper.process.stdin = None

    assert wrapper.wait() == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="missing here: root, who may become another user")
def test_L33_a_job_that_drops_its_privileges_ends_with_its_wrapper(scene: Scene) -> None:
    """The kernel would clear a parent-death signal here; the guardian's order still reaches the job."""
    pid_file = scene.folder / "pid"
    drop = f"import os, time; file = open({str(pid_file)!r}, 'w'); os.setuid(65534); "
    drop += "file.write(str(os.getpid())); file.close(); time.sleep(1000)"
    wrapper = scene.run(sys.executable, "-c", drop, grace_s=0.5)
    survivor = read_pid(pid_file)

    os.kill(wrapper.pid, signal.SIGKILL)

    until(lambda: not is_alive(survivor), "the job is gone")


def test_what_the_job_left_is_ended_before_its_end_is_reported(scene: Scene) -> None:
    """A daemon that the main process left is told to end, and a line on stderr says so."""
    pid_file = scene.folder / "pid"
    wrapper = scene.run(sys.executable, DAEMON, str(pid_file), "leave")

    _, talk = wrapper.process.communicate(timeout=30)

    assert wrapper.wait() == 0
    assert wrapper.event("ended")["because"] == "ITSELF"
    assert not is_alive(read_pid(pid_file))
    assert b"the job has ended (0) and left 1 process, now told to end: " in talk
    assert f"{read_pid(pid_file)} (".encode() in talk


def test_what_the_job_left_and_does_not_listen_is_killed_after_the_grace(scene: Scene) -> None:
    """A deaf daemon is given the grace, and then SIGKILL."""
    pid_file = scene.folder / "pid"
    wrapper = scene.run(sys.executable, DAEMON, str(pid_file), "leave", "deaf", grace_s=0.3)

    assert wrapper.wait() == 0
    assert not is_alive(read_pid(pid_file))


def test_a_process_substitution_may_end_by_itself(scene: Scene) -> None:
    """What reads the end of the job's output only after it ended is not told to end: nothing of the output is lost."""
    copy = scene.folder / "copy"
    script = f"exec > >(cat > {copy}); for i in $(seq 1000); do echo $i; done"
    wrapper = scene.run("bash", "-c", script)

    _, talk = wrapper.process.communicate(timeout=30)

    assert wrapper.wait() == 0
    assert talk == b""
    assert len(copy.read_text(encoding="ascii").splitlines()) == 1000
