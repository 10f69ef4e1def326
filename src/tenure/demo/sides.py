"""What differs between the two sides: how a candidate is started, how one sees that it stands, how a leader resigns."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import Protocol

from tenure.audit import Opened
from tenure.blocking import Election
from tenure.demo import naive
from tenure.demo.stage import LIMIT_S, Actor, ShowStopped, Stage
from tenure.views import Led

ELECTION = "payments"
WRAPPED = "cy"
"""The candidate whose payments are booked by a job under a wrapper; the others use the library, or the lock, itself."""
CANDIDATES = ("ada", "bob", WRAPPED)
LEASE_S = 1.0
"""As short as lease:// allows."""
MODULE = (sys.executable, "-P", "-m")  # -P: nothing is imported from the directory in which somebody tries this


class Side(Protocol):
    """One of the two, on a stage of its own."""

    title: str
    wrapper: str
    """What the wrapper is called."""
    replaces_paused: bool
    """Whether somebody else takes over from a leader that is paused for long enough."""
    stage: Stage

    def start(self, candidate: str) -> Actor:
        """Start a candidate, and wait until it stands or leads."""
        ...

    def resign(self, leader: Actor) -> str:
        """Make the leader step down; returns how that was done."""
        ...

    def elected_ns(self, leader: Opened) -> int | None:
        """When an observer saw this leader elected, which is before its job has started; None if nobody can tell."""
        ...

    def close(self) -> None:
        """Stop observing."""
        ...


class TenureSide:
    """The library, and `tenure run`, on file://."""

    title = "tenure, on file://"
    wrapper = "`tenure run`"
    replaces_paused = False
    scheme, options, worker = "file", "", "tenure.demo.worker"

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.url = f"{self.scheme}://{stage.directory}/elections{self.options}"
        self._election = Election(ELECTION, at=self.url, candidate="the-demonstration")
        self._ending = ExitStack()
        self._views = self._ending.enter_context(self._election.watch())
        self._seen_ns: dict[int, int] = {}
        threading.Thread(target=self._observe, name="observer", daemon=True).start()

    def start(self, candidate: str) -> Actor:
        stage = self.stage
        if candidate == WRAPPED:
            command = [*MODULE, "tenure", "run", ELECTION, "--at", self.url, "--candidate", candidate, "--grace", "5s"]
            command += ["--", *_job(stage)]
        else:
            command = [*MODULE, self.worker, self.url, ELECTION, candidate, *paths(stage)]
        actor = stage.start(candidate, command, is_wrapper=candidate == WRAPPED)
        stage.until(lambda: self._stands(actor), f"{candidate} stands for {ELECTION}")
        return actor

    def resign(self, leader: Actor) -> str:
        command = [*MODULE, "tenure", "resign", ELECTION, "--at", self.url, "--wait", f"{LIMIT_S:g}s"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * LIMIT_S, check=False)
        if done.returncode != 0:
            raise ShowStopped(f"`tenure resign` ended with {done.returncode}: {done.stderr}\n{self.stage.said()}")
        return f"asked {leader.candidate} to step down (tenure resign {ELECTION})"

    def elected_ns(self, leader: Opened) -> int | None:
        return self._seen_ns.get(leader.token)

    def close(self) -> None:
        self._ending.close()

    def _observe(self) -> None:
        for view in self._views:
            if isinstance(view, Led):
                self._seen_ns.setdefault(view.leader.token, self.stage.now_ns())

    def _stands(self, actor: Actor) -> bool:
        if not actor.is_living:
            raise ShowStopped(f"{actor.candidate} ended instead of standing\n{self.stage.said()}")
        leader = self.stage.leader()
        if leader is not None and leader.candidate == actor.candidate:
            return True
        return any(standing.candidate == actor.candidate for standing in self._election.candidates())


class LeasedSide(TenureSide):
    """The library on lease://, and a ledger that compares tokens."""

    title = f"tenure, on lease:// ({LEASE_S:g} s), with a fence in the ledger"
    replaces_paused = True
    scheme, options, worker = "lease", f"?lease={LEASE_S:g}s", "tenure.demo.fenced_worker"


class NaiveSide:
    """The hand-written lock, and the hand-written wrapper."""

    title = f"a time-out lock, written by hand ({naive.TIMEOUT_S:g} s)"
    wrapper = "a hand-written wrapper"
    replaces_paused = True

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lock_path = stage.directory / "lock.sqlite"
        naive.create(self.lock_path)

    def start(self, candidate: str) -> Actor:
        stage = self.stage
        if candidate == WRAPPED:
            command = [*MODULE, "tenure.demo.naive_wrapper", str(self.lock_path), candidate, *_job(stage)]
        else:
            command = [*MODULE, "tenure.demo.naive_worker", str(self.lock_path), ELECTION, candidate, *paths(stage)]
        actor = stage.start(candidate, command, is_wrapper=candidate == WRAPPED)
        mark = self.lock_path.with_name(f"{self.lock_path.name}.{candidate}.{actor.process.pid}")
        stage.until(mark.exists, f"{candidate} stands for {ELECTION}")
        return actor

    def resign(self, leader: Actor) -> str:
        leader.process.terminate()
        self.stage.until(lambda: not leader.is_living, f"{leader.candidate} ends on SIGTERM")
        return f"told {leader.candidate} to end (SIGTERM; it lets the lock go)"

    def elected_ns(self, leader: Opened) -> int | None:
        del leader  # this lock has no way to watch it
        return None

    def close(self) -> None:
        """Nothing observes."""


def paths(stage: Stage) -> list[str]:
    """Where a candidate finds the books and the ledger."""
    return [str(stage.books_path), str(stage.ledger_path)]


def _job(stage: Stage) -> list[str]:
    return [*MODULE, "tenure.demo.job", ELECTION, WRAPPED, *paths(stage)]
