"""Real processes, killed at any instant; and two of them at one directory."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import time
from pathlib import Path

import pytest

from tenure.storage.base import StorageInUse
from tenure.storage.directory import DataDirectory
from tenure.storage.wal import Wal
from tests.storage import program
from tests.storage.life import KINDS, SMALL, read

LIMIT_S = 30.0


def forked(path: Path) -> tuple[int, int]:
    """The program in a child that has all modules already; its pid, and what it says."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(writing, 1)
            asyncio.run(program.main(path))
        finally:
            os._exit(1)
    os.close(writing)
    return pid, reading


def kill_after(path: Path, delay_s: float, *, from_birth: bool) -> tuple[list[int], int]:
    """Kill it so long after its birth, or after it has read its log; what it said, in whole lines, and how it ended."""
    pid, reading = forked(path)
    try:
        said = b""
        end_s = time.monotonic() + delay_s if from_birth else None
        while end_s is None or time.monotonic() < end_s:
            left_s = LIMIT_S if end_s is None else max(0.0, end_s - time.monotonic())
            if select.select([reading], [], [], left_s)[0]:
                more = os.read(reading, 65536)
                if not more:
                    break
                said += more
                end_s = end_s or time.monotonic() + delay_s
        os.kill(pid, signal.SIGKILL)
        while more := os.read(reading, 65536):
            said += more
    finally:
        os.close(reading)
        _, status = os.waitpid(pid, 0)
    return [int(line) for line in said.split(b"\n")[:-1]], status


@pytest.mark.serial
def test_C7_what_was_said_to_be_durable_outlives_every_kill(tmp_path: Path) -> None:
    """Two hundred lives of one log, killed as they read, write, begin a segment, make a checkpoint: at any instant."""
    chance = random.Random(3)
    durable = most = 0
    for life in range(200):
        said, status = kill_after(tmp_path, chance.random() * 0.02, from_birth=life % 3 == 0)
        assert os.WIFSIGNALED(status), said
        if not said:
            continue  # before it had read its log
        assert said[0] >= durable, "what was durable is gone"
        assert said[0] <= most + 7
        durable = most = said[-1]
    assert durable > 200
    assert len(read(tmp_path)) >= durable


def test_a_directory_is_of_one_process(tmp_path: Path) -> None:
    """The second is told who has it, and what to do; once that one is dead, the next one gets it."""
    pid, reading = forked(tmp_path)
    try:
        assert select.select([reading], [], [], LIMIT_S)[0]
        with pytest.raises(StorageInUse, match=f"its pid there was {pid}") as refused:
            DataDirectory.open(tmp_path)
        assert "directory of its own" in str(refused.value)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
    assert read(tmp_path) is not None


def test_a_directory_is_of_one_node_of_a_process(tmp_path: Path) -> None:
    """The lock is not the process's but the opening's."""
    with DataDirectory.open(tmp_path), pytest.raises(StorageInUse, match=str(os.getpid())):
        DataDirectory.open(tmp_path)
    with DataDirectory.open(tmp_path) as directory:
        assert Wal.open(directory, KINDS, SMALL).kept == ()
