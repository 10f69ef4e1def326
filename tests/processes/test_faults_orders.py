"""SIGTERM in every phase of `tenure run` and of a candidate: no job is started after the order, and nothing is left."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from tenure.audit import Ended
from tests.processes.guarded_scene import PROGRAMS, is_alive, until
from tests.processes.harness import ELECTION, Trial

JOB = (sys.executable, str(PROGRAMS / "fault_job.py"))
TERMINATED = 128 + signal.SIGTERM


def run(trial: Trial, *words: str, job: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """`tenure run` of a job that puts down what it does; `words` are the program instead of the command itself."""
    program = words or (sys.executable, "-m", "tenure")
    arguments = ["run", ELECTION, "--at", trial.url, "--candidate", "ordered", "--grace", "5s", *options]
    return trial.program(*program, *arguments, "--", *JOB, str(trial.book), *job).process


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("take_lock", "before"),
        ("take_lock", "after"),
        ("sync_token", "after"),
        ("show_lock", "after"),
        ("write_record", "after"),
        ("start", "before"),
    ],
)
def test_L13_ordered_to_end_while_it_is_elected_it_starts_no_job(trial: Trial, step: str, when: str) -> None:
    """SIGTERM between the first step of winning and the order to start the job: the job never runs."""
    ordered = run(trial, sys.executable, str(PROGRAMS / "fault_run.py"), step, when)

    assert ordered.wait() == TERMINATED
    assert trial.opened() == []
    trial.settle()


def test_L13_ordered_to_end_while_the_job_starts_it_ends_the_job(trial: Trial) -> None:
    """SIGTERM just after the guardian was told to start: what was started is ended, in order, and the code says so."""
    ordered = run(trial, sys.executable, str(PROGRAMS / "fault_run.py"), "start", "after", job=("ends=20",))

    assert ordered.wait() == TERMINATED
    assert not any(isinstance(record, Ended) for record in trial.records())
    trial.settle()


def test_L13_ordered_to_end_while_it_stands_by_it_never_starts_its_job(trial: Trial) -> None:
    """Also when the leader goes in the same instant."""
    leader = trial.candidate("leader")
    trial.until_led("leader")
    ordered = run(trial)
    trial.until_standing(1)

    leader.order()
    ordered.terminate()

    assert ordered.wait() == TERMINATED
    leader.wait()
    trial.settle()


def test_ordered_to_end_while_the_job_runs_it_gives_the_job_its_grace(trial: Trial) -> None:
    """The job is told, ends, and only then is the tenure left; a job that does not handle it ends by the signal."""
    ordered = run(trial)
    trial.until_led("ordered")
    trial.until_acted()

    ordered.terminate()

    assert ordered.wait() == TERMINATED
    trial.settle()


def test_L5_a_second_order_shortens_nothing(trial: Trial) -> None:
    """SIGTERM again and again while a deaf job has its grace: the tenure is left when the job is gone, not before."""
    ordered = run(trial, job=("deaf",), options=("--grace", "400ms"))
    trial.until_led("ordered")
    trial.candidate("next")
    trial.until_standing(1)

    for _ in range(20):
        ordered.terminate()
        time.sleep(0.01)  # as an impatient operator does

    assert ordered.wait() == 128 + signal.SIGKILL
    trial.until_led("next")
    trial.settle()


def test_L14_a_job_that_ends_well_because_its_tenure_was_lost_has_not_succeeded(trial: Trial) -> None:
    """It obeys SIGTERM and exits with 0; `run --once` says that the tenure was lost, by 75."""
    ready = trial.folder / "ready"
    job = f"trap 'exit 0' TERM; echo > {ready}; while :; do sleep 0.05; done"
    words = ["run", ELECTION, "--at", trial.url, "--once", "--", "sh", "-c", job]
    once = trial.program(sys.executable, str(PROGRAMS / "fault_run.py"), "none", "before", *words).process
    until(ready.exists, "the job has set its trap")

    trial.ask_resign()

    assert once.wait() == 75
    trial.settle()


def test_ordered_to_end_while_it_holds_it_ends_with_the_jobs_code(trial: Trial) -> None:
    """The job has ended well and the tenure is being kept: it is left at once."""
    ordered = run(trial, job=("ends=0.02",), options=("--hold", "60s"))
    trial.until_led("ordered")
    job = trial.opened()[0].pid
    until(lambda: not is_alive(job), "the job has ended")

    ordered.terminate()

    assert ordered.wait() == 0
    trial.settle()


@pytest.mark.parametrize("step", ["close_record", "let_go", "poke"])
def test_ordered_to_end_while_it_releases_it_ends_with_the_jobs_code(trial: Trial, step: str) -> None:
    """The job has ended well, and nothing takes that back: the release goes through, and the next one leads."""
    ordered = run(trial, sys.executable, str(PROGRAMS / "fault_run.py"), step, "before", job=("ends=0.02",))

    assert ordered.wait() == 0
    assert trial.token() == 1
    trial.settle()


def test_ordered_to_end_at_random_instants_it_leaves_nothing(trial: Trial) -> None:
    """From the first instruction of the interpreter on; the sleeps are what makes the instants random."""
    chance = random.Random(5)
    for _ in range(12):
        ordered = run(trial, job=("ends=0.05",))
        time.sleep(chance.random() * 0.5)
        ordered.terminate()
        assert ordered.wait() in {0, TERMINATED, -signal.SIGTERM}
    trial.settle()


@pytest.mark.parametrize("step", ["take_lock", "write_token", "sync_token", "show_lock", "write_record", "begin_body"])
def test_a_candidate_ordered_to_end_at_a_step_resigns(trial: Trial, step: str) -> None:
    """SIGTERM before each step of winning, and then at the body's start: it ends, and the next one leads."""
    trial.armed.touch()
    ordered = trial.candidate("ordered", faults=[[step, "before", 1, signal.SIGTERM]])

    assert ordered.wait() == TERMINATED
    trial.candidate("next")
    trial.until_led("next")
    trial.settle()


def test_a_candidate_ordered_to_end_while_it_releases_releases(trial: Trial) -> None:
    """SIGTERM before and after each step of letting go: what was begun goes on to its end, and the next one leads."""
    trial.armed.touch()
    for step in ("close_record", "let_go", "poke"):
        for when in ("before", "after"):
            ordered = trial.candidate(rounds=1, hold_s=0.01, faults=[[step, when, 1, signal.SIGTERM]])
            assert ordered.wait() in {0, TERMINATED}
    trial.settle()


def test_a_rule_of_the_wrapper_taken_away_is_noticed(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rules for L13 and L14 the tests of that name fail."""
    monkeypatch.setenv("FAULT_MUTANT", "believe_the_jobs_code")
    with pytest.raises(AssertionError):
        test_L14_a_job_that_ends_well_because_its_tenure_was_lost_has_not_succeeded(trial)

    monkeypatch.setenv("FAULT_MUTANT", "ignore_orders_before_the_job")
    for _ in range(5):  # on a busy machine the order may come when the job has begun, and is obeyed then
        ordered = run(trial, sys.executable, str(PROGRAMS / "fault_run.py"), "take_lock", "after", job=("ends=0.05",))
        assert ordered.wait() in {0, TERMINATED}
        if trial.opened():
            break
    assert trial.opened(), "test_L13_ordered_to_end_while_it_is_elected_it_starts_no_job would have failed"
    trial.settle()
