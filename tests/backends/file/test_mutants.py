"""Take one rule of the file backend away, and a named test must fail; with the rule it passes."""

from __future__ import annotations

import fcntl
import inspect
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest

from tenure.backends.file import contest, counter, identity, queue, record, steps, tenures
from tenure.backends.file.contest import Contest
from tenure.backends.file.grant import FileGrant
from tenure.backends.file.identity import Process, is_dead, this_process
from tenure.backends.file.outcomes import Outcome, Seen, Wait
from tenure.backends.file.place import Place
from tenure.errors import BackendRefused
from tests.backends.file import players, scenes, test_counter, test_lock_file, test_news, test_reserve, test_takeover
from tests.backends.file.players import ELECTION
from tests.backends.file.scenes import backend, candidate, play, win
from tests.contracts import stage as contract
from tests.contracts import test_backend_exclusion
from tests.contracts.harnesses import FileHarness

MUTANT_LIMIT_S = 4.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""


NOTICED = (AssertionError, TimeoutError, pytest.fail.Exception, BaseExceptionGroup, BackendRefused)
"""How a test fails. (The last: what is read as a token without its checksum does not fit one.)"""


def test_L22_a_candidate_ahead_that_never_moves_freezes_nobody(tmp_path: Path) -> None:
    """Its presence shows that it lives, as that of a stopped process does; who comes behind it leads all the same."""
    place = Place(str(tmp_path), ELECTION, private=False)
    place.create()
    sleeper = candidate("sleeper")
    presence = queue.stand(place, sleeper, queue.entry(sleeper, 0))

    async def scene() -> None:
        async with backend(tmp_path) as only:
            assert (await win(only, "awake")).granted.token == 1

    try:
        play(scene())
    finally:
        os.close(presence)


def test_L17_a_byte_that_rots_in_either_slot_gives_no_token_twice(tmp_path: Path) -> None:
    """Each byte of each slot in turn: the next token is above all that were told."""
    place = Place(str(tmp_path), ELECTION, private=False)
    place.create()
    told = [counter.mint(place, 0, 0)[0] for _ in range(300)][-1]  # so high that it takes two bytes
    for at in (offset + byte for offset in counter.OFFSETS for byte in range(counter.SLOT_BYTES)):
        data = bytearray(Path(place.token).read_bytes())
        data[at] ^= 0xFF
        Path(place.token).write_bytes(data)
        token, _ = counter.mint(place, 0, 0)
        assert token > told
        told = token


def test_L31_a_process_is_known_by_more_than_its_pid() -> None:
    """A pid that was used again, after a restart of the machine too, is another process, and the first one is dead."""
    alive = this_process()

    assert not is_dead(alive)
    assert is_dead(msgspec.structs.replace(alive, started=alive.started - 1))
    assert is_dead(msgspec.structs.replace(alive, boot="another"))
    assert not is_dead(msgspec.structs.replace(alive, namespace=1, pid=1)), "nobody can tell from here"


def test_a_deposed_leader_makes_no_record_in_another_directory(tmp_path: Path) -> None:
    """Its directory was removed and made again: a record there, without a counter, would have everybody refused."""

    async def scene() -> None:
        async with backend(tmp_path) as old:
            grant = await win(old, "old")
            (tmp_path / ELECTION).rename(tmp_path / "removed")
            Place(str(tmp_path), ELECTION, private=False).create()
            await grant.release()
            assert not (tmp_path / ELECTION / "leader").exists()

    play(scene())


