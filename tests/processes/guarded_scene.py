"""A wrapper with its guardian and job, as real processes, for tests: start it, hurt it, and see what is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Self

PROGRAMS = Path(__file__).parent / "programs"
LIMIT_S = 30.0
"""How long any condition may take on a loaded machine."""
MARK = "TENURE_TEST_SCENE"


@dataclass
class Options:
    """How the wrapper program runs its job."""

    events: str
    lock: str | None = None
    grace_s: float = 5.0
    deadline_s: float | None = None
    times: int = 1
    env: dict[str, str] = field(default_factory=dict)


def until(condition: Callable[[], object], claim: str, limit_s: float = LIMIT_S) -> None:
    """Wait for a condition, and fail with the claim when it does not come true in time."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {limit_s:g} s: {claim}"
        time.sleep(0.01)


def state(pid: int) -> str:
    """The state of a process as /proc shows it; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    return state(pid) not in {"", "Z", "X"}


def read_pid(path: Path) -> int:
    """The pid that a program writes into a file, once it has."""
    until(lambda: path.exists() and path.read_text(encoding="ascii").strip(), f"{path.name} is written")
    return int(path.read_text(encoding="ascii"))


class Wrapper:
    """One running wrapper program."""

    def __init__(self, process: subprocess.Popen[bytes], events: Path) -> None:
        self.process = process
        self.events_path = events

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def guardian(self) -> int:
        return int(str(self.event("forked")["guardian"]))

    @property
    def job(self) -> int:
        return int(str(self.event("started")["pid"]))

    def events(self) -> list[dict[str, object]]:
        """All events up to now."""
        if not self.events_path.exists():
            return []
        lines = self.events_path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def event(self, name: str) -> dict[str, object]:
        """The first event of this name, waited for."""
        found: list[dict[str, object]] = []

        def look() -> bool:
            found[:] = [event for event in self.events() if event["event"] == name]
            return bool(found) or (self.process.poll() is not None and name != "closed")

        until(look, f"the wrapper notes {name!r}")
        assert found, f"the wrapper ended without {name!r}: {self.events()}"
        return found[0]

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(LIMIT_S)


class Scene:
    """Everything that one test starts; nothing of it may be left at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "lock"
        self._mark = uuid.uuid4().hex
        self._wrappers: list[Wrapper] = []
        self.run_time = folder / "run"
        self.run_time.mkdir(mode=0o700)
        self.interpreter = [sys.executable]
        """What runs a wrapper program, up to the program's name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        left = self.living()
        if kind is None:  # what was told to end may still be on its way
            with contextlib.suppress(AssertionError):
                until(lambda: not self.living(), "nothing is left")
            left = self.living()
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for wrapper in self._wrappers:
            wrapper.process.wait(LIMIT_S)
            for stream in (wrapper.process.stdin, wrapper.process.stdout, wrapper.process.stderr):
                if stream is not None:
                    stream.close()
        if kind is None:
            assert left == [], f"left behind: {left}"

    def environment(self) -> dict[str, str]:
        """What every process of the scene inherits; the mark finds them again, whatever they fork."""
        return {**os.environ, MARK: self._mark, "XDG_RUNTIME_DIR": str(self.run_time), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(
        self,
        *command: str,
        grace_s: float = 5.0,
        deadline_s: float | None = None,
        lock: bool = False,
        times: int = 1,
        env: Mapping[str, str] | None = None,
    ) -> tuple[list[str], Path]:
        """The words that run the wrapper program, and where its events go."""
        events = self.folder / f"events-{len(self._wrappers)}"
        options = Options(str(events), str(self.lock) if lock else None, grace_s, deadline_s, times, dict(env or {}))
        options_file = self.folder / f"options-{len(self._wrappers)}"
        options_file.write_text(json.dumps(asdict(options)), encoding="ascii")
        return [*self.interpreter, str(PROGRAMS / "guarded.py"), str(options_file), *command], events

    def run(
        self,
        *command: str,
        grace_s: float = 5.0,
        deadline_s: float | None = None,
        lock: bool = False,
        times: int = 1,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        pass_fds: tuple[int, ...] = (),
        prefix: tuple[str, ...] = (),
    ) -> Wrapper:
        """Start a wrapper with this job, in a process group of its own."""
        words, events = self.command(*command, grace_s=grace_s, deadline_s=deadline_s, lock=lock, times=times, env=env)
        process = subprocess.Popen(
            [*prefix, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            pass_fds=pass_fds,
            process_group=0,
        )
        return self.adopt(process, events)

    def program(self, *words: str) -> Wrapper:
        """Start a program of the test's own; it notes no events."""
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=self.environment(), process_group=0)
        return self.adopt(process, self.folder / f"events-{len(self._wrappers)}")

    def adopt(self, process: subprocess.Popen[bytes], events: Path) -> Wrapper:
        """Count a process as part of the scene."""
        wrapper = Wrapper(process, events)
        self._wrappers.append(wrapper)
        return wrapper

    def living(self) -> list[int]:
        """The living processes of the scene."""
        return sorted(self._marked())

    def is_locked(self) -> bool:
        """Whether somebody holds the lock of the scene."""
        with self.lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def leftovers(self) -> list[Path]:
        """What guardians have left in their private directory."""
        return sorted(self.run_time.glob("tenure-*/*"))

    def _marked(self) -> Iterator[int]:
        mark = f"{MARK}={self._mark}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                    if mark in (entry / "environ").read_bytes() and is_alive(int(entry.name)):
                        yield int(entry.name)
