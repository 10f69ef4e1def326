"""The little of EDN (Clojure's notation for data) in which Jepsen writes an operation: one form in one line of text.

nil, true, false, integers and fractions, strings, keywords and symbols, vectors and lists, sets, maps; a tag such as
`#jepsen.history.Op` is passed over. Anything else is refused.
"""

from __future__ import annotations

import re
from typing import Any

from tenure.simulator.linearizability.verdict import HistoryError

MOST_DEPTH = 32
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
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Word(str):
    """A keyword, with its colon, or a symbol."""

    __slots__ = ()


def read(text: str, start: int = 0) -> tuple[Any, int]:
    """The form that begins at `start`, and where it ends. A vector, list or set becomes a list; a map a dict by its
    keywords.

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
            return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token["string"])
        case "number":
            digits = token["number"].rstrip("NM")
            try:
                return float(digits) if set(digits) & set(".eE") else int(digits)
            except ValueError as error:  # more digits than Python reads
                raise HistoryError(str(error)) from error
        case _:
            return _WORDS.get(token["word"], Word(token["word"]))


def _closed(opened: str, values: list[Any]) -> Any:
    if opened != "{":
        return values
    if len(values) % 2:
        raise HistoryError("a map has a key without a value")
    return {key: value for key, value in zip(values[::2], values[1::2], strict=True) if isinstance(key, Word)}


def _excerpt(text: str, at: int) -> str:
    return repr(text[at : at + 20].strip())
