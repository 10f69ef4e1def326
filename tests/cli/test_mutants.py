"""Take a rule of `tenure run` away, and a named test must fail; those of its orders have tests/processes/."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli import scene, test_run

PROGRAM = Path(__file__).parents[1] / "processes" / "programs" / "fault_run.py"
MUTANT_LIMIT_S = 2.0
"""How long somebody may hold the output of `tenure run` after its end before the mutant counts as caught."""


def test_killing_the_shell_of_on_lost_alone_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that shell has put into the background lives on, with the output of `tenure run`: the test of L12 fails."""
    runs: list[subprocess.Popen[str]] = []

    @contextmanager
    def started(*command: str, **changes: str) -> Iterator[subprocess.Popen[str]]:
        with scene.started(*command, **changes) as process:
            runs.append(process)
            yield process
            monkeypatch.setattr(scene, "LIMIT_S", MUTANT_LIMIT_S)  # only for the end of the output, which never comes

    url = (tmp_path / "elections").as_uri()
    monkeypatch.setenv("FAULT_MUTANT", "kill_the_shell_of_on_lost_only")
    monkeypatch.setattr(test_run, "TENURE", (sys.executable, str(PROGRAM), "none", "before"))
    monkeypatch.setattr(test_run, "started", started)

    with pytest.raises(subprocess.TimeoutExpired):
        test_run.test_L12_sigterm_while_on_lost_runs_kills_that_command_too(url, tmp_path)

    shell, child = map(int, (tmp_path / "note").read_text().split())
    assert not Path(f"/proc/{shell}").exists()
    assert runs[0].returncode == 128 + signal.SIGTERM
    os.kill(child, signal.SIGKILL)  # it is the one that lives on
    runs[0].communicate(timeout=60)


def test_resigning_as_soon_as_the_job_has_ended_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule of --hold whoever comes a moment later runs the job again: the test of L21 fails."""
    monkeypatch.setenv("FAULT_MUTANT", "resign_as_soon_as_the_job_has_ended")
    monkeypatch.setattr(test_run, "TENURE", (sys.executable, str(PROGRAM), "none", "before"))

    with pytest.raises(AssertionError):
        test_run.test_L21_hold_keeps_the_tenure_after_the_job_has_ended((tmp_path / "elections").as_uri())
