"""Pauses at all calls, in an order that a seed decides: what `lease://` promises holds in each schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tenure.backends.lease.place import LeasePlace
from tests.backends.lease import test_mutants
from tests.backends.lease.model import Model, broken

SEEDS = 60
ENOUGH = 100
"""So many schedules show each of these mutants; one in twelve shows the rarest. What takes three pauses of just the
right length, as a look before the stamp does, has its schedule in `test_rules`."""


def remove_the_last_tenure_too(patch: pytest.MonkeyPatch) -> None:
    """Whoever wins removes whatever is there."""

    def all_of_them(self: LeasePlace, _token: int) -> None:
        for each in self.tokens():
            Path(self.path(each)).unlink(missing_ok=True)

    patch.setattr(LeasePlace, "prune", all_of_them)


@pytest.mark.timeout(300)
def test_whatever_is_paused_wherever_one_leads(tmp_path: Path) -> None:
    """Never two valid tenures (L16), no token twice or too late (L17); the last process that moves is elected (L25)."""
    elected = 0
    for seed in range(SEEDS):
        (tmp_path / str(seed)).mkdir()
        model = Model(tmp_path / str(seed), seed)
        model.run()
        elected += model.elections

    assert elected > 3 * SEEDS, "a schedule in which hardly anybody is elected shows nothing"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "take_away",
    [
        remove_the_last_tenure_too,
        test_mutants.read_no_stamp_again,
        test_mutants.rename_instead_of_link,
        test_mutants.lead_without_a_look,
    ],
)
def test_the_model_notices_a_rule_taken_away(
    take_away: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some schedule breaks the promise without it."""
    take_away(monkeypatch)

    assert broken(tmp_path, range(ENOUGH)) is not None
