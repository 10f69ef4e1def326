"""The tutorial's terminals, replayed: three of them, in which everything that the page shows is typed and printed."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.docs.blocks import Block, all_blocks, environment, matches

PAGE = Path("docs/tutorial/first-leader.md")
LIMIT_S = 60.0
DIFFERS = [
    (re.compile(r"^tenure: this is a container.*\n", re.MULTILINE), ""),
    (re.compile(r"\b(file|lease)://\S+"), "URL"),
    (re.compile(r"\d{4}-\d\d-\d\dT\S+"), "TIME"),
    (re.compile(r"\b(host|pid)([= ]+)\S+"), r"\1\2X"),
    (re.compile(r"\(scope .*\)"), "(SCOPE)"),
    (re.compile(r"^(.*\n)\1+", re.MULTILINE), r"\1"),
]
"""What differs from one machine and one run to the next, and how often a line of the work came."""


def alike(printed: str) -> str:
    """What was printed, or what the page says, without what differs."""
    for pattern, instead in DIFFERS:
        printed = pattern.sub(instead, printed.strip() + "\n")
    return printed


class Terminal:
    """A shell's window: one command at a time, and what it printed since somebody looked."""

    def __init__(self, number: str, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"terminal-{number}"
        self._path.touch()
        self._read = 0
        self._last = ""
        self._process: subprocess.Popen[bytes] | None = None

    def type(self, command: str) -> None:
        """Run a command, once the one before has ended."""
        if self._process is not None:
            self._process.wait(LIMIT_S)
        self._read, self._last = len(self._text()), ""
        variables = environment(self._folder) | {"HOME": str(self._folder), "PWD": str(self._folder)}
        del variables["TENURE_URL"]
        with self._path.open("ab") as screen:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec {command}" if command.startswith("tenure") else command],
                cwd=self._folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
            )

    def shows(self, expected: str) -> None:
        """Wait until what was printed since the last look is that, whatever of the last line was repeated before."""
        end_s = time.monotonic() + LIMIT_S
        while not matches(alike(expected), alike(self._printed())):
            assert time.monotonic() < end_s, f"the page says:\n{expected}\nprinted:\n{self._printed()}"
            time.sleep(0.05)
        self._read, self._last = len(self._text()), expected.splitlines()[-1]

    def _printed(self) -> str:
        lines = self._text()[self._read :].splitlines(keepends=True)
        return "".join(itertools.dropwhile(lambda line: line.strip() == self._last, lines))

    def number_of(self, what: str) -> str:
        """The number that `tenure status` has printed last behind a word."""
        found: list[str] = re.findall(rf"^{what} +(\d+)$", self._text(), re.MULTILINE)
        return found[-1]

    def interrupt(self) -> None:
        """Ctrl-C, if something runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(LIMIT_S)
            self._read = len(self._text())

    def close(self) -> None:
        """Close the window."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGCONT)
            self._process.kill()
            self._process.wait(LIMIT_S)

    def _text(self) -> str:
        return self._path.read_text(encoding="utf-8")


@contextmanager
def terminals(folder: Path) -> Iterator[dict[str, Terminal]]:
    """The three windows."""
    windows = {number: Terminal(number, folder) for number in "123"}
    try:
        yield windows
    finally:
        for window in windows.values():
            window.close()


def steps() -> list[Block]:
    """The console blocks of the page, in order."""
    return [block for block in all_blocks("console") if block.page == PAGE]


def replay(block: Block, windows: dict[str, Terminal]) -> None:
    """Type what the block says, where it says, and see that it prints what the block says."""
    number = re.search(r"terminal (\d)", block.mark[2]) if block.mark is not None else None
    window = windows[number[1] if number is not None else "1"]
    expected: list[str] = []
    for line in block.program.splitlines():
        if not line.startswith("$ "):
            expected.append(line)
            continue
        if expected:
            window.shows("\n".join(expected))
            expected.clear()
        named = re.sub(r"^\$ (kill -\w+) \d+$", rf"$ \1 {window.number_of('pid')}", line) if "kill" in line else line
        window.type(named[2:])
    if expected:
        window.shows("\n".join(expected))


@pytest.mark.serial
def test_the_terminals_of_the_tutorial_show_what_the_page_shows(tmp_path: Path) -> None:
    """Every command of the page in its order; Ctrl-C comes where the elections change place, and at the end."""
    with terminals(tmp_path) as windows:
        place = ""
        for block in steps():
            if "lease://" in block.program and "lease://" not in place:
                windows["1"].interrupt()
                windows["2"].interrupt()
            place += block.program
            replay(block, windows)
        assert place.count("$ kill") == 3
        windows["1"].interrupt()
        windows["2"].interrupt()


def test_another_output_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs on purpose is alike, and nothing else."""
    monkeypatch.setattr("tests.docs.test_tutorial.LIMIT_S", 0.5)
    with terminals(tmp_path) as windows:
        windows["1"].type("echo 'pid 17\nworks\nworks\nelected for X'")
        windows["1"].shows("pid 4711\nworks\nelected for X")
        windows["1"].type("echo 'elected for Y'")
        with pytest.raises(AssertionError, match="the page says"):
            windows["1"].shows("elected for X")
