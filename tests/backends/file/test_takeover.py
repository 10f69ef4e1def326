"""Real processes on one directory: death, pause, resignation, order, and how many a change wakes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tenure.backends.base import Leader
from tenure.backends.file import open_file
from tests.backends.file.players import ELECTION, Player, company, until

STEPS = ("take_lock", "write_token", "sync_token", "show_lock", "write_record")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_winner_killed_at_any_step_leaves_a_working_election(tmp_path: Path, step: str, when: str) -> None:
    """SIGKILL around each step of winning: the next one is elected with a higher token than any that was told."""
    with company(tmp_path) as players:
        first = players.start("first")
        told = first.elected()
        victim = players.stand("victim", poll=600)
        until(lambda: victim.ask("count", "count") != ["0"], "it has tried in vain")  # again when the leader dies only
        victim.ask(f"arm {when} {step}", "armed")
        heir = players.stand("heir")
        first.kill()

        assert victim.wait() == -signal.SIGKILL
        assert heir.elected() > told


@pytest.mark.parametrize("step", ["close_record", "let_go", "poke"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_leader_killed_while_it_releases_is_replaced(tmp_path: Path, step: str, when: str) -> None:
    """SIGKILL around each step of letting go: the next one is elected, and knows whether the tenure was closed."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        leader.ask(f"arm {when} {step}", "armed")
        heir = players.stand("heir")

        leader.say("release")

        assert leader.wait() == -signal.SIGKILL
        token, clean = heir.hear("elected")
        assert int(token) == 2
        assert clean == str((step, when) != ("close_record", "before"))


def test_a_killed_leader_is_replaced_long_before_the_poll(tmp_path: Path) -> None:
    """With a poll of ten minutes only the kernel's news can wake the next one; each of five finds an unclean end."""
    with company(tmp_path) as players:
        leader = players.start("leader", poll=600)
        leader.elected()
        standbys = [players.stand(f"standby{number}", poll=600) for number in range(5)]

        for number, standby in enumerate(standbys):
            leader.kill()
            assert standby.hear("elected") == [str(number + 2), "False"]
            leader = standby


def test_a_resigned_leader_queues_behind_those_who_stand(tmp_path: Path) -> None:
    """Who resigned and campaigns again waits for its turn, and every end is clean."""
    with company(tmp_path) as players:
        first = players.start("first", poll=600)
        first.elected()
        second = players.stand("second", poll=600)
        third = players.stand("third", poll=600)

        first.ask("release", "released")
        first.say("again")

        assert second.hear("elected") == ["2", "True"]
        until(lambda: len(players.presences()) == 2, "the first stands again")
        second.ask("release", "released")
        assert third.hear("elected") == ["3", "True"]
        third.ask("release", "released")
        assert first.hear("elected") == ["4", "True"]


def test_candidates_win_by_priority_then_arrival(tmp_path: Path) -> None:
    """The listing of the presences is the order: the higher priority first, then who came first."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        low = players.stand("low", priority=-5)
        middle = players.stand("middle")
        later = players.stand("later")
        high = players.stand("high", priority=7)

        for expected in (high, middle, later, low):
            leader.ask("release", "released")
            expected.elected()
            leader = expected


def test_a_release_goes_to_the_named_one(tmp_path: Path) -> None:
    """The named candidate leads next, though others are ahead; then the order counts again."""
    with company(tmp_path) as players:
        leader = players.start("leader", poll=600)
        leader.elected()
        ahead = [players.stand(f"ahead{number}", poll=600) for number in range(3)]
        heir = players.stand("heir", poll=600)

        leader.ask("release heir", "released")
        assert heir.elected() == 2
        heir.ask("release", "released")
        assert ahead[0].elected() == 3  # so none of those ahead was elected before


def test_a_named_one_that_sleeps_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    """A successor that is stopped gets two seconds; then the first in the queue leads."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        first = players.stand("first")
        heir = players.stand("heir")
        heir.pause()

        leader.ask("release heir", "released")

        assert first.elected() == 2


