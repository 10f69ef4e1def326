"""One seed gives one run: on every supported Python, under every hash seed, with or without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenure.simulator import names, simulate
from tests.simulator.digests import digest
from tests.tidy.tree import ROOT

DIGESTS = Path(__file__).with_name("digests.txt")
REWRITE = "if a run was changed on purpose: python -m tests.simulator.digests > tests/simulator/digests.txt"


@pytest.mark.versions
@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_neither_python_nor_its_hash_seed_changes_a_run(hash_seed: str) -> None:
    """The recorded runs of every algorithm come out the same in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulator.digests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert done.stdout == DIGESTS.read_text(encoding="utf-8"), REWRITE


def test_every_algorithm_is_recorded() -> None:
    """A new one is added to the file."""
    assert {line.split()[0] for line in DIGESTS.read_text(encoding="utf-8").splitlines()} == set(names.COMPARED), (
        REWRITE
    )


def test_another_seed_gives_another_run() -> None:
    """The digest sees something."""
    assert len({simulate("bully", seed=seed, until=5).digest() for seed in range(10)}) == 10


@pytest.mark.parametrize("algorithm", ["bully", "ring"])
def test_a_run_is_the_same_whether_or_not_it_is_kept(algorithm: str) -> None:
    """What is counted without a trace is what is counted with one: looking changes nothing."""
    kept, not_kept = (simulate(algorithm, seed=3, until=20, trace=trace) for trace in (True, False))
    assert (kept.sent, kept.delivered, kept.struck) == (not_kept.sent, not_kept.delivered, not_kept.struck)
    assert vars(kept.measures) == vars(not_kept.measures)


def test_the_same_run_twice_in_one_process() -> None:
    """Nothing of the first is left in the second."""
    assert digest("bully", "heartbeat") == digest("bully", "heartbeat")
