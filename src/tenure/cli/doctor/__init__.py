"""`tenure doctor`: what is so here, what is wrong with it, and the line that mends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from tenure._version import __version__
from tenure.backends import registry
from tenure.backends.registry import Resolved
from tenure.cli import exits
from tenure.cli.connection import Connection
from tenure.cli.doctor import elections, machine, place, timing
from tenure.cli.doctor.finding import DISK, Finding
from tenure.cli.exits import Exit
from tenure.cli.options import DURATION, ELECTION, at_option, output_option, talk_options
from tenure.cli.output import Format, document, line_of_json, plain, rows, word
from tenure.errors import BackendError

PROBED = "tenure-doctor"
"""Which election is looked at to measure a service that has none yet."""


@click.command("doctor")
@click.argument("name", required=False, type=ELECTION)
@at_option
@click.option(
    "--floor",
    type=click.IntRange(min=0),
    help="Let every later token of NAME be above this one: mends a damaged counter. Refused while somebody leads.",
)
@click.option("--lease", type=DURATION, help="Whether this lease would do; default: the URL's own.")
@click.option("--grace", type=DURATION, help="Whether that would leave the work so long to end; default: a quarter.")
@output_option
@talk_options
def command(
    name: str | None, at: str | None, floor: int | None, *, lease: float | None, grace: float | None, output: Format
) -> int:
    """Say what was resolved here, who takes part, what it vouches for, what is wrong, and what mends it.

    With NAME it looks at that election too. Ends with 0 where nothing is bad, else with 1.
    """
    if floor is not None:
        return _set_floor(name, at, floor)
    findings = list(_findings(name, at, lease, grace))
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


def _findings(name: str | None, at: str | None, lease_s: float | None, grace_s: float | None) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(what="version", state="ok", found=f"tenure {__version__}, Python {python}, {sys.platform}")
    yield machine.clock()
    yield machine.descriptors()
    resolved = registry.resolve(at)
    yield Finding(what="url", state="ok", found=f"{resolved.url} (from {resolved.origin})")
    yield Finding(
        what="scope",
        state="look" if resolved.warnings else "ok",
        found="; ".join((_scope_in_words(resolved.scope), *resolved.warnings)),
        mend="give the URL of a place that all of them share (--at URL, or TENURE_URL)" if resolved.warnings else None,
    )
    if resolved.path is not None:
        yield from place.examine(resolved.path, resolved.scheme)
    try:
        connection = Connection(at, warn=False)
        yield _grade(connection.where.grade, resolved.scheme)
        yield from _timing(connection, resolved, name, lease_s, grace_s)
        yield from elections.examine(connection, name, resolved.path)
    except BackendError as error:
        yield Finding(what="backend", state="bad", found=str(error))


def _timing(
    connection: Connection, resolved: Resolved, name: str | None, lease_s: float | None, grace_s: float | None
) -> Iterator[Finding]:
    """What one call may take, and what it takes."""
    able = connection.backend.capabilities
    finding, budget = timing.budget_of(resolved.url, able, lease_s, grace_s)
    yield finding
    if budget is None:
        return
    try:
        if resolved.path is None:
            latency = timing.latency_of_service(lambda: connection.read(name or PROBED))
        else:
            latency = timing.latency_of_disk(place.existing(resolved.path))
    except (OSError, BackendError) as error:
        found = f"it could not be measured: {error}"
        yield Finding(what="latency", state="look", found=found, mend="mend the rest, and look again")
        return
    yield timing.judged(latency, budget, resolved.scheme)


def _scope_in_words(scope: str) -> str:
    return {
        "process": "process: only threads and tasks of one process take part",
        "user": "user: processes of this user on this host take part",
        "host": "host: processes on this host take part",
        "cluster": "cluster: processes on every host that reaches it take part",
    }[scope]


def _grade(grade: str, scheme: str) -> Finding:
    words = {
        "A": "A: one leader and growing tokens while any minority of the service is lost",
        "B": "B: one leader and growing tokens across crash and restart of this one node",
        "C": "C: one leader and growing tokens until the service restarts or fails over; then tokens may begin anew",
    }
    kept = scheme if scheme in {"file", "lease"} else "file"
    mend = f"use a directory on a disk: --at {kept}://{DISK}" if grade == "C" else None
    return Finding(what="grade", state="look" if grade == "C" else "ok", found=words[grade], mend=mend)
