"""Chen's measures, on traces made by hand and on one drawn from a seed on which all detectors are compared."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tenure.detectors.base import Detector
from tenure.detectors.heartbeat import Settings as Fixed
from tenure.detectors.heartbeat import Timeout
from tenure.detectors.phi import Distribution, Phi
from tenure.detectors.phi import Settings as Accrual
from tenure.detectors.quality import Quality, quality

pytestmark = pytest.mark.versions
MS = 1_000_000
S = 1_000 * MS


def judged(arrivals_ms: list[int], *, crash_ms: int, begin_ms: int = 0) -> Quality:
    """Of a time-out of 250 ms."""
    detector = Timeout(Fixed(every_ns=100 * MS, timeout_ns=250 * MS))
    arrivals_ns = [at * MS for at in arrivals_ms]
    return quality(detector, arrivals_ns, begin_ns=begin_ms * MS, crash_ns=crash_ms * MS)


def test_a_peer_that_is_heard_in_time_until_it_crashes() -> None:
    """No mistake; detected a time-out after its last heartbeat."""
    found = judged([100, 200, 300, 400], crash_ms=450)
    assert found == Quality(detection_ns=200 * MS, mistakes=0, wrong_ns=0, lived_ns=450 * MS)
    assert (found.mistakes_per_s, found.mistake_ns, found.availability) == (0, 0, 1)


def test_two_silences_are_two_mistakes() -> None:
    """The first from 450 to 500 ms, the second from 750 to 900: wrong for a fifth of its life of a second."""
    found = judged([100, 200, 500, 900], crash_ms=1_000)
    assert found == Quality(detection_ns=150 * MS, mistakes=2, wrong_ns=200 * MS, lived_ns=S)
    assert (found.mistakes_per_s, found.mistake_ns, found.availability) == (2, 100 * MS, 0.8)


def test_a_mistake_that_the_crash_makes_true() -> None:
    """Suspected at 350 ms, crashed at 400, never heard again: detected at once, and wrong for 50 ms."""
    assert judged([100], crash_ms=400) == Quality(detection_ns=0, mistakes=1, wrong_ns=50 * MS, lived_ns=400 * MS)


def test_what_was_under_way_when_it_crashed_puts_off_the_detection() -> None:
    """Sent before 400 ms and heard at 600: trusted once more, until 850. Being wrong about the living ends at 400."""
    found = judged([100, 600], crash_ms=400)
    assert found == Quality(detection_ns=450 * MS, mistakes=1, wrong_ns=50 * MS, lived_ns=400 * MS)


def test_a_suspicion_after_the_crash_is_no_mistake() -> None:
    """Nor is a heartbeat at the very instant of suspicion a sign of one."""
    assert judged([100, 350, 700], crash_ms=550).mistakes == 0


def test_a_peer_that_is_never_heard() -> None:
    """It is watched from 1 s on."""
    found = judged([], begin_ms=1_000, crash_ms=2_000)
    assert found == Quality(detection_ns=0, mistakes=1, wrong_ns=750 * MS, lived_ns=S)


@pytest.mark.parametrize(
    ("arrivals_ms", "crash_ms"), [([200, 100], 500), ([-1], 500), ([100], 0)], ids=["order", "before", "no life"]
)
def test_a_trace_that_cannot_be_is_refused(arrivals_ms: list[int], crash_ms: int) -> None:
    """Rather than judged."""
    with pytest.raises(ValueError, match="in their order"):
        judged(arrivals_ms, crash_ms=crash_ms)


def heartbeats(network: str, until_ns: int, seed: int = 1) -> list[int]:
    """Arrivals of heartbeats that leave each 100 ms: one in a hundred is lost, one in fifty is up to 150 ms late, once
    in a minute the sender stands still for up to half a second; delays of 2 to 12 ms, or where it is slow to 352 ms.
    """
    chance, arrivals_ns, now_ns = Random(seed), [], 0
    jitter_ns = {"calm": 10 * MS, "slow": 350 * MS}[network]
    while now_ns < until_ns:
        if chance.random() >= 1 / 100:
            late_ns = 150 * MS if chance.random() < 1 / 50 else 0
            arrivals_ns.append(now_ns + 2 * MS + int(chance.random() * (jitter_ns + late_ns)))
        now_ns += 100 * MS
        if chance.random() < 1 / 600:
            now_ns += int(chance.random() * 500 * MS)
    return sorted(arrivals_ns)


def compared(make: Callable[..., Detector], *configs: Fixed | Accrual, network: str) -> list[Quality]:
    """The same hour of heartbeats, judged with each of these settings."""
    until_ns = 3_600 * S
    arrivals_ns = heartbeats(network, until_ns)
    return [quality(make(config), arrivals_ns, begin_ns=0, crash_ns=until_ns) for config in configs]


@pytest.mark.parametrize("network", ["calm", "slow"])
def test_patience_costs_detection_time_and_saves_mistakes(network: str) -> None:
    """For each detector: the longer it waits, the later it is and the more often right."""
    fixed = compared(Timeout, *(Fixed(timeout_ns=ms * MS) for ms in (250, 500, 1_000)), network=network)
    by_phi = compared(Phi, *(Accrual(pause_ns=0, threshold=phi) for phi in (1, 3, 8, 16)), network=network)
    exponential = Distribution.EXPONENTIAL
    by_mean = compared(
        Phi, *(Accrual(pause_ns=0, threshold=phi, distribution=exponential) for phi in (1, 2, 8)), network=network
    )
    for row in (fixed, by_phi, by_mean):
        assert row == sorted(row, key=lambda found: found.detection_ns)
        assert row == sorted(row, key=lambda found: -found.mistakes)
        assert row == sorted(row, key=lambda found: found.availability)
        assert row[0].mistakes > 2 * row[-1].mistakes


def test_phi_takes_every_loss_for_a_death_unless_it_bears_a_pause() -> None:
    """One heartbeat in a hundred is lost, in a sample that is regular otherwise."""
    without, with_pause = compared(Phi, Accrual(pause_ns=0), Accrual(), network="calm")
    assert without.mistakes > 36_000 / 100 > 10 * with_pause.mistakes


def test_phi_adapts_where_a_time_out_does_not() -> None:
    """A time-out that is good in a calm network is wrong twenty times as often in a slow one; phi no more often than
    before, for which it waits longer.
    """
    (fixed_calm,), (fixed_slow,) = (compared(Timeout, Fixed(timeout_ns=250 * MS), network=n) for n in ("calm", "slow"))
    (phi_calm,), (phi_slow,) = (compared(Phi, Accrual(), network=n) for n in ("calm", "slow"))
    assert fixed_slow.mistakes > 20 * fixed_calm.mistakes > 0
    assert 0 < phi_calm.mistakes < fixed_calm.mistakes
    assert phi_slow.mistakes <= phi_calm.mistakes
    assert phi_slow.detection_ns > 1.5 * phi_calm.detection_ns
