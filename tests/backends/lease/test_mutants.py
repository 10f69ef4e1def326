"""Take one rule of the lease backend away, and a named test must fail; with the rule it passes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tenure.backends.file.outcomes import Seen
from tenure.backends.file.place import Place
from tenure.backends.lease import backend, stamp, tenure_file
from tenure.backends.lease.contest import Contest
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import Sightings
from tenure.backends.lease.stamp import Sight
from tenure.backends.lease.survey import Survey, survey
from tenure.backends.lease.tenure_file import TenureFile
from tenure.errors import BackendRefused
from tests.backends.lease import scenes, test_rules

NOTICED = (AssertionError, TimeoutError, pytest.fail.Exception)
MUTANT_LIMIT_S = 5.0


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices."""

    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]


def look_before_the_stamp(patch: pytest.MonkeyPatch) -> None:
    """A renewal looks for a later tenure first, and stamps then."""
    renew = TenureFile.renew

    def reversed_(self: TenureFile, now_ns: int) -> bool:
        if not self.is_last():
            return False
        with pytest.MonkeyPatch.context() as blind:
            blind.setattr(TenureFile, "is_last", lambda _self: True)
            return renew(self, now_ns)

    patch.setattr(TenureFile, "renew", reversed_)


def read_no_stamp_again(patch: pytest.MonkeyPatch) -> None:
    """A winner goes by what it saw before its tenure had its name."""

    def once(*arguments: Any, below: int | None = None, **named: Any) -> Survey:
        return Survey() if below is not None else survey(*arguments, **named)

    patch.setattr("tenure.backends.lease.contest.survey", once)


def wait_out_only_the_last(patch: pytest.MonkeyPatch) -> None:
    """Of the tenures before only the last is waited out."""
    patch.setattr(Survey, "over_ns", property(lambda self: self.tenures[0].over_ns if self.tenures else 0))


