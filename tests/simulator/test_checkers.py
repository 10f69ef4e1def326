"""Checkers on traces written by hand: each objects to what breaks its property, and to nothing else."""

from __future__ import annotations

import pytest

from tenure import trace
from tenure.core.model import Guarantee
from tenure.errors import ConfigurationError
from tenure.simulator import checkers
from tenure.trace import Became, Began, Crashed, Gone, Held, Lost, Paused

END = 10**10
S = 10**9


def became(at: int, node: int, leader: int | None, term: int = 0) -> Became:
    """Its role is of no importance."""
    return Became(at, node, "x", leader, term)


def judged(name: str, records: list[trace.Record], *converging: int, has_authority: bool = False) -> list[str]:
    """What the checker of this name says of it all."""
    (checker,) = checkers.make([name], converging, has_authority=has_authority)
    said = [checker.see(record) for record in records]
    return [text for text in (*said, checker.ended(END)) if text]


A1, A2 = Held(0, 1, 1, 100), Held(50, 2, 2, 200)
RIGHT: list[tuple[str, list[trace.Record]]] = [
    ("one-at-a-time", [A1, Held(100, 2, 2, 200)]),
    ("one-at-a-time", [A1, Held(50, 1, 1, 150), Held(150, 2, 2, 250)]),
    ("one-at-a-time", [A1, Lost(40, 1, 1, "asked"), A2]),
    ("one-at-a-time", [A1, Crashed(40, 1), A2]),
    ("one-at-a-time", [A1, Gone(40, 1), A2]),
    ("one-at-a-time", [A1, Held(20, 1, 1, 50), A2]),
    ("tokens-grow", [A1, Held(50, 1, 1, 200), Held(300, 2, 2, 400), Held(500, 1, 3, 600)]),
    ("one-per-term", [became(0, 1, 1, 1), became(1, 2, 1, 1), became(2, 3, None, 1), became(3, 2, 2, 2)]),
    ("one-leader", [became(0, 1, 1), became(1, 2, 1), became(2, 1, None), became(3, 2, 2)]),
    ("one-leader", [became(0, 1, 1), Crashed(1, 1), became(2, 2, 2)]),
    ("one-leader", [became(0, 1, 1), Gone(1, 1), became(2, 2, 2)]),
    ("one-leader", [became(0, 1, 1), became(1, 1, 1, 7)]),
    ("agreement", [became(0, 1, 2), became(1, 2, 2)]),
    ("agreement", [became(0, 1, 2), became(1, 2, 2), became(2, 3, 3), Crashed(3, 3)]),
    ("agreement", [became(0, 1, 2), became(1, 2, 2), became(END, 1, 2, 7)]),
    ("greatest-leads", [became(0, 1, 2), became(0, 2, 2), became(0, 3, 3), Gone(5, 3)]),
    ("termination", [became(0, 1, 1)]),
]
WRONG: list[tuple[str, list[trace.Record]]] = [
    ("one-at-a-time", [A1, A2]),
    ("one-at-a-time", [A1, Held(99, 2, 2, 100)]),
    ("one-at-a-time", [A1, Paused(10, 1), A2]),
    ("one-at-a-time", [Held(0, 1, 4, 100), Lost(40, 1, 3, "an earlier one"), Held(50, 2, 5, 200)]),
    ("one-at-a-time", [A1, Held(100, 2, 2, 200), Held(150, 1, 1, 160)]),
    ("one-at-a-time", [A1, Held(100, 2, 2, 200), Held(120, 1, 1, 90), Held(130, 1, 1, 140)]),
    ("tokens-grow", [A1, Held(200, 2, 1, 300)]),
    ("tokens-grow", [Held(0, 1, 5, 100), Held(200, 2, 4, 300)]),
    ("tokens-grow", [A1, Lost(10, 1, 1, "asked"), Held(20, 1, 1, 90)]),
    ("tokens-grow", [A1, Held(200, 2, 2, 300), Held(400, 1, 1, 500)]),
    ("tokens-grow", [A1, Crashed(10, 1), Began(11, 1, 2), Held(20, 1, 1, 90)]),
    ("one-per-term", [became(0, 1, 1, 1), became(9, 2, 2, 1)]),
    ("one-per-term", [became(0, 1, 1, 1), became(1, 1, None, 2), became(2, 1, 2, 1)]),
    ("one-leader", [became(0, 1, 1), became(1, 2, 2)]),
    ("agreement", [became(0, 1, 1), became(0, 2, 2)]),
    ("agreement", [became(0, 1, None), became(0, 2, None)]),
    ("agreement", [became(0, 1, 2), became(0, 2, 2), Crashed(5, 2)]),
    ("agreement", [became(0, 1, 9), became(0, 2, 9)]),
    ("agreement", [became(0, 1, 2), became(0, 2, None), became(END - S + 1, 2, 2)]),
    ("agreement", []),
    ("greatest-leads", [became(0, 1, 1), became(0, 2, 1)]),
    ("greatest-leads", [became(0, 1, 2), became(0, 2, 2), Crashed(1, 2)]),
    ("greatest-leads", [became(0, 1, 2), became(0, 2, 2), Crashed(1, 2), Began(2, 2, 2), became(2, 2, None)]),
    ("greatest-leads", []),
    ("termination", [became(0, 1, 2), became(0, 2, None)]),
    ("termination", [became(0, 1, 1), Crashed(5, 1)]),
    ("termination", []),
]


