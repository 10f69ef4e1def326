"""What `resign` and `transfer` share: leave a wish with the leader, and wait until it has come true."""

from __future__ import annotations

import time
from typing import assert_never

import msgspec

from tenure.backends.base import Leader
from tenure.cli import exits
from tenure.cli.connection import Connection, Views
from tenure.cli.exits import Exit, Stop
from tenure.cli.output import Format, document, leader_in_words, line_of_json, rows
from tenure.durations import NS_PER_S
from tenure.errors import BackendRefused
from tenure.holding.events import Transfer, Wish
from tenure.views import Led, Unknown, Vacant

SUCCESSOR_NS = NS_PER_S
"""How long is waited for the next leader, once the last one has stepped down; under `file://` it takes milliseconds."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a wish, as `-o json` prints it."""

    election: str
    obeyed: bool
    led: Leader
    leads: Leader | None
    """Who leads now; null where nobody does."""
    waited_ms: float


def ask_and_wait(name: str, at: str | None, wish: Wish, wait_s: float) -> Outcome:
    """Ask whoever leads `name`, and wait at most `wait_s` until it has stepped down, and a moment for its successor.

    Raises Stop(NO) where nobody leads, and BackendRefused where the wish cannot be fulfilled.
    """
    connection = Connection(at)
    began_ns = time.monotonic_ns()
    with connection.watch(name) as views:
        if isinstance(wish, Transfer):
            leader = connection.read(name).leader
            if leader is not None and leader.candidate == wish.to:
                exits.say(f"{wish.to} leads already; nothing was asked")
                return Outcome(election=name, obeyed=True, led=leader, leads=leader, waited_ms=0.0)
        led = _ask(connection, name, wish)
        obeyed, leads = _wait(connection, name, views, led, began_ns + round(wait_s * NS_PER_S))
    return Outcome(
        election=name, obeyed=obeyed, led=led, leads=leads, waited_ms=(time.monotonic_ns() - began_ns) / 1_000_000
    )


def show(outcome: Outcome, form: Format) -> None:
    """Print who led and who leads now."""
    if form == "json":
        document(outcome)
    elif form == "jsonl":
        line_of_json(outcome)
    else:
        rows([("led", leader_in_words(outcome.led)), ("leads", leader_in_words(outcome.leads))])


def settle(outcome: Outcome, wait_s: float) -> None:
    """Say so where the leader has not stepped down in time. Raises Stop(NOT_IN_TIME) then, unless nobody waited."""
    if outcome.obeyed:
        return
    who = leader_in_words(outcome.led)
    if not wait_s:
        exits.say(f"{who} was asked; whether it has stepped down, `tenure status {outcome.election}` tells")
        return
    raise Stop(
        Exit.NOT_IN_TIME,
        f"{who} has not stepped down within {wait_s:g} s and may still do so: the wish stays with it. It takes its "
        f"grace to end its work; wait longer with --wait, or look whether its process hangs",
    )


def _ask(connection: Connection, name: str, wish: Wish) -> Leader:
    """Leave the wish with the leader and return it."""
    try:
        return connection.ask(name, wish)
    except BackendRefused:
        found = connection.read(name)
        if found.leader is not None:
            raise
        why = f"; {found.warning}" if found.warning else ""
        raise Stop(Exit.NO, f"nobody leads {name!r}, so nobody was asked to step down{why}") from None


def _wait(connection: Connection, name: str, views: Views, led: Leader, until_ns: int) -> tuple[bool, Leader | None]:
    """Whether `led` has stepped down, and who leads."""
    stepped_down = False
    while (came := views.next(until_ns)) is not None:
        match came[1]:
            case Led(leader) if leader.token > led.token:
                return True, leader
            case Vacant() if not stepped_down:
                stepped_down = True
                until_ns = came[0] + SUCCESSOR_NS
                reading = connection.read(name)
                if reading.leader is None and not reading.candidates:
                    return True, None
            case Led() | Vacant() | Unknown():
                continue
            case view:
                assert_never(view)
    return stepped_down, None if stepped_down else led
