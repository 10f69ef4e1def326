"""A benchmark that has started a server and a candidate, and waits to be ended: waits.py FOLDER."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks import __main__ as command
from benchmarks import servers
from benchmarks.failover import Process

folder = sys.argv.pop()


def main(trials: int) -> None:
    """Take the place of a benchmark that measures something."""
    del trials
    port = servers.free_port()
    note = f"{folder}/pid"
    serve = f"import os; open({note!r}, 'w').write(str(os.getpid())); import http.server; http.server.test(port={port})"
    with servers.running([*servers.MORTAL, sys.executable, "-c", serve], port, folder):
        candidate = Process("tenure_blocking", f"file://{folder}/elections")
        print("running", Path(note).read_text(encoding="ascii"), candidate.pid, flush=True)  # noqa: T201  the test waits for this line
        time.sleep(1000)


command.BENCHMARKS = {"waits": main}
command.main()