def take_over_from_who_leads(patch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the lease's end before making the next tenure."""
    patch.setattr(Contest, "_is_vacant", lambda *_: True)


def rename_instead_of_link(patch: pytest.MonkeyPatch) -> None:
    """The last who gives the name has it."""
    patch.setattr(os, "link", lambda source, target, **_: Path(source).rename(target))


def release_without_closing(patch: pytest.MonkeyPatch) -> None:
    """A leader that steps down lets its file be."""
    patch.setattr(TenureFile, "close", lambda self, **_: self.drop())


def lead_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """Neither a winner nor a leader looks whether a later tenure was made."""
    patch.setattr(LeasePlace, "is_last", lambda *_: True)


def remove_the_last_tenure_too(patch: pytest.MonkeyPatch) -> None:
    """Whoever wins removes whatever is there."""

    def all_of_them(self: LeasePlace, _token: int) -> None:
        for each in self.tokens():
            Path(self.path(each)).unlink()

    patch.setattr(LeasePlace, "prune", all_of_them)


def keep_every_tenure(patch: pytest.MonkeyPatch) -> None:
    """Nothing is removed."""
    patch.setattr(LeasePlace, "prune", lambda *_: None)


def compare_whatever_clock(patch: pytest.MonkeyPatch) -> None:
    """A stamp is compared with our clock, wherever it was read."""
    over_ns = Sightings.over_ns

    def compared(self: Sightings, election: str, token: int, sight: Sight) -> int:
        frame = msgspec.structs.replace(sight.stamp.frame, namespace=self.frame.namespace)
        return over_ns(self, election, token, Sight(msgspec.structs.replace(sight.stamp, frame=frame), sight.sure))

    patch.setattr(Sightings, "over_ns", compared)


def wait_for_the_dead_of_another_boot(patch: pytest.MonkeyPatch) -> None:
    """A stamp of before the restart is waited for."""
    over_ns = Sightings.over_ns

    def compared(self: Sightings, election: str, token: int, sight: Sight) -> int:
        return over_ns(self, election, token, Sight(msgspec.structs.replace(sight.stamp, frame=self.frame), sight.sure))

    patch.setattr(Sightings, "over_ns", compared)


def trust_the_slot_that_is_left(patch: pytest.MonkeyPatch) -> None:
    """The older stamp counts where the newer one is damaged."""
    read = stamp.read

    def sure(fd: int) -> Sight | None:
        sight = read(fd)
        return None if sight is None else Sight(sight.stamp)

    patch.setattr(stamp, "read", sure)


def believe_in_the_future(patch: pytest.MonkeyPatch) -> None:
    """A stamp counts from what it says, however late that is."""
    patch.setattr(Sightings, "_seen_ns", lambda *_: 2**62)


def forget_the_tokens_seen(patch: pytest.MonkeyPatch) -> None:
    """A wiped directory takes the tokens back."""
    patch.setattr(Seen, "highest", lambda *_: 0)


def win_at_once_after_a_wipe(patch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a leader whose tenure was removed."""
    patch.setattr(Contest, "_restored_ns", lambda *_: 0)


def take_damage_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """A tenure that cannot be read is passed over."""

    def blind(where: LeasePlace, *arguments: Any, **named: Any) -> Survey:
        try:
            return survey(where, *arguments, **named)
        except BackendRefused:
            return Survey()

    patch.setattr("tenure.backends.lease.contest.survey", blind)


def lead_from_a_file_that_is_gone(patch: pytest.MonkeyPatch) -> None:
    """Only a later tenure ends one."""
    patch.setattr(LeasePlace, "is_last", lambda self, token, _inode: max(self.tokens(), default=0) <= token)


def renew_behind_campaigns(patch: pytest.MonkeyPatch) -> None:
    """Renewals queue for the thread on which everything else waits for the disk."""
    init = backend.LeaseBackend.__init__

    def shared(self: backend.LeaseBackend, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self._pulse = self._tools.worker

    patch.setattr(backend.LeaseBackend, "__init__", shared)


def tell_before_the_name_is_durable(patch: pytest.MonkeyPatch) -> None:
    """The directory is not synced."""
    patch.setattr(tenure_file, "sync_directory", lambda _path: None)


def stand_beside_file(patch: pytest.MonkeyPatch) -> None:
    """Nothing in the directory keeps file:// and lease:// apart."""
    create = Place.create

    def careless(self: LeasePlace) -> None:
        create(self)
        Path(self.tenures).mkdir(exist_ok=True)

    patch.setattr(LeasePlace, "create", careless)


MUTANTS = (
    Mutant(look_before_the_stamp, test_rules.test_L16_a_renewal_whose_look_found_nobody_is_seen_by_who_comes_later),
    Mutant(read_no_stamp_again, test_rules.test_L16_a_renewal_that_came_in_between_is_waited_out),
    Mutant(wait_out_only_the_last, test_rules.test_the_longer_lease_of_one_before_the_last_is_waited_out_too),
    Mutant(take_over_from_who_leads, test_rules.test_nobody_makes_a_tenure_while_one_is_led),
    Mutant(rename_instead_of_link, test_rules.test_of_two_who_make_one_tenure_one_succeeds),
    Mutant(release_without_closing, test_rules.test_a_released_tenure_is_not_waited_for),
    Mutant(lead_without_a_look, test_rules.test_L16_a_winner_that_slept_before_it_led_leads_no_more),
    Mutant(lead_without_a_look, test_rules.test_L17_a_candidate_that_slept_takes_no_older_token),
    Mutant(remove_the_last_tenure_too, test_rules.test_L17_the_last_tenure_is_never_removed),
    Mutant(keep_every_tenure, test_rules.test_L17_the_last_tenure_is_never_removed),
    Mutant(compare_whatever_clock, test_rules.test_L10_a_stamp_of_another_time_namespace_is_not_compared),
    Mutant(wait_for_the_dead_of_another_boot, test_rules.test_who_led_before_a_restart_of_the_machine_is_over),
    Mutant(trust_the_slot_that_is_left, test_rules.test_a_stamp_that_rots_shortens_no_lease),
    Mutant(believe_in_the_future, test_rules.test_a_stamp_from_the_future_is_waited_for_no_longer_than_a_lease),
    Mutant(
        forget_the_tokens_seen,
        test_rules.test_L34_after_a_wipe_nobody_who_knows_better_wins_for_the_longest_lease,
    ),
    Mutant(
        win_at_once_after_a_wipe,
        test_rules.test_L34_after_a_wipe_nobody_who_knows_better_wins_for_the_longest_lease,
    ),
    Mutant(take_damage_for_nothing, test_rules.test_a_damaged_tenure_elects_nobody),
    Mutant(lead_from_a_file_that_is_gone, test_rules.test_L19_a_tenure_whose_file_is_gone_is_lost),
    Mutant(renew_behind_campaigns, test_rules.test_L9_a_campaign_that_hangs_in_the_disk_delays_no_renewal),
    Mutant(tell_before_the_name_is_durable, test_rules.test_L17_a_tenure_is_durable_before_it_is_told),
    Mutant(stand_beside_file, test_rules.test_an_election_of_file_is_not_led_beside_it),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.take_away.__name__)
def test_a_rule_taken_away_is_noticed(mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule the named test passes, without it it fails."""
    _perform(mutant, tmp_path / "with")
    monkeypatch.setattr(scenes, "LIMIT_S", MUTANT_LIMIT_S)
    mutant.take_away(monkeypatch)

    with pytest.raises(NOTICED):
        _perform(mutant, tmp_path / "without")


def _perform(mutant: Mutant, folder: Path) -> None:
    """Run the named test as pytest would, with its own fixtures where it wants them."""
    folder.mkdir()
    wanted = inspect.signature(mutant.test).parameters
    with pytest.MonkeyPatch.context() as patch:
        offered = {"tmp_path": folder, "monkeypatch": patch}
        mutant.test(**{name: value for name, value in offered.items() if name in wanted})
