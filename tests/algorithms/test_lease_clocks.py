"""The majority lease and clocks: none hold together while rates are within the bound, and one step beyond they do.

The sharpest schedule there is: the holder has the slowest clock and the voter the fastest, nothing takes any time, and
who takes over claims in the very instant in which the lease of that voter runs out. Elections hide it as a rule.
"""

from __future__ import annotations

from unittest.mock import patch

import pytest

from tenure import trace
from tenure.algorithms.majority_lease import Granted, Refused, Renew, Settings
from tenure.core.events import Trusted
from tenure.durations import PPM
from tenure.simulator.checkers import OneAtATime
from tests.algorithms.lease_scripts import Script
from tests.algorithms.mutants_lease import holders_rho_left_out, rho_left_out, voters_rho_left_out

DEFAULTS = Settings()
TIGHT = Settings(margin_ns=1)
PERFECT = Settings(rho_ppm=0, margin_ns=1)
WIDE = Settings(rho_ppm=180_000, margin_ns=1)
RENEWALS = 3


class Judged(Script):
    """A script that is seen by the laboratory's checker."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings=settings)
        self.checker, self.objections = OneAtATime(), list[str]()

    def _held(self, number: int, token: int, until_ns: int) -> None:
        super()._held(number, token, until_ns)
        objection = self.checker.see(trace.Held(self.now_ns, number, token, until_ns))
        self.objections += [] if objection is None else [objection]


def taken_over(settings: Settings, off_ppm: int) -> Judged:
    """Node 1 wins by 2 and renews, then falls silent; 3 takes over as soon as 2 may grant. Rates are off by so much."""
    script = Judged(settings)
    script.cells[1].ppm, script.cells[2].ppm = -off_ppm, off_ppm
    script.win(1, 2)
    _renewed(script)
    script.stand(3, 2, Refused)  # so it knows by now what it needs to win
    script.give(3, Trusted(1))
    script.now_ns += settings.retry_ns
    script.wake(3)
    for _ in range(RENEWALS):
        script.now_ns = script.cells[1].true_ns(script.cells[1].clock(script.now_ns) + settings.renew_every_ns)
        script.wake(1)
        _renewed(script)
    script.under_way.clear()
    voter = script.cells[2]
    script.now_ns = voter.true_ns(voter.clock(script.now_ns) + settings.duration_ns)
    script.stand(3, 2)
    return script


def _renewed(script: Script) -> None:
    """All renewals that are under way from 1 to 2 arrive, and so do the answers."""
    while any(one[:2] == (1, 2) for one in script.under_way):
        script.hand(Renew, 1, 2)
        script.hand(Granted, 2, 1)


def first_ppm(settings: Settings) -> int:
    """The smallest error of both rates, in opposite directions, with which the holder outlasts the voter: `usable /
    (1 - off) > duration / (1 + off)` in true time.
    """
    return next(off for off in range(PPM) if settings.usable_ns * (PPM + off) > settings.duration_ns * (PPM - off))


@pytest.mark.parametrize("settings", [DEFAULTS, TIGHT, PERFECT, WIDE])
def test_at_the_bound_nobody_holds_together(settings: Settings) -> None:
    """Nor one step before the arithmetic says so; who takes over has won all the same."""
    for off_ppm in (settings.rho_ppm, first_ppm(settings) - 1):
        script = taken_over(settings, off_ppm)
        assert (script.tokens, script.violations, script.objections) == ([1, 2], [], [])


@pytest.mark.parametrize(("settings", "ppm"), [(DEFAULTS, 112_235), (TIGHT, 100_001), (PERFECT, 1), (WIDE, 180_001)])
def test_a_millionth_beyond_two_hold_together(settings: Settings, ppm: int) -> None:
    """The bound is exact but for the margin, which is worth another 1.2 % of error with the defaults."""
    assert first_ppm(settings) == ppm
    script = taken_over(settings, ppm)
    until_ns = script.held[1][1]
    assert 0 < until_ns - script.now_ns < 20_000
    assert [one.partition(" under token 2 while ")[0] for one in script.objections] == ["node 3 may act"]


@pytest.mark.parametrize("usable", [rho_left_out, voters_rho_left_out, holders_rho_left_out])
@pytest.mark.parametrize("settings", [DEFAULTS, TIGHT, WIDE])
def test_with_either_factor_left_out_two_hold_together_within_the_bound(settings: Settings, usable: object) -> None:
    """`(1 - rho) / (1 + rho)`: 1 + rho for the voter's clock, and 1 - rho for the holder's."""
    with patch.object(Settings, "usable_ns", property(usable)):  # type: ignore[arg-type]  # one of three functions
        script = taken_over(settings, settings.rho_ppm)
    assert len(script.objections) == 1
