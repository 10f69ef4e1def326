"""One node of a group that the nemesis plagues: `tenure node`, and what a test has to put around it.

    python -m tests.nemesis.node --orders PAGE --ledger FILE --origin-ns N [--ahead-ns N] [--mutant NAME] -- OPTIONS

Its disk takes orders, its tenures go into a ledger, its trace counts from the host's clock, its log is cut into small
pieces, so that a minute has all that a busy day has; and it dies with who started it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tenure.algorithms.raft import Raft, Settings
from tenure.audit import Ledger
from tenure.runtime import assembly, recorder
from tenure.runtime.node import RuntimeNode
from tenure.runtime.owner import Owner
from tenure.storage.wal import Limits, Wal
from tests.nemesis.disk import OrderedFiles, Orders
from tests.nemesis.mutants import MUTANTS
from tests.nemesis.witness import HostClock, Witness

PR_SET_PDEATHSIG = 1
"""Of linux/prctl.h."""
LIMITS = Limits(segment_bytes=128 << 10, checkpoint_segments=3)
RAFT = Settings(snapshot_every=500, keep_tail=50)


def main(arguments: list[str]) -> None:
    """Run it until it ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--origin-ns", type=int, required=True)
    parser.add_argument("--ahead-ns", type=int, default=0)
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default=None)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("options", nargs="*")
    given = parser.parse_args(arguments)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != given.parent:
        sys.exit("who started this node has ended")
    _prepare(given)
    from tenure.__main__ import main as tenure

    sys.argv = ["tenure", "node", *given.options]
    tenure()


def _prepare(given: argparse.Namespace) -> None:
    """Put into the product's place what the nemesis needs there; for the rest of this process's life."""
    clock = HostClock(given.ahead_ns)
    ledger, files = Ledger(given.ledger, clock), OrderedFiles(Orders(given.orders))
    really_open, really_assemble = Wal.open, assembly.assemble

    def opened(directory: Any, kinds: Any) -> Wal:
        return really_open(directory, kinds, LIMITS, files)

    def assembled(
        name: str, listen: str, peers: Any, kind: Any, *arguments: Any, owner: Owner, **more: Any
    ) -> RuntimeNode:
        arguments = (RAFT,) if issubclass(kind, Raft) else arguments
        witness = Witness(owner, ledger, name, given.ahead_ns)
        return really_assemble(name, listen, peers, kind, *arguments, owner=witness, **more)

    patch.object(Wal, "open", opened).start()
    patch.object(assembly, "assemble", assembled).start()
    patch.object(recorder, "time", SimpleNamespace(time_ns=lambda: given.origin_ns + clock.now_ns())).start()
    if given.mutant is not None:
        for owner, attribute, instead in MUTANTS[given.mutant].rules:
            patch.object(owner, attribute, instead).start()


if __name__ == "__main__":
    main(sys.argv[1:])
