"""The house that plays are given in: a stage in a directory of its own, and nothing left behind however a play ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tenure.backends.file import filesystems
from tenure.demo.stage import Stage
from tenure.errors import BackendRefused
from tenure.supervise.processes import Process, become_subreaper, children_of, identify


@contextmanager
def open_stage() -> Iterator[Stage]:
    """An empty stage; when it is left, all that was started there ends, and what was written there goes."""
    become_subreaper()  # a wrapper that was killed leaves its orphans to us, so that we can see them end
    before = frozenset(filter(None, map(identify, children_of(os.getpid()))))
    directory = Path(tempfile.mkdtemp(prefix="tenure-demo-", dir=_place()))
    try:
        with _stage(directory, before) as stage:
            yield stage
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _stage(directory: Path, before: frozenset[Process]) -> Iterator[Stage]:
    run_time = directory / "run"
    run_time.mkdir(0o700)
    # Nothing of the user's own settings, and no place of the user's, is used.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
    stage = Stage(directory, environment | {"XDG_RUNTIME_DIR": str(run_time)})
    try:
        yield stage
    finally:
        # An impatient second Ctrl-C must not leave processes behind; this takes seconds at most.
        impatience = signal.signal(signal.SIGINT, signal.SIG_IGN)
        stage.close(before)
        signal.signal(signal.SIGINT, impatience)


def _place() -> Path:
    """A directory on a file system whose locks hold: that for temporary files, or, where it is none, the user's own."""
    places = [Path(tempfile.gettempdir()), Path.home(), Path.cwd()]
    for place in places:
        try:
            filesystems.footing(str(place))
        except BackendRefused:
            continue
        if os.access(place, os.W_OK):
            return place
    return places[0]


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demonstration in good order, as Ctrl-C does."""

    def end(number: int, frame: object) -> NoReturn:
        del frame
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
