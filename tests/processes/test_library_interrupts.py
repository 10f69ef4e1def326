"""What a raising signal handler, or a fork, does to the blocking front of a real process: nothing leaks or hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("programs") / "interrupted.py"
LIMIT_S = 60.0
"""The program ends itself, and says where it hung, before that."""


def ended(function: str, url: str, seed: int = 0) -> tuple[int, list[str], str]:
    """The status, the lines and the complaints of one of the programs."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), function, url, str(seed)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("scheme", ["file", "memory"])
@pytest.mark.parametrize("seed", range(3))
def test_no_interrupt_at_any_instant_leaks_or_hangs(tmp_path: Path, scheme: str, seed: int) -> None:
    """150 acts, each interrupted by a timer of the kernel's: whatever they were at, somebody else leads after them."""
    url = f"file://{tmp_path}/elections" if scheme == "file" else "memory://fuzz"
    status, lines, complaints = ended("fuzz", url, seed)
    assert (status, lines) == (0, ["led again", "enough"]), complaints


def test_a_child_does_not_wait_for_what_stayed_with_its_parent(tmp_path: Path) -> None:
    """Neither for a candidacy to be elected nor for the next view: both say so at once."""
    status, lines, complaints = ended("forks", f"file://{tmp_path}/elections")
    assert (status, lines) == (
        0,
        [
            "this candidacy has ended; stand again for another",
            "this watch stayed with the process that forked this one; call watch() again",
            "child ended with 0",
        ],
    ), complaints


def test_a_process_whose_job_swallows_the_exit_ends_with_the_signals_status(tmp_path: Path) -> None:
    """128 + 15, at the end of the block."""
    assert ended("swallows", f"file://{tmp_path}/elections")[:2] == (143, ["swallowed SystemExit True"])