@pytest.mark.parametrize(("name", "records"), RIGHT)
def test_what_is_right_is_not_objected_to(name: str, records: list[trace.Record]) -> None:
    """Not once."""
    assert judged(name, records) == []


@pytest.mark.parametrize(("name", "records"), WRONG)
def test_what_is_wrong_is_objected_to(name: str, records: list[trace.Record]) -> None:
    """Once for each time."""
    assert len(judged(name, records)) == 1


def test_every_checker_is_shown_what_is_right_and_what_is_wrong() -> None:
    """One that cannot fail is a defect."""
    assert {name for name, _ in RIGHT} == {name for name, _ in WRONG} == set(checkers.NAMES)


def test_only_those_that_reach_one_another_must_agree() -> None:
    """Who is cut off is not counted, neither as a voice nor as a leader."""
    cut_off: list[trace.Record] = [became(0, 1, 2), became(0, 2, 2), became(0, 3, 3)]
    for name in checkers.FINAL:
        assert judged(name, cut_off, 1, 2) == []
    for name in ("agreement", "termination"):
        assert len(judged(name, [became(0, 1, 3), became(0, 2, 3), became(0, 3, 3)], 1, 2)) == 1


@pytest.mark.parametrize(
    ("records", "is_right"),
    [
        ([Held(0, 1, 1, END + 1)], True),
        ([Held(0, 1, 1, END)], False),
        ([Held(END - S, 1, 1, END - 1)], False),
        ([Held(0, 3, 1, END + 1)], False),
        ([Held(0, 1, 1, END + 1), Lost(5, 1, 1, "asked")], False),
        ([Held(0, 1, 2, END + 1), Lost(5, 1, 1, "an earlier one")], True),
        ([became(0, 1, 1)], False),
        ([Held(0, 1, 1, END + 1), Lost(END - 2 * S + 1, 1, 1, "asked")], True),
        ([Held(0, 1, 1, END + 1), Lost(END - 2 * S, 1, 1, "asked")], False),
        ([Held(0, 1, 1, END - 1), Lost(END - 1, 1, 1, "gave way at its deadline")], True),
        ([Held(0, 1, 1, END - 2 * S), Lost(END - 2 * S, 1, 1, "gave way at its deadline")], False),
        ([Lost(END - 1, 1, 1, "of nothing that it held")], False),
    ],
)
def test_with_authority_somebody_holds_in_the_end(records: list[trace.Record], *, is_right: bool) -> None:
    """At the end of the run, however long the last record is ago; one of those that must converge. A tenure that was
    ended a moment ago may be followed by another.
    """
    assert (judged("termination", records, 1, 2, has_authority=True) == []) is is_right


def test_every_guarantee_is_judged() -> None:
    """By a checker of its own."""
    names = [checkers.names_for([guarantee]) for guarantee in Guarantee]
    assert all(len(one) == 1 for one in names)
    assert len(set(names)) == len(names)


def test_a_checker_that_there_is_not_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigurationError, match="there are: one-at-a-time, "):
        checkers.make(["happiness"], (), has_authority=False)
