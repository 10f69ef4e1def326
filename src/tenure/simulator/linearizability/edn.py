"""The little of EDN (Clojure's notation for data) in which Jepsen writes an operation: one form in one line of text.

nil, true, false, integers and fractions, strings, keywords and symbols, vectors and lists, sets, maps; a tag such as
`#jepsen.history.Op` is passed over. Anything else is refused. What is equal in Clojure is equal when it has been read,
and nothing else is: verdicts rest on that.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from tenure.simulator.linearizability.verdict import HistoryError

MOST_DEPTH = 32
MOST_DIGITS = 4000
"""Fewer than Python reads by default."""
_TOKEN = re.compile(
    r"""[\s,]*(?:
    (?P<open>\#?[{]|[\[(])|(?P<close>[\])}])
    |"(?P<string>(?:[^"\\]|\\.)*)"
    |(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?[NM]?(?=[\s,\])}]|$))
    |(?P<tag>\#[A-Za-z][^\s,\[\](){}"]*)
    |(?P<word>:?[A-Za-z*+!_?<>=.$&%/'-][^\s,\[\](){}"]*)
    )""",
    re.VERBOSE,
)
_CLOSES = {"{": "}", "#{": "}", "[": "]", "(": ")"}
_WORDS: dict[str, Any] = {"nil": None, "true": True, "false": False}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=lambda word: {"": str(word)})
_MEMBERS = "#{}"
"""The one key of the dict that a set becomes; no key of a map is read as this."""


class Word(str):
    """A keyword, with its colon, or a symbol."""

    __slots__ = ()


def read(text: str, start: int = 0) -> tuple[Any, int]:
    """The form that begins at `start`, and where it ends. A vector or list becomes a list, and a map a dict, by its
    keywords and by other keys as text. A set becomes a dict with its members in one order, whatever order they have.

    Raises HistoryError for what is no form.
    """
    open_forms: list[tuple[str, list[Any]]] = []
    at = start
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            missing = (
                "it ends too early: write each operation as one line, and leave out one that was cut off"
                if not text[at:].strip(" ,\t\r\n")
                else f"{_excerpt(text, at)} is no EDN"
            )
            raise HistoryError(missing)
        at = token.end()
        match token.lastgroup:
            case "open":
                if len(open_forms) == MOST_DEPTH:
                    raise HistoryError(f"forms stand more than {MOST_DEPTH} deep in one another")
                open_forms.append((token["open"], []))
                continue
            case "close":
                if not open_forms or _CLOSES[open_forms[-1][0]] != token["close"]:
                    raise HistoryError(f"{token['close']!r} closes nothing at {_excerpt(text, token.start())}")
                value = _closed(*open_forms.pop())
            case "tag":
                continue
            case _:
                value = _atom(token)
        if not open_forms:
            return value, at
        open_forms[-1][1].append(value)


def _atom(token: re.Match[str]) -> Any:
    match token.lastgroup:
        case "string":
            return _string(token["string"])
        case "number":
            return _number(token["number"].rstrip("NM"))
        case _:
            return _WORDS.get(token["word"], Word(token["word"]))


def _string(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return (
            _ESCAPED.sub(_character, text).encode("utf-16", "surrogatepass").decode("utf-16")
        )  # Java writes some characters as two
    except UnicodeDecodeError as error:
        raise HistoryError(f"{text[:20]!r} has half a character, such as \\uD800 without its other half") from error


def _character(escaped: re.Match[str]) -> str:
    text = escaped[1]
    return chr(int(text[1:], 16)) if len(text) > 1 else _ESCAPES.get(text, text)


def _number(digits: str) -> int | float:
    if len(digits) > MOST_DIGITS:
        raise HistoryError(f"a number has {len(digits)} digits, and {MOST_DIGITS} are read")
    if not set(digits) & set(".eE"):
        return int(digits)
    number = float(digits)
    if math.isinf(number):
        raise HistoryError(f"{digits} is too great to be told from others")
    return number


def _closed(opened: str, values: list[Any]) -> Any:
    if opened == "#{":
        return {_MEMBERS: sorted(values, key=text_of)}
    if opened != "{":
        return values
    if len(values) % 2:
        raise HistoryError("a map has a key without a value")
    keys = [key if isinstance(key, Word) else text_of(key) for key in values[::2]]
    if len(set(keys)) < len(keys):
        raise HistoryError("a map has one key twice")
    return dict(zip(keys, values[1::2], strict=True))


def text_of(value: Any) -> str:
    """The same for equal values, and for them only; of what is no keyword or symbol it is none either."""
    return "nil" if value is None else _encoder.encode(value).decode()


def _excerpt(text: str, at: int) -> str:
    return repr(text[at : at + 20].strip())
