"""Leads inside a generator that nobody finishes: it is closed when the interpreter is already going down."""

import sys
from collections.abc import Iterator

from tenure.blocking import Election


def leading() -> Iterator[int]:
    """Lead for as long as the generator lives."""
    with Election("e", sys.argv[1]).lead() as tenure:
        yield tenure.token


held = leading()
print(next(held), flush=True)  # noqa: T201  what the test waits for
