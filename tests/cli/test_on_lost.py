"""What becomes of daemons that the command of --on-lost has started on purpose: `run` is who inherits them."""

from __future__ import annotations

import os
from pathlib import Path

from tenure.supervise.processes import children_of, stat
from tests.cli.scene import eventually, tenure
from tests.cli.test_run import WAIT, leading


def test_L20_daemons_of_on_lost_are_reaped_when_they_end(url: str, tmp_path: Path) -> None:
    """Three losses leave three daemons; each ends when it may, during the next job, and leaves no zombie."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = f"setsid sh -c 'cat {gate}' >/dev/null 2>&1 & sleep 0.1"
    with leading(url, "--on-lost", command, "--", "sh", "-c", WAIT) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert tenure("resign", "job", "--at", url).code == 0
            assert process.stdout.readline() == "up\n"
        eventually(lambda: len(daemons(process.pid)) == 3)

        os.close(os.open(gate, os.O_WRONLY))

        eventually(lambda: not daemons(process.pid))


def daemons(wrapper: int) -> list[int]:
    """The wrapper's children but for its guardian, zombies among them."""
    found = [(pid, stat(pid)) for pid in children_of(wrapper)]
    return [pid for pid, seen in found if seen is None or seen.name != "tenure-guardian"]
