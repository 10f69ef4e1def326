"""Descendants, and signals that cannot hit a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.supervise.processes import (
    Family,
    GroupLeader,
    Process,
    children_of,
    identify,
    is_stopped,
    send,
    stat,
)
from tests.processes.guarded_scene import read_pid, until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A child that leads its own process group."""
    with subprocess.Popen(["sleep", "1000"], process_group=0) as process:
        yield process
        process.kill()


def known(pid: int) -> Process:
    """The process of this pid, which lives."""
    found = identify(pid)
    assert found is not None
    return found


def test_a_process_is_signalled_by_its_pid_and_start_time(sleeper: subprocess.Popen[bytes]) -> None:
    """The right one is hit."""
    assert send(known(sleeper.pid), signal.SIGTERM)

    assert sleeper.wait(30) == -signal.SIGTERM


def test_L31_a_pid_that_was_used_again_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    """Another start time, another process: left alone, and counted as gone."""
    stranger = known(sleeper.pid)

    assert send(Process(stranger.pid, stranger.start - 1), signal.SIGKILL)

    assert send(stranger, signal.SIGTERM)  # of two signals SIGKILL would win
    assert sleeper.wait(30) == -signal.SIGTERM


def test_who_is_gone_counts_as_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    """No error: there is nobody left to end."""
    process = known(sleeper.pid)
    sleeper.kill()
    sleeper.wait(30)

    assert send(process, signal.SIGTERM)
    assert stat(process.pid) is None


def test_a_name_with_brackets_and_blanks_is_read_right(tmp_path: Path) -> None:
    """The second field of /proc/PID/stat may contain what separates the fields."""
    odd = tmp_path / ") R 1 ("
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "1000"]) as process:
        until(lambda: (found := stat(process.pid)) and found.name == ") R 1 (", "it has its name")
        found = stat(process.pid)
        process.kill()

    assert found is not None
    assert (found.parent, found.threads) == (os.getpid(), 1)


def test_a_stopped_process_is_seen_as_such(sleeper: subprocess.Popen[bytes]) -> None:
    """By its identity, again."""
    process = known(sleeper.pid)
    assert not is_stopped(process)

    sleeper.send_signal(signal.SIGSTOP)

    until(lambda: is_stopped(process), "it is stopped")
    assert not is_stopped(Process(process.pid, process.start - 1))


def test_the_family_is_all_descendants_but_the_spared(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Grandchildren are among them; children that were there before, with theirs, are not."""
    before = frozenset(map(known, children_of(os.getpid())))
    pid_file = tmp_path / "pid"
    with subprocess.Popen(["sh", "-c", f"sleep 1000 & echo $! > {pid_file}; wait"]) as shell:
        grandchild = read_pid(pid_file)

        members = {process.pid for process in Family(before).members()}

        os.kill(grandchild, signal.SIGKILL)
        shell.wait(30)
    assert members == {shell.pid, grandchild}
    assert Family(before).is_empty()
    assert sleeper.poll() is None


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -TERM $$", 143)])
def test_the_zombie_of_the_leader_keeps_its_group_until_it_is_reaped(script: str, status: int) -> None:
    """Its status is known and the group's number still taken, so that a signal to the group cannot hit a stranger."""
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, setpgroup=0)
    leader = GroupLeader(pid)

    def look() -> bool:
        leader.look()
        return leader.has_ended

    until(look, "it has ended")

    assert leader.status == status
    os.killpg(pid, 0)  # no error: the number is taken
    leader.reap()
    assert leader.zombie is None
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    leader.signal_group(signal.SIGKILL)  # goes nowhere


def test_a_job_that_ended_since_the_last_look_was_not_stopped(sleeper: subprocess.Popen[bytes]) -> None:
    """Asked whether it was stopped, the kernel knows no such child any more; the next look sees the end."""
    leader = GroupLeader(sleeper.pid)
    leader.look()
    assert not leader.has_ended

    sleeper.kill()
    until(lambda: (found := stat(sleeper.pid)) and found.state == "Z", "it has ended")

    assert leader.stop_signal() is None
    leader.look()
    assert leader.status == 128 + signal.SIGKILL


def test_orphans_become_children_of_a_subreaper(tmp_path: Path) -> None:
    """A grandchild whose parent ended is found, and an empty family is the kernel's word."""
    program = f"""
import os, subprocess, sys, time
from tenure.supervise.processes import Family, become_subreaper, send
become_subreaper()
subprocess.run(["sh", "-c", "setsid sleep 1000 & echo $! > {tmp_path}/pid"], check=True)
pid = int(open("{tmp_path}/pid").read())
family = Family()
members = family.members()
assert [process.pid for process in members] == [pid], members
assert not family.is_empty()
for process in members:
    send(process, 9)
for _ in range(3000):
    family.reap(keep=None)
    if family.is_empty():
        sys.exit(0)
    time.sleep(0.01)
sys.exit(1)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
