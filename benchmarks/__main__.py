"""Run the benchmarks that are named, or all."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys

from benchmarks import (
    cycles,
    failover,
    handovers,
    histories,
    hunts,
    idle,
    leases,
    member,
    messages,
    outages,
    raft,
    standby,
    startup,
    storage,
    transports,
    writes,
)

BENCHMARKS = {
    "failover": failover.main,
    "leases": leases.main,
    "standby": standby.main,
    "startup": startup.main,
    "cycles": cycles.main,
    "messages": messages.main,
    "member": member.main,
    "outages": outages.main,
    "handovers": handovers.main,
    "writes": writes.main,
    "idle": idle.main,
    "hunts": hunts.main,
    "histories": histories.main,
    "raft": raft.main,
    "storage": storage.main,
    "transports": transports.main,
}


def main() -> None:
    """Print one table for each benchmark; numbers of another run or another machine do not compare with these."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which; default: all")
    parser.add_argument("--trials", type=int, default=30, help="trials for each figure (default 30)")
    parser.add_argument("--profile", action="store_true", help="of raft: where the time goes, instead")
    options = parser.parse_args()
    if options.profile and options.names != ["raft"]:
        parser.error("--profile is of raft alone: python -m benchmarks raft --profile")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # an exception: servers end, folders go
    load = os.getloadavg()[0]
    python = platform.python_version()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {python}, load {load:.1f}", flush=True)
    for name in options.names or BENCHMARKS:
        print(f"\n## {name}\n", flush=True)
        raft.profile() if options.profile else BENCHMARKS[name](options.trials)


if __name__ == "__main__":
    main()
