"""A disk that is full or read-only, files cut short, filled with rubbish, deleted, replaced or moved."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import until
from tests.processes.harness import ELECTION, Trial

REFUSED = 78
NOT_ELECTED = 124
SECOND = 4096
"""Where the counter's second slot begins."""


@contextlib.contextmanager
def small_disk(at: Path, *options: str) -> Iterator[None]:
    """A file system of 64 KiB at `at`."""
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(["size=64k", *options]), "tmpfs", str(at)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("missing here: the right to mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


def fill(place: Path) -> Path:
    """Write until nothing fits any more; returns the file to remove."""
    ballast = place / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)
    return ballast


@pytest.mark.may_skip("mounting needs root; where it is missing, the backend's own tests make the calls fail instead")
def test_a_full_disk_ends_no_tenure_and_stops_no_next_one(trial: Trial) -> None:
    """The leader stays, resigns and is followed, all without a free byte; who must queue is told what to do."""
    with small_disk(trial.place):
        first = trial.candidate("first", rounds=1, hold_s=0.0)
        assert first.wait() == 0
        leader = trial.candidate("leader")
        token = trial.until_led("leader")
        ballast = fill(trial.place)

        late = trial.candidate("late", wait_s=0.5, rounds=1)
        assert late.wait() == NOT_ELECTED
        trial.until_acted()
        assert trial.token() == token
        leader.order()
        leader.wait()
        trial.candidate("next")
        trial.until_led("next", above=token)

        ballast.unlink()
        trial.settle()


@pytest.mark.may_skip("mounting needs root; where it is missing, the backend's own tests make the calls fail instead")
def test_a_disk_that_is_full_from_the_start_elects_nobody_until_there_is_space(trial: Trial) -> None:
    """A candidate cannot make its files, tries on, and leads when there is space again; nothing half-made stays."""
    with small_disk(trial.place):
        ballast = fill(trial.place)
        impatient = trial.candidate("impatient", wait_s=0.3, rounds=1)
        assert impatient.wait() == NOT_ELECTED
        patient = trial.candidate("patient", rounds=1, hold_s=0.0)
        until(lambda: "patient" in trial.said() or patient.is_over, "it says what is wrong")

        ballast.unlink()

        assert patient.wait() == 0
        trial.settle()


@pytest.mark.may_skip("mounting needs root; where it is missing, the backend's own tests make the calls fail instead")
def test_a_read_only_directory_is_refused(trial: Trial) -> None:
    """Nobody leads there, and the message says that the directory must be writable."""
    with small_disk(trial.place, "ro"):
        candidate = trial.candidate("candidate", rounds=1)

        assert candidate.wait() == REFUSED
        assert "can be written" in trial.said()
        assert trial.opened() == []


def put(offset: int, rubbish: bytes) -> Callable[[Path], None]:
    """Overwrite a region."""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(rubbish)

    return damage


def both(rubbish: bytes) -> Callable[[Path], None]:
    """Overwrite the beginning of both slots of the counter."""

    def damage(path: Path) -> None:
        put(0, rubbish)(path)
        put(SECOND, rubbish)(path)

    return damage


def cut(length: int) -> Callable[[Path], None]:
    """Cut the file short."""
    return lambda path: os.truncate(path, length)


REGIONS = {
    "magic": (0, 8),
    "version": (8, 4),
    "token": (12, 8),
    "reserve": (20, 40),
    "checksum": (60, 4),
    "all": (0, 64),
}
HARMLESS = {
    f"{name} of slot {slot}": put(slot * SECOND + at, b"\xa5" * size)
    for slot in (0, 1)
    for name, (at, size) in REGIONS.items()
}
HARMLESS |= {
    "padding": put(64, b"\xa5" * 4032),
    "end of the padding": cut(SECOND + 64),
    "cut behind slot 0": cut(SECOND),
    "cut in slot 1": cut(SECOND + 63),
}
REFUSED_DAMAGE: dict[str, Callable[[Path], None]] = {
    "both slots": both(b"\xa5" * 64),
    "both tokens": both(b"tenure#\n\1\0\0\0\xff"),
    "zeros": both(b"\0" * 64),
    "empty": cut(0),
    "cut in slot 0": cut(63),
    "deleted": Path.unlink,
}


def test_L17_a_counter_with_one_slot_damaged_never_gives_a_token_twice(trial: Trial) -> None:
    """Every region of either slot is overwritten in turn, or cut off: a next candidate leads with a greater token."""
    for number in range(2):
        for damage in HARMLESS.values():
            trial.candidate(rounds=1 + number, hold_s=0.0).wait()
            before = trial.token()
            damage(trial.directory / "token")
            after = trial.candidate(rounds=1, hold_s=0.0)
            assert after.wait() == 0
            assert trial.token() > before
    trial.settle()


