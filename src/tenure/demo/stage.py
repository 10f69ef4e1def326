"""The processes of one side: starting them, waiting for what they do, hurting them, and leaving nothing behind.

Everything is waited for as a condition with a limit, never for a time, so that a slow machine only takes longer. What
the processes do is read from their ledger.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tenure.audit import Acted, Died, Ended, Ledger, Noted, Opened, Reader, Record
from tenure.clock import BootClock
from tenure.demo import books
from tenure.supervise.processes import Family, Process, send, stat

LIMIT_S = 60.0
"""How long any condition may take; on an idle machine none takes longer than the naive lock's time-out."""
LOOK_EVERY_S = 0.004
FREEZE_TRIES = 200
CURTAIN_S = 5.0
"""How long processes get to end of their own accord."""


class ShowStopped(Exception):
    """Something did not happen within its limit; the message says what, and what the processes said."""


class Actor:
    """A process that we started: a candidate, or the wrapper of one. Not reaped before it is waited for."""

    def __init__(self, candidate: str, process: subprocess.Popen[bytes], log: Path, *, is_wrapper: bool) -> None:
        self.candidate = candidate
        self.process = process
        self.log = log
        self.is_wrapper = is_wrapper

    @property
    def is_living(self) -> bool:
        return self.process.poll() is None

    def cut_lifeline(self) -> None:
        """Whatever inherited its stdin ends at once."""
        if self.process.stdin is not None:
            self.process.stdin.close()


