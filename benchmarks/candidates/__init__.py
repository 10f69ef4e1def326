"""Programs that stand for an election, each by another library.

All take an address and the number of an election, and speak the same: `waiting` when they stand, the CLOCK_BOOTTIME in
nanoseconds as soon as their body runs, and a line on stdin lets them resign and end.
"""

from __future__ import annotations

import sys
import time


def waiting() -> None:
    """Say that the next thing that happens is that this candidate is elected."""
    print("waiting", flush=True)


def leading() -> None:
    """Say when the body runs."""
    print(time.clock_gettime_ns(time.CLOCK_BOOTTIME), flush=True)


def until_told() -> None:
    """Lead until a line comes."""
    sys.stdin.readline()