def on_a_contract_stage(test: Callable[[contract.Stage], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """A test of the contract suite, played on this backend."""

    def play_it(tmp_path: Path) -> None:
        async def scene() -> None:
            stage = contract.Stage(FileHarness(tmp_path))
            await stage.play(test, {"stage": stage})

        play(scene())

    return play_it


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices."""

    rule: str
    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})


def take_who_left_for_the_leader(patch: pytest.MonkeyPatch) -> None:
    """Whoever wakes because somebody before it left the queue believes that it has won, and does not ask the lock."""
    turn, take_lock = Contest.turn, steps.take_lock
    stood: dict[int, int] = {}

    def hasty(self: Contest, *, eager: bool) -> Outcome:
        has_one_left = len(queue.entries(self.place)) < stood.get(id(self), 0)
        with pytest.MonkeyPatch.context() as blind:
            blind.setattr(steps, "take_lock", lambda fd: take_lock(fd) or has_one_left)
            outcome = turn(self, eager=eager or has_one_left)
        stood[id(self)] = len(queue.entries(self.place))
        return outcome

    patch.setattr(Contest, "turn", hasty)


def watch_the_lock_from_everywhere(patch: pytest.MonkeyPatch) -> None:
    """Everybody who stands is woken by the lock; the players, processes of their own, do it to themselves."""
    patch.setenv("PLAYER_MUTANT", "watch_the_lock_from_everywhere")


def lock_whatever_file_is_open(patch: pytest.MonkeyPatch) -> None:
    """The inode is not compared with the path's."""
    patch.setattr(Place, "is_current", lambda *_: True)


def lead_on_whatever_becomes_of_the_file(patch: pytest.MonkeyPatch) -> None:
    """The leader does not look at its lock file again."""
    patch.setattr(FileGrant, "is_ours", lambda *_: True)


def win_beside_an_orphan(patch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a leader that held another file."""
    patch.setattr(tenures, "may_still_act", lambda *_: False)


def let_go_by_unlocking(patch: pytest.MonkeyPatch) -> None:
    """The lock is unlocked before its descriptor is closed."""

    def let_go(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)

    patch.setattr(steps, "let_go", let_go)


def tell_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    """The token is not synced."""

    def mint(place: Place, recorded: int, seen: int) -> tuple[int, int]:
        with pytest.MonkeyPatch.context() as unsynced:
            unsynced.setattr(steps, "sync_token", lambda _fd: None)
            return whole(place, recorded, seen)

    whole = counter.mint
    patch.setattr(counter, "mint", mint)


def write_no_token(patch: pytest.MonkeyPatch) -> None:
    """The counter is not written."""
    patch.setattr(steps, "write_token", lambda *_: None)


def write_over_the_newest_slot(patch: pytest.MonkeyPatch) -> None:
    """A torn write takes the highest token with it."""
    older = counter.older
    patch.setattr(counter, "older", lambda first, second: 1 - older(first, second))


def trust_a_slot_without_its_checksum(patch: pytest.MonkeyPatch) -> None:
    """Rot is read as a token."""

    def unpack(data: bytes) -> int | None:
        return int.from_bytes(data[12:20], "little") if len(data) == counter.SLOT_BYTES else None

    patch.setattr(counter, "unpack", unpack)


def begin_a_missing_counter_anew(patch: pytest.MonkeyPatch) -> None:
    """The record is not asked whether there were tenures."""
    mint = counter.mint
    patch.setattr(counter, "mint", lambda place, _recorded, seen: mint(place, 0, seen))


def forget_the_tokens_seen(patch: pytest.MonkeyPatch) -> None:
    """A wiped directory takes the tokens back."""
    patch.setattr(Seen, "highest", lambda *_: 0)


def believe_every_presence(patch: pytest.MonkeyPatch) -> None:
    """A file in the queue is a candidate, whether its maker lives or not."""
    patch.setattr(queue, "lives", lambda place, name: (Path(place.candidates) / name).exists())


def be_polite_for_ever(patch: pytest.MonkeyPatch) -> None:
    """Who is not first waits for those ahead, however long the lock is free."""
    turn = Contest.turn

    def polite(self: Contest, *, eager: bool) -> Outcome:
        outcome = turn(self, eager=eager)
        return msgspec.structs.replace(outcome, eager_s=None) if isinstance(outcome, Wait) else outcome

    patch.setattr(Contest, "turn", polite)


def trust_the_bare_pid(patch: pytest.MonkeyPatch) -> None:
    """A process is dead when nobody has its pid."""

    def by_pid(process: Process) -> bool:
        return not Path(f"/proc/{process.pid}").exists()

    patch.setattr(identity, "is_dead", by_pid)
    patch.setitem(test_L31_a_process_is_known_by_more_than_its_pid.__globals__, "is_dead", by_pid)


def close_the_record_wherever_it_is(patch: pytest.MonkeyPatch) -> None:
    """A leader that steps down does not look whether the directory is its own."""
    close = tenures._close  # noqa: SLF001 -- a mutant wraps what it mutates

    def careless(place: Place, *rest: Any) -> None:
        with pytest.MonkeyPatch.context() as blind:
            blind.setattr(Place, "is_current", lambda *_: True)
            close(place, *rest)

    patch.setattr(tenures, "_close", careless)


def believe_the_older_record(patch: pytest.MonkeyPatch) -> None:
    """A record that cannot be read is taken for one that was never written."""
    find = record.find
    patch.setattr(record, "find", lambda fd: msgspec.structs.replace(find(fd), whole=True))


def reserve_without_a_sync(patch: pytest.MonkeyPatch) -> None:
    """The token for the next leader is called durable before it is."""
    whole = counter.reserve

    def reserve(place: Place, token: int) -> bool:
        with pytest.MonkeyPatch.context() as unsynced:
            unsynced.setattr(steps, "sync_token", lambda _fd: None)
            return whole(place, token)

    patch.setattr(counter, "reserve", reserve)


def take_what_was_reserved_before_a_restart(patch: pytest.MonkeyPatch) -> None:
    """Records are believed though another kernel wrote them."""

    def knows(found: record.Found) -> bool:
        return found.newest is not None and found.whole and found.newest.reserve == "durable"

    patch.setattr(contest, "_knows_reserve", knows)


def take_what_was_reserved_without_a_record(patch: pytest.MonkeyPatch) -> None:
    """Whether the record could be written is not asked."""
    announce = Contest._announce  # noqa: SLF001 -- a mutant wraps what it mutates
    patch.setattr(Contest, "_announce", lambda self, state: announce(self, state) or True)


def take_whatever_the_counter_says(patch: pytest.MonkeyPatch) -> None:
    """The counter is not compared with what its leader left."""
    patch.setattr(counter, "reserved", lambda *_: True)


def let_go_in_the_middle_of_a_reservation(patch: pytest.MonkeyPatch) -> None:
    """The reservation holds no copy of the lock."""
    patch.setattr(os, "dup", lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))


def keep_what_nobody_waits_for(patch: pytest.MonkeyPatch) -> None:
    """What was won at once is not looked for in the withdrawal."""
    patch.setattr(Contest, "give_back", lambda *_: None)


MUTANTS = (
    Mutant(
        "L2",
        take_who_left_for_the_leader,
        on_a_contract_stage(test_backend_exclusion.test_L2_a_middle_waiter_that_leaves_elects_nobody),
    ),
    Mutant("L15", watch_the_lock_from_everywhere, test_takeover.test_L15_a_change_wakes_three_of_many),
    Mutant("L23", lock_whatever_file_is_open, test_lock_file.test_L23_nobody_leads_on_a_deleted_file),
    Mutant(
        "L23",
        lead_on_whatever_becomes_of_the_file,
        test_lock_file.test_L23_who_wins_on_another_file_waits_no_longer_than_the_old_leader,
    ),
    Mutant("L23", win_beside_an_orphan, test_lock_file.test_L23_who_wins_on_another_file_waits_two_seconds),
    Mutant("L26", let_go_by_unlocking, test_lock_file.test_L26_a_copy_of_the_descriptor_keeps_the_lock),
    Mutant("L17", tell_before_it_is_durable, test_counter.test_the_token_is_durable_before_it_is_told),
    Mutant("L17", write_no_token, test_counter.test_tokens_begin_at_one_and_grow_by_one),
    Mutant("L17", write_over_the_newest_slot, test_counter.test_a_torn_write_never_gives_a_token_twice),
    Mutant("L17", trust_a_slot_without_its_checksum, test_L17_a_byte_that_rots_in_either_slot_gives_no_token_twice),
    Mutant(
        "L17", begin_a_missing_counter_anew, test_counter.test_L17_a_missing_counter_is_refused_where_there_were_tenures
    ),
    Mutant("L17", forget_the_tokens_seen, test_lock_file.test_L17_a_wiped_directory_does_not_take_the_tokens_back),
    Mutant("L22", believe_every_presence, test_news.test_presences_of_the_dead_are_removed),
    Mutant("L22", be_polite_for_ever, test_L22_a_candidate_ahead_that_never_moves_freezes_nobody),
    Mutant("L31", trust_the_bare_pid, test_L31_a_process_is_known_by_more_than_its_pid),
    Mutant("L17", believe_the_older_record, test_reserve.test_L17_a_damaged_record_gives_no_token_twice),
    Mutant("L17", reserve_without_a_sync, test_reserve.test_the_token_is_durable_before_it_is_called_reserved),
    Mutant(
        "L17",
        take_what_was_reserved_before_a_restart,
        test_reserve.test_L17_a_token_is_not_taken_from_before_a_restart_of_the_host,
    ),
    Mutant(
        "L17",
        take_what_was_reserved_without_a_record,
        test_reserve.test_L17_a_reserved_token_is_given_only_with_its_record,
    ),
    Mutant(
        "L17",
        take_whatever_the_counter_says,
        test_reserve.test_L17_a_counter_that_is_not_as_it_was_left_is_not_believed,
        {"damage": b""},
    ),
    Mutant(
        "", let_go_in_the_middle_of_a_reservation, test_reserve.test_a_disk_that_hangs_in_a_reservation_keeps_the_lock
    ),
    Mutant("", keep_what_nobody_waits_for, test_reserve.test_who_was_cancelled_after_it_won_at_once_gives_back),
    Mutant("", close_the_record_wherever_it_is, test_a_deposed_leader_makes_no_record_in_another_directory),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.take_away.__name__)
def test_a_rule_taken_away_is_noticed(mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule the named test passes, without it it fails."""
    _perform(mutant, tmp_path / "with")
    monkeypatch.setattr(scenes, "LIMIT_S", MUTANT_LIMIT_S)
    monkeypatch.setattr(players, "LIMIT_S", MUTANT_LIMIT_S)
    monkeypatch.setattr(contract, "LIMIT_S", MUTANT_LIMIT_S)
    mutant.take_away(monkeypatch)

    with pytest.raises(NOTICED):
        _perform(mutant, tmp_path / "without")


def _perform(mutant: Mutant, folder: Path) -> None:
    """Run the named test as pytest would, with its own fixtures where it wants them."""
    folder.mkdir()
    wanted = inspect.signature(mutant.test).parameters
    with pytest.MonkeyPatch.context() as patch:
        offered = {"tmp_path": folder, "monkeypatch": patch}
        fixtures = {name: value for name, value in offered.items() if name in wanted}
        mutant.test(**fixtures, **mutant.arguments)
