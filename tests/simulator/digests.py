"""Digests of the first runs of each algorithm: `python -m tests.simulator.digests > tests/simulator/digests.txt`."""

from __future__ import annotations

import hashlib
import sys

from tenure.simulator import names, simulate

SEEDS = range(2)
UNTIL_S = 20


def digest(algorithm: str, detector: str) -> str:
    """Of the traces of all SEEDS together."""
    sha = hashlib.sha256()
    for seed in SEEDS:
        sha.update(simulate(algorithm, nodes=4, seed=seed, until=UNTIL_S, detector=detector).digest().encode())
    return sha.hexdigest()


def lines() -> list[str]:
    """One line for each algorithm, and for each detector around the first of them."""
    pairs = [(name, "heartbeat") for name in names.COMPARED]
    pairs += [(names.COMPARED[0], detector) for detector in ("phi", "told")]
    return [f"{name} {detector} {digest(name, detector)}\n" for name, detector in pairs]


if __name__ == "__main__":
    sys.stdout.writelines(lines())
