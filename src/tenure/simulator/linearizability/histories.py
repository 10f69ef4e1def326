"""A history from a file: our own format, which is one Operation as JSON a line, or Jepsen's.

The first line that is an operation decides which. A log may hold other lines, before and between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tenure.simulator.history import Operation
from tenure.simulator.linearizability.jepsen import LOGGED, Jepsen
from tenure.simulator.linearizability.part import objection
from tenure.simulator.linearizability.verdict import HistoryError

LIMIT_OPERATIONS = 2_000_000
"""The longest history that is read; it takes about a GiB."""
LIMIT_LINE_BYTES = 1 << 20
EXAMPLE = '{"client":1,"key":"x","kind":"write","argument":[1],"result":null,"invoked_ns":0,"completed_ns":5}'
EXAMPLES = f"{EXAMPLE}, {{:process 1, :type :invoke, :f :write, :value 1}}, or INFO  jepsen.util - 1 :invoke :write 1"
GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BYTE_ORDER_MARK, BAD = "\ufeff", "\ufffd"
_decoder = msgspec.json.Decoder(Operation)
_encoder = msgspec.json.Encoder()
_JSON = re.compile(r'\{\s*"')
_EDN = re.compile(r"[\[(]?\s*(?:#[\w.]+)?\s*\{\s*:")


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds."""

    operations: list[Operation]
    """In the order of the file, or, of Jepsen's, of their invocations."""
    has_lines: bool
    """Whether instants are numbers of lines, and not nanoseconds."""


def write(operations: Iterable[Operation], path: Path) -> None:
    """Write them in our own format. Raises OSError."""
    with path.open("wb") as file:
        file.writelines(_encoder.encode(one) + b"\n" for one in operations)


def read(path: Path) -> History:
    """The history in this file. Raises HistoryError where it is none, OSError where it cannot be read."""
    with path.open("rb") as file:
        return parse(iter(lambda: file.readline(LIMIT_LINE_BYTES + 1), b""), name=str(path))


def parse(lines: Iterable[bytes], *, name: str = "the history") -> History:
    """The history in these lines. Raises HistoryError, which names the line."""
    operations: list[Operation] = []
    jepsen = Jepsen()
    form, first_skipped = "", 0
    for number, line in enumerate(lines, start=1):
        try:
            text = _text(line, number)
            here = _form(text)
            if here and BAD in text:
                _refuse_other_encodings(line)
            form = form or here
            if form in {"json", "edn"} and first_skipped:
                raise HistoryError(f"line {first_skipped} before it is neither an operation nor a line of Jepsen's log")
            found = None
            if form == "json" and text:
                found = _decoded(text)
            elif form == "edn":
                found = jepsen.take(number, _unwrapped(text)) if _unwrapped(text) else None
            elif here == "log":
                found = jepsen.take(number, text)
            elif _unwrapped(text) and not form:
                first_skipped = first_skipped or number
            if found is not None:
                operations.append(found)
            if len(operations) > LIMIT_OPERATIONS:
                raise HistoryError(f"these are more than {LIMIT_OPERATIONS} operations; check a part of them")
        except HistoryError as error:
            raise HistoryError(f"{name}, line {number}: {error}") from error
    if form != "json":
        operations += jepsen.rest()
        operations.sort(key=lambda one: one.invoked_ns)
    if not form or not (operations or jepsen.has_clients):
        raise HistoryError(f"{name} holds no operation; a line of it is such as {EXAMPLES}")
    return History(operations=operations, has_lines=form != "json")


def _text(line: bytes, number: int) -> str:
    if len(line) > LIMIT_LINE_BYTES:
        raise HistoryError(f"it has more than {LIMIT_LINE_BYTES} bytes, as no operation has")
    if line.startswith(GZIP):
        raise HistoryError("it is compressed by gzip; unpack it first: gunzip --keep FILE")
    if number == 1 and line.startswith(UTF_16):
        raise HistoryError("it is UTF-16; write it as UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE")
    text = line.decode(errors="replace").strip()
    return text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text


def _refuse_other_encodings(line: bytes) -> None:
    """Of an operation: two values that differ in what cannot be read would be one."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise HistoryError(f"byte {error.start + 1} of it is no UTF-8") from error


def _form(text: str) -> str:
    if _JSON.match(text):
        return "json"
    if _EDN.match(text):
        return "edn"
    return "log" if LOGGED.search(text) else ""


def _unwrapped(text: str) -> str:
    """A line of EDN without a remark, and without the brackets around the whole history."""
    if text.startswith(";"):
        return ""
    return text.removeprefix("[").removeprefix("(").removesuffix("]").removesuffix(")").strip()


def _decoded(text: str) -> Operation:
    try:
        one = _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise HistoryError(f"{error}; it is such as {EXAMPLE}") from error
    wrong = objection(one)
    if wrong:
        raise HistoryError(wrong)
    return one
