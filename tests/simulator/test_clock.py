"""A node's clock: when it shows what, whatever its rate."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.durations import NEVER_NS
from tenure.simulator.clock import NodeClock
from tenure.simulator.faults import FASTEST_PPM

INSTANTS = st.integers(0, 10**15)
RATES = st.integers(-FASTEST_PPM, FASTEST_PPM)


@settings(deadline=None, database=None)
@given(began=INSTANTS, shown=INSTANTS, ppm=RATES, ahead=st.integers(0, 10**15))
def test_when_is_the_first_instant_at_which_it_shows_that(began: int, shown: int, ppm: int, ahead: int) -> None:
    """Not before, and not one nanosecond later."""
    clock = NodeClock(began, shown, ppm)
    when = clock.when(shown + ahead)
    assert clock.at(when) >= shown + ahead
    assert when == began or clock.at(when - 1) < shown + ahead


@settings(deadline=None, database=None)
@given(began=INSTANTS, shown=INSTANTS, rates=st.lists(st.tuples(st.integers(0, 10**12), RATES)))
def test_it_never_goes_back_and_keeps_its_rate(began: int, shown: int, rates: list[tuple[int, int]]) -> None:
    """Whatever its rate changes to; a change loses no more than what is below a nanosecond."""
    clock, now, last, exact = NodeClock(began, shown), began, shown, shown * 10**6
    for passed, ppm in rates:
        now += passed
        exact += passed * (10**6 + clock.ppm)
        clock.run_at(ppm, now)
        assert clock.at(now) >= last
        last = clock.at(now)
    assert 0 <= exact - last * 10**6 < 10**6 * (len(rates) + 1)


def test_never_stays_never() -> None:
    """Also on a clock that runs fast."""
    assert NodeClock(5, 7, 1000).when(NEVER_NS) == NEVER_NS


def test_a_clock_that_would_stand_still_is_refused() -> None:
    """At -100 % and below."""
    with pytest.raises(ValueError, match="stand still"):
        NodeClock(0, 0, -1_000_000)
