"""Seeds a second of `tenure hunt`: five nodes for one virtual minute each, under all faults of the algorithm's model.

There is no peer: nobody else runs these algorithms. Memory is the peak of the parent and of its largest worker; neither
keeps a trace.
"""

from __future__ import annotations

import resource
import time

from tenure.simulator import names
from tenure.simulator.hunt import hunt

WORKERS = 2
SEEDS = 1000
SEEDS_OF_OTHERS = 100
"""Of all but the first, whose rate is what matters."""


def main(trials: int) -> None:
    """Print a row for each algorithm; `trials` is not used, since the seeds are the trials."""
    del trials
    print(f"{'':24}  {'seeds':>6}  {'seconds':>8}  {'seeds/s':>8}  {'messages/s':>10}  {'peak MiB':>8}", flush=True)
    for algorithm in names.COMPARED:
        seeds = SEEDS if algorithm == names.COMPARED[0] else SEEDS_OF_OTHERS
        started_s = time.perf_counter()
        done = hunt(algorithm, seeds, workers=WORKERS, shrink_runs=0)
        took_s = time.perf_counter() - started_s
        runs, delivered = done.tally.runs, done.tally.delivered
        peak_kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        found = "" if done.found is None else f"  seed {done.found.seed} violates {done.found.violations[0].checker}"
        print(
            f"{algorithm:24}  {runs:6}  {took_s:8.1f}  {runs / took_s:8.1f}  {delivered / took_s:10.0f}"
            f"  {peak_kib / 1024:8.0f}{found}",
            flush=True,
        )
