"""One election in which a candidate is stopped, or killed, at its system calls: `frozen.py FOLDER SIGNAL LIFE...`.

This process is the parent of two candidates, both programs that use the library as anybody does. The *rival* leads for
a moment, resigns, and stands again. The *victim* does everything that the backend can do: it stands, wins, renews,
publishes, reads, asks, releases; and it sends itself the signal before or after some of its calls to the system. The
parent sees it stop, waits until somebody else has been elected *while it is stopped*, and lets it go on.

Each LIFE is one of a victim: the number of the first call that is hit, of which every seventh follows, where an even
one says before and an odd one after, and its half counts; or CALL:WHEN, such as `link:after`, for each call of a kind.
Written down: `ledger.jsonl`, for the audit, and `stops.jsonl`, where each hit was.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenure import Election, LeadershipLost, Tenure, TenureError
from tenure.audit import Ledger, Opened, Reader, Scribe
from tenure.backends.file.inotify import Inotify
from tenure.backends.lease import open_lease

LEASE_S = 0.4
EVERY = 7
"""Every so many calls the victim is hit again; lives that begin at each number below that hit every call."""
HITS = 24
HITS_OF_A_KIND = 6
"""After so many stops a victim ends."""
TENURES = 6
"""After so many tenures it ends, too, if it was stopped at all: some calls are rare."""
LIMIT_S = 20.0
ELECTION = "nightly"
OS_CALLS = (
    "access", "close", "fchmod", "fdatasync", "fstat", "fsync", "link", "listdir", "mkdir", "open", "pread", "pwrite",
    "read", "readlink", "rename", "scandir", "stat", "unlink", "utime",
)  # fmt: skip  # a name a line would fill the page
"""Every function of `os` that the backend calls; tests/backends/lease/test_frozen.py holds this against its source."""


class Hits:
    """Sends this process the signal at some of the calls that its backend makes."""

    def __init__(self, folder: Path, number: int, life: str) -> None:
        self._log = os.open(folder / "stops.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._number = number
        self._kind, _, when = life.partition(":") if ":" in life else ("", "", "")
        first = 0 if self._kind else int(life)
        self._when = when or ("before" if first % 2 == 0 else "after")
        self._next = first // 2
        self._limit = HITS_OF_A_KIND if self._kind else HITS
        self._write = os.write
        self._calls = 0
        self._count = 0

    @property
    def are_over(self) -> bool:
        """Whether it was hit often enough."""
        return self._count >= self._limit

    @property
    def have_begun(self) -> bool:
        """Whether it was hit at all."""
        return self._count > 0

    def close(self) -> None:
        """In the parent, which is never hit."""
        os.close(self._log)

    def wrap(self, name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        """The call `name`, hit where it is its turn; calls of other threads are none of the backend's."""

        def call(*arguments: Any, **named: Any) -> Any:
            if not threading.current_thread().name.startswith("tenure-lease"):
                return whole(*arguments, **named)
            self._calls += 1
            is_hit = not self.are_over and (self._kind == name if self._kind else self._calls >= self._next)
            if is_hit and not self._kind:
                self._next += EVERY
            if is_hit and self._when == "before":
                self._hit(name)
            try:
                return whole(*arguments, **named)
            finally:
                if is_hit and self._when == "after":
                    self._hit(name)

        return call

    def _hit(self, name: str) -> None:
        self._count += 1
        frame = sys._getframe(2)  # noqa: SLF001 -- who calls is what is written down
        line = {"call": name, "when": self._when, "in": f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"}
        self._write(self._log, json.dumps(line).encode() + b"\n")
        signal.pthread_kill(
            threading.get_ident(), self._number
        )  # to this thread: it does not run on for an instruction


def put_hits(hits: Hits) -> None:
    """Wrap all that the backend calls, and the clock."""
    calls: list[tuple[Any, str]] = [(os, name) for name in OS_CALLS]
    calls += [(fcntl, "fcntl"), (time, "clock_gettime_ns"), (Inotify, "watch"), (Inotify, "drop")]
    for where, name in calls:
        shown = f"inotify_{name}" if where is Inotify else name
        setattr(where, name, hits.wrap(shown, getattr(where, name)))


class TooLateError(Exception):
    """The deadline that an act would go by has passed."""


async def lead(election: Election, ledger: Ledger, work: Callable[[Tenure, int], Any], acts: int) -> None:
    """Lead once, act so often, put down what happened."""
    async with election.lead() as tenure:
        scribe = Scribe(ledger, tenure.election, tenure.token, tenure.candidate)
        scribe.opened(deadline_ns=tenure.deadline_ns)
        try:
            for number in range(acts):
                deadline_ns = tenure.deadline_ns
                assert deadline_ns is not None
                with contextlib.suppress(TooLateError), scribe.act("act", deadline_ns=deadline_ns):
                    tenure.check()
                    if ledger.clock.now_ns() >= deadline_ns:  # this thread slept, and the keeper has renewed it
                        raise TooLateError
                await work(tenure, number)
                await asyncio.sleep(0.02)
        finally:
            if tenure.reason is not None:
                scribe.told(tenure.reason, deadline_ns=tenure.deadline_ns)
            scribe.ended(tenure.reason, deadline_ns=tenure.deadline_ns)


async def rival(folder: Path, name: str) -> None:
    """Lead, resign, and so on until killed."""

    async def nothing(_tenure: Tenure, _number: int) -> None:
        """It only leads."""

    election = Election(ELECTION, open_lease(folder / "elections", lease_s=LEASE_S), candidate=name)
    with Ledger(folder / "ledger.jsonl") as ledger:
        while True:
            with contextlib.suppress(TenureError):  # lost: the machine is busy, or an order; it stands again
                await lead(election, ledger, nothing, 6)


async def victim(folder: Path, name: str, hits: Hits) -> None:
    """Do all that a candidate can do, until it was hit often enough, or has led some times and was hit at all."""
    backend = open_lease(folder / "elections", lease_s=LEASE_S)
    election = Election(ELECTION, backend, candidate=name)

    async def busy(tenure: Tenure, number: int) -> None:
        if number in {1, 3}:
            with contextlib.suppress(TenureError):  # lost, or no answer in time: it is published to be stopped at
                await tenure.publish(f"value {number}")

    async def look() -> None:
        for number in range(1_000_000):
            with contextlib.suppress(TenureError):  # nobody leads, or nobody can be asked now
                await election.leader()
                if number % 6 == 5:
                    await election.ask_resign()
            await asyncio.sleep(0.07)

    looking = asyncio.create_task(look())
    with Ledger(folder / "ledger.jsonl") as ledger:
        for number in range(30):
            with contextlib.suppress(LeadershipLost):
                await lead(election, ledger, busy, 12)
            if hits.are_over or (number >= TENURES - 1 and hits.have_begun):
                break
    looking.cancel()


class Parent:
    """Bears, stops, kills and resumes the candidates of one election."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._ledger = Ledger(folder / "ledger.jsonl")
        self._reader = Reader(folder / "ledger.jsonl")
        self._names = 0

    def bear(self, play: Callable[[str], Any]) -> int:
        """Fork a candidate."""
        self._names += 1
        name = f"c{self._names}"
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                asyncio.run(play(name))
                code = 0
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                logging.shutdown()
                os._exit(code)
        return pid

    def run(self, lives: list[str]) -> None:
        """One life of a victim after another, beside one rival."""
        other = self.bear(lambda name: rival(self._folder, name))
        try:
            for life in lives:
                self._live(life)
        finally:
            self._end(other)

    def _live(self, life: str) -> None:
        hits = Hits(self._folder, self._number, life)

        def play(name: str) -> Any:
            put_hits(hits)
            return victim(self._folder, name, hits)

        pid = self.bear(play)
        hits.close()
        limit_s = time.monotonic() + 8 * LIMIT_S
        while True:
            found, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
            if found == 0:
                assert time.monotonic() < limit_s, f"the victim {life} does not come to an end"
                time.sleep(0.002)
                continue
            if os.WIFSTOPPED(status):
                self._ledger.alive(pid)
                self._until_somebody_leads(f"while {pid} ({life}) is stopped")
                os.kill(pid, signal.SIGCONT)
                continue
            self._ledger.died(pid)
            if self._number == signal.SIGKILL:
                self._until_somebody_leads(f"after {pid} was killed ({life})")
            assert os.waitstatus_to_exitcode(status) in {0, -self._number}, f"the victim {life} failed: {status}"
            return

    def _until_somebody_leads(self, when: str) -> None:
        """Wait until a tenure begins that had not begun before: the election is not frozen."""
        self._reader.new()
        limit_s = time.monotonic() + LIMIT_S
        while not any(isinstance(record, Opened) for record in self._reader.new()):
            assert time.monotonic() < limit_s, f"nobody was elected {when}"
            time.sleep(0.005)

    def _end(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    logging.getLogger("tenure").setLevel(logging.ERROR)
    place = Path(sys.argv[1])
    place.mkdir()
    Parent(place, int(sys.argv[2])).run(sys.argv[3:])
