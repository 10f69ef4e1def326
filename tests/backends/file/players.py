"""Candidates in processes of their own, and waiting for what they say; nothing of them is left behind."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 40.0
"""No condition here takes longer, on a machine with other work either."""
ELECTION = "nightly"
PROGRAM = str(Path(__file__).with_name("programs") / "player.py")


class Player:
    """One process."""

    def __init__(self, directory: Path, name: str, **options: object) -> None:
        self.name = name
        words = [f"{key}={value}" for key, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, str(directory), ELECTION, name, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())
        self._lines.put("")

    def hear(self, word: str) -> list[str]:
        """Wait for a line that begins with `word`; returns the words after it."""
        limit_s = time.monotonic() + LIMIT_S
        while True:
            line = self._lines.get(timeout=max(0.001, limit_s - time.monotonic()))
            assert line, f"{self.name} ended before it said {word!r}"
            first, *rest = line.split()
            if first == word:
                return rest

    def has_said_nothing(self) -> bool:
        return self._lines.empty()

    def say(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def ask(self, order: str, answer: str) -> list[str]:
        self.say(*order.split())
        return self.hear(answer)

    def elected(self) -> int:
        return int(self.hear("elected")[0])

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it died by itself
            os.kill(self.pid, number)

    def pause(self) -> None:
        """Stop it; returns once it stands still: until its first thread has seen the signal the others go on."""
        self.signal(signal.SIGSTOP)
        stopped = os.WSTOPPED | os.WNOWAIT | os.WNOHANG
        until(lambda: os.waitid(os.P_PID, self.pid, stopped) is not None, f"{self.name} stands still")

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        return self._process.wait(LIMIT_S)

    def end(self) -> None:
        self.signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()
        self._reader.join(LIMIT_S)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):  # what it was told last, it never read
                if pipe is not None:
                    pipe.close()


class Company:
    """All players of one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.players: list[Player] = []

    def start(self, name: str, **options: object) -> Player:
        player = Player(self.directory, name, **options)
        self.players.append(player)
        return player

    def stand(self, name: str, **options: object) -> Player:
        """Start one, and wait until its presence can be seen."""
        before = len(self.presences())
        player = self.start(name, **options)
        until(lambda: len(self.presences()) > before, f"{name} stands")
        return player

    def presences(self) -> list[str]:
        candidates = self.directory / ELECTION / "candidates"
        if not candidates.is_dir():
            return []
        return sorted(path.name for path in candidates.iterdir() if not path.name.startswith("."))


@contextmanager
def company(directory: Path) -> Iterator[Company]:
    """Start players in `directory`; at the end none of them is left."""
    players = Company(directory)
    try:
        yield players
    finally:
        for player in players.players:
            player.end()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds, with a limit."""
    limit_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit_s, f"after {LIMIT_S:g} s it is still not so that {what}"
        time.sleep(0.002)
