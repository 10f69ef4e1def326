"""Real groups under faults and load: `python -m tests.nemesis --for 5m`, or an hour.

Ends with 0 if nothing was wrong and as much was done as had to be, else with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Coroutine
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from tenure.durations import seconds
from tests.nemesis.faults import KINDS
from tests.nemesis.group import Kind
from tests.nemesis.mutants import MUTANTS
from tests.nemesis.round import Outcome, play

LONGEST_ROUND_S = 75.0
"""So that a history is judged in seconds."""
PLAN = (
    (Kind("raft", "tcp"), 1.0),
    (Kind("bully+lease", "tcp"), 0.35),
    (Kind("raft", "unix"), 0.8),
    (Kind("raft", "tcp", 5), 1.0),
    (Kind("paxos-lease", "tcp"), 0.35),
)
"""What is played in turn, and for which part of the longest round."""
FAIL_OVERS, WRITES, FAULTS = 3, 300, 8
"""A minute, at least (writes where clients are served): a run that has shown less has failed. A quiet machine with two
cores does several times as much."""
WHOLE_S = 300.0
"""From so long a run on every kind of fault must have been done."""
MOUNTS = "NEMESIS_MOUNTS"
PRIVATE = ("unshare", "--mount", "--propagation", "private", "--")


def main() -> int:
    """Do as the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--for", dest="duration_s", type=seconds, default=60.0, metavar="TIME", help="such as 5m or 1h")
    parser.add_argument("--seed", type=int, default=None, help="of what is drawn; the machine does the rest by chance")
    parser.add_argument("--kind", default=None, help="only this, such as raft/tcp or bully+lease/unix")
    parser.add_argument("--nodes", type=int, default=None, help="in every group")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="only this; can be said again")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default=None, help="nodes that lack a rule")
    parser.add_argument("--summary", type=Path, default=None, metavar="FILE", help="what was done, as JSON")
    given = parser.parse_args()
    if given.mutant and not given.only:
        given.only = list(MUTANTS[given.mutant].faults)
    _have_mounts_of_ones_own()
    seed = random.randrange(2**32) if given.seed is None else given.seed
    print(f"nemesis: {given.duration_s:g} s, seed {seed}", flush=True)
    total = asyncio.run(_interruptible(_play(given, seed)))
    if total is None:
        print("interrupted")
        return 130
    total.wrong += missing(total) if not given.only else []
    if given.summary is not None:
        given.summary.write_bytes(msgspec.json.encode(total) + b"\n")
    _tell("altogether", total)
    if total.wrong:
        print(f"again: python -m tests.nemesis --for {given.duration_s:g}s --seed {seed}")
    return 1 if total.wrong else 0


def _have_mounts_of_ones_own() -> None:
    """Begin again in a mount namespace, where that is allowed: what is mounted in it is gone with the last process."""
    if MOUNTS in os.environ or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    works = subprocess.run([*PRIVATE, "true"], capture_output=True, check=False).returncode == 0
    os.environ[MOUNTS] = "1" if works else "0"
    if works:
        line = [*PRIVATE, sys.executable, "-m", "tests.nemesis", *sys.argv[1:]]
        os.execvp(line[0], line)  # noqa: S606  the same program again


async def _interruptible(playing: Coroutine[Any, Any, Outcome]) -> Outcome | None:
    """None if it was told to end by SIGINT or SIGTERM; then everything is given back first."""
    task = asyncio.ensure_future(playing)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


async def _play(given: argparse.Namespace, seed: int) -> Outcome:
    """Rounds until the time is over, or something is wrong."""
    total, plan = Outcome(), [(_kind(given.kind, given.nodes), 1.0)] if given.kind else PLAN
    unit_s = min(LONGEST_ROUND_S, given.duration_s / sum(part for _, part in plan))
    for number, (kind, part) in enumerate(cycle(plan), start=1):
        left_s = given.duration_s - total.seconds
        if left_s < 1 or total.wrong:
            break
        if given.nodes is not None:
            kind = kind._replace(nodes=given.nodes)  # noqa: PLW2901  the plan's own, but for that
        name = f"{seed}/{number}"
        where = Path(tempfile.gettempdir())
        came = await play(kind, min(left_s, part * unit_s), name, where=where, only=given.only, mutant=given.mutant)
        _tell(f"round {number}, {kind}", came)
        total.add(came)
    return total


def _kind(text: str, nodes: int | None) -> Kind:
    algorithm, _, transport = text.partition("/")
    return Kind(algorithm, transport or "tcp", nodes or 3)


def missing(total: Outcome) -> list[str]:
    """What was too little."""
    found = []
    for what, got, least in (
        ("fail-overs", total.fail_overs, int(FAIL_OVERS * total.seconds / 60)),
        ("writes", total.writes, int(WRITES * total.served_s / 60)),
        ("faults", sum(total.faults.values()), int(FAULTS * total.seconds / 60)),
    ):
        if got < least:
            found.append(f"only {got} {what}; below {least} a run of {total.seconds:g} s shows too little")
    if total.seconds >= WHOLE_S - 1:
        found += [f"{kind!r} was never done" for kind in KINDS if not total.faults.get(kind)]
    return found


def _tell(what: str, outcome: Outcome) -> None:
    print(
        f"{what}: {outcome.seconds:.0f} s, {sum(outcome.faults.values())} faults, {outcome.fail_overs} fail-overs, "
        f"{outcome.tenures} tenures, {outcome.operations} operations ({outcome.writes} acknowledged writes, "
        f"{outcome.unknown} unknown), converged within {outcome.converged_s:.1f} s: "
        f"{'nothing wrong' if not outcome.wrong else 'WRONG'}",
        flush=True,
    )
    for one in outcome.wrong:
        print(f"  {one}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
