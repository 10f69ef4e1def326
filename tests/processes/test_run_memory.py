"""What a standby costs: each host that may run the job has one waiting, mostly for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tenure.blocking import Election
from tests.processes.guarded_scene import LIMIT_S

pytestmark = pytest.mark.serial
LIMIT_MIB = 40.0
"""For wrapper and guardian together, what they share counted twice; 38 in CPython 3.11."""
LISTING = """
import atexit, sys
atexit.register(lambda: print("modules", *sys.modules, file=sys.__stderr__))
from tenure.__main__ import main
main()
"""


def resident_mib(pid: int) -> float:
    """The resident size of a process, shared pages included."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def test_a_standby_of_the_command_stays_small(tmp_path: Path) -> None:
    """The resident sizes of the wrapper and its guardian sum up to less than 40 MiB while they wait."""
    url = f"file://{tmp_path}"
    with Election("e", url, candidate="leader").lead():
        command = [sys.executable, "-m", "tenure", "run", "e", "--at", url, "--", "true"]
        wrapper = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert wrapper.stderr is not None
            said = iter(wrapper.stderr.readline, "")
            assert any("'leader' leads" in line for line in said), "it has settled, and says for whom it waits"
            children = Path(f"/proc/{wrapper.pid}/task/{wrapper.pid}/children").read_text().split()
            sizes_mib = [resident_mib(pid) for pid in (wrapper.pid, *map(int, children))]
        finally:
            wrapper.terminate()
            wrapper.communicate(timeout=LIMIT_S)
    assert len(sizes_mib) == 2, "the wrapper and its guardian"
    assert sum(sizes_mib) < LIMIT_MIB


def test_the_command_runs_a_job_without_openssl(tmp_path: Path) -> None:
    """OpenSSL would be 5 MiB of each standby: neither asyncio nor anything of ours brings it in, from start to end."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, "run", "-q", "e", "--at", f"file://{tmp_path}", "--", "true"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    (modules,) = (set(line.split()) for line in done.stderr.splitlines() if line.startswith("modules "))
    assert modules >= {"asyncio", "tenure.supervise.connection", "tenure.backends.file.grant"}
    assert modules.isdisjoint({"ssl", "_ssl", "hashlib", "_hashlib"})


def test_who_needs_tls_has_it_all_the_same() -> None:
    """Where the backend is reached over the network, asyncio has TLS; and `import ssl` works either way."""
    program = """
import sys
from tenure.cli.run.event_loop import load_asyncio
load_asyncio(tls=sys.argv[1] == "tls")
import asyncio.sslproto
print(asyncio.sslproto.ssl is not None)
import ssl
print(ssl.create_default_context() is not None)
"""

    def told(tls: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", program, tls], capture_output=True, text=True, timeout=LIMIT_S, check=True
        )
        return done.stdout.split()

    assert told("tls") == ["True", "True"]
    assert told("without") == ["False", "True"]
