"""The job has the terminal like a command in a shell: foreground, ^C, ^Z, fg and bg."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import PROGRAMS, Scene, Wrapper, state, until

COUNT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
print("foreground", os.tcgetpgrp(0) == os.getpgrp(), flush=True)
for line in sys.stdin:
    print("heard", line.strip(), flush=True)
    if line.strip() == "end":
        sys.exit(3)
"""


class Session:
    """A terminal, the little shell on it, and the wrapper as that shell's job."""

    def __init__(self, scene: Scene, *command: str) -> None:
        self.master, terminal = pty.openpty()
        os.set_blocking(self.master, False)
        self.notes = scene.folder / "notes"
        self.commands = scene.folder / "commands"
        os.mkfifo(self.commands)
        self._seen = b""
        words, events = scene.command(*command)
        shell = [sys.executable, str(PROGRAMS / "jobshell.py"), str(self.notes), str(self.commands), *words]
        process = subprocess.Popen(shell, stdin=terminal, stdout=terminal, stderr=terminal, env=scene.environment())
        os.close(terminal)
        self.wrapper: Wrapper = scene.adopt(process, events)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def until_shown(self, text: bytes) -> None:
        """Wait until the screen shows a text that comes after what was waited for before."""

        def look() -> bool:
            with contextlib.suppress(BlockingIOError, OSError):
                self._seen += os.read(self.master, 65536)
            return text in self._seen

        until(look, f"the screen shows {text!r}, after {self._seen!r}")
        self._seen = self._seen.partition(text)[2]

    def until_noted(self, *lines: str) -> None:
        """Wait until the shell has seen its job do all this, and nothing else."""
        seen: list[str] = []

        def look() -> bool:
            seen[:] = self.notes.read_text(encoding="ascii").splitlines() if self.notes.exists() else []
            return seen == [*lines]

        try:
            until(look, "the shell notes what its job does")
        except AssertionError as error:
            error.add_note(f"it noted {seen} and not {lines}; job {state(self.wrapper.job)}, {self.wrapper.events()}")
            raise

    def order(self, command: str) -> None:
        """fg or bg."""
        self.commands.write_text(command + "\n", encoding="ascii")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene that is empty at the end."""
    with Scene(tmp_path) as scene:
        yield scene


@pytest.fixture
def session(scene: Scene) -> Iterator[Session]:
    """A job that answers each line, in a terminal."""
    session = Session(scene, sys.executable, "-c", COUNT)
    yield session
    os.close(session.master)


def test_the_job_has_the_foreground_and_gives_it_back(session: Session) -> None:
    """It reads the terminal from its first instruction on; afterwards the wrapper's group has it again."""
    session.until_shown(b"foreground True")
    session.type(b"one\nend\n")
    session.until_shown(b"heard one")

    session.until_noted("ended 3 ours")


def test_an_interrupt_from_the_keyboard_reaches_the_job_alone(session: Session) -> None:
    """^C is the job's affair; wrapper and guardian see it end with its own code."""
    session.until_shown(b"foreground True")

    session.type(b"\x03")

    session.until_noted("ended 7 ours")


def test_a_job_stopped_from_the_keyboard_gives_the_shell_its_terminal_back(session: Session) -> None:
    """^Z: the wrapper stops too, with the terminal in its hands; fg: both go on, and the job reads again. Twice."""
    session.until_shown(b"foreground True")
    for turn in (b"one", b"two"):
        stopped = ["stopped ours"] * (1 if turn == b"one" else 2)
        session.type(b"\x1a")
        session.until_noted(*stopped)
        until(lambda: state(session.wrapper.job) == "T", "the job is stopped")

        session.order("fg")
        session.type(turn + b"\n")

        session.until_shown(b"heard " + turn)
    session.type(b"end\n")
    session.until_noted("stopped ours", "stopped ours", "ended 3 ours")


def test_a_job_in_the_background_stops_when_it_reads_the_terminal(session: Session) -> None:
    """bg after ^Z: the job runs, reads, and is stopped; the shell learns it, and fg lets it read."""
    session.until_shown(b"foreground True")
    session.type(b"\x1a")
    session.until_noted("stopped ours")

    session.order("bg")
    session.until_noted("stopped ours", "stopped another's")
    session.order("fg")
    session.type(b"end\n")

    session.until_noted("stopped ours", "stopped another's", "ended 3 ours")


def test_the_modes_that_a_killed_job_left_are_undone(scene: Scene) -> None:
    """A job that switched the echo off and was killed does not leave a dumb terminal."""
    quiet = "stty -echo; echo dark; kill -KILL $$"
    session = Session(scene, "sh", "-c", quiet)
    try:
        session.until_shown(b"dark")
        session.until_noted("ended 137 ours")

        assert termios.tcgetattr(session.master)[3] & termios.ECHO
    finally:
        os.close(session.master)


def test_without_a_shell_above_a_stopped_job_goes_on(scene: Scene) -> None:
    """A wrapper that leads the session has nobody who could continue it: ^Z is undone at once."""
    master, terminal = pty.openpty()
    words, events = scene.command(sys.executable, "-c", COUNT)
    claim = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", claim, *words],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=scene.environment(),
        start_new_session=True,
    )
    os.close(terminal)
    wrapper = scene.adopt(process, events)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"foreground True\n"
        os.write(master, b"\x1a")
        os.write(master, b"one\n")
        assert process.stdout.readline() == b"heard one\n"
        os.write(master, b"end\n")
        assert wrapper.wait() == 3
    finally:
        os.close(master)