@pytest.mark.parametrize("asleep", [1, 2, 4])
def test_L22_sleepers_ahead_freeze_nobody(tmp_path: Path, asleep: int) -> None:
    """However many of those ahead are stopped when the leader dies, the next one who is awake is elected."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        sleepers = [players.stand(f"sleeper{number}") for number in range(asleep)]
        awake = players.stand("awake", poll=0.5)
        for sleeper in sleepers:
            sleeper.pause()

        leader.kill()

        assert awake.elected() == 2
        for sleeper in sleepers:
            sleeper.signal(signal.SIGCONT)
        awake.kill()
        assert sleepers[0].elected() == 3


def test_a_stopped_leader_keeps_the_lock(tmp_path: Path) -> None:
    """A pause is no death: nobody else is elected before the stopped leader is killed. The poll passes meanwhile."""
    with company(tmp_path) as players:
        leader = players.start("leader")
        leader.elected()
        standby = players.stand("standby", poll=0.05)
        standby.hear("ready")
        leader.pause()
        before = int(standby.ask("count", "count")[0])

        until(lambda: int(standby.ask("count", "count")[0]) > before + 3, "the standby has looked some times")

        assert standby.has_said_nothing()
        leader.kill()
        assert standby.elected() == 2


def test_L15_a_change_wakes_three_of_many(tmp_path: Path) -> None:
    """Of twenty who stand the first two wake when the leader dies, and the third to take the second's place; the
    seventeen others do not even look.
    """
    with company(tmp_path) as players:
        leader = players.start("leader", poll=600)
        leader.elected()
        standbys = [players.stand(f"standby{number:02}", poll=600) for number in range(20)]
        before = counts_at_rest(standbys)

        leader.kill()
        standbys[0].elected()

        after = counts_at_rest(standbys)
        woken = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        assert set(woken) <= {0, 1, 2}


def test_L22_who_moves_up_to_second_place_knows_it_at_once(tmp_path: Path) -> None:
    """The first of three leads, the next sleeps, and the new leader dies: the third leads long before it would poll."""
    with company(tmp_path) as players:
        leader = players.start("leader", poll=600)
        leader.elected()
        first, sleeper, third = [players.stand(name, poll=600) for name in ("first", "sleeper", "third")]
        counts_at_rest([third])
        sleeper.pause()
        leader.kill()
        assert first.elected() == 2
        counts_at_rest([third])

        first.kill()

        assert third.elected() == 3


def counts_at_rest(players: list[Player]) -> list[int]:
    """How often each has woken so far, asked until two answers are the same."""
    before: list[int] = []
    while True:
        now = [int(player.ask("count", "count")[0]) for player in players]
        if now == before:
            return now
        before = now
        time.sleep(0.1)  # longer than the second looks after news have come


def test_fifty_start_at_once_in_an_empty_directory(tmp_path: Path) -> None:
    """Fifty processes at once make one set of files, and lead one after another with tokens that grow by one."""
    with company(tmp_path / "new") as players:
        everybody = [players.start(f"player{number}") for number in range(50)]
        for player in everybody:
            player.hear("ready")
        until(lambda: len(players.presences()) == 49, "one leads and the others stand")
        leaders = [player for player in everybody if not player.has_said_nothing()]
        assert len(leaders) == 1
        assert leaders[0].elected() == 1
        names = sorted(path.name for path in (tmp_path / "new" / ELECTION).iterdir())
        assert names == ["candidates", "leader", "lock", "token"]
        assert os.listdir(tmp_path / "new" / ELECTION / "candidates")  # noqa: PTH208 -- the hidden ones count too


def test_L26_a_child_that_kept_the_lock_is_named(tmp_path: Path) -> None:
    """A forked child that nobody told of the fork holds its dead parent's lock: nobody overlaps it, and it is named."""

    async def leader_now() -> Leader | None:
        backend = open_file(tmp_path)
        try:
            return (await backend.read(ELECTION)).leader
        finally:
            await backend.close()

    with company(tmp_path) as players:
        parent = players.start("parent")
        parent.elected()
        child = int(parent.ask("fork", "child")[0])
        try:
            standby = players.stand("standby", poll=0.05)
            standby.hear("ready")
            parent.kill()
            parent.wait()

            leader = asyncio.run(leader_now())

            assert leader is not None
            assert f"pid {child} (" in leader.warning
            assert standby.has_said_nothing()
        finally:
            os.kill(child, signal.SIGKILL)
        assert standby.elected() == 2
