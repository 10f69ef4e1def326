"""What the audit calls a fault, what it leaves in doubt, and what it leaves alone."""

from __future__ import annotations

import pytest

from tenure.audit import Record, audit
from tenure.audit.verdict import in_words
from tenure.errors import Reason
from tests.audit.records_of import Process

ANN = Process("ann", token=1, pid=101)
BOB = Process("bob", token=2, pid=102)


def test_one_leader_after_the_other_is_clean() -> None:
    """Two tenures that do not touch, with growing tokens: no fault, no doubt, and the gap between them is told."""
    verdict = audit([ANN.opened(10), ANN.acted(11, 12), ANN.ended(20), BOB.opened(25), BOB.ended(30)])
    assert verdict.is_clean
    assert verdict.doubts == ()
    assert [(gap.least_ns, gap.most_ns) for gap in verdict.gaps] == [(5, 5)]
    assert "Never two leaders at once" in " ".join(verdict.in_words())


def test_nothing_recorded_proves_nothing() -> None:
    """An empty ledger is no clean one."""
    assert not audit([]).is_clean
    assert audit([]).in_words() == ["No tenure was recorded, so nothing is proved."]


def test_two_at_once_are_named_with_both_tokens_and_by_how_much() -> None:
    """A leader that gives a sign of life after another has opened led beside it."""
    verdict = audit([ANN.opened(10), BOB.opened(1_000_000), ANN.acted(3_000_000, 3_500_000)])
    (overlap,) = verdict.overlaps
    assert (overlap.from_ns, overlap.to_ns) == (1_000_000, 1_000_001)  # bob gave one sign of life only
    assert not verdict.is_clean
    verdict = audit([ANN.opened(10), BOB.opened(1_000_000), ANN.acted(3_000_000, 3_500_000), BOB.noted(4_000_000)])
    (fault,) = verdict.overlaps
    assert str(fault) == "ann (token 1) and bob (token 2) led e at once, for at least 2.5 ms"


def test_a_killed_leader_without_a_sign_of_life_after_the_take_over_is_a_doubt_and_no_fault() -> None:
    """A death is seen late: between the last sign of life and then, nobody can tell."""
    verdict = audit([ANN.opened(10), ANN.acted(11, 12), BOB.opened(20), ANN.died(23), BOB.ended(30)])
    assert verdict.is_clean
    assert [doubt.for_ns for doubt in verdict.doubts] == [3]
    assert [(gap.least_ns, gap.most_ns) for gap in verdict.gaps] == [(0, 8)]
    assert "Uncertain" in " ".join(verdict.in_words())


def test_the_last_look_before_a_kill_bounds_it_from_below() -> None:
    """Who was alive when the next one opened, and was never told to stop, led beside it."""
    assert audit([ANN.opened(10), ANN.alive(19), BOB.opened(20), ANN.died(23)]).is_clean
    assert len(audit([ANN.opened(10), BOB.opened(20), ANN.alive(21), ANN.died(23)]).overlaps) == 1


def test_who_was_never_seen_to_end_is_a_doubt() -> None:
    """Nobody saw the first end; the second may have led beside it."""
    verdict = audit([ANN.opened(10), BOB.opened(20)])
    assert verdict.is_clean
    assert [doubt.for_ns for doubt in verdict.doubts] == [None]


def test_a_deadline_ends_a_tenure_whose_process_is_paused() -> None:
    """With a lease a paused leader is over at its last deadline, however late it learns of it."""
    paused = [ANN.opened(10, deadline_ns=50), BOB.opened(60, deadline_ns=99), ANN.told(80, Reason.EXPIRED, 50)]
    assert audit([*paused, ANN.ended(81)]).is_clean
    assert len(audit([ANN.opened(10, deadline_ns=50), BOB.opened(40), ANN.told(80, Reason.EXPIRED, 50)]).overlaps) == 1


def test_a_tenure_that_opened_after_its_deadline_never_was() -> None:
    """`lead()` may return in a process that was paused; it held nothing, and nobody overlaps it."""
    verdict = audit([BOB.opened(60, deadline_ns=99), ANN.opened(70, deadline_ns=50), ANN.ended(75), BOB.ended(90)])
    assert verdict.is_clean
    assert verdict.doubts == ()


@pytest.mark.parametrize("reason", [Reason.RESIGNED, Reason.TRANSFERRED, Reason.EXPIRED, Reason.STALLED])
def test_work_in_its_grace_is_still_held(reason: Reason) -> None:
    """Told to stop, the body may use its grace: whoever opens before it has ended overlaps it."""
    records = [ANN.opened(10), ANN.told(20, reason), BOB.opened(25), ANN.ended(30, reason)]
    assert len(audit(records).overlaps) == 1


@pytest.mark.parametrize("reason", [Reason.DEPOSED, Reason.BACKEND_GONE, Reason.FORKED])
def test_a_loss_that_leaves_nothing_ends_a_tenure_at_once(reason: Reason) -> None:
    """Deposed while its last sign of life lies before the next opening: no certain overlap, but a doubt."""
    verdict = audit([ANN.opened(10), ANN.acted(11, 12), BOB.opened(15), ANN.told(20, reason), ANN.ended(30, reason)])
    assert verdict.overlaps == ()
    assert [doubt.for_ns for doubt in verdict.doubts] == [5]


