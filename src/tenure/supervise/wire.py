"""What wrapper and guardian say to each other: orders down, reports up, one message a packet.

The channel is a SOCK_SEQPACKET pair: packets keep their bounds, descriptors travel with them, and the end of one side
is an end of file for the other. No side ever blocks on it: a stopped reader must not stop the writer.
"""

from __future__ import annotations

import array
import enum
import os
import socket
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from tenure.errors import ConfigurationError

MESSAGE_BYTES = 16384
"""The longest packet; all that has no bound (command and environment) travels in a file of its own."""
PROGRAM_BYTES = 8 << 20
"""The longest command with environment; Linux itself allows 2 MiB with the usual stack limit of 8 MiB."""
DESCRIPTORS = 16
"""The most descriptors that one order carries; a job inherits one, or none."""


class Because(enum.Enum):
    """Why a job is being ended."""

    ITSELF = "its main process ended"
    ORDER = "the wrapper ordered it"
    DEADLINE = "its hard deadline came"
    WRAPPER = "its wrapper died"


class Program(msgspec.Struct, frozen=True, array_like=True):
    """What to execute: bytes, because neither arguments nor environments need to be UTF-8."""

    command: list[bytes]
    environment: list[tuple[bytes, bytes]]


class Start(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Start a job. With it travel the descriptor of its `Program`, and those that the job inherits."""

    grace_ns: int
    deadline_ns: int | None
    foreground: bool


class SetDeadline(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Kill everything at this instant of CLOCK_BOOTTIME, unless told otherwise by then."""

    deadline_ns: int | None


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """End the job: this signal to its process group, after the grace SIGKILL to all."""

    signal: int


class Forward(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Send this signal to the job's process group."""

    signal: int


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The command was executed."""

    pid: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The command was not executed: what failed, and the error number, or 0 where `problem` says it all."""

    problem: str
    error: int


class Paused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The job's main process was stopped by this signal."""

    signal: int


class Continued(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A SIGCONT was forwarded: what was reported `Paused` before this is old."""


class EndingBegun(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The end of the job has begun."""

    because: Because


class LeftBehind(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The main process ended by itself, with this status, and left these processes, which are being ended."""

    status: int
    count: int
    some: list[str]


class Remaining(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Everything was sent SIGKILL, and these are still there."""

    pids: list[int]


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Nothing of the job is left; `status` is that of its main process, in the shell's convention."""

    status: int
    because: Because


Order: TypeAlias = Start | SetDeadline | Stop | Forward
Report: TypeAlias = Started | Refused | Paused | Continued | EndingBegun | LeftBehind | Remaining | Ended

_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(Order).decode
_decode_report = msgspec.msgpack.Decoder(Report).decode
_program = msgspec.msgpack.Decoder(Program).decode


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end of the pair."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Both ends: the wrapper's and the guardian's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, message: Order | Report, descriptors: Sequence[int] = ()) -> bool:
        """Whether the message was taken: not when the other side has stopped reading and its buffer is full.

        That the other side is gone is no error here: the reading end of this channel tells, in its turn.
        """
        packet = _encode(message)
        assert len(packet) <= MESSAGE_BYTES, f"{type(message).__name__} does not fit into a packet"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self._socket.sendmsg([packet], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True
        return True

    def orders(self) -> tuple[Order, list[int]] | None:
        """The next order with its descriptors, or None; raises Closed when the wrapper is gone."""
        received = self._receive()
        return None if received is None else (_decode_order(received[0]), received[1])

    def reports(self) -> Report | None:
        """The next report, or None; raises Closed when the guardian is gone."""
        received = self._receive()
        return None if received is None else _decode_report(received[0])

    def _receive(self) -> tuple[bytes, list[int]] | None:
        descriptors = array.array("i")
        room = socket.CMSG_LEN(DESCRIPTORS * descriptors.itemsize)
        try:
            packet, rights, _, _ = self._socket.recvmsg(MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        except ConnectionResetError:  # the other side went with packets of ours unread
            raise Closed from None
        if not packet:
            raise Closed
        for level, kind, data in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        return packet, list(descriptors)


def write_program(command: Sequence[str], environment: dict[str, str]) -> int:
    """A descriptor of a nameless file in memory that holds the program; the caller closes it.

    Raises ConfigurationError where nothing could execute it anyway.
    """
    pairs = [(os.fsencode(name), os.fsencode(value)) for name, value in environment.items()]
    content = _encode(Program([os.fsencode(word) for word in command], pairs))
    if not command or len(content) > PROGRAM_BYTES:
        raise ConfigurationError(
            f"a command of {len(command)} words with an environment of {len(environment)} variables "
            f"({len(content)} bytes) cannot be executed; nothing was started; give one word at least, and less than "
            f"{PROGRAM_BYTES >> 20} MiB"
        )
    descriptor = os.memfd_create("tenure-program")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor


def read_program(descriptor: int) -> Program:
    """What `write_program` wrote; closes the descriptor."""
    with open(descriptor, "rb") as file:
        file.seek(0)
        return _program(file.read(PROGRAM_BYTES))
