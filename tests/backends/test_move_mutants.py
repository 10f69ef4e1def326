"""Take one rule of moving an election away, and a named test must fail; with the rule it passes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tenure.backends.file import tenures
from tenure.backends.lease import contest, ending, tenure_file
from tenure.backends.lease.tenure_file import TenureFile
from tenure.backends.memory.service import MemoryService
from tests.backends.lease import scenes, test_moving
from tests.contracts import stage as contract
from tests.contracts import test_backend_move
from tests.contracts.harnesses import FileHarness, LeaseHarness, MemoryHarness

NOTICED = (AssertionError, TimeoutError, pytest.fail.Exception)
MUTANT_LIMIT_S = 2.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""
Harness = type[MemoryHarness] | type[FileHarness] | type[LeaseHarness]


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices, on which backend."""

    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., Any]
    harness: Harness | None = None


def elect_where_it_is_not(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether the election has moved away."""
    patch.setattr(tenures, "refuse_moved", lambda *_: None)
    patch.setattr("tenure.backends.lease.contest.refuse_moved", lambda *_: None)
    patch.setattr(MemoryService, "_refuse_moved", lambda *_: None)


def look_only_before_the_tenure_is_made(patch: pytest.MonkeyPatch) -> None:
    """A candidate that slept between its look and its link leads all the same."""
    settle = contest.Contest.settle

    def blind(self: contest.Contest) -> contest.Outcome:
        with pytest.MonkeyPatch.context() as unseen:
            unseen.setattr("tenure.backends.lease.contest.refuse_moved", lambda *_: None)
            return settle(self)

    patch.setattr(contest.Contest, "settle", blind)


def move_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """Who moves an election does not look whether another tenure came first."""
    retire = TenureFile.retire

    def sure(self: TenureFile, url: str) -> bool:
        with pytest.MonkeyPatch.context() as blind:
            blind.setattr(TenureFile, "is_last", lambda _self: True)
            return retire(self, url)

    patch.setattr(TenureFile, "retire", sure)


def skip_the_floor(patch: pytest.MonkeyPatch) -> None:
    """The new place counts on from its own tokens."""
    shut_file, shut_lease = tenures.shut, ending.shut
    shut_memory = MemoryService.shut

    def file(place: Any, _token: int, *rest: Any, **named: Any) -> int:
        return shut_file(place, 0, *rest, **named)

    def lease(place: Any, sightings: Any, _token: int, *rest: Any, **named: Any) -> int:
        return shut_lease(place, sightings, 0, *rest, **named)

    def memory(self: MemoryService, election: str, _token: int, *rest: Any, **named: Any) -> int:
        return shut_memory(self, election, 0, *rest, **named)

    patch.setattr(tenures, "shut", file)
    patch.setattr(ending, "shut", lease)
    patch.setattr(MemoryService, "shut", memory)


def count_nothing_for_a_second_shut(patch: pytest.MonkeyPatch) -> None:
    """Whoever shut a place first can open what another one has shut since."""
    highest = tenures.highest_given
    patch.setattr(tenures, "highest_given", lambda *arguments: highest(*arguments) - 1)


def forget_how_it_ended(patch: pytest.MonkeyPatch) -> None:
    """The first tenure in the new place counts as following a clean one."""
    make = tenure_file.make

    def clean(place: Any, token: int, first: Any, holder: Any) -> TenureFile | None:
        return make(place, token, msgspec.structs.replace(first, clean=True), holder)

    patch.setattr(tenure_file, "make", clean)


AWAY = test_backend_move.test_L17_nobody_is_elected_where_an_election_has_moved_away
WAITING = test_backend_move.test_L17_whoever_waits_where_an_election_moves_away_is_refused
FLOOR = test_backend_move.test_L17_a_place_that_is_shut_elects_nobody_and_goes_on_above
SECOND = test_backend_move.test_L17_who_shut_a_place_earlier_cannot_open_it
HOW = test_backend_move.test_how_the_last_tenure_ended_moves_too
MUTANTS = (
    Mutant(elect_where_it_is_not, AWAY, MemoryHarness),
    Mutant(elect_where_it_is_not, AWAY, FileHarness),
    Mutant(elect_where_it_is_not, AWAY, LeaseHarness),
    Mutant(elect_where_it_is_not, WAITING, FileHarness),
    Mutant(skip_the_floor, FLOOR, MemoryHarness),
    Mutant(skip_the_floor, FLOOR, FileHarness),
    Mutant(skip_the_floor, FLOOR, LeaseHarness),
    Mutant(count_nothing_for_a_second_shut, SECOND, FileHarness),
    Mutant(forget_how_it_ended, HOW, LeaseHarness),
    Mutant(
        look_only_before_the_tenure_is_made,
        test_moving.test_L17_a_tenure_that_is_made_after_its_election_moved_away_is_not_led,
    ),
    Mutant(move_without_a_look, test_moving.test_L17_a_move_that_comes_after_another_tenure_was_made_is_taken_back),
)


@pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda mutant: f"{mutant.take_away.__name__}-{getattr(mutant.harness, 'kind', 'race')}"
)
def test_a_rule_taken_away_is_noticed(mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule the named test passes, without it it fails."""
    _perform(mutant, tmp_path / "with")
    monkeypatch.setattr(contract, "LIMIT_S", MUTANT_LIMIT_S)
    monkeypatch.setattr(scenes, "LIMIT_S", MUTANT_LIMIT_S)
    mutant.take_away(monkeypatch)

    with pytest.raises(NOTICED):
        _perform(mutant, tmp_path / "without")


def _perform(mutant: Mutant, folder: Path) -> None:
    folder.mkdir()
    harness = mutant.harness
    if harness is not None:

        async def scene() -> None:
            stage = contract.Stage(harness(folder))
            await stage.play(mutant.test, {"stage": stage})

        asyncio.run(scene())
        return
    with pytest.MonkeyPatch.context() as patch:
        offered = {"tmp_path": folder, "monkeypatch": patch}
        mutant.test(**{name: offered[name] for name in inspect.signature(mutant.test).parameters})
