"""Programs that lead by the library, as processes that a test hurts and waits for."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tenure.blocking import Election

PROGRAM = Path(__file__).with_name("programs") / "library.py"
NOTHING: Mapping[str, str] = {}
LIMIT_S = 60.0
"""A Python process that starts, imports and is elected, on a machine with other work."""


class Program:
    """One process that runs a function of `program`; `line` waits for what it says."""

    def __init__(
        self, function: str, url: str, program: Path = PROGRAM, environment: Mapping[str, str] = NOTHING
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TENURE_", "PYTEST_"))}
        self._process = subprocess.Popen(
            [sys.executable, str(program), function, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**kept, **environment},
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._unread = b""
        self.lines: list[str] = []
        self.errors = ""

    def line(self, *beginning: str) -> str:
        """The next line that begins with these words; what comes before it is kept in `lines`."""
        wanted = " ".join(beginning)
        while True:
            while b"\n" in self._unread:
                raw, self._unread = self._unread.split(b"\n", 1)
                self.lines.append(raw.decode())
                if self.lines[-1].startswith(wanted):
                    return self.lines[-1]
            assert self._read(), f"it ended without {wanted!r}: {self.lines} {self._stderr()}"

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def release_stdin(self) -> None:
        """End its stdin, which a child of it may wait for."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> int:
        """Wait for its end; its exit status. What it said is in `lines` and `errors` then."""
        while self._read():
            continue
        self.lines += self._unread.decode().splitlines()
        self.errors += self._stderr()
        return self._process.wait(LIMIT_S)

    def complaints(self) -> list[str]:
        """What Python said on stderr of errors, of tasks that were left, and of coroutines that were not awaited."""
        marks = ("Traceback", "never awaited", "destroyed", "never retrieved", "Exception ignored", "Error", "Fatal")
        return [line for line in self.errors.splitlines() if any(mark in line for mark in marks)]

    def wait(self) -> int:
        """Wait for its own end, while others may still hold its pipes."""
        return self._process.wait(LIMIT_S)

    def close(self) -> None:
        """Kill it, and whatever it left in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(LIMIT_S)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _read(self) -> bool:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], LIMIT_S)
        assert ready, f"nothing more within {LIMIT_S:g} s: {self.lines}"
        piece = os.read(self._process.stdout.fileno(), 65536)
        self._unread += piece
        return bool(piece)

    def _stderr(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().decode()


Start = Callable[[str], Program]
"""What the fixture `start` is: from the name of a function to the process that runs it."""


def leads_at_once(url: str) -> int:
    """Lead here and now; the token. Raises NotElected where somebody else still does."""
    end_s = time.monotonic() + LIMIT_S
    with Election("e", url).lead(wait=LIMIT_S) as tenure:
        assert time.monotonic() < end_s
        return tenure.token
