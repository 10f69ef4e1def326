"""What every detector keeps to, whatever it makes of a silence: see the contract in `tenure.detectors.base`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.detectors import heartbeat, phi
from tenure.detectors.base import Detector
from tenure.detectors.base import Settings as Every
from tenure.durations import NEVER_NS

MS = 1_000_000
DETECTORS: dict[str, Callable[[], Detector]] = {
    "a time-out": heartbeat.Timeout,
    "phi": phi.Phi,
    "phi, exponential": lambda: phi.Phi(phi.Settings(distribution=phi.Distribution.EXPONENTIAL)),
}
every_detector = pytest.mark.parametrize("make", DETECTORS.values(), ids=list(DETECTORS))
gaps = st.lists(st.integers(min_value=1, max_value=3_000 * MS), min_size=1, max_size=40)
offsets = st.integers(min_value=-(2**62), max_value=2**61)
"""Where a clock may stand: nobody says that it begins at 0, nor above it."""


@every_detector
@given(gaps_ns=gaps, offset_ns=offsets)
@settings(max_examples=100, deadline=None, database=None)
def test_the_instant_that_is_promised_is_the_one(
    make: Callable[[], Detector], gaps_ns: list[int], offset_ns: int
) -> None:
    """The opinion changes at `suspect_ns`, not a nanosecond earlier or later, and `next_ns` says so meanwhile."""
    detector, now_ns = make(), offset_ns
    detector.watch(1, now_ns)
    for gap_ns in gaps_ns:
        promised_ns = detector.suspect_ns(1)
        assert promised_ns > now_ns
        assert not detector.is_suspected(1, now_ns)
        assert not detector.is_suspected(1, promised_ns - 1)
        assert detector.is_suspected(1, promised_ns)
        assert detector.next_ns(now_ns) == detector.next_ns(promised_ns - 1) == promised_ns
        assert detector.next_ns(promised_ns) == NEVER_NS
        now_ns += gap_ns
        assert detector.is_suspected(1, now_ns) == (now_ns >= promised_ns)
        detector.hear(1, now_ns)


@every_detector
@given(gaps_ns=gaps, offset_ns=offsets)
@settings(max_examples=50, deadline=None, database=None)
def test_only_differences_of_time_count(make: Callable[[], Detector], gaps_ns: list[int], offset_ns: int) -> None:
    """A clock that stands elsewhere gives the same opinions, so much later."""
    promised = []
    for begin_ns in (0, offset_ns):
        detector, now_ns, waits = make(), begin_ns, []
        detector.watch(1, now_ns)
        for gap_ns in gaps_ns:
            now_ns += gap_ns
            detector.hear(1, now_ns)
            waits.append(detector.suspect_ns(1) - now_ns)
        promised.append(waits)
    assert promised[0] == promised[1]


@every_detector
@given(gaps_ns=gaps, deaf_ns=st.integers(min_value=0, max_value=10_000 * MS))
@settings(max_examples=50, deadline=None, database=None)
def test_an_excuse_moves_the_instant_by_as_much(make: Callable[[], Detector], gaps_ns: list[int], deaf_ns: int) -> None:
    """And that of nobody else."""
    detector, now_ns = make(), 0
    for peer in (1, 2):
        detector.watch(peer, now_ns)
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        detector.hear(1, now_ns)
    before = {peer: detector.suspect_ns(peer) for peer in (1, 2)}

    detector.excuse(1, deaf_ns)

    assert {peer: detector.suspect_ns(peer) for peer in (1, 2)} == {1: before[1] + deaf_ns, 2: before[2]}


@every_detector
def test_peers_are_judged_apart(make: Callable[[], Detector]) -> None:
    """Each by its own heartbeats; the next instant is that of the first who is not suspected yet."""
    detector = make()
    detector.watch(1, 0)
    detector.watch(2, 50 * MS)
    first_ns, second_ns = detector.suspect_ns(1), detector.suspect_ns(2)

    assert second_ns == first_ns + 50 * MS
    assert [detector.next_ns(at_ns) for at_ns in (50 * MS, first_ns, second_ns)] == [first_ns, second_ns, NEVER_NS]


@every_detector
def test_who_is_forgotten_is_forgotten(make: Callable[[], Detector]) -> None:
    """Nothing is kept; who is watched again begins anew, and who is watched already is left alone."""
    detector = make()
    detector.watch(1, 0)
    fresh = detector.suspect_ns(1)
    for beat in range(1, 400):
        detector.hear(1, beat * 170 * MS)
    learned = detector.suspect_ns(1)
    detector.watch(1, 500 * 170 * MS)
    assert detector.suspect_ns(1) == learned

    detector.forget(1)
    detector.forget(1)

    for kept in vars(detector).values():
        assert not isinstance(kept, dict) or kept == {}
    for ask in (lambda: detector.suspect_ns(1), lambda: detector.hear(1, 1), lambda: detector.is_suspected(1, 1)):
        with pytest.raises(KeyError):
            ask()
    detector.watch(1, 0)
    assert detector.suspect_ns(1) == fresh


@every_detector
def test_who_flaps_is_suspected_in_each_silence_and_trusted_after_it(make: Callable[[], Detector]) -> None:
    """Ten silences of ten seconds are ten suspicions, each as soon as the first one: nothing is learned from them."""
    detector, now_ns, patience = make(), 0, []
    detector.watch(1, now_ns)
    for _ in range(10):
        for _ in range(300):
            now_ns += 100 * MS
            detector.hear(1, now_ns)
            assert not detector.is_suspected(1, now_ns)
        patience.append(detector.suspect_ns(1) - now_ns)
        now_ns += 10_000 * MS
        assert detector.is_suspected(1, now_ns)
        detector.hear(1, now_ns)
        assert not detector.is_suspected(1, now_ns)
    assert len(set(patience)) == 1
    assert patience[0] < 3_000 * MS


def test_heartbeats_without_a_pause_between_them_are_refused() -> None:
    """A nanosecond is the least."""
    with pytest.raises(ValueError, match="every_ns is 0"):
        Every(every_ns=0)
