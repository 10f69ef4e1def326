"""This machine's clock, and what a process may have of it."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from tenure.cli.doctor.finding import Finding
from tenure.clock import BootClock
from tenure.durations import NS_PER_S

DESCRIPTORS = 256
"""Below this limit the doctor warns: each election that a process leads needs one."""
SLEPT_NS = NS_PER_S
"""The two clocks are read one after the other: a smaller difference may be that."""


def clock(offsets: Path = Path("/proc/self/timens_offsets")) -> Finding:
    """The clock that leases count on, and whether others on this host read the same one."""
    if BootClock.name != "CLOCK_BOOTTIME":
        found = f"{BootClock.name}: it may stand still while this machine sleeps"
        return Finding(what="clock", state="look", found=found, mend="run what leads on Linux")
    shifted = _shifted(offsets)
    if shifted:
        found = (
            f"CLOCK_BOOTTIME, in a time namespace of its own ({shifted}): stamps of lease:// that other namespaces "
            f"wrote cannot be compared, so who leads there is waited for a whole lease longer"
        )
        mend = "start the candidates in one time namespace, without unshare --time"
        return Finding(what="clock", state="look", found=found, mend=mend)
    slept_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    slept = f"; {slept_ns / NS_PER_S:.0f} s of this boot were sleep, and leases count them" * (slept_ns > SLEPT_NS)
    return Finding(
        what="clock", state="ok", found=f"CLOCK_BOOTTIME: it counts on in suspend, and nobody sets it{slept}"
    )


def _shifted(offsets: Path) -> str:
    """How the clocks of this process's time namespace differ from the host's; empty where they do not."""
    try:
        lines = offsets.read_text(encoding="ascii").splitlines()
    except OSError:  # a kernel before 5.6, or one without them
        return ""
    shifts = [line.split() for line in lines]
    return ", ".join(f"{name} {shift} s" for name, shift, rest in shifts if (shift, rest) != ("0", "0"))


def descriptors() -> Finding:
    """How many files a process may open."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = 0 <= limit < DESCRIPTORS
    return Finding(
        what="descriptors",
        state="look" if few else "ok",
        found=f"{limit} for each process; each election that it leads needs one",
        mend=f"ulimit -n {4 * DESCRIPTORS}" if few else None,
    )
