"""The arithmetic of deadlines, by example and over all budgets."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.durations import NEVER_NS, PPM
from tenure.errors import ConfigurationError
from tenure.holding.budget import Budget
from tests.holding.stage import BUDGET, S
from tests.holding.world import DriftingClock


def test_the_deadline_is_the_send_plus_the_usable_lease_less_the_margin() -> None:
    """`deadline = t_send + granted * (1 - rho) / (1 + rho) - margin`: 15 s at 10 % are 12.2727 s, less 0.5 s."""
    budget = Budget.of(15, rho_ppm=100_000)
    budget = msgspec.structs.replace(budget, margin_ns=S // 2)
    assert budget.deadline_ns(100 * S, 15 * S) == 100 * S + 12_272_727_272 - S // 2


def test_without_a_lease_there_is_no_deadline() -> None:
    """A grant that lasts for ever is never too old."""
    assert Budget.of(None).deadline_ns(5, None) == NEVER_NS


@pytest.mark.parametrize("rho_ppm", [0, 1_000, 83_000, 100_000])
@pytest.mark.parametrize("lease_s", [0.5, 5, 15, 600])
def test_the_usual_division_fits_and_leaves_room_for_one_attempt_more(lease_s: float, rho_ppm: int) -> None:
    """Four fifths are planned, so that a fourth attempt of a tenth each fits by luck."""
    budget = Budget.of(lease_s, rho_ppm=rho_ppm)
    assert budget.lease_ns is not None
    usable_ns = budget.lease_ns * (PPM - rho_ppm) // (PPM + rho_ppm)
    assert budget.needed_ns() + budget.call_timeout_ns + budget.backoff_ns <= usable_ns
    assert budget.needed_ns() >= usable_ns * 79 // 100


@given(
    lease_ns=st.integers(min_value=10**6, max_value=10**13),
    rho_ppm=st.integers(min_value=0, max_value=200_000),
    chance=st.randoms(use_true_random=False),
)
def test_the_holder_stops_before_the_service_lets_go(lease_ns: int, rho_ppm: int, chance: random.Random) -> None:
    """With any two clocks inside the bound, also exactly at it, the holder's deadline comes first in true time."""
    rates = [-rho_ppm, rho_ppm, chance.randint(-rho_ppm, rho_ppm)]
    holder = DriftingClock(chance.randint(0, 10**15), chance.choice(rates))
    service = DriftingClock(chance.randint(0, 10**15), chance.choice(rates))
    sent_true_ns = chance.randint(0, 10**12)
    granted_true_ns = sent_true_ns + chance.choice([0, 1, 10**6])
    budget = msgspec.structs.replace(Budget.of(None), rho_ppm=rho_ppm, margin_ns=2)
    deadline_ns = budget.deadline_ns(holder.at(sent_true_ns), lease_ns)
    assert holder.when(deadline_ns) <= service.when(service.at(granted_true_ns) + lease_ns)


def test_an_impossible_budget_is_refused_with_the_arithmetic() -> None:
    """What is asked for, what there is, and what to do are all in the message."""
    with pytest.raises(ConfigurationError) as refusal:
        Budget.of(10, grace_s=8)
    assert str(refusal.value) == (
        "renew_every 2 s + 3 attempts x (call_timeout 0.8 s + backoff 0.2 s) + grace 8 s + margin 0.5 s = 13.5 s, and "
        "a lease of 10 s has 10 s to spend (clock rates off by 0 %): lengthen the lease or shorten the grace"
    )


def test_the_arithmetic_counts_what_clocks_may_be_off() -> None:
    """A lease of 20 s fits on one host; where clocks are off by a tenth only 16.36 s of it may be spent."""
    assert BUDGET.fits(20 * S)
    across = msgspec.structs.replace(BUDGET, rho_ppm=100_000)
    assert not across.fits(20 * S)
    assert "a lease of 20 s has 16.3636 s to spend (clock rates off by 10 %)" in across.explain(20 * S)


def test_a_budget_that_fits_says_so() -> None:
    """`explain` is also what a user is shown when all is well."""
    assert BUDGET.explain(20 * S).endswith(": it fits")


def test_a_budget_that_needs_all_of_its_lease_fits() -> None:
    """The comparison is `<=`: 18 s are needed, and 18 s suffice."""
    assert (BUDGET.fits(18 * S), BUDGET.fits(18 * S - 1)) == (True, False)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"grace_ns": -1}, "grace_ns must not be negative, it is -1"),
        ({"margin_ns": -1}, "margin_ns must not be negative"),
        ({"renew_every_ns": -1}, "renew_every_ns must not be negative"),
        ({"call_timeout_ns": -1}, "call_timeout_ns must not be negative"),
        ({"backoff_ns": -1}, "backoff_ns must not be negative"),
        ({"attempts": 0}, "attempts >= 1"),
        ({"call_timeout_ns": 0}, "call_timeout, backoff and stall_after above 0"),
        ({"stall_after_ns": 0}, "call_timeout, backoff and stall_after above 0"),
        ({"rho_ppm": -1}, "rho_ppm must be from 0 to below 1000000, it is -1"),
        ({"rho_ppm": PPM}, "rho_ppm must be from 0 to below 1000000"),
        ({"renew_every_ns": 0}, "renew_every and margin above 0"),
        ({"margin_ns": 0}, "renew_every and margin above 0"),
    ],
)
def test_parts_that_make_no_sense_are_refused(change: dict[str, int], complaint: str) -> None:
    """Each part has its limit, and the message names the part."""
    with pytest.raises(ConfigurationError, match=complaint):
        msgspec.structs.replace(BUDGET, **change).checked()


def test_a_part_that_is_given_is_kept() -> None:
    """The others share the rest."""
    budget = Budget.of(20, grace_s=1, stall_after_s=3)
    assert (budget.grace_ns, budget.stall_after_ns) == (S, 3 * S)


def test_stall_after_is_by_default_the_lease_less_grace_and_margin() -> None:
    """An owner may be silent for as long as there is anything left to renew for."""
    budget = Budget.of(20)
    assert budget.stall_after_ns == 20 * S - budget.grace_ns - budget.margin_ns
