"""What counts as clean and as damaged, and how the two sides are set beside each other."""

from __future__ import annotations

import pytest

from tenure.audit import Record, audit
from tenure.demo import picture
from tenure.demo.books import BooksState
from tenure.demo.findings import Findings, failure_of
from tenure.demo.script import Pause, Refusal, TakeOver
from tests.audit.records_of import Process

ANN = Process("ann", token=1, pid=101)
BOB = Process("bob", token=2, pid=102)
SECOND_NS = 1_000_000_000
APART: list[Record] = [
    ANN.opened(0),
    ANN.acted(1, 2),
    ANN.ended(SECOND_NS),
    BOB.opened(2 * SECOND_NS),
    BOB.ended(3 * SECOND_NS),
]
TOGETHER: list[Record] = [
    ANN.opened(0),
    BOB.opened(SECOND_NS),
    BOB.acted(SECOND_NS + 1, SECOND_NS + 2),
    ANN.ended(2 * SECOND_NS),
    BOB.ended(3 * SECOND_NS),
]
RIGHT = BooksState(bookings=2, booked_twice=0, left_out=0, paid=23, balance=23)
WRONG = BooksState(bookings=3, booked_twice=1, left_out=0, paid=34, balance=23)


def findings(
    records: list[Record],
    books: BooksState,
    *,
    replaced_after_ns: int | None = None,
    refusal: Refusal | None = None,
) -> Findings:
    """The findings of a side."""
    return Findings(
        title="a lock",
        verdict=audit(records),
        books=books,
        take_overs=(
            TakeOver(accident="killed", after_ns=3_100_000, by="bob"),
            TakeOver(accident="resigned", after_ns=200_000_000, by="cy", elected_after_ns=2_000_000),
            TakeOver(accident="wrapper killed", after_ns=20_000_000, by="bob", job_lived_on=True),
        ),
        pause=Pause(candidate="ann", from_ns=10, to_ns=20, replaced_after_ns=replaced_after_ns, idle_ns=SECOND_NS),
        killed_pids=(101,),
        refusal=refusal,
    )


def leased(records: list[Record], books: BooksState) -> Findings:
    """The findings where there is a lease and a fence."""
    refusal = Refusal(candidate="ann", token=1, at_ns=5 * SECOND_NS // 2, reason="token 1 is stale")
    return findings(records, books, replaced_after_ns=SECOND_NS, refusal=refusal)


def test_success_is_a_clean_ledger_here_and_a_damaged_one_there() -> None:
    """Both audits count on both sides."""
    assert failure_of(findings(APART, RIGHT), leased(APART, RIGHT), findings(TOGETHER, WRONG)) == ""


@pytest.mark.parametrize(("records", "books"), [(TOGETHER, RIGHT), (APART, WRONG), ([], RIGHT)])
def test_a_fault_of_ours_fails_the_demonstration(records: list[Record], books: BooksState) -> None:
    """Two at once, wrong books, or nothing recorded at all: it says that this is a defect."""
    theirs = findings(TOGETHER, WRONG)
    assert "defect" in failure_of(findings(records, books), leased(APART, RIGHT), theirs)
    assert "defect" in failure_of(findings(APART, RIGHT), leased(records, books), theirs)


def test_a_late_write_that_was_not_refused_fails_it() -> None:
    """The books may be right by luck."""
    assert "refused" in failure_of(findings(APART, RIGHT), findings(APART, RIGHT), findings(TOGETHER, WRONG))


@pytest.mark.parametrize(("records", "books"), [(APART, RIGHT), (TOGETHER, RIGHT), (APART, WRONG)])
def test_an_undamaged_lock_there_fails_it_too(records: list[Record], books: BooksState) -> None:
    """Nothing is claimed that did not happen."""
    assert "survived" in failure_of(findings(APART, RIGHT), leased(APART, RIGHT), findings(records, books))


def test_the_table_sets_them_side_by_side() -> None:
    """Every line answers one question for both, within 80 columns; a job's start is told apart."""
    lines = picture.comparison(
        findings(APART, RIGHT), leased(APART, RIGHT), findings(TOGETHER, WRONG, replaced_after_ns=SECOND_NS)
    )
    assert all(len(line) <= 80 for line in lines)
    text = "\n".join(" ".join(line.split()) for line in lines)
    for words in (
        "two leaders at once never 1.00 s, once",
        "fencing tokens 1 < 2 1 < 2",
        "of them booked twice 0 1",
        "lost from the balance 0 of 23 11 of 34",
        "next leader after a kill 3.1 ms 3.1 ms",
        "after a resignation 2.0 ms + 198 ms* 2.0 ms + 198 ms*",
        "after the wrapper's kill 20.0 ms, job lived on 20.0 ms, job lived on",
        "while its leader is paused waits (1.00 s) a second leader",
        "with a lease the next after 1.00 s",
        "its write, when it wakes refused: token 1 is old booked twice",
        "* with the start of its job",
    ):
        assert words in text


def test_the_strip_shows_who_was_killed_paused_and_not_alone() -> None:
    """What the audit found is what is drawn."""
    alone = picture.strip_of(findings(APART, RIGHT), unicode=False)
    assert alone[1].startswith("ann")
    assert "X" in alone[1]
    assert any("^1.00 s" in line for line in alone)
    assert not any(line.startswith("both") for line in alone)
    refused = picture.strip_of(leased(APART, RIGHT), unicode=False)
    assert "#" in refused[1]
    assert "# refused" in refused[-1]
    together = picture.strip_of(findings(TOGETHER, WRONG), unicode=False)
    assert any(line.startswith("both") and "!!!" in line for line in together)
