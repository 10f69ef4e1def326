"""`tenure watch`: each change of leader as it comes, with the gap between leaders."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_never

import click
import msgspec

from tenure.backends.base import Leader
from tenure.cli import exits
from tenure.cli.connection import Connection, Views
from tenure.cli.exits import Exit, Stop
from tenure.cli.options import DURATION, at_option, name_argument, output_option, talk_options
from tenure.cli.output import Format, document, leader_in_words, line_of_json, plain, word, write
from tenure.durations import NS_PER_S
from tenure.errors import BackendError, BackendRefused, BackendUnreachable
from tenure.options import CALL_LIMIT_S
from tenure.views import Led, Unknown, Vacant, View

NS_PER_MS = 1_000_000
WHY_S = 1.0
"""How long a line that says "unknown" waits for the reason."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One view, as `-o json` and `-o jsonl` print it; `view` is "led", "vacant" or "unknown"."""

    time: str
    """Wall time, for reading only."""
    election: str
    view: str
    leader: Leader | None = None
    gap_ms: float | None = None
    """From the end of the last leader to this one, as seen here; null where no end was seen."""
    for_s: float | None = None
    """How long nobody has been able to tell."""
    last: Leader | None = None
    """With "unknown": who led when the backend last answered. Nobody knows whether it still does."""
    last_view: str | None = None
    """With "unknown": what was seen last, "led" or "vacant"; null where nothing was ever seen."""
    error: str | None = None
    """With "unknown": why the backend cannot tell, where it says so."""


class Gaps:
    """Measures how long nobody led between two leaders."""

    def __init__(self) -> None:
        self._token = 0
        self._since_ns: int | None = None

    def see(self, came_ns: int, view: View) -> float | None:
        """Take the next view; the gap in milliseconds where it ends one."""
        match view:
            case Led(leader):
                gap_ms = None if self._since_ns is None else (came_ns - self._since_ns) / NS_PER_MS
                self._token, self._since_ns = leader.token, None
                return gap_ms
            case Vacant():
                if self._token and self._since_ns is None:
                    self._since_ns = came_ns
            case Unknown():
                self._token, self._since_ns = 0, None  # who led meanwhile, and how long, was not seen
            case _:
                assert_never(view)
        return None


@click.command("watch")
@name_argument
@at_option
@click.option("--count", type=click.IntRange(min=1), help="End after so many lines.")
@click.option(
    "--for", "for_s", type=DURATION, envvar="TENURE_WATCH_FOR", allow_from_autoenv=False, help="End after so long."
)
@output_option
@talk_options
def command(name: str, at: str | None, count: int | None, for_s: float | None, output: Format) -> None:
    """Print who leads the election NAME now, and then each change as it comes.

    A line with "unknown" means that the backend cannot be asked: somebody may lead, and nobody here knows who. Where
    the first look is refused it ends with 77 or 78; a backend that is out of reach is waited for.
    """
    began_ns = time.monotonic_ns()
    until_ns = None if for_s is None else began_ns + round(for_s * NS_PER_S)
    shown: list[Change] = []
    try:
        connection = Connection(at)
        with exits.ending_on(signal.SIGTERM, signal.SIGINT), connection.watch(name) as views:
            if output != "json":
                views.end_with_reader(sys.stdout.fileno())
            for change in _changes(name, connection, _views(views, began_ns, until_ns)):
                if output == "json":
                    shown.append(change)
                else:
                    _print(change, output)
                count = None if count is None else count - 1
                if count == 0:
                    return
            if views.reader_left:
                raise Stop(Exit.BROKEN_PIPE)
    finally:
        if output == "json":
            document(shown)


def _views(views: Views, began_ns: int, until_ns: int | None) -> Iterator[tuple[int, View]]:
    """The views that differ from the one before: one also comes when nothing but the queue of candidates changed.

    However short the time is, the first view is waited for. Raises BackendUnreachable where not even that comes.
    """
    came = views.next(max(until_ns or 0, began_ns + round(CALL_LIMIT_S * NS_PER_S)))
    if came is None and not views.reader_left:
        raise BackendUnreachable(
            f"the backend has told nothing within {CALL_LIMIT_S:g} s; look at it with: tenure doctor"
        )
    last: View | None = None
    while came is not None:
        if came[1] != last:
            last = came[1]
            yield came
        came = views.next(until_ns)


def _changes(election: str, connection: Connection, views: Iterator[tuple[int, View]]) -> Iterator[Change]:
    """What is to be printed. An outage is one line, and another one where its reason changes.

    Raises BackendRefused where the first look was refused: no later one would fare better.
    """
    gaps = Gaps()
    told: Change | None = None
    for came_ns, view in views:
        gap_ms = gaps.see(came_ns, view)
        why = _why(connection, election) if isinstance(view, Unknown) else None
        if told is None and isinstance(why, BackendRefused):
            raise why
        change = _change(election, view, gap_ms, why)
        if told is None or change.view != "unknown" or (told.view, told.error) != ("unknown", change.error):
            told = change
            yield change


def _why(connection: Connection, election: str) -> BackendError | None:
    """Why the backend could not tell; None where it can by now, or says nothing at all."""
    try:
        connection.reading(election).result(WHY_S)
    except BackendError as error:
        return error
    except TimeoutError:
        return None
    return None


def _change(election: str, view: View, gap_ms: float | None, why: BackendError | None) -> Change:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    match view:
        case Led(leader):
            return Change(time=now, election=election, view="led", leader=leader, gap_ms=gap_ms)
        case Vacant():
            return Change(time=now, election=election, view="vacant")
        case Unknown(last, for_s):
            return Change(
                time=now,
                election=election,
                view="unknown",
                for_s=for_s,
                last=last.leader if isinstance(last, Led) else None,
                last_view=None if last is None else "led" if isinstance(last, Led) else "vacant",
                error=None if why is None else str(why),
            )
        case _:
            assert_never(view)


def _print(change: Change, form: Format) -> None:
    if form == "jsonl":
        line_of_json(change)
    else:
        write(f"{change.time}  {change.election}  {_in_words(change)}")


def _in_words(change: Change) -> str:
    state = word(change.view)
    if change.leader is not None:
        gap = "" if change.gap_ms is None else f", after {change.gap_ms:.1f} ms without a leader"
        warning = f"; {plain(change.leader.warning)}" if change.leader.warning else ""
        return f"{state} by {leader_in_words(change.leader)}{gap}{warning}"
    if change.for_s is None:
        return state
    why = "the backend does not answer" if change.error is None else plain(change.error)
    if change.last_view is None:
        return f"{state}: {why}; never seen before"
    return f"{state}: {why}; last seen {change.for_s:.1f} s ago: {leader_in_words(change.last)}"
