"""The rules of lease://, one schedule each: the steps of all parties are called by name, in the order that hurts."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tenure.backends.base import Backend, Gone
from tenure.backends.file import open_file
from tenure.backends.file.inotify import Inotify
from tenure.backends.file.line import Line
from tenure.backends.file.outcomes import Declined, Seen
from tenure.backends.lease import open_lease, stamp
from tenure.backends.lease.contest import Contest, Settling, Victory
from tenure.backends.lease.place import KEPT, LeasePlace
from tenure.backends.lease.sightings import Sightings, this_frame
from tenure.backends.lease.stamp import Frame
from tenure.clock import ManualClock
from tenure.errors import BackendRefused
from tests.backends.lease.scenes import ELECTION, LEASE_S, backend, candidate, play, tenures, try_once, win

LEASE_NS = round(LEASE_S * 1e9)


class Party:
    """One process's part of the election, step by step."""

    def __init__(self, folder: Path, clock: ManualClock, name: str = "p", frame: Frame | None = None) -> None:
        self.place = LeasePlace(str(folder), ELECTION, private=False)
        self.sightings = Sightings(clock, frame)
        one = candidate(name)
        self.line = Line(self.place, one, 0, inotify=Inotify(), news=lambda _about: lambda _mask: None)
        self.contest = Contest(
            self.place, one, LEASE_NS, line=self.line, sightings=self.sightings, seen=(seen := Seen())
        )
        self.seen = seen

    def campaign(self) -> Any:
        """Try once."""
        return self.contest.first(once=True)

    def win(self) -> Victory:
        """Try once, and succeed."""
        outcome = self.campaign()
        assert isinstance(outcome, Victory)
        return outcome


def test_nobody_makes_a_tenure_while_one_is_led(tmp_path: Path) -> None:
    """Until the lease has run out to the nanosecond a leader is not deposed."""
    clock = ManualClock()
    first = Party(tmp_path, clock).win()
    clock.advance(LEASE_S - 1e-9)

    assert isinstance(Party(tmp_path, clock).campaign(), Declined)
    assert first.tenure.is_last()

    clock.advance(1e-9)
    assert Party(tmp_path, clock).win().granted.token == 2


def test_L16_a_renewal_that_came_in_between_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader read its clock, was paused, and stamps just before the next tenure has its name: that one waits."""
    clock = ManualClock()
    leader = Party(tmp_path, clock).win().tenure
    clock.advance(LEASE_S - 0.001)
    read_ns = clock.now_ns()
    clock.advance(0.002)
    renewed: list[bool] = []
    link = os.link

    def late(*arguments: Any, **named: Any) -> None:
        renewed.append(leader.renew(read_ns))
        link(*arguments, **named)

    other = Party(tmp_path, clock)
    monkeypatch.setattr(os, "link", late)
    outcome = other.campaign()

    assert renewed == [True]
    assert isinstance(outcome, Settling)
    assert outcome.until_ns == read_ns + LEASE_NS
    clock.advance(LEASE_S - 0.0021)
    assert isinstance(other.contest.settle(), Settling)
    clock.advance(0.0002)
    assert isinstance(other.contest.settle(), Victory)


def test_L16_a_renewal_whose_look_found_nobody_is_seen_by_who_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the steps of a renewal another one campaigns: never do both succeed."""
    clock = ManualClock()
    leader = Party(tmp_path, clock).win().tenure
    clock.advance(LEASE_S - 0.001)
    read_ns = clock.now_ns()
    clock.advance(0.002)
    look = LeasePlace.is_last
    outcomes: list[Any] = []

    def interrupted(place: LeasePlace, token: int, inode: tuple[int, int]) -> bool:
        found = look(place, token, inode)
        monkeypatch.setattr(LeasePlace, "is_last", look)
        outcomes.append(Party(tmp_path, clock).campaign())
        return found

    monkeypatch.setattr(LeasePlace, "is_last", interrupted)
    renewed = leader.renew(read_ns)

    assert not (renewed and isinstance(outcomes[0], Victory))


