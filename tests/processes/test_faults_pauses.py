"""SIGSTOP and SIGCONT of leaders, standbys and those in between: who sleeps keeps what it has, and freezes nobody."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.processes.guarded_scene import state, until
from tests.processes.harness import Trial, burner


def test_L16_a_stopped_leader_keeps_its_tenure_and_wakes_as_leader(trial: Trial) -> None:
    """The kernel's lock is still held, so nobody else leads; continued, it goes on under the same token."""
    leader = trial.candidate("leader")
    token = trial.until_led("leader")
    trial.candidate("standby")
    trial.until_standing(1)

    leader.stop()
    challenger = trial.candidate("challenger", wait_s=0.3, rounds=1)
    assert challenger.wait() == 124
    reading = trial.read()

    assert reading.leader is not None
    assert (reading.leader.candidate, reading.leader.token) == ("leader", token)
    leader.signal(signal.SIGCONT)
    trial.until_acted()
    assert trial.token() == token
    trial.settle()


def test_L16_a_leader_killed_while_it_is_stopped_is_followed(trial: Trial) -> None:
    """A kill needs no waking: the lock is free at once, and the standby leads."""
    leader = trial.candidate("leader")
    trial.until_led("leader")
    trial.candidate("standby")
    trial.until_standing(1)
    leader.stop()

    leader.kill()

    trial.until_led("standby")
    trial.settle()


@pytest.mark.parametrize("how", ["resigns", "is killed"])
def test_L22_a_stopped_first_standby_does_not_freeze_the_election(trial: Trial, how: str) -> None:
    """The first in the queue sleeps when the leader goes: the second leads, and the first has its turn awake."""
    leader = trial.candidate("leader")
    trial.until_led("leader")
    first = trial.candidate("first")
    trial.until_standing(1)
    second = trial.candidate("second")
    trial.until_standing(2)
    first.stop()

    if how == "is killed":
        leader.kill()
    else:
        leader.order()

    token = trial.until_led("second")
    assert state(first.pid) == "T"
    first.signal(signal.SIGCONT)
    trial.until_acted()
    assert trial.token() == token, "the first waits, now that the second leads"
    second.order()
    trial.until_led("first", above=token)
    trial.settle()


def test_L22_many_stopped_standbys_do_not_freeze_the_election(trial: Trial) -> None:
    """Nine of ten in the queue sleep; the tenth leads all the same."""
    leader = trial.candidate("leader")
    trial.until_led("leader")
    sleepers = []
    for number in range(9):
        sleepers.append(trial.candidate(f"sleeper{number}"))
        trial.until_standing(number + 1)
    trial.candidate("awake")
    trial.until_standing(10)
    for sleeper in sleepers:
        sleeper.stop()

    leader.kill()

    trial.until_led("awake")
    trial.settle()


def test_a_candidate_that_stopped_while_it_came_is_not_lost(trial: Trial) -> None:
    """Stopped before its presence shows that it lives, it is taken for dead; continued, it stands all the same."""
    trial.armed.touch()
    leader = trial.candidate("leader")
    trial.until_led("leader")
    late = trial.candidate("late", faults=[["mark", "before", 1, signal.SIGSTOP]])
    until(lambda: state(late.pid) == "T", "it has stopped itself")
    trial.candidate("other")
    until(lambda: trial.standing() >= 1, "another stands")

    late.signal(signal.SIGCONT)

    trial.until_standing(2)
    leader.order()
    token = trial.until_led("late")  # it came first, by the time at which it began to stand
    late.order()
    trial.until_led("other", above=token)
    trial.settle()


@pytest.mark.parametrize("step", ["take_lock", "sync_token", "show_lock", "write_record", "begin_body", "close_record"])
def test_a_candidate_stopped_at_a_step_goes_on_from_there(trial: Trial, step: str) -> None:
    """Stopped between two steps, with others in the queue, and continued: it leads, or has led; the next follows."""
    trial.armed.touch()
    sleeper = trial.candidate("sleeper", faults=[[step, "after", 1, signal.SIGSTOP]], rounds=1, hold_s=0.02)
    until(lambda: state(sleeper.pid) == "T", "it has stopped itself")
    trial.candidate("next")
    until(lambda: trial.standing() >= 1, "another stands")
    assert [opened.candidate for opened in trial.opened()] in ([], ["sleeper"])

    sleeper.signal(signal.SIGCONT)

    assert sleeper.wait() == 0
    trial.until_led("next")
    assert [opened.candidate for opened in trial.opened()] == ["sleeper", "next"]
    trial.settle()


@pytest.mark.serial
def test_stops_and_kills_at_random_for_some_seconds(trial: Trial) -> None:
    """Five candidates are stopped, continued and now and then killed at random; the sleeps make the instants random."""
    chance = random.Random(3)
    members = [trial.candidate(hold_s=0.02) for _ in range(5)]
    trial.until_led()
    end_s = time.monotonic() + 6
    with burner():
        while time.monotonic() < end_s:
            victim = chance.choice(members)
            match chance.choice(["stop", "stop", "continue", "continue", "continue", "kill"]):
                case "stop":
                    victim.signal(signal.SIGSTOP)
                case "continue":
                    victim.signal(signal.SIGCONT)
                case _:
                    victim.kill()
                    members[members.index(victim)] = trial.candidate(hold_s=0.02)
            time.sleep(chance.random() * 0.03)
        for member in members:
            member.signal(signal.SIGCONT)
        trial.until_acted()
    trial.settle()

    assert len(trial.audit().tenures) > 20, "too few led for this to have shown anything"
