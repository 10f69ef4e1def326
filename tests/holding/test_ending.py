"""The time after a loss: half the grace, the grace, the hard deadline; and the attempts to release."""

from __future__ import annotations

import random

import pytest

from tenure.durations import NEVER_NS
from tenure.holding.ending import Ending, Releasing
from tenure.holding.lease import Lease
from tests.holding.stage import BUDGET, LEASELESS, T0, S, grant


def ending(told_s: float = 1) -> Ending:
    """Told at `told_s`, with a deadline at 19."""
    return Ending(BUDGET, Lease(BUDGET, grant(0), random.Random(1)), T0 + round(told_s * S))


def test_a_body_is_told_again_once_at_half_its_grace() -> None:
    """Told at 1, grace 4: again at 3."""
    one = ending()
    assert [one.tell_again(T0 + at_s * S) for at_s in (2, 3, 4, 9)] == [False, True, False, False]


def test_an_overrun_is_one_at_the_hard_deadline() -> None:
    """At 19, once."""
    one = ending()
    assert [one.overrun(T0 + at_s * S) for at_s in (18, 19, 20)] == [False, True, False]


def test_the_lease_is_renewed_until_the_grace_is_over() -> None:
    """Told at 1: until 5."""
    assert [ending().may_renew(T0 + at_s * S) for at_s in (1, 4, 5)] == [True, True, False]


@pytest.mark.parametrize(("until_s", "hard_s"), [(None, 3), (10, 10), (99, 19), (0, 0)])
def test_a_grant_that_is_gone_cuts_the_time_short(until_s: int | None, hard_s: int) -> None:
    """Told of at 2: a margin where nobody knows, what is vouched for where somebody does, never more than there was."""
    one = ending()
    one.cut_short(None if until_s is None else T0 + until_s * S, T0 + 2 * S)
    assert one.hard_ns == T0 + hard_s * S
    assert not one.may_renew(T0 + 2 * S)


def test_a_second_word_of_the_end_never_lengthens_the_time() -> None:
    """The earliest stays."""
    one = ending()
    one.cut_short(T0 + 4 * S, T0 + 2 * S)
    one.cut_short(T0 + 9 * S, T0 + 3 * S)
    assert one.hard_ns == T0 + 4 * S


def test_without_a_lease_the_grace_bounds_the_body() -> None:
    """Told at 1, grace 10."""
    one = Ending(LEASELESS, Lease(LEASELESS, grant(0, lease_s=None), random.Random(1)), T0 + S)
    assert one.hard_ns == T0 + 11 * S


def test_it_wakes_for_what_comes_next_and_then_for_nothing() -> None:
    """Half the grace, the hard deadline, never again."""
    one = ending()
    woken = []
    for _ in range(3):
        woken.append(one.wake_ns)
        one.tell_again(one.wake_ns)
        one.overrun(woken[-1])
    assert woken == [T0 + 3 * S, T0 + 19 * S, NEVER_NS]


def test_a_release_is_tried_as_often_as_the_budget_says() -> None:
    """Three attempts; each has a call's time, and between them lies a pause."""
    one = Releasing(BUDGET, random.Random(1))
    more = []
    for call in (1, 2, 3):
        one.sent(call, T0)
        assert (one.call, one.wake_ns) == (call, T0 + 2 * S)
        more.append(one.failed(T0 + 2 * S))
        assert one.call is None
        assert T0 + 2 * S + S // 2 <= one.wake_ns <= T0 + 3 * S
    assert more == [True, True, False]
