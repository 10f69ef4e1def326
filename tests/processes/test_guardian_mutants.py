"""Take one rule of the guardian away (`programs/guarded_mutant.py`), and a named test must fail.

That each passes with the rule is seen where it stands. What else a test waits for has its full time here; only what it
waits for in vain without the rule is given up early.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tests.processes import guarded_scene, test_guardian_kills, test_guardian_life
from tests.processes.guarded_scene import PROGRAMS, Scene

MUTANT_LIMIT_S = 2.0
"""How long a job may outlive its wrapper before the mutant counts as caught; with the guardian it is some 10 ms."""
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="missing here: root, who may become another user")


class Mutant(NamedTuple):
    """The function that takes the rule away, and the test that notices."""

    hazard: str
    name: str
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})
    says: str = "nothing is left"
    """What the failure says: it must be the job that lives on, or is dead, and nothing else that went wrong."""


KILLED = test_guardian_kills.test_L12_a_killed_wrapper_leaves_nothing_of_the_job
MUTANTS = (
    Mutant("L12", "wait_for_orders_only", KILLED, {"name": "plain"}),
    Mutant("L12", "end_the_process_group_only", KILLED, {"name": "daemon"}),
    Mutant("L12", "adopt_no_orphans", KILLED, {"name": "daemon"}),
    Mutant("L12", "ask_and_never_kill", KILLED, {"name": "deaf"}),
    Mutant("L12", "trust_the_parent_death_signal", KILLED, {"name": "grandchild"}),
    Mutant(
        "L24",
        "trust_the_parent_death_signal",
        test_guardian_life.test_L24_the_job_does_not_depend_on_the_thread_that_started_it,
        says=r"where False = is_alive\(",
    ),
    Mutant(
        "L33",
        "trust_the_parent_death_signal",
        test_guardian_kills.test_L33_a_job_that_drops_its_privileges_ends_with_its_wrapper,
        says="the job is gone",
    ),
    Mutant(
        "L26",
        "inherit_nothing",
        test_guardian_kills.test_L26_with_wrapper_and_guardian_killed_a_survivor_blocks_the_next_leader,
        says=r"where False = is_locked\(",
    ),
)


def impatient(about: str) -> Callable[..., None]:
    """As `until`, with a short limit for the one claim that never comes true."""

    def until(condition: Callable[[], object], claim: str, limit_s: float = guarded_scene.LIMIT_S) -> None:
        guarded_scene.until(condition, claim, MUTANT_LIMIT_S if claim == about else limit_s)

    return until


def play(test: Callable[..., None], folder: Path, arguments: Mapping[str, Any]) -> None:
    """Run a test on a scene whose wrappers have the mutant."""
    with Scene(folder) as scene:
        scene.interpreter = [sys.executable, str(PROGRAMS / "guarded_mutant.py")]
        test(scene=scene, **arguments)


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(mutant, marks=NEEDS_ROOT if mutant.hazard == "L33" else ()) for mutant in MUTANTS],
    ids=[f"{mutant.hazard} {mutant.name}" for mutant in MUTANTS],
)
def test_a_rule_taken_away_is_noticed(mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule the job of a killed wrapper, or something of it, lives on, or it dies before its wrapper."""
    monkeypatch.setenv("GUARDED_MUTANT", mutant.name)
    monkeypatch.setattr(test_guardian_kills, "until", impatient(mutant.says))

    with pytest.raises(AssertionError, match=mutant.says):
        play(mutant.test, tmp_path, mutant.arguments)


@pytest.mark.parametrize("name", sorted({mutant.name for mutant in MUTANTS}))
def test_a_mutant_still_passes_the_happy_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs a job and ends with its code: where nobody is killed nobody would notice."""
    monkeypatch.setenv("GUARDED_MUTANT", name)

    def happy(scene: Scene) -> None:
        assert scene.run("sh", "-c", "exit 3").wait() == 3

    play(happy, tmp_path, {})
