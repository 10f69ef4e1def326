"""Wrapper or guardian stopped by SIGSTOP: the deadline holds, and an order to end is carried out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import Scene, is_alive, state, until

DEAF = "trap '' TERM; while :; do sleep 1; done"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene that is empty at the end."""
    with Scene(tmp_path) as scene:
        yield scene


def stop(pid: int) -> None:
    """Stop a process, and see that it is."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state(pid) == "T", "it is stopped")


def test_L16_the_deadline_ends_the_job_of_a_stopped_wrapper(scene: Scene) -> None:
    """While the wrapper is stopped the job goes on until the hard deadline, and no longer; then the code is 137."""
    beat = scene.folder / "beat"
    wrapper = scene.run("sh", "-c", f"while :; do echo . >> {beat}; sleep 0.05; done", deadline_s=3.0)
    job = wrapper.job
    stop(wrapper.pid)
    beats = beat.stat().st_size if beat.exists() else 0
    until(lambda: beat.exists() and beat.stat().st_size > beats, "the job goes on")

    until(lambda: not is_alive(job), "the deadline has come")

    assert state(wrapper.pid) == "T"
    os.kill(wrapper.pid, signal.SIGCONT)
    assert wrapper.wait() == 137
    assert wrapper.event("ended")["because"] == "DEADLINE"


def test_L4_the_hard_deadline_kills_without_grace(scene: Scene) -> None:
    """At the deadline nobody is asked: a deaf job and its children are gone, the grace not begun."""
    wrapper = scene.run("sh", "-c", DEAF, grace_s=1000, deadline_s=0.5)

    assert wrapper.wait() == 137
    assert wrapper.event("ended")["because"] == "DEADLINE"


def test_a_renewed_deadline_replaces_the_earlier_one(scene: Scene) -> None:
    """The job lives on past a deadline that was moved in time, and ends by itself."""
    enough = scene.folder / "enough"
    wrapper = scene.run("sh", "-c", f"while ! test -e {enough}; do sleep 0.05; done; exit 4", deadline_s=4.0)
    first_ns = int(str(wrapper.event("started")["at_ns"])) + 4_000_000_000

    def is_past() -> bool:
        os.kill(wrapper.pid, signal.SIGUSR2)  # a deadline 4 s from now
        return _now_ns() > first_ns

    until(is_past, "the first deadline has passed")
    enough.touch()

    assert wrapper.wait() == 4


@pytest.mark.parametrize("left", ["", "sleep 1000 & "])
def test_L4_a_guardian_that_is_stopped_when_the_job_ends_is_replaced(scene: Scene, left: str) -> None:
    """It owes word of the end; its wrapper sees the end itself, ends what the job left, and passes its code on."""
    enough = scene.folder / "enough"
    wrapper = scene.run("sh", "-c", f"{left}while ! test -e {enough}; do sleep 0.05; done; exit 4")
    wrapper.event("started")
    stop(wrapper.guardian)

    enough.touch()

    assert wrapper.wait() == 4
    assert wrapper.event("ended")["because"] == "ITSELF"


def test_L4_a_stopped_guardian_is_replaced_by_its_wrapper(scene: Scene) -> None:
    """An order to end that the guardian cannot hear is carried out by the wrapper, grace and all."""
    said = scene.folder / "said"
    ready = scene.folder / "ready"
    script = f"trap 'echo ended > {said}; exit 9' TERM; echo > {ready}; while :; do sleep 0.05; done"
    wrapper = scene.run("sh", "-c", script)
    until(ready.exists, "the job has set its trap")
    wrapper.event("started")
    stop(wrapper.guardian)

    os.kill(wrapper.pid, signal.SIGTERM)

    assert wrapper.wait() == 9
    assert said.read_text(encoding="ascii") == "ended\n"
    assert scene.leftovers() == []


def test_L4_a_guardian_stopped_in_the_middle_of_the_grace_is_replaced(scene: Scene) -> None:
    """It acknowledged the order, and is stopped before the grace is over: the wrapper kills in its place."""
    deaf = scene.folder / "deaf"
    wrapper = scene.run("sh", "-c", f"trap '' TERM; touch {deaf}; while :; do sleep 1; done", grace_s=1.0)
    job = wrapper.job
    until(deaf.exists, "the job ignores SIGTERM")
    os.kill(wrapper.pid, signal.SIGTERM)
    wrapper.event("ordered")
    stop(wrapper.guardian)

    assert wrapper.wait() == 137
    assert not is_alive(job)


def test_L16_with_both_stopped_nothing_outlives_their_waking(scene: Scene) -> None:
    """Wrapper and guardian stopped beyond the deadline, as by a suspend: the first thing after it is SIGKILL."""
    wrapper = scene.run("sh", "-c", DEAF, grace_s=1000, deadline_s=1.0)
    job = wrapper.job
    stop(wrapper.pid)
    stop(wrapper.guardian)
    deadline_ns = int(str(wrapper.event("started")["at_ns"])) + 1_000_000_000
    until(lambda: _now_ns() > deadline_ns, "the deadline has passed")
    assert is_alive(job)

    os.kill(wrapper.guardian, signal.SIGCONT)

    until(lambda: not is_alive(job), "the job is gone")
    os.kill(wrapper.pid, signal.SIGCONT)
    assert wrapper.wait() == 137


def test_what_a_stopped_guardian_let_run_past_the_deadline_is_remembered(scene: Scene) -> None:
    """The wrapper kills it before anybody could look: whoever asks afterwards still learns what ran on."""
    wrapper = scene.run("sh", "-c", DEAF, grace_s=1000, deadline_s=1.0)
    job = wrapper.job
    stop(wrapper.guardian)
    deadline_ns = int(str(wrapper.event("started")["at_ns"])) + 1_000_000_000
    until(lambda: _now_ns() > deadline_ns, "the deadline has passed")
    assert is_alive(job)

    os.kill(wrapper.pid, signal.SIGTERM)

    assert wrapper.wait() == 137
    found = wrapper.event("stopped")["job"]
    assert isinstance(found, list)
    assert job in found


def test_a_stopped_guardian_wakes_when_its_wrapper_is_killed(scene: Scene) -> None:
    """Nobody else is left to end the job: the kernel continues a stopped process group that becomes an orphan."""
    wrapper = scene.run("sleep", "1000", grace_s=0.5)
    job = wrapper.job
    stop(wrapper.guardian)

    os.kill(wrapper.pid, signal.SIGKILL)

    until(lambda: not is_alive(job), "the job is gone")


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
