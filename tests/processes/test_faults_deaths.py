"""SIGKILL of candidates: at each step of a tenure, and at random instants under load. Somebody leads again, alone."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.processes.harness import Member, Trial, burner

STEPS = (
    "take_lock",
    "write_token",
    "sync_token",
    "show_lock",
    "write_record",
    "begin_body",
    "close_record",
    "let_go",
    "poke",
)
KILLS = 200


@pytest.mark.parametrize("step", STEPS)
def test_a_candidate_killed_at_a_step_is_followed_by_the_next(trial: Trial, step: str) -> None:
    """Before and after each step of winning, leading and letting go: the next in the queue leads, with a new token.

    The doomed one wins with a token that was reserved for it, and writes one for its successor while it leads.
    """
    hold_s = 10.0 if step in {"write_token", "sync_token"} else 0.01
    for when in ("before", "after"):
        leader = trial.candidate(f"leader-{when}")
        trial.until_led(leader.name)
        doomed = trial.candidate(f"doomed-{when}", faults=[[step, when, 1, signal.SIGKILL]], rounds=1, hold_s=hold_s)
        trial.until_standing(1)
        heir = trial.candidate(f"heir-{when}")
        trial.until_standing(2)
        before = trial.token()
        trial.armed.touch()

        leader.order()

        assert doomed.wait() == -signal.SIGKILL
        assert trial.until_led(heir.name) > before
        trial.armed.unlink()
        heir.order()
        heir.wait()
    trial.settle()


@pytest.mark.parametrize("step", ["take_lock", "write_token", "sync_token", "show_lock", "write_record"])
def test_every_candidate_killed_at_the_same_step_costs_no_token_twice(trial: Trial, step: str) -> None:
    """Ten in a row die in the middle of winning; the eleventh wins, and whatever was told before it is below."""
    first = trial.candidate("first", rounds=1, hold_s=0.0)
    assert first.wait() == 0
    trial.armed.touch()
    for _ in range(5):
        for when in ("before", "after"):
            doomed = trial.candidate(faults=[[step, when, 1, signal.SIGKILL]])
            assert doomed.wait() == -signal.SIGKILL

    trial.settle()


@pytest.mark.serial
def test_two_hundred_kills_at_random_under_load(trial: Trial) -> None:
    """Leaders and standbys are killed at random instants; the sleeps are what makes the instants random."""
    chance = random.Random(2)
    members: list[Member] = []
    with burner():
        for number in range(KILLS):
            while len(members) < 4:
                members.append(trial.candidate(hold_s=chance.choice([0.0, 0.01, 10.0])))
            time.sleep(chance.random() * 0.02)
            leading = trial.opened()[-1].pid if trial.opened() else 0
            victims = [member for member in members if member.pid == leading and chance.random() < 0.6]
            victim = victims[0] if victims else chance.choice(members)
            victim.kill()
            members.remove(victim)
            if number % 20 == 0:
                trial.until_acted()
    trial.settle()

    verdict = trial.audit()
    assert len(verdict.tenures) > KILLS / 4, "too few led for this to have shown anything"
    assert sum(tenure.how == "killed" for tenure in verdict.tenures) > KILLS / 10