def test_a_job_outlives_its_wrapper() -> None:
    """A tenure is dead when its process *and* its job are: the wrapper's death alone ends nothing."""
    wrapped = [ANN.opened(10, with_pid=900), Process("", 0, pid=900).died(15), BOB.opened(20)]
    assert [doubt.for_ns for doubt in audit(wrapped).doubts] == [None]
    assert len(audit([*wrapped, ANN.alive(25), ANN.died(30)]).overlaps) == 1


@pytest.mark.parametrize("later", [Process("bob", token=1, pid=102), Process("bob", token=0, pid=102)])
def test_a_token_that_does_not_grow_is_a_fault(later: Process) -> None:
    """The same token twice, or a smaller one; a lock without tokens has none that could grow."""
    verdict = audit([Process("ann", 1, 101).opened(10), ANN.ended(20), later.opened(30), later.ended(40)])
    assert len(verdict.token_faults) == (1 if later.about["token"] else 0)
    smaller = audit([BOB.opened(10), BOB.ended(20), ANN.opened(30), ANN.ended(40)])
    assert [str(fault) for fault in smaller.token_faults] == [
        "the token did not grow: ann (token 1) came after bob (token 2)"
    ]


def test_an_act_after_a_newer_leader_acted_is_stale() -> None:
    """Acts bear tokens that never go back."""
    verdict = audit([ANN.opened(10), BOB.opened(20), BOB.acted(21, 22), ANN.acted(30, 31)])
    (stale,) = verdict.stale_acts
    assert (stale.late_ns, stale.after and stale.after.candidate) == (8, "bob")
    assert "which is newer, had acted" in str(stale)


def test_an_act_that_may_have_landed_first_is_left_alone() -> None:
    """The older leader's act began before the newer one's was done: nobody knows which came first."""
    assert audit([ANN.opened(10), BOB.opened(20), BOB.acted(21, 25), ANN.acted(24, 31)]).stale_acts == ()


def test_without_tokens_the_later_opening_is_newer() -> None:
    """A lock that gives no tokens is judged by the order in which its tenures opened."""
    ann, bob = Process("ann", 0, 101), Process("bob", 0, 102)
    records = [ann.opened(10), bob.opened(20), bob.acted(21, 22), ann.acted(30, 31)]
    assert [stale.by.candidate for stale in audit(records).stale_acts] == ["ann"]


@pytest.mark.parametrize(
    ("records", "because"),
    [
        ([ANN.opened(10, 50), ANN.acted(55, 56, deadline_ns=50)], "the deadline that it knew"),
        ([ANN.opened(10), ANN.ended(20), ANN.acted(25, 26)], "its body had ended"),
        ([ANN.opened(10), ANN.told(20, Reason.DEPOSED), ANN.acted(25, 26)], "it was told that it is deposed"),
    ],
)
def test_an_act_after_the_end_is_stale(records: list[Record], because: str) -> None:
    """Past its deadline, its end or its loss nobody acts."""
    (stale,) = audit(records).stale_acts
    assert (stale.because, stale.late_ns) == (because, 5)


def test_an_act_within_the_grace_is_none() -> None:
    """Told to resign, the body may finish what it does."""
    assert audit([ANN.opened(10), ANN.told(20, Reason.RESIGNED), ANN.acted(25, 26), ANN.ended(27)]).is_clean


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([ANN.acted(25, 26)], "without opening it"),
        ([ANN.opened(10), ANN.died(20), ANN.acted(25, 26)], "was seen dead"),
    ],
)
def test_records_that_cannot_be_true_are_a_fault(records: list[Record], words: str) -> None:
    """An audit of a ledger that contradicts itself is not clean."""
    verdict = audit(records)
    assert not verdict.is_clean
    assert words in " ".join(verdict.in_words())


def test_a_pid_that_is_used_again_is_another_process() -> None:
    """A new tenure of a number that was seen dead contradicts nothing, and its signs of life are not the dead one's."""
    again = Process("bob", token=2, pid=101)
    verdict = audit([ANN.opened(10), ANN.died(20), again.opened(30), again.alive(40), again.died(50)])
    assert verdict.is_clean
    assert [tenure.over_ns for tenure in verdict.tenures] == [20, 50]


def test_each_election_is_judged_by_itself() -> None:
    """Leading two elections at once is no fault."""
    other = Process("bob", token=1, pid=102, election="f")
    assert audit([ANN.opened(10), other.opened(12), ANN.ended(20), other.ended(22)]).is_clean


def test_many_faults_are_told_in_few_words() -> None:
    """The first ones stand for all."""
    acts = [ANN.acted(100 + i, 101 + i) for i in range(0, 40, 2)]
    words = audit([ANN.opened(10), BOB.opened(20), BOB.acted(21, 22), *acts]).in_words(most=3)
    assert len(words) == 5
    assert words[-1] == "And 18 more of this kind."


@pytest.mark.parametrize(
    ("duration_ns", "words"),
    [
        (0, "0.000 ms"),
        (412_345, "0.412 ms"),
        (999_600, "1.0 ms"),
        (3_123_456, "3.1 ms"),
        (99_960_000, "100 ms"),
        (417_000_000, "417 ms"),
        (999_600_000, "1.00 s"),
        (1_904_000_000, "1.90 s"),
        (24_300_000_000, "24.3 s"),
    ],
)
def test_durations_are_told_in_few_digits(duration_ns: int, words: str) -> None:
    """Milliseconds below a second, seconds above."""
    assert in_words(duration_ns) == words
