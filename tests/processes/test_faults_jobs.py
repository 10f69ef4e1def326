"""`tenure run` under faults: whatever a job is and whoever is killed or stopped, nothing of it outlives its tenure."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.processes.guarded_scene import PROGRAMS, Wrapper, is_alive, state, until
from tests.processes.harness import ELECTION, Trial

JOB = (sys.executable, str(PROGRAMS / "fault_job.py"))
KINDS = ("plain", "deaf", "daemon", "deaf daemon", "session", "deaf session")


class Show:
    """Two wrappers with jobs of one kind: one leads, the other stands by; after each fault the other leads."""

    def __init__(self, trial: Trial, kind: str) -> None:
        self.trial = trial
        self._words = kind.split()
        self._count = 0
        self.leading = self._start()
        trial.until_led(self.leading.name)
        self.standby = self._start()
        trial.until_standing(1)

    def _start(self) -> Run:
        self._count += 1
        return Run(self.trial, f"run{self._count}", *self._words)

    def passes_on(self) -> None:
        """Wait until the standby's job runs; a wrapper that has ended is replaced by a new standby."""
        before, after = self.leading, self.standby
        token = self.trial.until_led(after.name, above=before.token)
        assert token > before.token
        self.leading = after
        if before.process.poll() is None:
            self.standby = before
        else:
            self.standby = self._start()

        def is_manned() -> bool:
            if self.standby.process.poll() is not None:  # it gave its tenure back, and ended a moment after that
                self.standby = self._start()
            return self.trial.standing() == 1

        until(is_manned, "there is a standby again")


class Run:
    """One `tenure run`."""

    def __init__(self, trial: Trial, name: str, *job: str, options: tuple[str, ...] = ("--grace", "300ms")) -> None:
        self.name = name
        self._trial = trial
        words = [sys.executable, "-m", "tenure", "run", ELECTION, "--at", trial.url, "--candidate", name, *options]
        self.wrapper: Wrapper = trial.program(*words, "--", *JOB, str(trial.book), *job)
        self.process = self.wrapper.process
        self.pid = self.wrapper.pid

    @property
    def token(self) -> int:
        """The token of its last tenure."""
        return max(opened.token for opened in self._trial.opened() if opened.candidate == self.name)

    @property
    def guardian(self) -> int:
        """The pid of its guardian: its only child."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        (guardian,) = (int(pid) for pid in children)
        return guardian

    def stop(self, pid: int) -> None:
        """Stop a process of its."""
        os.kill(pid, signal.SIGSTOP)
        until(lambda: state(pid) == "T", "it is stopped")

    def end(self) -> int:
        """Order its end."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.wrapper.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_L12_nothing_of_a_job_overlaps_the_next_tenure(trial: Trial, kind: str) -> None:
    """Wrapper killed; resigned; wrapper stopped and killed; guardian killed; guardian stopped, then resigned."""
    show = Show(trial, kind)

    os.kill(show.leading.pid, signal.SIGKILL)
    show.leading.wrapper.wait()
    show.passes_on()

    trial.ask_resign()
    show.passes_on()

    show.leading.stop(show.leading.pid)
    os.kill(show.leading.pid, signal.SIGKILL)
    show.leading.wrapper.wait()
    show.passes_on()

    os.kill(show.leading.guardian, signal.SIGKILL)
    assert show.leading.wrapper.wait() == 125
    show.passes_on()

    show.leading.stop(show.leading.guardian)
    trial.ask_resign()
    show.passes_on()

    assert {show.standby.end(), show.leading.end()} <= {128 + signal.SIGTERM, 128 + signal.SIGKILL}
    trial.settle()


def test_L16_a_stopped_wrapper_keeps_tenure_and_job(trial: Trial) -> None:
    """Its job goes on under the kernel's lock, nobody else starts one; continued, it obeys the wish that came."""
    show = Show(trial, "plain")
    show.leading.stop(show.leading.pid)
    trial.ask_resign()
    trial.until_acted()
    assert trial.token() == show.leading.token

    os.kill(show.leading.pid, signal.SIGCONT)

    show.passes_on()
    show.standby.end()
    show.leading.end()
    trial.settle()


def test_a_stopped_standby_wrapper_and_guardian_freeze_nobody(trial: Trial) -> None:
    """The first standby's wrapper and the second's guardian sleep: the third leads, or the second with its guardian."""
    leading = Run(trial, "leading", "plain")
    trial.until_led("leading")
    first = Run(trial, "first", "plain")
    trial.until_standing(1)
    second = Run(trial, "second", "plain")
    trial.until_standing(2)
    first.stop(first.pid)

    os.kill(leading.pid, signal.SIGKILL)
    leading.wrapper.wait()

    trial.until_led("second")
    os.kill(first.pid, signal.SIGCONT)
    first.stop(first.guardian)
    second.end()
    os.kill(first.guardian, signal.SIGCONT)
    trial.until_led("first")
    first.end()
    trial.settle()


def test_L12_wrapper_and_guardian_killed_together_leave_a_survivor_that_blocks(trial: Trial) -> None:
    """Nobody is left to end the job: it holds the lock itself, `read` names it, and nobody leads beside it."""
    show = Show(trial, "plain")
    job = next(opened.pid for opened in trial.opened())
    guardian = show.leading.guardian
    show.leading.stop(show.leading.pid)
    show.leading.stop(guardian)
    os.kill(guardian, signal.SIGKILL)
    os.kill(show.leading.pid, signal.SIGKILL)
    show.leading.wrapper.wait()
    until(lambda: not is_alive(guardian), "the guardian is gone")
    trial.until_acted()

    leader = trial.read().leader

    assert leader is not None
    assert f"pid {job}" in leader.warning
    os.kill(job, signal.SIGKILL)
    show.passes_on()
    show.standby.end()
    show.leading.end()
    trial.settle()


def test_L4_a_deleted_lock_file_ends_the_job_before_the_next_one(trial: Trial) -> None:
    """The wrapper is told within a second, its guardian kills what ignores SIGTERM, and only then the next one runs."""
    show = Show(trial, "deaf daemon")

    (trial.directory / "lock").unlink()

    show.passes_on()
    show.standby.end()
    show.leading.end()
    trial.settle()
