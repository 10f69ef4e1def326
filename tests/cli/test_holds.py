"""`tenure holds`: yes or no, and not a word."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.cli.scene import TENURE, tenure


def deadline(folder: Path, in_s: float) -> str:
    """A deadline file whose instant lies `in_s` seconds ahead."""
    path = folder / "deadline"
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    path.write_text(f"{now_ns + round(in_s * 1e9)}\n", encoding="ascii")
    return str(path)


@pytest.mark.parametrize(
    ("in_s", "arguments", "code"),
    [
        (3600, (), 0),
        (3600, ("--for", "30m"), 0),
        (3600, ("--for", "2h"), 3),
        (-1, (), 3),
    ],
)
def test_it_compares_the_deadline_with_the_clock(
    in_s: float, arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    """Code 0 while the deadline lies further ahead than asked for, else 3; silent."""
    assert tenure("holds", *arguments, TENURE_DEADLINE_FILE=deadline(tmp_path, in_s)) == (code, "", "")


def test_the_file_may_be_named(tmp_path: Path) -> None:
    """--file counts before the variable, and --for comes from TENURE_HOLDS_FOR too."""
    path = deadline(tmp_path, 3600)

    assert tenure("holds", "--file", path, TENURE_DEADLINE_FILE="/nowhere").code == 0
    assert tenure("holds", "--file", path, TENURE_HOLDS_FOR="2h").code == 3


def test_what_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    """Code 3, silent, for a file that is gone or cut short: the job is over, or was told to end."""
    empty = tmp_path / "empty"
    empty.touch()

    assert tenure("holds", TENURE_DEADLINE_FILE=str(tmp_path / "gone")) == (3, "", "")
    assert tenure("holds", TENURE_DEADLINE_FILE=str(empty)) == (3, "", "")


@pytest.mark.parametrize("content", ["rubbish\n", "12 34\n", '{"deadline": 1}\n'])
def test_a_file_of_another_kind_is_a_mistake(tmp_path: Path, content: str) -> None:
    """Code 2, and it says so: 3 would look like a lost tenure. So does a directory."""
    other = tmp_path / "other"
    other.write_text(content, encoding="ascii")

    answer = tenure("holds", "--file", str(other))

    assert (answer.code, answer.out) == (2, "")
    assert f"{other} is no deadline file" in answer.err
    assert tenure("holds", "--file", str(tmp_path)).code == 2


def test_a_pipe_is_a_mistake_too(tmp_path: Path) -> None:
    """Code 2, at once: it would be waited for without end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    answer = tenure("holds", "--file", str(pipe))

    assert (answer.code, answer.out) == (2, "")
    assert f"{pipe} is no deadline file" in answer.err


def test_outside_of_run_it_is_a_mistake() -> None:
    """Code 2, and it says what it is for: 3 would look like a lost tenure."""
    answer = tenure("holds")

    assert answer.code == 2
    assert "tenure run NAME -- COMMAND" in answer.err


def test_inside_of_run_it_holds(url: str) -> None:
    """A job of `tenure run` that asks is told yes."""
    script = '"$@" holds --for 2s && echo yes'
    done = tenure("run", "nightly", "--at", url, "--", "/bin/sh", "-c", script, "sh", *TENURE)

    assert (done.code, done.out) == (0, "yes\n")
