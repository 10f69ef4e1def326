"""What a path is answered with, whichever server takes it to the client."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

ALLOWED = ("GET", "HEAD")
"""Methods: nothing can be changed."""
JSON = "application/json"


class Answer(NamedTuple):
    """`status` of HTTP, `kind` for Content-Type, `body` in bytes."""

    status: int
    kind: str
    body: bytes


def said(status: int, **what: Any) -> Answer:
    """These things, as JSON on one line."""
    return Answer(status, JSON, msgspec.json.encode(what) + b"\n")


def no_such_path(paths: list[str]) -> Answer:
    """404, with those that there are."""
    return said(404, error="no such path", paths=paths)


def not_allowed() -> Answer:
    """405."""
    return said(405, error=f"only {' and '.join(ALLOWED)} are answered")
