"""A small key-value machine: get, put, delete and compare-and-set."""

from __future__ import annotations

from typing import assert_never

import msgspec

from tenure.machines.base import Machine


class Get(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What is at `key`? Answered by Found."""

    key: str


class Put(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Let `value` be at `key`. Answered by Stored."""

    key: str
    value: bytes


class Delete(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Let nothing be at `key`. Answered by Stored; false where there was nothing."""

    key: str


class CompareAndSet(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Let `value` be at `key` if `expected` is there (None: nothing). Answered by Stored."""

    key: str
    expected: bytes | None
    value: bytes | None
    """None: let nothing be there."""


class Found(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What was there, and the index of the command that put it there; None and 0 for nothing."""

    value: bytes | None
    index: int


class Stored(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Whether the command took effect."""

    done: bool


class Unreadable(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The command is none of this machine, and changed nothing."""


Command = Get | Put | Delete | CompareAndSet
Answer = Found | Stored | Unreadable
Cell = tuple[bytes, int]
"""A value, and the index of the command that put it there."""

_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_snapshots: msgspec.msgpack.Decoder[dict[str, Cell]] = msgspec.msgpack.Decoder(dict[str, Cell])
encode = msgspec.msgpack.Encoder().encode
"""A command or an answer as bytes."""
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoders raise for bytes of somebody else."""
_STORED, _NOT_STORED = encode(Stored(True)), encode(Stored(False))


def decode_answer(data: bytes) -> Answer:
    """What the machine answered. Raises msgspec.ValidationError for bytes that are no answer of it."""
    return _answers.decode(data)


class KeyValue(Machine):
    """Values by key."""

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}

    def apply(self, index: int, command: bytes) -> bytes:
        try:
            order = _commands.decode(command)
        except _UNREADABLE:
            return encode(Unreadable())
        if isinstance(order, Put):  # first, and by what is cheapest: every copy does it for every command
            self.cells[order.key] = (order.value, index)
            return _STORED
        match order:
            case Get(key=key):
                return self._found(key)
            case Delete(key=key):
                return _STORED if self.cells.pop(key, None) is not None else _NOT_STORED
            case CompareAndSet():
                return _STORED if self._compare_and_set(order, index) else _NOT_STORED
            case _:
                assert_never(order)

    def query(self, query: bytes) -> bytes:
        try:
            order = _commands.decode(query)
        except _UNREADABLE:
            return encode(Unreadable())
        return self._found(order.key) if isinstance(order, Get) else encode(Unreadable())

    def snapshot(self) -> bytes:
        return encode(dict(sorted(self.cells.items())))

    def restore(self, snapshot: bytes) -> None:
        try:
            self.cells = _snapshots.decode(snapshot)
        except _UNREADABLE as error:
            raise ValueError(f"this is no snapshot of a key-value machine: {error}") from error

    def _found(self, key: str) -> bytes:
        value, index = self.cells.get(key, (None, 0))
        return encode(Found(value, index))

    def _compare_and_set(self, order: CompareAndSet, index: int) -> bool:
        found, _ = self.cells.get(order.key, (None, 0))
        if found != order.expected:
            return False
        if order.value is None:
            self.cells.pop(order.key, None)
        else:
            self.cells[order.key] = (order.value, index)
        return True
