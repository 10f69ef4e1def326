"""How the time of a lease is spent here, and whether this disk or service is fast enough for that."""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tenure.backends.base import Capabilities
from tenure.cli.doctor.finding import DISK, Finding, Severity
from tenure.durations import NS_PER_S
from tenure.errors import BackendError, ConfigurationError
from tenure.holding.budget import Budget

PROBES = 9
PROBE_BYTES = 4096
LIMIT_S = 5.0
"""All probes together take no longer: what does not answer within that is not waited for."""
BAD, NEAR = 2, 10
"""A call that may take less than twice the longest probe fails on a healthy day; less than ten times, on a bad one."""


class Latency(msgspec.Struct, frozen=True):
    """What was measured: each probe in nanoseconds, and whether the last one never came back."""

    what: str
    probes_ns: tuple[int, ...]
    hangs: bool = False


def budget_of(
    url: str, able: Capabilities, lease_s: float | None, grace_s: float | None
) -> tuple[Finding, Budget | None]:
    """The arithmetic of a lease, the backend's own or the one that was asked about; None where it cannot be had."""
    if able.default_lease_s is None and lease_s is not None:
        found = f"{url} gives no leases: a tenure there ends with its process, and one that hangs leads on"
        return Finding(what="budget", state="bad", found=found, mend=f"--at lease://{DISK}-leases"), None
    wanted_s = able.default_lease_s if lease_s is None else lease_s
    if wanted_s is not None and wanted_s < able.min_lease_s:
        found = f"{url} gives no lease below {able.min_lease_s:g} s"
        return Finding(what="budget", state="bad", found=found, mend=f"--lease {able.min_lease_s:g}s"), None
    try:
        budget = Budget.of(wanted_s, grace_s=grace_s, rho_ppm=able.rho_ppm)
    except ConfigurationError as error:
        return Finding(what="budget", state="bad", found=str(error), mend=_longer(wanted_s, grace_s)), None
    if budget.lease_ns is None:
        found = (
            f"no lease: who leads does so until its process ends; grace {budget.grace_ns / NS_PER_S:g} s, and "
            f"{budget.call_timeout_ns / NS_PER_S:g} s for each call to the disk"
        )
    else:
        found = budget.explain(budget.lease_ns)
    return Finding(what="budget", state="ok", found=found), budget


def _longer(lease_s: float | None, grace_s: float | None) -> str | None:
    """What fits: the grace that such a lease has room for, and the lease that such a grace needs."""
    if not lease_s or not grace_s:
        return None
    usual = Budget.of(lease_s)
    return (
        f"--grace {usual.grace_ns / NS_PER_S:g}s (grace={usual.grace_ns / NS_PER_S:g} in a program), "
        f"or --lease {math.ceil(grace_s * lease_s * NS_PER_S / usual.grace_ns):g}s"
    )


def latency_of_disk(directory: Path) -> Latency:
    """How long this disk takes to keep a page, in an unnamed file of which nothing is left, whatever happens."""

    def probe(fd: int) -> None:
        os.pwrite(fd, os.urandom(PROBE_BYTES), 0)
        os.fdatasync(fd)

    what = f"fdatasync of {PROBE_BYTES >> 10} KiB"
    fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    return _measured(what, lambda: probe(fd), lambda: os.close(fd))


def latency_of_service(read: Callable[[], object]) -> Latency:
    """How long a look at an election takes."""
    return _measured("a look at an election", read, lambda: None)


def _measured(what: str, probe: Callable[[], object], end: Callable[[], None]) -> Latency:
    """Run some probes on a thread of their own: a disk that hangs holds that one up, not the doctor."""
    probes_ns: list[int] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            for _ in range(PROBES):
                began_ns = time.monotonic_ns()
                probe()
                probes_ns.append(time.monotonic_ns() - began_ns)
        except (OSError, BackendError) as error:
            failed.append(error)
        finally:
            end()

    thread = threading.Thread(target=run, name="tenure-doctor", daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if failed:
        raise failed[0]
    return Latency(what, tuple(probes_ns), hangs=thread.is_alive())


def judged(latency: Latency, budget: Budget, scheme: str) -> Finding:
    """What was measured, and what that means for one call."""
    call_ns = budget.call_timeout_ns
    if latency.hangs:
        done = f"{len(latency.probes_ns)} of {PROBES} probes came back within {LIMIT_S:g} s"
        mend = "look at the kernel's log, and use another disk or service"
        return Finding(what="latency", state="bad", found=f"{latency.what}: {done}", mend=mend)
    longest_ns = max(latency.probes_ns)
    times = call_ns / longest_ns
    found = (
        f"{latency.what}: p50 {_ms(statistics.median(latency.probes_ns))}, longest of {len(latency.probes_ns)} "
        f"{_ms(longest_ns)}; one call may take {_ms(call_ns)}, {times:.3g} times that"
    )
    state: Severity = "bad" if times < BAD else "look" if times < NEAR else "ok"
    return Finding(what="latency", state=state, found=found, mend=_enough(longest_ns, budget, scheme, state))


def _enough(longest_ns: int, budget: Budget, scheme: str, state: Severity) -> str | None:
    if state == "ok":
        return None
    if budget.lease_ns is None:
        return "use a faster disk: who cannot be elected within a call's time tries again, and again"
    lease_s = math.ceil(NEAR * longest_ns * budget.lease_ns / budget.call_timeout_ns / NS_PER_S)
    return f"a faster disk or service, or a lease of {lease_s} s: --at {scheme}://...?lease={lease_s}s"


def _ms(ns: float) -> str:
    return f"{ns / 1_000_000:.3g} ms" if ns < NS_PER_S else f"{ns / NS_PER_S:.3g} s"
