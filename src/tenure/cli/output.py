"""How the commands print: data on stdout as a table or as JSON, with nothing in it that could steer a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import click
import msgspec

from tenure.backends.base import Leader, Standing

Format = Literal["table", "json", "jsonl"]
_COLOURS = {
    "led": "green",
    "vacant": "yellow",
    "moved": "yellow",
    "unknown": "red",
    "ok": "green",
    "look": "yellow",
    "bad": "red",
}


def document(value: object) -> None:
    """Print `value` as one JSON document for people and programs."""
    _write_json(msgspec.json.format(_encoded(value), indent=2))


def line_of_json(value: object) -> None:
    """Print `value` as one JSON object on one line."""
    _write_json(_encoded(value))


def _encoded(value: object) -> bytes:
    """JSON is UTF-8: bytes of a file name that are none are escaped by their number, as a narrow terminal has them."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_in_utf8(msgspec.to_builtins(value)))


def _in_utf8(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
        case dict():
            return {_in_utf8(key): _in_utf8(each) for key, each in value.items()}
        case list() | tuple():
            return [_in_utf8(each) for each in value]
        case _:
            return value


def write(text: str) -> None:
    """Print a line now: whoever reads it waits for it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _write_json(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data + b"\n")  # JSON is UTF-8, whatever the locale
    sys.stdout.flush()


def rows(lines: Iterable[Sequence[str]]) -> None:
    """Print lines of cells in columns; a colour is put around the known words of the last step, see `word`."""
    table = [tuple(line) for line in lines]
    if not table:
        return
    widths = [max(len(click.unstyle(line[column])) for line in table) for column in range(len(table[0]))]
    for line in table:
        cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(line, widths, strict=True)]
        write("  ".join(cells).rstrip())


def word(text: str) -> str:
    """A state, in its colour where colours are wanted: on a terminal, unless NO_COLOR is set."""
    colour = _COLOURS.get(text)
    if colour is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, fg=colour)


def plain(text: str) -> str:
    """Text that another process chose, with every character escaped that could move a cursor or break a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def when(since: float | None) -> str:
    """A wall time, in seconds of the epoch, as local time with its offset from UTC; "-" where it is none."""
    try:
        return (
            "-" if since is None else datetime.fromtimestamp(since, tz=UTC).astimezone().isoformat(timespec="seconds")
        )
    except (ValueError, OverflowError, OSError):  # another process wrote it: it may be any number
        return "-"


def leader_in_words(leader: Leader | None) -> str:
    """Who leads, in a few words."""
    return "nobody" if leader is None else f"{plain(leader.candidate)} (token {leader.token})"


def metadata_in_words(who: Leader | Standing) -> str:
    """What a candidate says about itself, such as `host=web-1 pid=4711`."""
    return " ".join(f"{plain(key)}={plain(value)}" for key, value in sorted(who.metadata.items()))
