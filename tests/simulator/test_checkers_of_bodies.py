"""Checkers of bodies on records written by hand: each objects to what breaks its property, and to nothing else."""

from __future__ import annotations

import pytest

from tenure import trace
from tenure.simulator.holders import checkers
from tenure.trace import (
    Clock,
    Closed,
    Crashed,
    Gone,
    Held,
    Lost,
    Opened,
    Overran,
    Paused,
    Phase,
    Released,
    Renews,
    Resumed,
    Stood,
    Told,
)

END = 10_000


def judged(name: str, records: list[trace.Record], *converging: int) -> list[str]:
    """What the checker of this name says of it all."""
    (checker,) = checkers.make([name], converging)
    said = [checker.see(record) for record in [*records, Phase(END, "end")]]
    return [text for text in (*said, checker.ended(END)) if text]


H1, H2 = Held(0, 1, 1, 1000), Held(500, 2, 2, 2000)
B1, B2 = Opened(10, 1, 1, 1000, 700), Opened(500, 2, 2, 2000, 1700)
STOOD = Stood(0, 1, grace_ns=200, stall_after_ns=400, call_timeout_ns=100)

RIGHT: list[tuple[str, list[trace.Record]]] = [
    ("one-body", [H1, B1, Held(1000, 2, 2, 2000), Opened(1010, 2, 2, 2000, 1700)]),
    ("one-body", [H1, B1, Lost(500, 1, 1, "asked"), Told(500, 1, 1, "deposed", 600), H2, B2]),
    ("one-body", [H1, B1, Lost(20, 1, 0, "an earlier one"), Closed(30, 1, 1)]),
    ("one-body", [H1, B1, Crashed(400, 1), H2, B2]),
    ("one-body", [H1, B1, Gone(400, 1), H2, B2]),
    ("one-body", [H1, B1, Held(300, 1, 1, 1300), Opened(300, 1, 1, 1300, 1000), Paused(400, 1)]),
    ("one-runs", [B1, Told(300, 1, 1, "resigned", 700), Closed(500, 1, 1), B2]),
    ("one-runs", [B1, Told(300, 1, 1, "expired", 500), B2]),
    ("one-runs", [B1, Crashed(400, 1), B2]),
    ("one-runs", [B1, Gone(400, 1), B2, Opened(600, 2, 2, 2100, 1800)]),
    ("body-tokens-grow", [B1, Opened(20, 1, 1, 1100, 800), B2]),
    ("told-in-time", [STOOD, B1, Told(700, 1, 1, "expired", 1000)]),
    ("told-in-time", [STOOD, B1, Closed(699, 1, 1)]),
    ("told-in-time", [STOOD, B1, Paused(600, 1), Resumed(900, 1), Told(900, 1, 1, "expired", 1000)]),
    ("told-in-time", [STOOD, B1, Paused(600, 1)]),
    ("told-in-time", [STOOD, B1, Crashed(600, 1)]),
    ("told-in-time", [STOOD, B1, Opened(500, 1, 1, 1300, 1000), Told(1000, 1, 1, "expired", 1300)]),
    ("told-in-time", [STOOD, Clock(1, 1, 100_000), Opened(10, 1, 1, 500, 103), Told(103, 1, 1, "expired", 500)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000), Overran(1000, 1, 1)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000), Closed(1000, 1, 1)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000), Told(800, 1, 1, "expired", 1200), Overran(1200, 1, 1)]),
    ("overrun-once", [B1, Paused(600, 1), Resumed(1100, 1), Told(1100, 1, 1, "expired", 1000), Overran(1100, 1, 1)]),
    ("overrun-once", [Told(700, 1, 1, "expired", 1000), Crashed(900, 1)]),
    ("released-last", [B1, Closed(500, 1, 1), Released(500, 1, 1)]),
    ("released-last", [Released(5, 1, 1)]),
    ("released-last", [B1, Crashed(500, 1), Released(600, 2, 1)]),
    ("renewed-alive", [STOOD, Renews(100, 1, 1, 400), Renews(200, 1, 1, 0, 199)]),
    ("body-works", [B1, Opened(500, 1, 1, END + 1, END)]),
]
WRONG: list[tuple[str, list[trace.Record]]] = [
    ("one-body", [H1, B1, H2, B2]),
    ("one-body", [H1, B1, H2]),
    ("one-body", [B1]),
    ("one-body", [H1, B1, Opened(10, 2, 2, 1000, 700)]),
    ("one-body", [H1, Opened(10, 1, 1, 1001, 700)]),
    ("one-body", [Held(0, 1, 2, 1000), B1]),
    ("one-body", [H1, B1, Lost(500, 1, 1, "asked"), Told(501, 1, 1, "deposed", 600)]),
    ("one-body", [H1, B1, Crashed(20, 1), B1]),
    ("one-runs", [B1, B2]),
    ("one-runs", [B1, Told(300, 1, 1, "deposed", 501), B2]),
    ("body-tokens-grow", [B1, Opened(2000, 2, 1, 3000, 2500)]),
    ("body-tokens-grow", [B2, Opened(2000, 1, 1, 3000, 2500)]),
    ("told-in-time", [STOOD, B1]),
    ("told-in-time", [STOOD, B1, Told(701, 1, 1, "expired", 1000)]),
    ("told-in-time", [STOOD, B1, Paused(600, 1), Resumed(900, 1), Told(901, 1, 1, "expired", 1000)]),
    ("told-in-time", [STOOD, Opened(650, 1, 1, 1000, 700), Told(700, 1, 1, "expired", 1000)]),
    ("told-in-time", [STOOD, Clock(1, 1, -100_000), Opened(10, 1, 1, 500, 115), Told(115, 1, 1, "expired", 500)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000), Overran(999, 1, 1)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000), Overran(1001, 1, 1)]),
    ("overrun-once", [B1, Told(700, 1, 1, "expired", 1000), Overran(1000, 1, 1), Overran(1100, 1, 1)]),
    ("overrun-once", [B1, Overran(1000, 1, 1)]),
    ("released-last", [B1, Released(500, 1, 1), Closed(500, 1, 1)]),
    ("renewed-alive", [STOOD, Renews(100, 1, 1, 401)]),
    ("renewed-alive", [STOOD, Renews(100, 1, 1, 0, 200)]),
    ("body-works", []),
    ("body-works", [B1]),
    ("body-works", [Opened(500, 1, 1, END + 1, END), Told(600, 1, 1, "resigned", 700)]),
]


@pytest.mark.parametrize(("name", "records"), RIGHT)
def test_what_is_right_is_let_pass(name: str, records: list[trace.Record]) -> None:
    """Nothing is said."""
    assert judged(name, records) == []


@pytest.mark.parametrize(("name", "records"), WRONG)
def test_what_is_wrong_is_named_once(name: str, records: list[trace.Record]) -> None:
    """One fault, one objection."""
    assert len(judged(name, records)) == 1


def test_every_checker_is_judged() -> None:
    """Each has something that it lets pass and something that it does not."""
    assert {name for name, _ in RIGHT} == {name for name, _ in WRONG} == set(checkers.NAMES)


def test_a_body_works_where_it_should() -> None:
    """Who is cut off does not count."""
    works = [Opened(500, 1, 1, END + 1, END)]
    assert judged("body-works", [*works], 1, 2) == []
    assert judged("body-works", [*works], 2, 3) == ["in the end nobody's body works"]