class Stage:
    """A directory, a ledger, and actors."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self.books_path = directory / "books.sqlite"
        self.ledger_path = directory / "ledger.jsonl"
        books.create(self.books_path)
        self.ledger = Ledger(self.ledger_path)
        self.records: list[Record] = []
        self.actors: list[Actor] = []
        self._reader = Reader(self.ledger_path)
        self._environment = environment
        self._clock = BootClock()

    # Looking

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def look(self) -> list[Record]:
        """All records up to now."""
        self.records += self._reader.new()
        return self.records

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition. Raises ShowStopped after LIMIT_S."""
        end_s = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > end_s:
                raise ShowStopped(f"{what}: not within {LIMIT_S:g} s\n{self.said()}")
            time.sleep(LOOK_EVERY_S)

    def leader(self) -> Opened | None:
        """Who leads: of those that have neither ended nor been seen dead, the one that opened last."""
        leading: list[Opened] = []
        for record in self.look():
            match record:
                case Opened():
                    leading.append(record)
                case Ended(pid=pid) | Died(pid=pid):
                    leading = [one for one in leading if one.pid != pid]
                case _:
                    continue
        return leading[-1] if leading else None

    def wait_leader(self, *, after_ns: int = 0) -> Opened:
        """Wait until somebody leads whose tenure opened after `after_ns`."""
        found: list[Opened] = []

        def look() -> bool:
            found[:] = [record for record in self.look() if isinstance(record, Opened) and record.at_ns > after_ns]
            return bool(found)

        self.until(look, "somebody leads")
        return found[0]

    def wait_worked(self, payments: int, *, since_ns: int = 0) -> Opened:
        """Wait until whoever leads then has booked so many payments in its tenure, and since an instant."""
        found: list[Opened] = []

        def look() -> bool:
            leader = self.leader()
            found[:] = [leader] if leader is not None else []
            return any(len(self.acts(one.pid, max(one.at_ns, since_ns))) >= payments for one in found)

        self.until(look, f"a leader books {payments} payments")
        return found[0]

    def acts(self, pid: int, since_ns: int = 0) -> list[Acted]:
        """What a process has booked since an instant."""
        return [
            record for record in self.look()
            if isinstance(record, Acted) and record.pid == pid and record.at_ns > since_ns
        ]  # fmt: skip  # one condition

    def wait_booked(self, pid: int, payments: int, since_ns: int = 0) -> None:
        """Wait until a process has booked so many payments."""
        self.until(lambda: len(self.acts(pid, since_ns)) >= payments, f"process {pid} books {payments} payments")

    # Acting

    def start(self, candidate: str, command: Sequence[str], *, is_wrapper: bool = False) -> Actor:
        """Start a process, in a process group of its own: a Ctrl-C at the terminal is ours alone."""
        log = self.directory / f"{candidate}-{len(self.actors)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env=self._environment,
                process_group=0,
            )
        actor = Actor(candidate, process, log, is_wrapper=is_wrapper)
        self.actors.append(actor)
        return actor

    def actor_of(self, leader: Opened) -> Actor:
        """The process that we started for the candidate that leads: itself, or its wrapper."""
        return next(actor for actor in reversed(self.actors) if actor.candidate == leader.candidate and actor.is_living)

    def kill(self, actor: Actor, leader: Opened) -> int:
        """SIGKILL; returns the instant just before it, at which the leader still lived."""
        self.ledger.alive(leader.pid)
        killed_ns = self.now_ns()
        actor.process.kill()
        actor.process.wait()
        self.ledger.died(actor.process.pid)
        return killed_ns

    def freeze(self, actor: Actor, *databases: Path) -> int:
        """SIGSTOP in the middle of thinking about a payment; returns when.

        Tries again where it was hit elsewhere: a process that is paused inside a transaction would freeze everybody
        who uses the database, which is another accident than the one to be shown.
        """
        for _ in range(FREEZE_TRIES):
            thought = self._last_note(actor.process.pid)
            self.until(lambda seen=thought: self._last_note(actor.process.pid) not in {None, seen}, "it thinks")  # type: ignore[misc]  # a lambda's default has no type of its own
            actor.process.send_signal(signal.SIGSTOP)
            self.until(lambda: _is_stopped(actor.process.pid), "SIGSTOP stops a process")
            if self._thinks(actor.process.pid) and all(map(books.is_free, (self.books_path, *databases))):
                self.ledger.alive(actor.process.pid)
                return self.now_ns()
            actor.process.send_signal(signal.SIGCONT)
        raise ShowStopped(f"{actor.candidate} could not be paused in the middle of a payment\n{self.said()}")

    def resume(self, actor: Actor) -> int:
        """SIGCONT; returns the instant just before it."""
        resumed_ns = self.now_ns()
        actor.process.send_signal(signal.SIGCONT)
        return resumed_ns

    def wait_dead(self, pid: int) -> None:
        """Wait until a process that need not be our child is dead, and put it down."""
        self.until(lambda: not is_living(pid), f"process {pid} ends")
        self.ledger.died(pid)

    # The end

    def said(self, lines: int = 6) -> str:
        """The last lines of every process's output, for a message about a failure."""
        parts = []
        for actor in self.actors:
            tail = actor.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
            parts += [f"  {actor.candidate} ({actor.process.pid}): {line}" for line in tail]
        return "\n".join(parts)

    def retire(self) -> None:
        """End everybody in good order: who stands first, who leads last, so that nobody takes over any more."""
        leader = self.leader()
        leading = self.actor_of(leader) if leader is not None else None
        for actor in sorted(self.actors, key=lambda one: one is leading):
            if actor.is_living:
                actor.process.send_signal(signal.SIGTERM)
                self.until(lambda one=actor: not one.is_living, f"{actor.candidate} ends on SIGTERM")  # type: ignore[misc]  # as above
        self.look()

    def close(self, before: frozenset[Process]) -> None:
        """Leave nothing: end every process that descends from us and was not there `before`. Takes seconds at most."""
        for actor in self.actors:
            if actor.is_living:
                actor.process.send_signal(signal.SIGTERM)
                actor.process.send_signal(signal.SIGCONT)
            actor.cut_lifeline()
        family = Family(before)
        for insists in (False, True):
            end_s = time.monotonic() + CURTAIN_S
            while (members := family.members()) and time.monotonic() < end_s:
                for member in members if insists else ():
                    send(member, signal.SIGKILL)
                for actor in self.actors:
                    actor.process.poll()
                family.reap(None)
                time.sleep(LOOK_EVERY_S)
        self.ledger.close()

    def _last_note(self, pid: int) -> Noted | None:
        notes = (record for record in reversed(self.look()) if isinstance(record, Noted) and record.pid == pid)
        return next(notes, None)

    def _thinks(self, pid: int) -> bool:
        own = (record for record in reversed(self.look()) if getattr(record, "pid", None) == pid)
        return isinstance(next(own, None), Noted)


def is_living(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    found = stat(pid)
    return found is not None and found.is_living


def _is_stopped(pid: int) -> bool:
    """Whether all threads of our child have stopped: that is when the kernel reports it."""
    found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED
