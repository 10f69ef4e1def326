"""`tenure run` with a lease: whoever of wrapper and guardian is stopped, the job is gone before the next one begins."""

from __future__ import annotations

import os
import signal

import pytest

from tests.processes.guarded_scene import is_alive, state
from tests.processes.harness import Trial
from tests.processes.test_faults_jobs import Run

KINDS = ("plain", "deaf", "deaf daemon")
ENDED = {128 + signal.SIGTERM, 128 + signal.SIGKILL}


@pytest.fixture
def pair(trial: Trial, request: pytest.FixtureRequest) -> tuple[Run, Run]:
    """Two wrappers on `lease://` with jobs of one kind: the first leads, the second stands by."""
    trial.scheme, trial.query = "lease", "?lease=1s"
    words = str(request.param).split()
    leading = Run(trial, "run1", *words, options=())
    trial.until_led(leading.name)
    standby = Run(trial, "run2", *words, options=())
    trial.until_standing(1)
    return leading, standby


@pytest.mark.parametrize("pair", KINDS, indirect=True)
def test_L16_the_job_of_a_stopped_wrapper_is_gone_before_the_next_leads(trial: Trial, pair: tuple[Run, Run]) -> None:
    """Nobody renews: the guardian kills the job by the hard deadline, and the next begins after that."""
    leading, standby = pair
    token, job = leading.token, trial.opened()[-1].pid
    leading.stop(leading.pid)

    trial.until_led(standby.name, above=token)

    assert not is_alive(job)
    assert state(leading.pid) == "T", "it slept all the while"
    trial.until_acted()
    os.kill(leading.pid, signal.SIGCONT)
    trial.until_acted()
    assert leading.end() in ENDED
    assert standby.end() in ENDED
    trial.settle()


@pytest.mark.parametrize("pair", KINDS, indirect=True)
def test_L16_a_stopped_guardian_lets_no_job_outlive_its_tenure(trial: Trial, pair: tuple[Run, Run]) -> None:
    """Asked to step down, its wrapper kills it, and ends the job in its place."""
    leading, standby = pair
    token, job = leading.token, trial.opened()[-1].pid
    leading.stop(leading.guardian)
    trial.ask_resign()

    trial.until_led(standby.name, above=token)

    assert not is_alive(job)
    trial.until_acted()
    assert leading.wrapper.wait() == 125, "it runs no other job without a guardian"
    assert standby.end() in ENDED
    trial.settle()
