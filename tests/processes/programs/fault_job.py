"""A job of `tenure run` that puts down what it does as leader, in one of the ways in which jobs run away.

Usage: fault_job.py LEDGER [deaf] [daemon|session] [ends=SECONDS]

A daemon forks twice, closes every descriptor, and acts from a session of its own while the first process waits; a
session is a child that leads its own session; a deaf one ignores SIGTERM. Whoever acts, it is the tenure of the first.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from tenure.audit import Acted, Ended, Ledger, Opened

ACT_S = 0.002
LIMIT_S = 60.0
"""A failing test leaves nothing behind for longer."""


def main(path: str, *ways: str) -> int:
    """Act until somebody ends this, or the time is over."""
    ends = [float(way.removeprefix("ends=")) for way in ways if way.startswith("ends=")]
    if "deaf" in ways:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    about = {
        "election": os.environ["TENURE_NAME"],
        "token": int(os.environ["TENURE_TOKEN"]),
        "candidate": os.environ["TENURE_CANDIDATE"],
        "pid": os.getpid(),
    }
    with Ledger(path) as ledger:
        ledger.append(Opened(**about, at_ns=ledger.clock.now_ns()))  # type: ignore[arg-type]  # a dict of two types
    if {"daemon", "session"} & {*ways} and os.fork() != 0:
        time.sleep(LIMIT_S)
        return 0
    if "daemon" in ways or "session" in ways:
        os.setsid()
    if "daemon" in ways:
        if os.fork() != 0:
            os._exit(0)
        os.closerange(0, 256)
    with Ledger(path) as ledger:
        end_s = time.monotonic() + (ends[0] if ends else LIMIT_S)
        while time.monotonic() < end_s:
            began_ns = ledger.clock.now_ns()
            time.sleep(ACT_S)  # an act takes its time, and must be over before the next tenure
            ledger.append(Acted(**about, at_ns=ledger.clock.now_ns(), act="act", began_ns=began_ns))  # type: ignore[arg-type]  # as above
        ledger.append(Ended(**about, at_ns=ledger.clock.now_ns()))  # type: ignore[arg-type]  # as above
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
