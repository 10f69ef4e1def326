"""Phi accrual, after Hayashibara, Defago, Yared and Katayama (2004), and Cassandra's exponential variant."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.detectors.phi import Distribution, Phi, Settings

pytestmark = pytest.mark.versions
MS = 1_000_000
S = 1_000 * MS
EXPONENTIAL = Distribution.EXPONENTIAL


def steady(config: Settings, intervals_ns: list[int]) -> tuple[Phi, int]:
    """A detector that has measured these intervals of peer 1, and when the last of them ended."""
    detector, now_ns = Phi(config), 0
    detector.watch(1, 0)
    for now_ns in accumulate(intervals_ns, initial=0):
        detector.hear(1, now_ns)
    return detector, now_ns


def mean_1_s_deviation_100_ms(threshold: float, **others: Distribution) -> Settings:
    """What the published figures are for; the window holds just the intervals that follow."""
    return Settings(every_ns=S, threshold=threshold, window=200, least_deviation_ns=1, pause_ns=0, **others)


SAMPLE = [900 * MS, 1_100 * MS] * 100
"""200 intervals: their mean is one second, and their deviation 100 ms, both exactly."""


@pytest.mark.parametrize(
    ("threshold", "published_s", "digits", "exact_ns"),
    [
        (1, 1.128, 3, 1_128_155_157),
        (3, 1.31, 2, 1_309_023_231),
        (8, 1.56, 2, 1_561_200_125),
        (12, 1.703, 3, 1_703_448_383),
        (16, 1.822, 3, 1_822_208_222),
    ],
)
def test_the_published_figures(threshold: float, published_s: float, digits: int, exact_ns: int) -> None:
    """Mean 1 s, deviation 100 ms, from the last heartbeat until suspicion; and to the nanosecond."""
    detector, last_ns = steady(mean_1_s_deviation_100_ms(threshold), SAMPLE)
    waited_ns = detector.suspect_ns(1) - last_ns

    assert round(waited_ns / S, digits) == published_s
    assert waited_ns == exact_ns


def test_the_published_figure_of_the_exponential_variant() -> None:
    """Phi 8 is 18.42 means, whatever the deviation."""
    detector, last_ns = steady(mean_1_s_deviation_100_ms(8, distribution=EXPONENTIAL), SAMPLE)
    waited_ns = detector.suspect_ns(1) - last_ns

    assert round(waited_ns / S, 2) == 18.42
    assert waited_ns == 18_420_680_744


@given(
    threshold=st.floats(min_value=1, max_value=16),
    mean_ns=st.integers(min_value=MS, max_value=10 * S),
    spread=st.floats(min_value=0.01, max_value=0.5),
    distribution=st.sampled_from(Distribution),
    pause_ns=st.integers(min_value=0, max_value=S),
)
@settings(max_examples=200, deadline=None, database=None)
def test_it_suspects_when_phi_reaches_the_threshold(
    threshold: float, mean_ns: int, spread: float, distribution: Distribution, pause_ns: int
) -> None:
    """The instant that is computed by the inverse is the one that phi itself gives: below it before, not after."""
    config = Settings(
        every_ns=mean_ns,
        threshold=threshold,
        window=20,
        least_deviation_ns=1,
        pause_ns=pause_ns,
        distribution=distribution,
    )
    away_ns = int(mean_ns * spread)
    detector, _ = steady(config, [mean_ns - away_ns, mean_ns + away_ns] * 10)
    instant_ns = detector.suspect_ns(1)

    assert detector.phi(1, instant_ns) == pytest.approx(threshold, rel=1e-4)
    assert (
        detector.phi(1, instant_ns - away_ns // 100 - 1) < threshold < detector.phi(1, instant_ns + away_ns // 100 + 1)
    )


def test_phi_grows_with_the_silence_and_has_no_limit() -> None:
    """From none to more than a float of the probability can tell."""
    detector, last_ns = steady(mean_1_s_deviation_100_ms(8), SAMPLE)
    grown = [detector.phi(1, last_ns + tenths * S // 10) for tenths in range(60)]

    assert grown == sorted(grown)
    assert grown[0] == 0
    assert round(grown[10], 6) == round(math.log10(2), 6)  # at the mean one of two is still to come
    assert (detector.phi(1, last_ns + 4 * S) > 190, grown[-1]) == (True, math.inf)


def test_before_heartbeats_have_come_an_estimate_stands_for_them() -> None:
    """Mean `every_ns` and a quarter of it as deviation, as in Akka; from the instant at which watching began."""
    detector = Phi(Settings(every_ns=S, threshold=3, pause_ns=200 * MS, least_deviation_ns=1))
    detector.watch(1, 5 * S)
    assert detector.suspect_ns(1) == 5 * S + 200 * MS + S + math.ceil(3.090232306 * S / 4)

    detector.hear(1, 6 * S)  # the first one, from which the first interval is measured
    assert detector.suspect_ns(1) == 6 * S + 200 * MS + S + math.ceil(3.090232306 * S / 4)


def test_a_deviation_too_small_to_be_true_is_not_believed() -> None:
    """A hundred intervals of exactly a second, and the next one may be 50 ms late all the same."""
    detector, last_ns = steady(Settings(every_ns=S, threshold=3, window=10, least_deviation_ns=50 * MS), [S] * 100)
    assert detector.suspect_ns(1) == last_ns + 300 * MS + S + math.ceil(3.090232306 * 50 * MS)


def test_the_window_forgets() -> None:
    """Ten slow intervals, and then as many regular ones as the window holds: the slow ones have left no trace."""
    config = Settings(every_ns=S, window=20)
    slow, slow_ns = steady(config, [2 * S, S] * 5)
    since, since_ns = steady(config, [2 * S, S] * 5 + SAMPLE[:20])
    never, never_ns = steady(config, SAMPLE[:20])

    assert slow.suspect_ns(1) - slow_ns > never.suspect_ns(1) - never_ns
    assert since.suspect_ns(1) - since_ns == never.suspect_ns(1) - never_ns


def test_it_grows_patient_where_the_network_is_unsteady() -> None:
    """The same mean, and three times the deviation."""
    calm, calm_ns = steady(mean_1_s_deviation_100_ms(8), SAMPLE)
    rough, rough_ns = steady(mean_1_s_deviation_100_ms(8), [700 * MS, 1_300 * MS] * 100)

    assert rough.suspect_ns(1) - rough_ns - S == pytest.approx(3 * (calm.suspect_ns(1) - calm_ns - S), abs=3)


def test_an_interval_with_a_suspicion_in_it_is_not_measured() -> None:
    """Ten seconds of silence say nothing about how heartbeats come while there are any."""
    detector, last_ns = steady(Settings(), [100 * MS] * 50)
    waits_ns = detector.suspect_ns(1) - last_ns
    detector.hear(1, last_ns + 10 * S)
    assert detector.suspect_ns(1) - (last_ns + 10 * S) == waits_ns


def test_an_interval_in_which_this_node_was_deaf_is_not_measured() -> None:
    """Nor is one that an excuse has kept from becoming a suspicion."""
    detector, last_ns = steady(Settings(), [100 * MS] * 50)
    waits_ns = detector.suspect_ns(1) - last_ns
    detector.excuse(1, 10 * S)
    assert not detector.is_suspected(1, last_ns + 10 * S)
    assert detector.phi(1, last_ns + 10 * S) == 0

    detector.hear(1, last_ns + 10 * S)

    assert detector.suspect_ns(1) - (last_ns + 10 * S) == waits_ns


@pytest.mark.parametrize("distribution", Distribution)
def test_a_queue_that_is_emptied_at_once_makes_nobody_suspected(distribution: Distribution) -> None:
    """Two hundred heartbeats in one instant; the next one comes in its time, and finds its sender trusted."""
    config = Settings(pause_ns=0, least_deviation_ns=MS, threshold=1, distribution=distribution)
    detector, now_ns = steady(config, [100 * MS] * 200 + [0] * 200)
    assert not detector.is_suspected(1, now_ns + 100 * MS)


def test_a_thousand_heartbeats_leave_no_more_than_the_window() -> None:
    """Two hundred intervals, whatever comes."""
    detector, _ = steady(Settings(), [100 * MS] * 1_000)
    (rhythm,) = vars(detector)["_rhythms"].values()
    assert [len(kept) for kept in vars(rhythm).values() if hasattr(kept, "__len__")] == [200]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"threshold": 0.9}, "from 1 to 100"),
        ({"threshold": 101}, "from 1 to 100"),
        ({"threshold": math.nan}, "from 1 to 100"),
        ({"window": 1}, "two intervals at least"),
        ({"least_deviation_ns": 0}, "must be above 0"),
        ({"pause_ns": -1}, "not be below 0"),
        ({"every_ns": 0}, "every_ns is 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float], why: str) -> None:
    """Each with what would."""
    with pytest.raises(ValueError, match=why):
        Settings(**wrong)  # type: ignore[arg-type]  # the parameters of a table
