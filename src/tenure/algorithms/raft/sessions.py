"""Sessions of clients, so that a command is applied once however often it is asked for, and the machine behind them.

Ongaro 2014, section 6.3: "each client ... assigns unique serial numbers to every command. If a server receives a
command whose serial number has already been executed, it responds immediately without re-executing the request."
"""

from __future__ import annotations

import msgspec

from tenure.algorithms.raft.messages import Command, Executed, NoSession, Opened, Outrun
from tenure.machines.base import Machine


class Session(msgspec.Struct, array_like=True):
    """What is remembered of one client."""

    client: int
    used: int
    """The index of its last command, or of its beginning: who was silent for longest goes first."""
    sequence: int = 0
    """Of the last command that was applied; the first is 1."""
    answer: Executed | None = None
    """To that one."""


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """The data of a snapshot."""

    sessions: list[Session]
    machine: bytes


_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Stored] = msgspec.msgpack.Decoder(Stored)


class Sessions:
    """The state that the log replicates: everything here follows from the entries alone."""

    def __init__(self, machine: Machine, most: int) -> None:
        self.machine = machine
        self._most = most
        self._known: dict[int, Session] = {}

    def open(self, index: int) -> Opened:
        """A new session; its number is the index of its entry. The least recently used one makes room."""
        if len(self._known) >= self._most:
            del self._known[min(self._known.values(), key=lambda session: session.used).client]
        self._known[index] = Session(index, index)
        return Opened(index)

    def execute(self, index: int, command: Command) -> Executed | NoSession | Outrun:
        """Apply a command, unless it was applied before, and answer it."""
        session = self._known.get(command.client)
        if session is None:
            return NoSession()
        session.used = index
        if command.sequence > session.sequence:
            session.sequence = command.sequence
            session.answer = Executed(index, self.machine.apply(index, command.payload))
        elif command.sequence < session.sequence or session.answer is None:
            return Outrun()
        assert session.answer is not None
        return session.answer

    def snapshot(self) -> bytes:
        """All of it, the same bytes at all nodes."""
        return _encode(
            Stored(sorted(self._known.values(), key=lambda session: session.client), self.machine.snapshot())
        )

    def restore(self, data: bytes) -> None:
        """Be what the data says. Raises ValueError for what is none of this machine, and then has changed nothing."""
        try:
            stored = _decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(f"these are no sessions: {error}") from error
        self.machine.restore(stored.machine)
        self._known = {session.client: session for session in stored.sessions}
