"""Many at once, two with one name, and a wall clock that leaps."""

from __future__ import annotations

import re

from tests.processes.guarded_scene import until
from tests.processes.harness import Trial

CROWD = 50


def test_fifty_processes_starting_at_once_in_an_empty_directory_all_have_their_turn(trial: Trial) -> None:
    """Nothing exists yet, and all make it at once: each leads once, alone, with a token of its own."""
    members = [trial.candidate(rounds=1, hold_s=0.002) for _ in range(CROWD)]

    assert {member.wait() for member in members} == {0}
    assert sorted(opened.token for opened in trial.opened()) == list(range(1, CROWD + 1))
    trial.settle()


def test_fifty_processes_that_do_not_wait_elect_exactly_one(trial: Trial) -> None:
    """One leads until it is told to end; all others are told that somebody leads."""
    members = [trial.candidate(wait_s=0, rounds=1) for _ in range(CROWD)]
    trial.until_led()

    until(lambda: sum(not member.is_over for member in members) == 1, "all but one have left")

    assert {member.wait() for member in members if member.is_over} == {124}
    assert len(trial.opened()) == 1
    trial.settle()


def test_L15_a_change_of_leader_does_not_wake_the_crowd(trial: Trial) -> None:
    """Fifty stand in the queue: in ten changes the lock is tried for by those in front, not by everybody each time."""
    trial.candidate("leader")
    trial.until_led("leader")
    members = [trial.candidate(rounds=1, hold_s=0.0, counted=True) for _ in range(CROWD)]
    trial.until_standing(CROWD)

    trial.members[0].order()

    assert {member.wait() for member in members} == {0}
    tries = [int(count) for count in re.findall(r"tried (\d+) times", trial.said(10**6))]
    assert len(tries) == CROWD
    assert sum(tries) < CROWD * CROWD / 4, "with a herd each of them tries at each change before its own"
    trial.settle()


def test_two_candidates_with_one_name_exclude_each_other(trial: Trial) -> None:
    """A name is no identity: each leads in its turn, under a token of its own, also after a kill."""
    twins = [trial.candidate("twin", hold_s=0.01) for _ in range(2)]
    until(lambda: {opened.pid for opened in trial.opened()} == {twin.pid for twin in twins}, "both have led")
    twins[0].kill()

    trial.until_led("twin", above=trial.token())
    trial.settle()


def test_L10_a_wall_clock_that_leaps_by_an_hour_changes_nothing(trial: Trial) -> None:
    """Every second look at the wall clock is an hour off, forth or back, in leader and standbys: elections go on."""
    members = [trial.candidate(hold_s=0.01, wall_step_s=3600.0) for _ in range(3)]

    until(lambda: len(trial.opened()) > 30, "they lead in turn")

    assert {opened.pid for opened in trial.opened()} == {member.pid for member in members}
    assert not any("lost" in line for line in trial.said().splitlines())
    trial.settle()


def test_L20_two_hundred_tenures_leave_no_thread_and_no_descriptor(trial: Trial) -> None:
    """Two processes that lead in turn, again and again, have as many of each as after their first tenures."""
    members = [trial.candidate(hold_s=0.0) for _ in range(2)]
    until(lambda: len(trial.opened()) > 20, "they lead in turn")
    before = [member.belongings() for member in members]

    until(lambda: len(trial.opened()) > 220, "they lead in turn, for long")

    until(lambda: all(one.has_no_more_than(was) for one, was in zip(members, before, strict=True)), "none was leaked")
    trial.settle()