def test_of_two_who_make_one_tenure_one_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found nobody leading; the name is given once, and its file stays who made it first."""
    clock = ManualClock()
    link = os.link
    firsts: list[Victory] = []

    def faster(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(os, "link", link)
        firsts.append(Party(tmp_path, clock, "fast").win())
        link(*arguments, **named)

    monkeypatch.setattr(os, "link", faster)

    assert isinstance(Party(tmp_path, clock, "slow").campaign(), Declined)
    assert firsts[0].tenure.is_last()
    assert tenures(tmp_path) == [1]


def test_a_released_tenure_is_not_waited_for(tmp_path: Path) -> None:
    """Its leader wrote that it is over: the next one wins at the same instant."""
    clock = ManualClock()
    Party(tmp_path, clock).win().tenure.close(clean=True)

    assert Party(tmp_path, clock).win().granted.clean


def test_L16_a_winner_that_slept_before_it_led_leads_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It made its tenure and was frozen; one lease later the others go on, and when it wakes it finds them."""
    clock = ManualClock()
    sleeper = Party(tmp_path, clock)
    with monkeypatch.context() as frozen:
        frozen.setattr(Contest, "settle", lambda *_, **__: None)
        sleeper.campaign()
    clock.advance(LEASE_S - 0.001)
    assert isinstance(Party(tmp_path, clock).campaign(), Declined)
    clock.advance(0.001)
    assert Party(tmp_path, clock).win().granted.token == 2

    assert isinstance(sleeper.contest.settle(), Declined)


def test_L17_a_candidate_that_slept_takes_no_older_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was about to make tenure 1 while ten others were led and their files removed: the name is free again."""
    clock = ManualClock()
    link = os.link

    def long_after(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(os, "link", link)
        for _ in range(10):
            victory = Party(tmp_path, clock).win()
            victory.tenure.place.prune(victory.granted.token)
            victory.tenure.close(clean=True)
        link(*arguments, **named)

    monkeypatch.setattr(os, "link", long_after)

    assert isinstance(Party(tmp_path, clock).campaign(), Declined)
    assert max(tenures(tmp_path)) == 10
    assert Party(tmp_path, clock).win().granted.token == 11


def test_L17_the_last_tenure_is_never_removed(tmp_path: Path) -> None:
    """However many there were, a few stay, and the last of them carries the highest token."""
    clock = ManualClock()
    for token in range(1, 20):
        victory = Party(tmp_path, clock).win()
        assert victory.granted.token == token
        victory.tenure.place.prune(token)
        victory.tenure.close(clean=True)

    assert tenures(tmp_path) == list(range(19 - KEPT, 20))


def test_L10_a_stamp_of_another_time_namespace_is_not_compared(tmp_path: Path) -> None:
    """Its clock is far behind or ahead of ours: one lease is counted from when we first saw the stamp, on our own."""
    for away_s in (-500, 500):
        folder, clock = tmp_path / str(away_s), ManualClock()
        Party(folder, clock).win()
        other_clock = ManualClock(clock.now_ns() + away_s * 10**9)
        here = this_frame()
        other = Party(folder, other_clock, frame=Frame(here.boot, here.namespace + 1))

        assert isinstance(other.campaign(), Declined)
        other_clock.advance(LEASE_S - 0.001)
        assert isinstance(other.campaign(), Declined)
        other_clock.advance(0.001)
        assert isinstance(other.campaign(), Victory)


def test_who_led_before_a_restart_of_the_machine_is_over(tmp_path: Path) -> None:
    """All processes of another boot are dead, whatever their stamps say; the token goes on."""
    clock = ManualClock()
    Party(tmp_path, clock, frame=Frame(b"another boot....", this_frame().namespace)).win()

    won = Party(tmp_path, clock).win()

    assert won.granted.token == 2
    assert not won.granted.clean


def test_a_stamp_that_rots_shortens_no_lease(tmp_path: Path) -> None:
    """The newer slot is damaged: the older stamp's age says nothing, so one lease is counted from that sight on."""
    clock = ManualClock()
    leader = Party(tmp_path, clock).win().tenure
    clock.advance(LEASE_S * 0.9)
    assert leader.renew(clock.now_ns())
    path = Path(leader.place.path(1))
    data = bytearray(path.read_bytes())
    data[stamp.offset(leader.stamp) + 20] ^= 0xFF
    path.write_bytes(data)
    other = Party(tmp_path, clock)
    clock.advance(LEASE_S * 0.5)

    assert isinstance(other.campaign(), Declined), "the lease that was renewed still runs"
    clock.advance(LEASE_S)
    assert isinstance(other.campaign(), Victory)


