"""Thousands of seeded storms inside each algorithm's model: whoever lives in the end recognises whom it should.

A failure prints the line that runs its seed again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.algorithms.storms import CHECKERS, SETTINGS, storm, violations

ROOT = Path(__file__).resolve().parents[2]
FAULTS = {"crash", "back", "blink", "join", "leave"}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("first", range(0, 1500, 500))
def test_no_storm_violates_anything(name: str, first: int) -> None:
    """AGREEMENT and TERMINATION, and for bully that it is the greatest."""
    assert [line for seed in range(first, first + 500) for line in violations(name, seed)] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_every_fault_strikes_and_elections_are_held(name: str) -> None:
    """A storm in which nothing happens would prove nothing."""
    struck, changes = Counter[str](), 0
    for seed in range(50):
        net, counts = storm(SETTINGS[name], seed)
        struck += counts
        changes += len({leader for _, _, leader in net.history}) > 2
    assert struck.keys() == FAULTS
    assert min(struck.values()) >= 20
    assert changes >= 40


def test_every_setting_is_judged() -> None:
    """None is run for nothing."""
    assert CHECKERS.keys() == SETTINGS.keys()


def test_another_seed_gives_another_storm() -> None:
    """The digest sees something."""
    assert len({storm(SETTINGS["ring"], seed)[0].digest() for seed in range(10)}) == 10


@pytest.mark.parametrize("name", SETTINGS)
def test_the_hash_seed_changes_nothing(name: str) -> None:
    """The same events and effects under every PYTHONHASHSEED."""
    program = "from tests.algorithms.storms import *\n"
    program += f"print([storm(SETTINGS[{name!r}], seed)[0].digest() for seed in range(5)])"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(printed) == 1
