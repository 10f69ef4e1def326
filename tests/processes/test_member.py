"""Three applications as members of their own group: whatever becomes of the one that leads, another one's job runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.audit import Acted, Ended, Ledger, Opened, Reader, Record, Told, audit
from tenure.errors import Reason
from tests.processes.guarded_scene import until

PROGRAM = Path(__file__).parent / "programs" / "member.py"
NAMES = ("a", "b", "c")


class Applications:
    """The three processes, and what they wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self._reader = Reader(folder / "ledger")
        self._records: list[Record] = []
        self.processes = {name: self._start(name) for name in NAMES}

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.err").open("ab") as talk:
            return subprocess.Popen([sys.executable, str(PROGRAM), str(self.folder), name], stderr=talk)

    def restart(self, name: str) -> None:
        self.processes[name] = self._start(name)

    def records(self) -> list[Record]:
        self._records += self._reader.new()
        return self._records

    def led(self, *, above: int = 0) -> Opened:
        """The first tenure with a token above this one, once it has acted."""
        found: list[Opened] = []

        def look() -> bool:
            records = self.records()
            acted = {one.token for one in records if isinstance(one, Acted)}
            found[:] = [one for one in records if isinstance(one, Opened) and above < one.token and one.token in acted]
            return bool(found)

        until(look, f"somebody leads and acts with a token above {above}")
        return found[0]

    def ended(self, token: int) -> None:
        until(
            lambda: any(isinstance(one, Ended) and one.token == token for one in self.records()), f"{token} has ended"
        )

    def kill(self, name: str) -> None:
        process = self.processes[name]
        self.ledger.alive(process.pid)
        process.kill()
        process.wait()
        self.ledger.died(process.pid)

    def close(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        try:
            for process in self.processes.values():
                process.wait(20)
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
            self.ledger.close()


@pytest.fixture
def applications() -> Iterator[Applications]:
    """All three are started; at the end all are told to end, in good order, and are audited."""
    with tempfile.TemporaryDirectory(prefix="tn-") as name:
        trial = Applications(Path(name))
        try:
            yield trial
        finally:
            trial.close()
        verdict = audit(trial.records())
        assert verdict.is_clean, verdict.in_words()


def test_another_ones_job_runs_when_the_leader_is_killed_and_again(applications: Applications) -> None:
    """SIGKILL, twice, with the first back in between; tokens grow, no tenures overlap, no act comes late."""
    token = 0
    for _ in range(2):
        opened = applications.led(above=token)
        token = opened.token
        applications.kill(opened.candidate)
        assert applications.led(above=token).candidate != opened.candidate
        applications.restart(opened.candidate)


def test_a_stopped_leader_is_replaced_and_has_ended_its_job_when_it_goes_on(applications: Applications) -> None:
    """SIGSTOP: another one leads after the lease. SIGCONT: the first one's job is over, and acts no more."""
    opened = applications.led()
    process = applications.processes[opened.candidate]
    process.send_signal(signal.SIGSTOP)
    later = applications.led(above=opened.token)
    assert later.candidate != opened.candidate
    process.send_signal(signal.SIGCONT)
    applications.ended(opened.token)
    acts = [one for one in applications.records() if isinstance(one, Acted) and one.token == opened.token]
    assert all(one.at_ns < later.at_ns for one in acts)


def test_a_leader_whose_loop_hangs_gives_the_group_up(applications: Applications) -> None:
    """Its node lives and could lead on; but its job is not renewed, and another one's runs."""
    opened = applications.led()
    wedge = applications.folder / f"wedge-{opened.candidate}"
    wedge.touch()
    later = applications.led(above=opened.token)
    assert later.candidate != opened.candidate
    wedge.unlink()
    applications.ended(opened.token)
    told = [one.reason for one in applications.records() if isinstance(one, Told) and one.token == opened.token]
    assert told == [Reason.STALLED]


def test_a_leader_that_is_terminated_hands_over(applications: Applications) -> None:
    """SIGTERM: its job ends, another one's runs, and it leaves with 143 as it was told to end."""
    opened = applications.led()
    process = applications.processes[opened.candidate]
    os.kill(process.pid, signal.SIGTERM)
    later = applications.led(above=opened.token)
    assert later.candidate != opened.candidate
    assert process.wait(20) in {143, -signal.SIGTERM}
