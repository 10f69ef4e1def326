"""What the fault tests share: an election with candidates as real processes, hurt by pid, judged by the audit.

A `Trial` owns all that one test starts. When it ends well it demands that nothing is left: no process, no descriptor of
the test's own, no presence and no unfinished file in the election's directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tenure.audit import Acted, Ledger, Opened, Reader, Record, Verdict, audit
from tenure.backends.base import Backend, Reading
from tenure.backends.file import record
from tenure.backends.file.place import Place
from tenure.backends.registry import connect
from tenure.holding.events import Resign
from tests.processes.guarded_scene import LIMIT_S, PROGRAMS, Scene, state, until

ELECTION = "nightly-report"
T = TypeVar("T")
ROOT = Path(__file__).parents[2]


class Member:
    """One candidate process. Signals go by pidfd: a pid that is used again is never hit."""

    def __init__(self, nursery: Nursery, name: str, pid: int, pidfd: int, ledger: Ledger) -> None:
        self.name = name
        self.pid = pid
        self._ledger = ledger
        self._nursery = nursery
        self._pidfd = pidfd
        self._is_reported = False
        self._sent: set[int] = set()

    def signal(self, number: int) -> None:
        """Send a signal, if it lives still."""
        self._sent.add(number)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def order(self) -> None:
        """Tell it to end, unless it was told: a second SIGTERM kills."""
        self.signal(signal.SIGCONT)
        if signal.SIGTERM not in self._sent:
            self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, see it dead, and put both down for the audit."""
        self._ledger.alive(self.pid)
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def stop(self) -> None:
        """Stop it, and see that it is stopped or dead."""
        self.signal(signal.SIGSTOP)
        until(lambda: state(self.pid) in {"T", "Z", "X", ""}, "it is stopped")

    def belongings(self) -> tuple[int, int]:
        """How many threads and descriptors it has."""
        return len(os.listdir(f"/proc/{self.pid}/task")), len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208  only counted

    def has_no_more_than(self, before: tuple[int, int]) -> bool:
        """Whether it has no more threads than before, and but for two that come and go, no more descriptors."""
        threads, descriptors = self.belongings()
        return threads <= before[0] and descriptors <= before[1] + 2

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return bool(select.select([self._pidfd], [], [], 0)[0])

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Its exit code, or minus the signal that killed it."""
        until(lambda: self._nursery.status(self.pid) is not None, f"candidate {self.pid} ends", limit_s)
        status = self._nursery.status(self.pid)
        assert status is not None
        if not self._is_reported:
            self._is_reported = True
            self._ledger.died(self.pid)
        return status

    def close(self) -> None:
        """Give its pidfd back."""
        os.close(self._pidfd)


class Nursery:
    """The test's end of `fault_nursery`."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, ledger: Ledger) -> None:
        self.process = process
        self._ledger = ledger
        self._connection = connection
        self._statuses: dict[int, int] = {}
        self.members: list[Member] = []

    def bear(self, plan: dict[str, Any]) -> Member:
        """Have a candidate forked."""
        self._connection.settimeout(LIMIT_S)
        self._connection.send(json.dumps(plan).encode())
        while True:
            report, pidfds = self._receive()
            if "status" not in report:
                member = Member(self, plan["name"], report["pid"], pidfds[0], self._ledger)
                self.members.append(member)
                return member
            self._statuses[report["pid"]] = report["status"]

    def status(self, pid: int) -> int | None:
        """How a candidate ended; None while it lives."""
        while pid not in self._statuses and select.select([self._connection], [], [], 0)[0]:
            report, _ = self._receive()
            self._statuses[report["pid"]] = report["status"]
        return self._statuses.get(pid)

    def close(self) -> None:
        """End it, and with it all that it bore."""
        self._connection.shutdown(socket.SHUT_WR)
        self._connection.close()
        self.process.wait(LIMIT_S)
        for member in self.members:
            member.close()

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        data, pidfds, _, _ = socket.recv_fds(self._connection, 65536, 1)
        assert data, "the nursery has ended"
        return json.loads(data), list(pidfds)


