"""Jepsen's histories of registers: `:invoke`, `:ok`, `:fail` and `:info` of `:read`, `:write` and `:cas`, a line for
each.

    {:process 3, :type :invoke, :f :cas, :value [1 2]}
    INFO  jepsen.util - 3	:invoke	:cas	[1 2]
    3	:invoke	:cas	[1 2]

`:fail` means that it did not happen, `:info` that nobody knows. Instants are numbers of lines: their order is the
history's. Where each value is a pair of a key and a value, as `jepsen.independent` has it, keys are judged apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tenure.simulator.history import Operation
from tenure.simulator.linearizability import edn
from tenure.simulator.linearizability.verdict import HistoryError

LOGGED = re.compile(
    r"(?:jepsen\.util(?:\s+-)?\s+|^)(\d+|:\w+|(?<=\s)\S+)\s+(:invoke|:ok|:fail|:info)\s+(:\S+)[ \t]*(.*)$"
)
"""A line of a log, where what stands before it is the logger's, or of `history.txt`, which has nothing before it."""
ONLY_KEY = "register"
"""The key where there is but one."""
_KINDS = {":read": "read", ":write": "write", ":cas": "cas"}
_PAIR = 2


class Jepsen:
    """Takes lines one after another, and gives each operation when it is known what became of it."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, str, Any]] = {}
        """Of each process the line, kind and value of its invocation."""
        self._has_keys: bool | None = None
        self.has_clients = False
        """Whether any line was a client's."""

    def take(self, number: int, line: str) -> Operation | None:
        """An operation that ends on this line. Raises HistoryError, without the line's number."""
        found = _of_log(line) if LOGGED.search(line) else _of_map(line)
        if found is None:
            return None
        self.has_clients = True
        process, type_, f, value = found
        if f not in _KINDS:
            raise HistoryError(f"{f} is no operation of a register: :read, :write and :cas are")
        kind = _KINDS[f]
        if type_ == ":invoke":
            if process in self._open:
                raise HistoryError(f"process {process} still does what it began on line {self._open[process][0]}")
            self._open[process] = (number, kind, self._checked(kind, value))
            return None
        invoked, began, asked = self._open.pop(process, (0, "", None))
        if began != kind:
            raise HistoryError(f"process {process} ends a {kind}, and had begun {began or 'nothing'}")
        if type_ == ":fail" or (type_ == ":info" and kind == "read"):
            return None
        if type_ == ":info":
            return self._operation(process, kind, asked, (invoked, None))
        answer = self._checked(kind, value)
        is_of_another = (kind != "read" and answer != asked) or (self._has_keys and answer[0] != asked[0])
        if is_of_another:
            raise HistoryError(f"process {process} ends a {kind} of {_shown(answer)}, and had begun {_shown(asked)}")
        return self._operation(process, kind, answer, (invoked, number))

    def rest(self) -> Iterator[Operation]:
        """What was never answered."""
        for process, (invoked, kind, asked) in self._open.items():
            if kind != "read":
                yield self._operation(process, kind, asked, (invoked, None))

    def _checked(self, kind: str, value: Any) -> Any:
        """The value of an operation, refused where it is none of its kind."""
        inner = value[1] if kind == "cas" and _is_pair(value) else value
        has_key = _is_pair(inner)
        if self._has_keys is None:
            self._has_keys = has_key
        if self._has_keys != has_key:
            had = "a pair of key and value" if self._has_keys else "no key"
            raise HistoryError(f"{_shown(value)} is the value of a {kind}; operations before it had {had}")
        own = value[1] if has_key else value
        if (kind == "cas") != _is_pair(own):
            raise HistoryError(f"{_shown(own)} is the value of a {kind}; a :cas has two, as [1 2], and no other has")
        return value

    def _operation(self, process: int, kind: str, value: Any, lines: tuple[int, int | None]) -> Operation:
        key, own = value if self._has_keys else (edn.Word(ONLY_KEY), value)
        match kind:
            case "read":
                return Operation(process, _key(key), kind, (), own, *lines)
            case "write":
                return Operation(process, _key(key), kind, (own,), None, *lines)
            case _:
                return Operation(process, _key(key), kind, tuple(own), None if lines[1] is None else True, *lines)


def _key(key: Any) -> str:
    """A key as text; "1" and 1 are two."""
    return str(key) if isinstance(key, edn.Word) else edn.text_of(key)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _PAIR


def _shown(value: Any) -> str:
    return f"[{' '.join(map(_shown, value))}]" if isinstance(value, list) else "nil" if value is None else str(value)


def _of_log(line: str) -> tuple[int, str, str, Any] | None:
    match = LOGGED.search(line)
    if match is None or match[1].startswith(":"):  # :nemesis breaks things; it is no client
        return None
    process, type_, f, rest = match.groups()
    if not process.isdecimal() or len(process) > edn.MOST_DIGITS:
        raise HistoryError(f"{process[:40]} is no number of a process")
    is_needed = type_ in {":invoke", ":ok"}
    return int(process), type_, f, edn.read(rest)[0] if is_needed else None


def _of_map(line: str) -> tuple[int, str, str, Any] | None:
    form, end = edn.read(line)
    if line[end:].strip(" ,\t\r\n").partition(";")[0]:
        raise HistoryError(f"{line[end : end + 20].strip()!r} stands behind it; write one operation a line")
    if not isinstance(form, dict):
        raise HistoryError("it is no map such as {:process 0, :type :invoke, :f :read, :value nil}")
    process, type_, f = form.get(":process"), form.get(":type"), form.get(":f")
    if isinstance(process, edn.Word):
        return None
    has_words = isinstance(type_, edn.Word) and isinstance(f, edn.Word)
    if type(process) is not int or not has_words or type_ not in {":invoke", ":ok", ":fail", ":info"}:
        raise HistoryError("it lacks a :process (a number), an :f, or a :type of :invoke, :ok, :fail or :info")
    return process, str(type_), str(f), form.get(":value")
