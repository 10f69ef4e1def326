"""Thousands of seeded runs of several candidates on virtual time: nothing that must hold is ever violated.

A failure prints the line that runs its seed again. `python -m tests.holding.virtual --seeds 3000` prints the table of
what happened.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.holding.checkers import Judged, judge
from tests.holding.tally import ROWS, tally
from tests.holding.virtual import simulate

SEEDS_EACH = 500
ROOT = Path(__file__).resolve().parents[2]
DIGEST = Path(__file__).with_name("digest.txt")
REWRITE = "python -m tests.holding.virtual --seeds 12 --digest > tests/holding/digest.txt"


@pytest.mark.parametrize("first", range(0, 3000, SEEDS_EACH))
def test_no_run_violates_anything_and_everything_happens(first: int) -> None:
    """Each of the seeds is clean, and among them every fault struck and every rule had to act."""
    total, found = Counter[str](), list[str]()
    for seed in range(first, first + SEEDS_EACH):
        judged = Judged.of(simulate(seed))
        again = f"again: python -m tests.holding.virtual --seeds 1 --seed {seed}"
        found += [f"{name}: {what}; {again}" for name, what in judge(judged)]
        total.update(tally(judged))
    assert found == []
    assert [row for row in ROWS if not total[row]] == []


def test_what_is_counted_is_demanded() -> None:
    """Nothing is in the table that need not happen: a new fault or rule is added to both."""
    total = Counter[str]()
    for seed in range(150):
        total.update(tally(Judged.of(simulate(seed))))
    assert set(total) <= set(ROWS)


def test_one_seed_gives_one_run() -> None:
    """The same seed twice, in one process: the same events, the same effects."""
    assert [simulate(seed).digest() for seed in range(5)] == [simulate(seed).digest() for seed in range(5)]


def test_another_seed_gives_another_run() -> None:
    """The digest sees something."""
    assert len({simulate(seed).digest() for seed in range(20)}) == 20


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_hash_seed_changes_nothing(hash_seed: str) -> None:
    """Under every PYTHONHASHSEED a holder answers the same events with the same effects."""
    assert digest_of_a_new_process(hash_seed) == DIGEST.read_text(), f"if the law was changed on purpose: {REWRITE}"


@pytest.mark.versions
def test_the_version_of_python_changes_nothing() -> None:
    """Under every supported Python the recorded runs come out the same."""
    assert digest_of_a_new_process("random") == DIGEST.read_text(), f"if the law was changed on purpose: {REWRITE}"


def digest_of_a_new_process(hash_seed: str) -> str:
    """What the command line prints for the first runs, in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.holding.virtual", "--seeds", "12", "--digest"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout
