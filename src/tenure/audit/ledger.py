"""The file that all processes write their records into, and its readers.

Each record is one line, written by one write(2) to a descriptor with O_APPEND, so lines never mix, and their order in
the file is the order in which they were written, across all processes of the host.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tenure.audit.records import Acted, Alive, Died, Ended, Noted, Opened, Record, Told
from tenure.clock import BootClock, Clock
from tenure.errors import Reason

_decode = msgspec.json.Decoder(Record).decode
_encode = msgspec.json.Encoder().encode


class Ledger:
    """Appends records. Threads and forked children may share one."""

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        self.clock = clock or BootClock()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, record: Record) -> None:
        """Write one line. Raises OSError where the disk is full: the ledger is of no use then."""
        line = _encode(record) + b"\n"
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(f"only {written} of {len(line)} bytes of a record were written; this ledger is damaged")

    def alive(self, pid: int) -> None:
        """Put down that a process lives: just before killing it, or before a look that finds it alive."""
        self.append(Alive(pid=pid, at_ns=self.clock.now_ns()))

    def died(self, pid: int) -> None:
        """Put down that a process was seen to be dead."""
        self.append(Died(pid=pid, at_ns=self.clock.now_ns()))

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class Scribe:
    """Puts down what becomes of one tenure of this process. The pid is that of whoever calls."""

    def __init__(self, ledger: Ledger, election: str, token: int, candidate: str) -> None:
        self._ledger = ledger
        self._election = election
        self._token = token
        self._candidate = candidate

    def opened(self, *, deadline_ns: int | None = None, with_pid: int | None = None) -> None:
        """Call it first thing after `lead()` has returned."""
        self._append(Opened, deadline_ns=deadline_ns, with_pid=with_pid)

    def noted(self, note: str) -> None:
        self._append(Noted, note=note)

    @contextmanager
    def act(self, what: str, *, deadline_ns: int | None = None) -> Iterator[None]:
        """Put the act of the `with` block down once it is done; one that raised is none."""
        began_ns = self._ledger.clock.now_ns()
        yield
        self._append(Acted, act=what, began_ns=began_ns, deadline_ns=deadline_ns)

    def told(self, reason: Reason, *, deadline_ns: int | None = None) -> None:
        """Call it when the body learns that it must stop."""
        self._append(Told, reason=reason, deadline_ns=deadline_ns)

    def ended(self, reason: Reason | None = None, *, deadline_ns: int | None = None) -> None:
        """Call it as the last thing in the body: inside `async with`, not after it."""
        self._append(Ended, reason=reason, deadline_ns=deadline_ns)

    def _append(self, kind: type[Opened | Noted | Acted | Told | Ended], **fields: object) -> None:
        about = {"election": self._election, "token": self._token, "candidate": self._candidate, "pid": os.getpid()}
        self._ledger.append(msgspec.convert(about | fields | {"at_ns": self._ledger.clock.now_ns()}, kind))


class Reader:
    """Reads a ledger while others write it; each call gives what came since the last."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._offset = 0

    def new(self) -> list[Record]:
        """The records that came since the last call, of complete lines; none while there is no file.

        Raises msgspec.ValidationError or msgspec.DecodeError for a line that is no record: the ledger is damaged.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [_decode(line) for line in complete.splitlines()]
