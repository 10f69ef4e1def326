"""Memory stays bounded when no trace is asked for: a run may be as long as somebody likes."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
import re, sys
from pathlib import Path
from tenure.simulator import simulate

def peak_kib():  # not ru_maxrss, which begins with the peak of whoever started this process
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

algorithm, trace = sys.argv[1], sys.argv[2] == "trace"
run = simulate(algorithm, seed=1, until=60, trace=trace)
assert run.delivered > 5_000
before_kib = peak_kib()
run = simulate(algorithm, seed=1, until=600, trace=trace)
assert run.delivered > 50_000
print(peak_kib() - before_kib)
"""


def growth_mib(algorithm: str, trace: str) -> float:
    """By how much ten virtual minutes under faults raise the peak of one, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, algorithm, trace], capture_output=True, text=True, check=True, timeout=100
    )
    return int(done.stdout) / 1024


@pytest.mark.parametrize("algorithm", ["bully", "ring"])
def test_a_long_run_takes_no_more_memory_than_a_short_one(algorithm: str) -> None:
    """A hundred thousand messages leave nothing behind."""
    assert growth_mib(algorithm, "no trace") < 4


def test_a_trace_is_seen_in_memory() -> None:
    """The measure sees what is kept: otherwise it would prove nothing."""
    assert growth_mib("bully", "trace") > 20
