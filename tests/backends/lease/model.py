"""A model of the processes of one election: the real steps, run in any order that a seed chooses, one call at a time.

Each process is a thread that stops before every call to the system and every look at the clock, and goes on when it is
its turn. Between two turns any time may pass, so a process may be paused for any time at any call; it may also die
there, and another one comes in its place. `chances` decides; the same seed gives the same schedule.

After each turn the model demands: never two tenures that are valid, never an older token after a newer one, no token
twice. In the end all processes but one are left where they are for ever, and that one must be elected.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from tenure.backends.base import Gone
from tenure.backends.file.identity import this_process
from tenure.backends.file.line import Line
from tenure.backends.file.outcomes import Seen
from tenure.backends.file.tools import Tools
from tenure.backends.lease import ending
from tenure.backends.lease.contest import Contest, Outcome, Settling, Victory
from tenure.backends.lease.grant import LeaseGrant
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import Sightings
from tenure.backends.worker import Worker
from tenure.clock import ManualClock
from tenure.holding.budget import Budget
from tenure.holding.lease import Lease
from tests.backends.lease.scenes import ELECTION, candidate

LEASE_S = 10.0
PROCESSES = 3
TURNS = 600
LAST_TURNS = 3000
"""So many turns of its own elect the last process, or it is frozen; some hundred do."""
SWITCH = 0.07
"""In this part of all turns another process goes on; else the same does some calls more, as real ones do."""
PAUSE = 0.06
"""After this part of all turns time passes."""
MOST_DEATHS = 3
LIMIT_S = 20.0
CALLS = ("link", "listdir", "open", "pread", "pwrite", "stat", "unlink", "utime")
"""What one process sees of another one goes through these. Syncing is left away: nothing here loses power."""
PAUSES_S = (0.001, 0.01, LEASE_S / 20, LEASE_S / 20, LEASE_S / 5, LEASE_S * 0.45, LEASE_S * 0.9, LEASE_S)


class BrokenError(AssertionError):
    """What the model demands does not hold."""


class DeadError(BaseException):
    """Unwinds a thread at the end of the model; its process died, or was frozen, long before."""


class Process:
    """One process: it campaigns, leads, resigns, campaigns again, for ever."""

    def __init__(self, model: Model, name: str) -> None:
        self.name = name
        self.valid_until_ns = 0
        """The deadline of what it leads; 0 if it leads nothing that it would act on."""
        self.token = 0
        self.turn = threading.Semaphore(0)
        self.error: BaseException | None = None
        self._model = model
        self._clock = model.clock
        self._place = LeasePlace(str(model.folder), ELECTION, private=False)
        self._lease_s = LEASE_S * (0.3 if model.chance(0.3) else 1)
        self._sightings = Sightings(model.clock)
        self._seen = Seen()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.turn.acquire()
        try:
            while not self._model.over:
                self._live()
        except DeadError:
            pass
        except BaseException as error:  # noqa: BLE001 -- the model raises it
            self.error = error
        finally:
            self._model.turned.release()

    def _live(self) -> None:
        contest = Contest(
            self._place,
            candidate(self.name),
            round(self._lease_s * 1e9),
            line=cast("Line", Alone()),
            sightings=self._sightings,
            seen=self._seen,
        )
        step: Callable[[], Outcome] = partial(contest.first, once=False)
        while True:
            self._model.yield_turn()
            outcome = contest.perform(step)
            if isinstance(outcome, Victory):
                break
            if self._model.chance(0.03):
                contest.withdraw()
                return
            step = contest.settle if isinstance(outcome, Settling) else partial(contest.turn, eager=True)
        self._lead(outcome)

    def _lead(self, victory: Victory) -> None:
        """As the holder does: it counts from before a request left, and gives back what is over already."""
        lease = Lease(Budget.of(self._lease_s), victory.granted, random.Random(0))
        self._model.won(victory.granted.token)
        self.token, self.valid_until_ns = victory.granted.token, lease.deadline_ns
        grant = LeaseGrant(cast("Tools", Tied(self._clock)), cast("Worker", None), self._place, victory, lambda _: None)
        if self._model.chance(0.9):
            self._place.prune(self.token)
        call = 0
        while self._clock.now_ns() < lease.deadline_ns and not self._model.chance(0.1):
            call += 1
            lease.sent(call, self._clock.now_ns())
            try:
                granted_ns = grant._renew()  # noqa: SLF001 -- the keeper calls it by way of its worker
            except Gone:
                break
            lease.answered(call, granted_ns)
            if self._clock.now_ns() >= self.valid_until_ns:  # too late: it was lost by the clock before
                break
            self.valid_until_ns = lease.deadline_ns
        self.valid_until_ns = 0
        ending.end(self._clock, victory.tenure, None, clean=True)


class Alone:
    """In place of the queue: everybody tries at once, for the order is not what this is about."""

    entry = "x"
    stands = False

    def is_anybody_ahead(self) -> bool:
        """Nobody ever is."""
        return False

    def take(self) -> tuple[int, bool]:
        """The first, with all watches."""
        return 0, True

    def withdraw(self) -> None:
        """There is nothing to withdraw."""


class Tied:
    """Of a backend's tools what a grant needs: the clock."""

    inotify = None
    closed = False

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.bells: set[object] = set()


