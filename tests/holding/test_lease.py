"""One grant's time: deadlines, and when a renewal is due, overdue, late or useless."""

from __future__ import annotations

import random

import msgspec
import pytest

from tenure.durations import NEVER_NS
from tenure.holding.lease import BEATS, Lease, spread
from tests.holding.stage import BUDGET, LEASELESS, T0, S, grant


def lease() -> Lease:
    """Sent at T0, granted for 20 s: deadline 19, soft deadline 15, the first renewal due at 4."""
    return Lease(BUDGET, grant(0), random.Random(1))


def test_a_lease_knows_its_deadlines_from_the_start() -> None:
    """Hard at 19, soft its grace before."""
    assert (lease().deadline_ns, lease().soft_ns) == (T0 + 19 * S, T0 + 15 * S)


def test_a_renewal_is_due_a_period_after_the_last_was_sent() -> None:
    """Not at the answer, however late that comes."""
    one = lease()
    assert (one.due(T0 + 4 * S - 1), one.due(T0 + 4 * S)) == (False, True)
    one.sent(2, T0 + 4 * S)
    one.answered(2, 20 * S)
    assert one.wake_ns == T0 + 8 * S


def test_while_one_is_under_way_none_is_due() -> None:
    """At most one renewal is awaited."""
    one = lease()
    one.sent(2, T0 + 4 * S)
    assert not one.due(T0 + 99 * S)


def test_a_renewal_is_overdue_after_the_calls_time_once() -> None:
    """Two seconds after it was sent; then it is awaited no longer, and the next comes after a pause."""
    one = lease()
    one.sent(2, T0 + 4 * S)
    assert one.overdue(T0 + 6 * S - 1) is None
    assert one.overdue(T0 + 6 * S) == 2
    assert one.overdue(T0 + 60 * S) is None
    assert T0 + 6 * S + S // 2 <= one.wake_ns <= T0 + 7 * S


def test_an_answer_makes_it_safe_again_and_says_that_it_came_late() -> None:
    """`late` is what the failing before it makes of the next answer."""
    one = lease()
    one.sent(2, T0 + 4 * S)
    one.overdue(T0 + 6 * S)
    one.sent(3, T0 + 7 * S)
    assert one.failing
    assert one.answered(3, 20 * S) == (T0 + 7 * S, True)
    assert not one.failing


def test_an_answer_says_something_once() -> None:
    """Twice, unknown, or older than one that was answered: nothing new."""
    one = lease()
    one.sent(2, T0 + 4 * S)
    one.overdue(T0 + 6 * S)
    one.sent(3, T0 + 7 * S)
    one.answered(3, 20 * S)
    assert [one.answered(call, 20 * S) for call in (3, 2, 99)] == [None, None, None]


def test_a_failure_of_an_abandoned_renewal_changes_nothing() -> None:
    """Only the one that is awaited can fail."""
    one = lease()
    one.sent(2, T0 + 4 * S)
    one.overdue(T0 + 6 * S)
    wake_ns = one.wake_ns
    assert not one.failed(2, T0 + 6 * S + 1)
    assert one.wake_ns == wake_ns


def test_only_so_many_unanswered_renewals_are_remembered() -> None:
    """Memory has a bound: the oldest of five can be answered no more with three attempts."""
    one = lease()
    for call in range(2, 7):
        one.sent(call, T0 + call * S)
        one.overdue(T0 + (call + 2) * S)
    assert [one.awaits(call) for call in range(2, 7)] == [False, True, True, True, True]


def test_a_grant_without_a_lease_has_no_time() -> None:
    """Nothing is ever due, and no deadline comes."""
    one = Lease(LEASELESS, grant(0, lease_s=None), random.Random(1))
    assert {one.deadline_ns, one.soft_ns, one.wake_ns} == {NEVER_NS}
    assert not one.due(T0 + 10**6 * S)


def test_a_lease_that_is_let_go_is_renewed_no_more() -> None:
    """What is under way is named, so that it can be abandoned."""
    one = lease()
    one.sent(2, T0 + 4 * S)
    assert (one.let_go(), one.let_go()) == (2, None)
    assert not one.due(T0 + 99 * S)


@pytest.mark.parametrize("backoff_ns", [0, 1, 2, 3, S])
def test_a_pause_is_from_the_upper_half(backoff_ns: int) -> None:
    """Never longer than asked for, and never shorter than half of it."""
    chance = random.Random(3)
    pauses = [spread(backoff_ns, chance) for _ in range(200)]
    assert all(backoff_ns / 2 <= pause <= backoff_ns for pause in pauses)
    assert len(set(pauses)) > 100 or backoff_ns < S


def test_renewals_of_one_clock_share_a_beat() -> None:
    """Each a little early, by less than a sixteenth, never late: who leads many elections wakes for some at once."""
    due_ns = set()
    for at in range(1000):
        sent_ns = T0 + at * S // 1000
        one = Lease(BUDGET, msgspec.structs.replace(grant(0), sent_ns=sent_ns), random.Random(1))
        every_ns = BUDGET.renew_every_ns
        assert every_ns - every_ns // BEATS < one.wake_ns - sent_ns <= every_ns
        due_ns.add(one.wake_ns)
    assert len(due_ns) <= BEATS * S // BUDGET.renew_every_ns + 2
