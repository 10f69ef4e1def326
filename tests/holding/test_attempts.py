"""How long a candidate is ready to wait, and when a campaign that failed is repeated."""

from __future__ import annotations

import random

import pytest

from tenure.durations import NEVER_NS
from tenure.holding.attempts import BACKOFF_LIMIT_NS, Attempts
from tests.holding.stage import BUDGET, T0, S


def standing(wait_ns: int | None = None) -> Attempts:
    """A candidacy that begins at T0."""
    one = Attempts(BUDGET, random.Random(1))
    one.begin(wait_ns, T0)
    return one


@pytest.mark.parametrize(
    ("wait_ns", "once", "give_up_ns"),
    [(None, False, NEVER_NS), (5 * S, False, T0 + 5 * S), (0, True, T0 + 2 * S)],
)
def test_a_wait_is_for_ever_for_a_while_or_for_one_call(wait_ns: int | None, once: bool, give_up_ns: int) -> None:
    """None is for ever; 0 is one try, which is awaited like any call."""
    one = standing(wait_ns)
    assert (one.once, one.give_up_ns) == (once, give_up_ns)


def test_a_single_try_that_won_has_no_limit_any_more() -> None:
    """The limit was for the answer."""
    one = standing(0)
    one.succeeded()
    assert one.give_up_ns == NEVER_NS


def test_pauses_double_up_to_the_limit() -> None:
    """1, 2, 4, 8, 16 and then 30 seconds at the longest, each from its upper half."""
    one = standing()
    for longest_s in (1, 2, 4, 8, 16, 30, 30, 30):
        retry_ns = one.failed("why", T0)
        assert T0 + longest_s * S // 2 <= retry_ns <= T0 + longest_s * S
    assert max(one.failed("why", T0) for _ in range(100)) <= T0 + BACKOFF_LIMIT_NS


def test_after_a_win_the_pauses_begin_anew() -> None:
    """What failed before a success says nothing about what comes after it."""
    one = standing()
    for _ in range(5):
        one.failed("why", T0)
    one.succeeded()
    assert one.failed("why", T0) <= T0 + S
    assert one.detail == "why"


def test_while_a_campaign_is_under_way_only_the_limit_wakes() -> None:
    """A campaign waits for somebody's end: nobody repeats it."""
    one = standing(5 * S)
    one.call = 1
    one.retry_ns = T0 + S
    assert one.wake_ns == T0 + 5 * S
    one.call = None
    assert one.wake_ns == T0 + S