def test_a_stamp_from_the_future_is_waited_for_no_longer_than_a_lease(tmp_path: Path) -> None:
    """No clock of this boot goes back; whatever wrote that, it was written before it was seen."""
    clock = ManualClock()
    leader = Party(tmp_path, clock).win().tenure
    leader.renew(clock.now_ns() + 10**18)
    other = Party(tmp_path, clock)

    assert isinstance(other.campaign(), Declined)
    clock.advance(LEASE_S)
    assert isinstance(other.campaign(), Victory)


def test_L34_after_a_wipe_nobody_who_knows_better_wins_for_the_longest_lease(tmp_path: Path) -> None:
    """A candidate that saw token 6 finds an empty directory: its leader may still act; and the token is above it."""
    clock = ManualClock()
    for _ in range(5):
        victory = Party(tmp_path, clock).win()
        victory.tenure.close(clean=True)
    witness = Party(tmp_path, clock)
    assert isinstance(witness.campaign(), Victory)
    for path in (tmp_path / ELECTION / "tenures").iterdir():
        path.unlink()
    again = Party(tmp_path, clock)
    again.seen.note(ELECTION, 6)
    again.sightings.longest_ns = LEASE_NS

    assert isinstance(again.campaign(), Declined)
    clock.advance(LEASE_S - 0.001)
    assert isinstance(again.campaign(), Declined)
    clock.advance(0.001)
    won = again.win()
    assert won.granted.token == 7
    assert not won.granted.clean


def test_a_wipe_is_waited_out_by_who_has_seen_no_lease_but_its_own(tmp_path: Path) -> None:
    """The first leader did not look while the second one led, so it knows of no lease that could still run (L34)."""
    clock = ManualClock()
    first = Party(tmp_path, clock)
    first.win().tenure.close(clean=True)
    second = Party(tmp_path, clock).win()
    for path in (tmp_path / ELECTION / "tenures").iterdir():
        path.unlink()

    assert isinstance(first.campaign(), Declined), f"tenure {second.granted.token} may still be led"
    clock.advance(LEASE_S)
    assert isinstance(first.campaign(), Victory)


def test_a_damaged_tenure_elects_nobody(tmp_path: Path) -> None:
    """Nobody knows whether its holder leads, nor for how long."""
    clock = ManualClock()
    Party(tmp_path, clock).win()
    (tmp_path / ELECTION / "tenures" / "1").write_bytes(b"x" * 30000)

    with pytest.raises(BackendRefused, match="--floor 1"):
        Party(tmp_path, clock).campaign()


@pytest.mark.parametrize("rubbish", [b"", b"\0" * 30, b"x" * 30000])
def test_a_damaged_tenure_elects_nobody_until_a_floor_is_set(tmp_path: Path, rubbish: bytes) -> None:
    """Nobody knows its lease: refused, with what to do; the floor keeps tokens above it."""
    clock = ManualClock()

    async def scene() -> None:
        async with backend(tmp_path, clock) as one:
            await (await win(one)).release()
            grant = await win(one)
            path = tmp_path / ELECTION / "tenures" / "2"
            path.write_bytes(rubbish)
            with pytest.raises(BackendRefused, match="--floor 2"):
                await try_once(one)
            with pytest.raises(BackendRefused, match="--floor 2"):
                await one.read(ELECTION)
            await one.floor(ELECTION, 2)
            with pytest.raises(Gone):
                await grant.renew()
            assert (await win(one, "b")).granted.token == 4

    play(scene())