@pytest.mark.parametrize("damage", REFUSED_DAMAGE)
def test_L17_a_counter_that_nobody_can_trust_is_refused(trial: Trial, damage: str) -> None:
    """Nobody leads, the refusal names the command that repairs it, and the leader of now stays."""
    leader = trial.candidate("leader")
    token = trial.until_led("leader")
    trial.until_reserved()
    REFUSED_DAMAGE[damage](trial.directory / "token")
    trial.until_acted()
    leader.order()
    leader.wait()

    refused = trial.candidate("refused", rounds=1)

    assert refused.wait() == REFUSED
    assert f"tenure doctor {ELECTION} --floor N" in trial.said()
    assert trial.token() == token
    trial.set_floor(token + 100)
    trial.settle()
    assert trial.token() > token + 100


@pytest.mark.parametrize("damage", ["rubbish", "empty", "cut", "deleted"])
def test_a_damaged_record_costs_nobody_the_leadership(trial: Trial, damage: str) -> None:
    """The record only tells who leads: filled with rubbish under a leader, it stays, resigns, and is followed."""
    leader = trial.candidate("leader")
    token = trial.until_led("leader")
    trial.candidate("next")
    trial.until_standing(1)
    path = trial.directory / "leader"
    if damage == "rubbish":
        path.write_bytes(os.urandom(16384))
    elif damage == "deleted":
        path.unlink()
    else:
        os.truncate(path, 0 if damage == "empty" else 100)
    trial.until_acted()
    reading = trial.read()
    assert reading.leader is not None, "a held lock is no vacancy"

    leader.order()

    trial.until_led("next", above=token)
    trial.settle()


def delete_lock(trial: Trial) -> None:
    """Delete the lock file."""
    (trial.directory / "lock").unlink()


def replace_lock(trial: Trial) -> None:
    """Put another file in the place of the lock file."""
    (trial.directory / "new").touch()
    (trial.directory / "new").rename(trial.directory / "lock")


def remove_election(trial: Trial) -> None:
    """Remove the election's directory with all that is in it."""
    shutil.rmtree(trial.directory, ignore_errors=True)  # candidates come back while it goes


def move_election(trial: Trial) -> None:
    """Give the election's directory another name."""
    trial.directory.rename(trial.directory.with_name("moved"))


def move_root(trial: Trial) -> None:
    """Give the backend's directory another name."""
    trial.place.rename(trial.place.with_name("moved"))


def remove_root(trial: Trial) -> None:
    """Remove the backend's directory with all that is in it."""
    shutil.rmtree(trial.place, ignore_errors=True)  # candidates come back while it goes


@pytest.mark.parametrize("damage", [delete_lock, replace_lock])
def test_L23_a_leader_whose_lock_file_is_gone_stops_before_the_next_leads(
    trial: Trial, damage: Callable[[Trial], None]
) -> None:
    """Two standbys and one who comes later see the new file: the old leader has stopped, and tokens still grow."""
    token = with_two_standbys(trial)

    damage(trial)
    trial.candidate("late")

    trial.until_led(above=token)
    trial.until_acted()
    trial.settle()


@pytest.mark.parametrize("damage", [move_election, move_root])
def test_L23_a_leader_whose_directory_is_moved_stops_before_the_next_leads(
    trial: Trial, damage: Callable[[Trial], None]
) -> None:
    """Those who stood remember the token and give the old leader its time; who comes later could not know."""
    token = with_two_standbys(trial)

    damage(trial)

    trial.until_led(above=token)
    trial.until_acted()
    trial.settle()


@pytest.mark.parametrize("damage", [remove_election, remove_root])
def test_L23_a_leader_whose_directory_is_removed_stops_before_the_next_leads(
    trial: Trial, damage: Callable[[Trial], None]
) -> None:
    """The same where file after file goes; who looks when the counter is gone and the record is not, is refused."""
    token = with_two_standbys(trial)

    damage(trial)

    until(
        lambda: trial.token() > token or all(member.is_over for member in trial.members), "the next leads, or all end"
    )
    if trial.token() == token:
        assert f"tenure doctor {ELECTION} --floor N" in trial.said()
    for member in trial.members:
        member.order()
        member.wait()
    trial.set_floor(trial.token() + 10)  # the counter of whoever leads now may have been removed in its turn
    trial.settle()


def with_two_standbys(trial: Trial) -> int:
    """Let one lead and two stand by; returns the token."""
    trial.candidate("leader", rounds=1)
    token = trial.until_led("leader")
    trial.candidate("first")
    trial.until_standing(1)
    trial.candidate("second")
    trial.until_standing(2)
    return token


def test_L23_the_lock_file_deleted_again_and_again(trial: Trial) -> None:
    """Deleted under each leader in turn, with four candidates: never two at once."""
    for _ in range(4):
        trial.candidate()
    token = trial.until_led()
    for _ in range(4):
        (trial.directory / "lock").unlink()
        token = trial.until_led(above=token)
    trial.settle()
