"""`tenure doctor`: what is so here, what is wrong with it, and the line that mends it."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click
import msgspec

from tenure._version import __version__
from tenure.backends import registry
from tenure.backends.base import TOKEN_LIMIT, Moved, Reading
from tenure.cli import exits
from tenure.cli.connection import Connection
from tenure.cli.exits import Exit
from tenure.cli.options import ELECTION, at_option, output_option, talk_options
from tenure.cli.output import Format, document, leader_in_words, line_of_json, plain, rows, word
from tenure.clock import BootClock
from tenure.errors import BackendError, BackendRefused

FREE_BYTES = 16 * 1024 * 1024
"""Below this much free space the doctor warns: an election needs some 30 KiB, but the disk fills for other reasons."""
DESCRIPTORS = 256
"""Below this limit the doctor warns: each election that a process leads needs one."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: "ok"; "look" where somebody should decide; "bad" where it does not work."""

    what: str
    state: Literal["ok", "look", "bad"]
    found: str
    mend: str | None = None


@click.command("doctor")
@click.argument("name", required=False, type=ELECTION)
@at_option
@click.option(
    "--floor",
    type=click.IntRange(min=0),
    help="Let every later token of NAME be above this one: mends a damaged counter. Refused while somebody leads.",
)
@output_option
@talk_options
def command(name: str | None, at: str | None, floor: int | None, output: Format) -> int:
    """Say what was resolved here, who takes part, what it vouches for, what is wrong, and what mends it.

    With NAME it looks at that election too. Ends with 0 where nothing is bad, else with 1.
    """
    if floor is not None:
        return _set_floor(name, at, floor)
    findings = list(_findings(name, at))
    if output == "json":
        document(findings)
    elif output == "jsonl":
        for finding in findings:
            line_of_json(finding)
    else:
        rows(line for one in findings for line in _lines(one))
    return Exit.FAILURE if any(one.state == "bad" for one in findings) else Exit.DONE


def _lines(finding: Finding) -> Iterator[tuple[str, str, str]]:
    yield word(finding.state), finding.what, plain(finding.found)
    if finding.mend is not None:
        yield "", "", f"mend it: {plain(finding.mend)}"


def _set_floor(name: str | None, at: str | None, floor: int) -> int:
    if name is None:
        raise click.UsageError("--floor needs the NAME of the election whose tokens it is about")
    connection = Connection(at)
    connection.floor(name, floor)
    exits.say(f"every later token of {name} at {connection.where.url} is above {floor}")
    return Exit.DONE


def _findings(name: str | None, at: str | None) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(what="version", state="ok", found=f"tenure {__version__}, Python {python}, {sys.platform}")
    yield _clock()
    yield _descriptors()
    resolved = registry.resolve(at)
    yield Finding(what="url", state="ok", found=f"{resolved.url} (from {resolved.origin})")
    yield Finding(
        what="scope",
        state="look" if resolved.warnings else "ok",
        found="; ".join((_scope_in_words(resolved.scope), *resolved.warnings)),
        mend="give the URL of a place that all of them share (--at URL, or TENURE_URL)" if resolved.warnings else None,
    )
    if resolved.path is not None:
        yield from _directory(resolved.path)
    try:
        connection = Connection(at, warn=False)
        yield _grade(connection.where.grade)
        yield from _elections(connection, name, resolved.path)
    except BackendError as error:
        yield Finding(what="backend", state="bad", found=str(error))


def _clock() -> Finding:
    if BootClock.name == "CLOCK_BOOTTIME":
        return Finding(what="clock", state="ok", found="CLOCK_BOOTTIME: it counts on in suspend, and nobody sets it")
    return Finding(what="clock", state="look", found=f"{BootClock.name}: it may stand still while this machine sleeps")


def _descriptors() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = 0 <= limit < DESCRIPTORS
    return Finding(
        what="descriptors",
        state="look" if few else "ok",
        found=f"{limit} for each process; each election that it leads needs one",
        mend=f"ulimit -n {4 * DESCRIPTORS}" if few else None,
    )


def _scope_in_words(scope: str) -> str:
    return {
        "process": "process: only threads and tasks of one process take part",
        "user": "user: processes of this user on this host take part",
        "host": "host: processes on this host take part",
        "cluster": "cluster: processes on every host that reaches it take part",
    }[scope]


def _grade(grade: str) -> Finding:
    words = {
        "A": "A: one leader and growing tokens while any minority of the service is lost",
        "B": "B: one leader and growing tokens across crash and restart of this one node",
        "C": "C: one leader and growing tokens until the service restarts or fails over; then tokens may begin anew",
    }
    return Finding(what="grade", state="look" if grade == "C" else "ok", found=words[grade])


def _directory(path: Path) -> Iterator[Finding]:
    """What the directory of `file://` stands on, and whether this user may lead there."""
    from tenure.backends.file.filesystems import footing

    try:
        ground = footing(str(path))
    except BackendRefused as error:
        yield Finding(what="file system", state="bad", found=str(error))
        return
    yield Finding(
        what="file system",
        state="look" if ground.warning else "ok",
        found="; ".join(filter(None, (ground.kind, ground.warning))),
        mend="use a directory on a disk: --at file:///var/lib/tenure" if ground.warning else None,
    )
    existing = next((place for place in (path, *path.parents) if _is_there(place)), path)
    if not existing.is_dir() or not _may_be_used(existing):
        why = "cannot be written by this user" if existing.is_dir() else "is no directory"
        mend = "use a directory that this user may write, such as --at file:///var/lib/tenure"
        yield Finding(what="directory", state="bad", found=f"{existing} {why}", mend=mend)
        return
    free = shutil.disk_usage(existing).free
    yield Finding(
        what="directory",
        state="look" if free < FREE_BYTES else "ok",
        found=f"{path} {'exists' if existing == path else 'is made by the first candidate'}, {free >> 20} MiB are free",
        mend=f"free some space below {existing}" if free < FREE_BYTES else None,
    )


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # its parent may not be searched; that one is reported
        return False


def _elections(connection: Connection, name: str | None, path: Path | None) -> Iterator[Finding]:
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
            yield Finding(what=election, state="look", found=found)
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
    barred = [str(path) for path in own if os.path.lexists(path) and not _may_be_used(path)]
    if not barred:
        return "", None
    return f"this user may not stand, without write access to {', '.join(barred)}", f"chmod -R a+rwX {directory}"


def _may_be_used(path: Path) -> bool:
    """Whether this user, with the rights that it has now, may read and write there."""
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True)


def _mend(connection: Connection, election: str, error: BackendError) -> str | None:
    """What mends an election that the backend itself found damaged; what the system refused, its own words mend."""
    if not isinstance(error, BackendRefused) or isinstance(error.__cause__, OSError):
        return None
    floor = f"tenure doctor {election} --at {connection.where.url} --floor N"
    return f"a damaged counter: {floor}, with N the highest token that may have been given"
