"""Reads `scheme://[user@]host[:port][,host...]/prefix?option=value`, and names of elections.

No error repeats a password or the value of an option: what was pasted by mistake does not end up in a log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import msgspec

from tenure.errors import ConfigurationError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::([0-9]{1,5}))?")
_NAME_LIMIT = 128
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_NAME_LIMIT - 1}}}")
_PORT_LIMIT = 65535


class Host(msgspec.Struct, frozen=True):
    """A host of a service; without brackets if it is an IPv6 address."""

    name: str
    port: int | None = None


class ParsedUrl(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a URL, decoded; `options` are not checked yet."""

    scheme: str
    user: str | None
    hosts: tuple[Host, ...]
    path: str
    options: Mapping[str, str]


def parse(text: str) -> ParsedUrl:
    """Take `text` apart. Raises ConfigurationError, which says what to write instead."""
    match = _SCHEME.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            "what was given is no URL of a backend; write scheme://..., such as memory://test or file:///absolute/path"
        )
    scheme, rest = match[1].lower(), match[2]
    if "#" in rest:
        raise ConfigurationError(f"the {scheme}:// URL has a '#', which means nothing here; write it as %23")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    if ":" in unquote(user):
        raise ConfigurationError(
            f"the {scheme}:// URL contains a password; take it out: passwords come from the environment or a file, "
            "since URLs are printed, logged and seen in the list of processes"
        )
    return ParsedUrl(
        scheme=scheme,
        user=unquote(user) if at else None,
        hosts=tuple(_host(scheme, host) for host in hosts.split(",")) if hosts else (),
        path=decoded(scheme, slash + path),
        options=_options(scheme, query),
    )


def is_name(text: str) -> bool:
    """Whether `text` can be the name of an election or of a candidate; see `checked_name`."""
    return _NAME.fullmatch(text) is not None


def checked_name(name: str, *, what: str = "an election") -> str:
    """`name`, if it can be the name of `what`: [A-Za-z0-9][A-Za-z0-9._-]{0,127}.

    Such a name is the same as a file, as a key of every service and in a command line. Raises ConfigurationError.
    """
    if is_name(name):
        return name
    possible = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-").rstrip("-")[:_NAME_LIMIT]
    raise ConfigurationError(
        f"{name!r} cannot name {what}: a name has 1 to {_NAME_LIMIT} of the characters A-Z a-z 0-9 . _ - "
        "and begins with a letter or a digit" + (f"; try {possible!r}" if possible else "")
    )


def decoded(scheme: str, text: str, *, quoted: bool = True) -> str:
    """The path that `text` stands for. Bytes that are no UTF-8 become what Python's file names have for them, so that
    different names stay different. Raises ConfigurationError for what no file name can have.
    """
    try:
        data = os.fsencode(text)
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"the {scheme}:// URL contains a character that no file name can have (one half of a surrogate pair); "
            "write the name's bytes in hexadecimal, such as %ff"
        ) from None
    return os.fsdecode(unquote_to_bytes(data) if quoted else data)


def nearest(word: str, among: Collection[str], form: str = "{}") -> str:
    """A hint at the word that was probably meant, or an empty text."""
    from difflib import get_close_matches  # only who mistypes pays for it; a standby has this module twice

    close = get_close_matches(word, among, n=1)
    return f"; did you mean {form.format(close[0])}?" if close else ""


def _host(scheme: str, text: str) -> Host:
    match = _HOST.fullmatch(unquote(text))
    if match is None or int(match[2] or 0) > _PORT_LIMIT:
        raise ConfigurationError(
            f"a host in the {scheme}:// URL cannot be read; write host, host:port or [IPv6 address]:port, "
            "and several with commas between them"
        )
    return Host(match[1].strip("[]"), int(match[2]) if match[2] else None)


def _options(scheme: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ConfigurationError(
            f"the options of the {scheme}:// URL cannot be read; after '?' write option=value, with '&' between them"
        ) from None
    for option, value in pairs:
        if option in options:
            raise ConfigurationError(f"the option {option!r} stands twice in the {scheme}:// URL; keep one of them")
        options[option] = value
    return options


def may_be_shown(text: str) -> bool:
    """Whether nothing in `text` can be a secret: no user, no option."""
    return not any(mark in text for mark in "@=?")
