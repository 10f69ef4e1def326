"""What a guardian costs, and what it does not depend on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import Scene, is_alive, read_pid, until

STARTED_BY_A_THREAD = """
import asyncio, os, sys, threading, time
from tenure.supervise import Guardian
guardian = Guardian.fork()
def begin():
    command = ["sh", "-c", f"echo $$ > {sys.argv[1]}; while :; do echo >> {sys.argv[2]}; sleep 0.01; done"]
    asyncio.run(guardian.start(command, dict(os.environ), grace_s=1.0, hard_deadline_ns=None))
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.001)
thread = threading.Thread(target=begin)
thread.start()
thread.join()
while os.path.exists(f"/proc/self/task/{thread.native_id}"):
    time.sleep(0.001)
open(sys.argv[3], "w").write("ended")
time.sleep(1000)
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene that is empty at the end."""
    with Scene(tmp_path) as scene:
        yield scene


def switches(pid: int) -> int:
    """How often a process has gone to sleep by itself."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_L24_the_job_does_not_depend_on_the_thread_that_started_it(scene: Scene) -> None:
    """A parent-death signal would fire when that thread ends; there is none. The wrapper's own end still counts."""
    pid_file, acts, thread_ended = (scene.folder / name for name in ("pid", "acts", "thread"))
    program = scene.folder / "program.py"
    program.write_text(STARTED_BY_A_THREAD, encoding="ascii")
    wrapper = scene.program(*scene.interpreter, str(program), str(pid_file), str(acts), str(thread_ended))
    job = read_pid(pid_file)
    until(thread_ended.exists, "the thread has ended, for the kernel too")
    before = acts.stat().st_size

    until(lambda: acts.stat().st_size >= before + 3 or not is_alive(job), "the job goes on, or is dead")
    assert is_alive(job)
    os.kill(wrapper.pid, signal.SIGKILL)
    until(lambda: not is_alive(job), "the job is gone")


def test_L28_while_a_deadline_is_set_the_clock_is_read_again_and_again(scene: Scene) -> None:
    """The guardian wakes by itself although the deadline is far: a timer would sleep through a suspend.

    Ten more wakings within the limit; a guardian that waited for its deadline would show none in an hour.
    """
    guardian = scene.run("sleep", "1000", deadline_s=3600)
    guardian.event("started")
    before = switches(guardian.guardian)

    until(lambda: switches(guardian.guardian) >= before + 10, "it wakes by itself")

    os.kill(guardian.pid, signal.SIGTERM)
    guardian.wait()


def test_without_a_deadline_the_guardian_sleeps(scene: Scene) -> None:
    """A job under `file://` costs nothing: nobody wakes. It sleeps a second here, because nothing is to happen."""
    wrapper = scene.run("sleep", "1000")
    wrapper.event("started")
    guardian = wrapper.guardian
    until(lambda: _is_quiet(guardian), "it has settled")

    before = switches(guardian)
    time.sleep(1)

    assert switches(guardian) == before
    os.kill(wrapper.pid, signal.SIGTERM)
    wrapper.wait()


def test_L20_jobs_leave_no_descriptors_in_the_guardian(scene: Scene) -> None:
    """After twenty jobs it has as many as after one, but for those of the moment."""
    counts = scene.folder / "counts"
    script = f"sleep 0.01 & ls /proc/$PPID/fd | wc -l >> {counts}"

    wrapper = scene.run("sh", "-c", script, times=20, lock=True)

    assert wrapper.wait() == 0
    seen = [int(count) for count in counts.read_text(encoding="ascii").split()]
    assert len(seen) == 20
    assert max(seen) - min(seen) <= 3


def test_a_standby_and_its_guardian_are_small(scene: Scene) -> None:
    """Under 40 MiB for both, shared pages counted once; the limit is the design's."""
    wrapper = scene.run("sleep", "1000")
    wrapper.event("started")

    pss_kib = sum(
        int(line.split()[1])
        for pid in (wrapper.pid, wrapper.guardian)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        if line.startswith("Pss:")
    )

    assert pss_kib < 40 * 1024
    os.kill(wrapper.pid, signal.SIGTERM)
    wrapper.wait()


def _is_quiet(pid: int) -> bool:
    """Whether it did not wake for a tenth of a second; the sleep is what is measured."""
    before = switches(pid)
    time.sleep(0.1)
    return switches(pid) == before
