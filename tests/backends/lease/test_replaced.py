"""A leader that hangs is replaced, with the library as anybody uses it, on the machine's own clock."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tenure import Election, LeadershipLost, blocking
from tenure.backends.lease import open_lease
from tenure.errors import Reason
from tests.backends.lease.scenes import ELECTION

LEASE_S = 1.0
LIMIT_S = 20.0


def test_L8_a_blocked_loop_is_not_renewed_and_somebody_else_leads(tmp_path: Path) -> None:
    """Its body never returns to the loop: no proof of life, no renewal; when it wakes it has lost, and why is told."""
    successors: list[int] = []

    def succeed() -> None:
        with blocking.Election(ELECTION, open_lease(tmp_path, lease_s=LEASE_S)).lead(wait=LIMIT_S) as tenure:
            successors.append(tenure.token)

    thread = threading.Thread(target=succeed)

    async def leader() -> None:
        async with Election(ELECTION, open_lease(tmp_path, lease_s=LEASE_S)).lead() as tenure:
            assert 0 < tenure.remaining() <= LEASE_S
            thread.start()
            limit_s = time.monotonic() + LIMIT_S
            while not successors and time.monotonic() < limit_s:
                time.sleep(0.01)  # noqa: ASYNC251  what this test is about
            assert successors == [tenure.token + 1]
            assert not tenure.is_valid()
            await asyncio.sleep(0)

    with pytest.raises(LeadershipLost) as lost:
        asyncio.run(leader())
    thread.join(LIMIT_S)
    assert lost.value.reason is Reason.STALLED


def test_L16_a_leader_that_is_stopped_is_replaced_within_its_lease(tmp_path: Path) -> None:
    """SIGSTOP: the next one leads while it is stopped, and not before its last deadline has passed."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with blocking.Election(ELECTION, open_lease(tmp_path, lease_s=LEASE_S)).lead() as tenure:
                os.write(tell, b".")
                while tenure.is_valid():
                    time.sleep(0.01)
            code = 0
        except LeadershipLost:
            code = 7
        finally:
            os._exit(code)
    try:
        assert os.read(told, 1) == b"."
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        with blocking.Election(ELECTION, open_lease(tmp_path, lease_s=LEASE_S)).lead(wait=LIMIT_S) as tenure:
            assert tenure.token == 2
            os.kill(pid, signal.SIGCONT)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            pid = 0
            assert tenure.is_valid()
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(told)
        os.close(tell)
