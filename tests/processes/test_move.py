"""An election that moves between `file://` and `lease://` while its jobs run, and whoever moves it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.processes.guarded_scene import LIMIT_S, PROGRAMS, Wrapper, until
from tests.processes.harness import ELECTION, Trial

JOB = (sys.executable, str(PROGRAMS / "fault_job.py"))
TENURE = (sys.executable, "-m", "tenure")
MOVED = 78
"""What `tenure run` ends with where the election has moved away."""
STEPS = [
    *((step, when) for step in ("win", "shut", "retire", "open_again") for when in ("before", "after")),
    ("write_record", "before"),
]


def places(trial: Trial) -> tuple[str, str]:
    """Where the election is, and where it goes to; a lease that is soon over where its holder is killed."""
    return trial.url, f"lease://{trial.folder}/leased?lease=2s"


def move(trial: Trial, old: str, new: str, *program: str) -> subprocess.CompletedProcess[str]:
    """Run `tenure move`, or a program in its place, to its end."""
    words = [*(program or TENURE), "move", ELECTION, "--from", old, "--to", new]
    return subprocess.run(words, env=trial.environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False)


def moved(trial: Trial, old: str, new: str) -> None:
    """Move it, and see that this succeeded."""
    done = move(trial, old, new)
    assert done.returncode == 0, done.stderr


def run(trial: Trial, name: str, url: str) -> Wrapper:
    """One `tenure run` whose job puts down what it does."""
    words = ("run", ELECTION, "--at", url, "--candidate", name, "--grace", "300ms", "--", *JOB, str(trial.book))
    return trial.program(*TENURE, *words)


def test_L17_a_leader_and_its_standbys_move_there_and_back(trial: Trial) -> None:
    """Jobs run all the time, under growing tokens, never two at once; who stands in the old place ends with 78."""
    here, there = places(trial)
    runs = [run(trial, f"run{number}", here) for number in range(3)]
    for old, new in ((here, there), (there, here)):
        token = trial.until_led()
        until(lambda: trial.read_at(old).candidates[1:] != (), "two stand by")  # noqa: B023  used before the next

        moved(trial, old, new)

        assert [each.wait() for each in runs] == [MOVED] * 3
        assert trial.token() == token, "nobody else was elected in the old place"
        runs = [run(trial, f"run{number}", new) for number in range(3)]
        trial.until_led(above=token)
        trial.until_acted()
    for each in runs:
        each.process.send_signal(signal.SIGTERM)
    # Minus SIGTERM: it came when all was released, and only the interpreter had still to end.
    assert {each.wait() for each in runs} <= {128 + signal.SIGTERM, -signal.SIGTERM}
    trial.settle()


@pytest.mark.parametrize(("step", "when"), STEPS)
def test_L17_a_move_that_is_killed_is_finished_by_the_same_line(trial: Trial, step: str, when: str) -> None:
    """Candidates stand in both places all the time, and try again when they are refused: at no instant two lead."""
    here, there = places(trial)
    moved(trial, here, there)
    moved(trial, there, here)  # from now on each place knows of the other
    for name, url in (("a1", here), ("a2", here), ("b1", there), ("b2", there)):
        trial.candidate(name, url=url, again=True)
    killer = (sys.executable, str(PROGRAMS / "fault_move.py"), step, when)
    for old, new in ((here, there), (there, here)):
        token = trial.until_led(above=trial.token() - 1)
        killed = move(trial, old, new, *killer)
        if step != "write_record" or old == here:  # that is a step of file:// only
            assert killed.returncode == -signal.SIGKILL, killed.stderr

        moved(trial, old, new)

        assert trial.until_led(above=token) > token
        trial.until_acted()
        assert trial.read_at(new).token >= trial.token(), "it is in the new place"
    trial.settle()