def test_L19_a_tenure_whose_file_is_gone_is_lost(tmp_path: Path) -> None:
    """Whoever removes a leader's file ends its tenure: the next renewal says so, whatever else is in the directory."""
    clock = ManualClock()

    async def scene() -> None:
        async with backend(tmp_path, clock) as one:
            grant = await win(one)
            await grant.renew()
            (tmp_path / ELECTION / "tenures" / "1").unlink()
            with pytest.raises(Gone):
                await grant.renew()

    play(scene())


def test_L9_a_campaign_that_hangs_in_the_disk_delays_no_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another election of this process waits for a sync that does not end; the leader is renewed meanwhile (L8)."""
    stuck, release = threading.Event(), threading.Event()
    sync = os.fsync

    def hang(fd: int) -> None:
        stuck.set()
        assert release.wait(20)
        sync(fd)

    async def scene() -> None:
        async with backend(tmp_path, ManualClock()) as one:
            grant = await win(one)
            with monkeypatch.context() as slow:
                slow.setattr(os, "fsync", hang)
                other = asyncio.create_task(
                    one.campaign(msgspec.structs.replace(candidate("b"), election="x"), once=True)
                )
                assert await asyncio.to_thread(stuck.wait, 20)
                try:
                    async with asyncio.timeout(3):
                        assert await grant.renew() == LEASE_NS
                finally:
                    release.set()
                assert await other is not None

    play(scene())


def test_L17_a_tenure_is_durable_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it has its name, and the name before anybody leads; no renewal waits for the disk."""
    clock = ManualClock()
    Party(tmp_path, clock).win().tenure.close(clean=True)
    done: list[str] = []
    sync, link = os.fsync, os.link

    def noting(fd: int) -> None:
        done.append("name" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")  # noqa: PTH112 -- /proc has no Path of use
        sync(fd)

    def linking(*arguments: Any, **named: Any) -> None:
        done.append("link")
        link(*arguments, **named)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(os, "link", linking)
    won = Party(tmp_path, clock).win()
    assert done == ["file", "link", "name"]
    assert won.tenure.renew(clock.now_ns())
    assert done == ["file", "link", "name"]


def test_the_longer_lease_of_one_before_the_last_is_waited_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A winner with a short lease freezes while it waits for a long one: its successor waits for both."""
    clock = ManualClock()
    leader = Party(tmp_path, clock).win().tenure
    clock.advance(LEASE_S)
    link = os.link

    def late(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(os, "link", link)
        assert leader.renew(clock.now_ns() - 1)
        link(*arguments, **named)

    monkeypatch.setattr(os, "link", late)
    short = Party(tmp_path, clock)
    short.contest._lease_ns = LEASE_NS // 10  # noqa: SLF001 -- as a candidate that asks for a lease of its own
    assert isinstance(short.campaign(), Settling)
    clock.advance(LEASE_S / 5)

    third = Party(tmp_path, clock)
    assert isinstance(third.campaign(), Declined)
    clock.advance(LEASE_S * 0.8)
    assert third.win().granted.token == 3


def test_an_election_of_file_is_not_led_beside_it(tmp_path: Path) -> None:
    """One name in one directory has one authority: whoever comes second is refused, in both orders."""
    kinds: tuple[Callable[[Path], Backend], ...] = (open_file, open_lease)

    async def scene() -> None:
        for number, (first, second) in enumerate(itertools.permutations(kinds)):
            folder = tmp_path / str(number)
            one, other = first(folder), second(folder)
            try:
                assert await one.campaign(candidate("a"), once=True) is not None
                with pytest.raises(BackendRefused, match=f"is an election of {one.url.partition('/')[0]}"):
                    await other.campaign(candidate("b"), once=True)
            finally:
                await one.close()
                await other.close()

    play(scene())


def test_a_directory_full_of_other_things_is_refused(tmp_path: Path) -> None:
    """A listing that is no single call could miss the last tenure."""
    clock = ManualClock()
    Party(tmp_path, clock).win().tenure.close(clean=True)
    for number in range(700):
        (tmp_path / ELECTION / "tenures" / f"rubbish-{number}").touch()

    with pytest.raises(BackendRefused, match="somebody else"):
        Party(tmp_path, clock).campaign()
