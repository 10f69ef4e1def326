"""The fixed time-out: right where bounds on time hold, and simple everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.detectors.heartbeat import Settings, Timeout

MS = 1_000_000


@given(
    every_ns=st.integers(min_value=1, max_value=1_000 * MS),
    delay_ns=st.integers(min_value=0, max_value=1_000 * MS),
    begin_ns=st.integers(min_value=-(10**18), max_value=10**18),
    data=st.data(),
)
@settings(max_examples=200, deadline=None, database=None)
def test_within_its_bound_it_is_never_wrong_and_misses_nobody(
    every_ns: int, delay_ns: int, begin_ns: int, data: st.DataObject
) -> None:
    """Heartbeats leave in time and take `delay_ns` at most: who lives is never suspected, and who crashes is within the
    time-out and one period and delay.
    """
    timeout_ns = every_ns + delay_ns + 1
    detector = Timeout(Settings(every_ns=every_ns, timeout_ns=timeout_ns))
    delays = data.draw(st.lists(st.integers(min_value=0, max_value=delay_ns), min_size=1, max_size=30))
    sent_ns = [begin_ns + beat * every_ns for beat in range(len(delays))]
    detector.watch(1, begin_ns)
    for arrival_ns in sorted(at_ns + delay for at_ns, delay in zip(sent_ns, delays, strict=True)):
        assert not detector.is_suspected(1, arrival_ns)
        detector.hear(1, arrival_ns)

    crash_ns = sent_ns[-1] + data.draw(st.integers(min_value=0, max_value=every_ns))

    assert crash_ns <= sent_ns[-1] + every_ns < detector.suspect_ns(1)
    assert detector.suspect_ns(1) <= crash_ns + delay_ns + timeout_ns


def test_the_defaults() -> None:
    """Half a second after the last of heartbeats that come each tenth."""
    detector = Timeout()
    detector.watch(1, 0)
    detector.hear(1, 70 * MS)
    assert (detector.every_ns, detector.suspect_ns(1)) == (100 * MS, 570 * MS)


@pytest.mark.parametrize("timeout_ns", [100 * MS, 99 * MS, 0, -1])
def test_a_timeout_that_suspects_everybody_is_refused(timeout_ns: int) -> None:
    """Between two heartbeats nobody is heard."""
    with pytest.raises(ValueError, match="three times as long"):
        Settings(every_ns=100 * MS, timeout_ns=timeout_ns)
    assert Settings(every_ns=100 * MS, timeout_ns=100 * MS + 1).timeout_ns == 100 * MS + 1