class Trial(Scene):
    """An election in a directory of its own, its candidates, and the book of what they did as leaders."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.place = folder / "elections"
        self.scheme, self.query = "file", ""
        self.book = folder / "book.jsonl"
        self.talk = folder / "talk"
        self.armed = folder / "armed"
        self._descriptors = _descriptors()
        self.ledger = Ledger(self.book)
        self._reader = Reader(self.book)
        self._records: list[Record] = []
        self._nursery: Nursery | None = None
        self._names = 0

    @property
    def url(self) -> str:
        """Where the election is."""
        return self.place.as_uri().replace("file", self.scheme, 1) + self.query

    @property
    def directory(self) -> Path:
        """The election's own directory."""
        return self.place / ELECTION

    def close(self, *, has_failed: bool) -> None:
        """End all that is left; after a test that went well nothing may be."""
        if self._nursery is not None:
            self._nursery.close()
        self.ledger.close()
        print(self.said())  # noqa: T201  shown where the test fails
        self.__exit__(AssertionError if has_failed else None)
        if not has_failed:  # threads of other tests in this process may still be at their closing
            until(lambda: _descriptors() <= self._descriptors, "every descriptor is closed")

    def candidate(self, name: str = "", **plan: Any) -> Member:
        """Fork a candidate with this plan; see `fault_candidate`."""
        self._names += 1
        defaults = {
            "election": ELECTION,
            "url": self.url,
            "name": name or f"c{self._names}",
            "ledger": str(self.book),
            "talk": str(self.talk),
            "armed": str(self.armed),
        }
        return self.nursery.bear({**defaults, **plan})

    @property
    def nursery(self) -> Nursery:
        """Started when it is first needed."""
        if self._nursery is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, str(PROGRAMS / "fault_nursery.py"), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    env={**self.environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                    pass_fds=(theirs.fileno(),),
                )
            self._nursery = Nursery(process, ours, self.ledger)
        return self._nursery

    @property
    def members(self) -> list[Member]:
        """All candidates that were forked."""
        return [] if self._nursery is None else self._nursery.members

    # ------------------------------------------------------------------------------------------------ what is seen

    def read(self) -> Reading:
        """One look at the election."""
        return asyncio.run(self._with_backend(lambda backend: backend.read(ELECTION)))

    def read_at(self, url: str) -> Reading:
        """One look at the election in another place."""
        return asyncio.run(self._with_backend(lambda backend: backend.read(ELECTION), url))

    def ask_resign(self) -> None:
        """Ask whoever leads to step down."""
        asyncio.run(self._with_backend(lambda backend: backend.ask(ELECTION, Resign())))

    def set_floor(self, token: int) -> None:
        """Let later tokens be above this one, as the doctor does."""
        asyncio.run(self._with_backend(lambda backend: backend.floor(ELECTION, token)))

    async def _with_backend(self, call: Callable[[Backend], Awaitable[T]], url: str = "") -> T:
        backend = connect(url or self.url)
        try:
            return await call(backend)
        finally:
            await backend.close()

    def records(self) -> list[Record]:
        """What is in the ledger so far."""
        self._records += self._reader.new()
        return self._records

    def opened(self) -> list[Opened]:
        """The tenures so far, in the order of the ledger."""
        return [record for record in self.records() if isinstance(record, Opened)]

    def token(self) -> int:
        """The highest token with which anybody has led."""
        return max((opened.token for opened in self.opened()), default=0)

    def until_led(self, by: str = "", *, above: int = 0, limit_s: float = LIMIT_S) -> int:
        """Wait until somebody, or the candidate `by`, leads with a token above this one; returns the token."""
        found: list[int] = []

        def look() -> bool:
            is_anybody_left = not all(member.is_over for member in self.members) or any(
                wrapper.process.poll() is None for wrapper in self._wrappers
            )
            found[:] = [one.token for one in self.opened() if one.token > above and by in {"", one.candidate}]
            assert found or is_anybody_left, f"every candidate has ended: {self.said()}"
            return bool(found)

        until(look, f"{by or 'somebody'} leads with a token above {above}", limit_s)
        return found[-1]

    def until_reserved(self) -> None:
        """Wait until the leader has put the counter one ahead for the next, and writes nothing there any more."""
        place = Place(str(self.directory.parent), self.directory.name, private=False)

        def look() -> bool:
            last = record.read(place)
            return last is not None and last.reserve == "durable"

        until(look, "the next token is reserved")

    def until_acted(self, limit_s: float = LIMIT_S) -> None:
        """Wait until somebody acts after now."""
        count = len(self.records())
        until(lambda: any(isinstance(one, Acted) for one in self.records()[count:]), "somebody acts", limit_s)

    def until_standing(self, count: int) -> None:
        """Wait until so many stand."""
        until(lambda: self.standing() == count, f"{count} stand")

    def standing(self) -> int:
        """How many stand, without looking at who they are."""
        with contextlib.suppress(FileNotFoundError):
            return sum(not name.startswith(".tmp-") for name in os.listdir(self.directory / "candidates"))  # noqa: PTH208  a count needs no paths
        return 0

    def said(self, most: int = 4000) -> str:
        """The last of what candidates said on stderr."""
        return self.talk.read_text(encoding="utf-8")[-most:] if self.talk.exists() else ""

    # ------------------------------------------------------------------------------------------------ how it ends

    def settle(self) -> None:
        """Somebody leads again, with a greater token; all end well; nothing is left, and the audit is content."""
        before = self.token()
        survivors = [member for member in self.nursery.members if not member.is_over]
        for member in survivors:
            member.order()
        ended = {member.name: member.wait() for member in survivors}
        # Minus SIGTERM: it came when all was released, and only the interpreter had still to end.
        assert set(ended.values()) <= {0, 128 + signal.SIGTERM, -signal.SIGTERM}, ended
        last = self.candidate("last", rounds=1, hold_s=0.0)
        assert last.wait() == 0
        assert self.token() > before
        self.audit()
        assert list((self.directory / "candidates").iterdir()) == []

    def audit(self) -> Verdict:
        """No two valid tenures at one instant, tokens only grow, no act came too late."""
        verdict = audit(self.records())
        assert verdict.is_clean, verdict.in_words()
        return verdict


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208  names are numbers here


@contextlib.contextmanager
def burner() -> Iterator[None]:
    """Keep one core busy, more nicely than everybody else."""
    process = subprocess.Popen(["nice", "-n", "19", sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
