"""Seeds a second of `tenure hunt`: five nodes for one virtual minute each, under all faults of the algorithm's model.

There is no peer: nobody else runs these algorithms. Memory is the peak of the parent and of its largest worker; neither
keeps a trace.
"""

from __future__ import annotations

import resource
import time

from tenure.simulator import names
from tenure.simulator.hunt import hunt

WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
WORKERS = 2
SEEDS = 1000
SEEDS_OF_OTHERS = 100
"""Of all but the first, whose rate is what matters."""


def main(trials: int) -> None:
    """Print a row for each algorithm; `trials` is not used, since the seeds are the trials."""
    del trials
    print(
        f"{'':20}{'seeds':>6}{'seconds':>9}{'CPU s':>8}{'seeds/CPU s':>13}{'messages/CPU s':>16}{'MiB':>5}", flush=True
    )
    for algorithm in names.COMPARED:
        seeds = SEEDS if algorithm == names.COMPARED[0] else SEEDS_OF_OTHERS
        started_s, before_s = time.perf_counter(), _cpu_s()
        done = hunt(algorithm, seeds, workers=WORKERS, shrink_runs=0)
        took_s, cpu_s = time.perf_counter() - started_s, _cpu_s() - before_s
        runs, delivered = done.tally.runs, done.tally.delivered
        peak_kib = max(resource.getrusage(who).ru_maxrss for who in WHO)
        found = "" if done.found is None else f"  seed {done.found.seed} violates {done.found.violations[0].checker}"
        print(
            f"{algorithm:20}{runs:6}{took_s:9.1f}{cpu_s:8.1f}{runs / cpu_s:13.1f}{delivered / cpu_s:16.0f}"
            f"{peak_kib / 1024:5.0f}{found}",
            flush=True,
        )


def _cpu_s() -> float:
    """What this process and its workers have used so far: where others use the machine too, seconds say little."""
    used = [resource.getrusage(who) for who in WHO]
    return sum(one.ru_utime + one.ru_stime for one in used)
