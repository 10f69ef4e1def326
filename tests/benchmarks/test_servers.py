"""No server and no candidate outlives the benchmark that has started it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import LIMIT_S, is_alive, until

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A benchmark under way, with the pids of its server and its candidate."""
    command = [sys.executable, "-m", "tests.benchmarks.programs.waits", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = iter(process.stdout.readline, "")
        pids = next(line.split()[1:] for line in said if line.startswith("running "))
        yield process, [int(pid) for pid in pids]
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, -2)])
def test_nothing_outlives_the_benchmark(
    benchmark: tuple[subprocess.Popen[str], list[int]], number: signal.Signals, code: int
) -> None:
    """Killed, told to end, or interrupted: its server and its candidate end too."""
    process, pids = benchmark
    assert len(pids) == 2
    assert all(is_alive(pid) for pid in pids)
    process.send_signal(number)
    assert process.wait(LIMIT_S) == code
    until(lambda: not any(is_alive(pid) for pid in pids), "server and candidate have ended")