class Model:
    """All processes of one election, and who runs."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.clock: ManualClock = SteppedClock(self)
        self.turned = threading.Semaphore(0)
        self.over = False
        self.elections = 0
        self.overtaken = 0
        """How often a token was told too late to lead with it."""
        self._chances = random.Random(seed)
        self._tokens: list[int] = []
        self._current: Process | None = None
        self._names = 0
        self._all: list[Process] = []
        self._calm = False

    def run(self) -> None:
        """Let them run in any order, then one alone; raises BrokenError."""
        LeasePlace(str(self.folder), ELECTION, private=False).create()
        this_process()  # remembered from now on, so that a seed gives the same schedule everywhere
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._stepped(getattr(os, name)))
            patch.setattr(os, "fsync", lambda _fd: None)
            try:
                self._any_order()
                self._alone()
            finally:
                self._end()

    def chance(self, part: float) -> bool:
        """True for that part of all cases, while there is no calm."""
        return not self._calm and self._chances.random() < part

    def won(self, token: int) -> None:
        """A token was told."""
        if token in self._tokens:
            raise BrokenError(f"token {token} was told twice")
        self._tokens.append(token)

    def yield_turn(self) -> None:
        """Let others run; called on the threads of processes."""
        process = self._current
        if process is None or threading.current_thread() is not process.thread:
            return
        self.turned.release()
        process.turn.acquire()
        if self.over:
            raise DeadError

    def _stepped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            self.yield_turn()
            return call(*arguments, **named)

        return stepped

    def _bear(self) -> Process:
        self._names += 1
        process = Process(self, f"p{self._names}")
        self._all.append(process)
        process.thread.start()
        return process

    def _any_order(self) -> None:
        living = [self._bear() for _ in range(PROCESSES)]
        deaths = 0
        process = living[0]
        for _ in range(TURNS):
            if self._chances.random() < SWITCH:  # else it runs on for some calls: real processes do
                process = self._chances.choice(living)
            if deaths < MOST_DEATHS and self._chances.random() < 0.005:
                deaths += 1
                living.remove(process)
                process.valid_until_ns = 0
                living.append(process := self._bear())
            self._step(process)
            self._pass_time(self._chances.choice(PAUSES_S) if self._chances.random() < PAUSE else 0.0)

    def _alone(self) -> None:
        """All others are frozen for ever, with whatever they hold."""
        self._calm = True
        last = self._bear()
        for _ in range(LAST_TURNS):
            self._step(last)
            self._pass_time(LEASE_S / 100)
            if self._is_valid(last):
                return
        raise BrokenError(f"{last.name} was not elected though all others stood still")

    def _step(self, process: Process) -> None:
        before = process.token
        self._current = process
        process.turn.release()
        assert self.turned.acquire(timeout=LIMIT_S), "a process waits for another one"
        self._current = None
        if process.error is not None:
            raise process.error
        if process.token != before:
            self._judge_token(process)
        self._judge()

    def _pass_time(self, pause_s: float) -> None:
        self.clock.advance(pause_s)
        self._judge()

    def _judge_token(self, winner: Process) -> None:
        if not self._is_valid(winner):
            self.overtaken += 1
            return
        if self.elections >= winner.token:
            raise BrokenError(f"{winner.name} leads with token {winner.token} after {self.elections}")
        self.elections = winner.token

    def _judge(self) -> None:
        valid = [process for process in self._all if self._is_valid(process)]
        if len(valid) > 1:
            raise BrokenError(", ".join(f"{process.name} (token {process.token})" for process in valid) + " all lead")

    def _is_valid(self, process: Process) -> bool:
        return self.clock._now_ns < process.valid_until_ns  # noqa: SLF001 -- a look that is no process's

    def _end(self) -> None:
        self.over = True
        self._current = None
        for process in self._all:
            process.turn.release()
        for process in self._all:
            process.thread.join(LIMIT_S)
            assert not process.thread.is_alive()


class SteppedClock(ManualClock):
    """A clock of which each look is a call."""

    def __init__(self, model: Model) -> None:
        super().__init__(10**12)
        self._model = model

    def now_ns(self) -> int:
        self._model.yield_turn()
        return super().now_ns()


def broken(folder: Path, seeds: range) -> tuple[int, BrokenError] | None:
    """The first of the seeds whose schedule breaks what is demanded, and how."""
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        try:
            Model(place, seed).run()
        except BrokenError as error:
            return seed, error
    return None
