"""Measures of traces written by hand, whose answers are known."""

from __future__ import annotations

from tenure import trace
from tenure.simulator.measures import Measures
from tenure.trace import Became, Began, Crashed, Gone, Held, Lost, Wrote


def measured(end: int, *records: trace.Record) -> Measures:
    """Of these, until then."""
    measures = Measures()
    for record in records:
        measures.see(record)
    measures.ended(end)
    return measures


def test_time_without_a_leader_with_two_and_without_agreement() -> None:
    """Two nodes: nobody leads until 10, 1 does until 20, both until 35, 2 until it crashes at 50; the end is 70."""
    m = measured(
        70,
        Began(0, 1, 1),
        Began(0, 2, 1),
        Became(10, 1, "leading", 1, 1),
        Became(15, 2, "following", 1, 1),
        Became(20, 2, "leading", 2, 2),
        Became(35, 1, "following", 2, 2),
        Crashed(50, 2),
    )
    assert m.leaderless_ns == 10 + 20
    assert m.two_leaders_ns == 15
    assert m.agreed_ns == 15
    assert m.disagreeing_ns == 70 - (20 - 15) - (50 - 35)
    assert m.became_leader == 2
    assert m.roles == {
        "new -> leading": 1,
        "new -> following": 1,
        "following -> leading": 1,
        "leading -> following": 1,
    }


def test_who_has_gone_or_begins_anew_leads_no_more() -> None:
    """And becomes a leader once more."""
    m = measured(
        30,
        Began(0, 1, 1),
        Became(0, 1, "leading", 1, 1),
        Crashed(10, 1),
        Began(10, 1, 2),
        Became(12, 1, "leading", 1, 1),
        Became(14, 1, "leading", 1, 2),
        Gone(20, 1),
    )
    assert (m.leaderless_ns, m.became_leader, m.agreed_ns) == (2 + 10, 2, 0)


def test_time_in_which_nobody_or_two_may_act() -> None:
    """Tenures end by themselves, by a loss, or with their node."""
    m = measured(
        100,
        Held(10, 1, 1, 30),
        Held(20, 1, 1, 40),  # until 40, extended
        Held(35, 2, 2, 60),  # 5 with both
        Lost(50, 2, 1, "an earlier one"),
        Lost(55, 2, 2, "asked"),
        Held(70, 3, 3, 200),
        Crashed(80, 3),
    )
    assert m.overlap_ns == 5
    assert m.vacant_ns == 10 + 15 + 20
    assert m.tenures == 3
    assert m.rules == {"deposed: an earlier one": 1, "deposed: asked": 1}


def test_a_tenure_that_was_over_before_the_last_record_counts_until_then_only() -> None:
    """Three end between two records."""
    m = measured(100, Held(0, 1, 1, 10), Held(0, 2, 2, 20), Held(0, 3, 3, 30), Wrote(90, 1, "VOTE"))
    assert (m.overlap_ns, m.vacant_ns) == (20, 70)
    assert m.tenures == 3


def test_of_an_empty_trace_all_is_without_a_leader() -> None:
    """And nobody ever agreed."""
    m = measured(5)
    assert (m.leaderless_ns, m.vacant_ns, m.disagreeing_ns, m.agreed_ns) == (5, 5, 5, None)
