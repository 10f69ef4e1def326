"""Each election: who leads, and what keeps anybody from being elected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tenure.backends.base import TOKEN_LIMIT, Moved, Reading
from tenure.cli.connection import Connection
from tenure.cli.doctor.finding import Finding
from tenure.cli.doctor.place import may_be_used
from tenure.cli.output import leader_in_words
from tenure.errors import BackendError, BackendRefused


def examine(connection: Connection, name: str | None, path: Path | None) -> Iterator[Finding]:
    """Each election, or the one that was named, and what it suffers from."""
    for election in (name,) if name is not None else connection.elections():
        try:
            reading = connection.read(election)
        except Moved as moved:
            mend = f"give the place where it is: --at {moved.url}" if moved.url else None
            yield Finding(what=election, state="look", found=str(moved), mend=mend)
            continue
        except BackendError as error:
            yield Finding(what=election, state="bad", found=str(error), mend=_mend(connection, election, error))
            continue
        if not reading.token and reading.leader is None and not reading.candidates:
            found = f"nobody ever stood for it at {connection.where.url}; are name and URL right?"
            mend = f"tenure status --at {connection.where.url} lists those that there are"
            yield Finding(what=election, state="look", found=found, mend=mend)
            continue
        waiting = f"{len(reading.candidates)} waiting"
        found = f"led by {leader_in_words(reading.leader)}, {waiting}; highest token {reading.token}"
        warning = reading.leader.warning if reading.leader is not None else ""
        bar, mend = _bar(reading, None if path is None else path / election)
        yield Finding(
            what=election,
            state="bad" if bar else "look" if warning else "ok",
            found="; ".join(filter(None, (found, warning, bar))),
            mend=mend,
        )


def _bar(reading: Reading, directory: Path | None) -> tuple[str, str | None]:
    """What keeps this user, or everybody, from being elected, and what mends that."""
    if reading.warning:
        return reading.warning, None
    if reading.token >= TOKEN_LIMIT:
        return (
            "its tokens are at their end, so nobody can be elected any more",
            "go on with an election of another name",
        )
    if directory is None:
        return "", None
    own = [directory, *(directory / name for name in ("lock", "token", "leader", "candidates", "tenures"))]
    barred = [str(path) for path in own if os.path.lexists(path) and not may_be_used(path)]
    if not barred:
        return "", None
    return f"this user may not stand, without write access to {', '.join(barred)}", f"chmod -R a+rwX {directory}"


def _mend(connection: Connection, election: str, error: BackendError) -> str | None:
    """What mends an election that the backend itself found damaged; what the system refused, its own words mend."""
    if not isinstance(error, BackendRefused) or isinstance(error.__cause__, OSError) or "floor" not in str(error):
        return None
    floor = f"tenure doctor {election} --at {connection.where.url} --floor N"
    return f"damaged tokens: {floor}, with N the highest token that may have been given"
