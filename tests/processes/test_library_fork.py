"""L26: what a fork does to a tenure. It stays with the parent; the child neither leads nor lets go."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.processes.library_scene import Start, leads_at_once

pytestmark = pytest.mark.serial
SEEN_BY_A_CHILD = [
    "child lost Reason.FORKED False 0.0 Reason.FORKED",
    "child lost Reason.FORKED",
    "child lost Reason.FORKED",
    "child not elected",
    "child sees 1",
]


def test_L26_a_forked_child_does_not_lead_and_does_not_let_go(start: Start, url: str) -> None:
    """Its tenure is LOST(FORKED); it may stand anew, and sees its parent lead; leaving the block releases nothing."""
    program = start("forks")
    assert program.end() == 0
    assert [line for line in program.lines if line.startswith("child")] == SEEN_BY_A_CHILD
    assert [line for line in program.lines if line.startswith("parent")] == ["parent 256 safe", "parent holds the lock"]
    assert "LeadershipLost" in program.errors  # the child's block said so when it was left
    assert leads_at_once(url) > 1


def test_L26_a_child_forked_by_multiprocessing_does_not_lead_either(start: Start, url: str) -> None:
    """The same by `multiprocessing`; the parent leads on after the child has ended."""
    program = start("multiprocess")
    assert program.end() == 0
    assert [line for line in program.lines if line.startswith("child")] == SEEN_BY_A_CHILD
    assert program.lines[-1] == "parent 0 safe"
    assert program.complaints() == []


def test_L26_a_child_forked_from_a_coroutine_leaves_its_block_at_once(start: Start) -> None:
    """No loop runs there and nothing is released; the parent leads on."""
    program = start("forks_asyncio")
    assert program.end() == 0
    assert "child lost Reason.FORKED" in program.lines
    assert program.lines[-1] == "parent 7 safe"


def test_L26_a_child_forked_while_standing_takes_its_parent_from_no_queue(start: Start, tmp_path: Path) -> None:
    """It collects garbage and exits as usual; the parent stands on."""
    from tenure.blocking import Election

    with Election("e", f"file://{tmp_path}/elections", candidate="first").lead():
        program = start("forks_standing")
        assert program.end() == 0
        assert program.lines == ["still standby"]
        assert program.complaints() == []


@pytest.mark.parametrize("function", ["forks_and_waits", "forks_with_an_object"])
def test_L26_the_parents_death_lets_go_although_its_child_lives(start: Start, url: str, function: str) -> None:
    """The parent is killed; the child that it forked while it led has no copy of the lock, whoever made the backend."""
    program = start(function)
    child = int(program.line("child").split()[1])
    program.signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert leads_at_once(url) > 1
    os.kill(child, 0)  # it lives
    program.release_stdin()


def test_L26_workers_of_a_preforking_server_elect_one_of_them(start: Start) -> None:
    """The election was made and used in the master: one worker leads, and when it is killed another one does."""
    program = start("preload")
    first = program.line("leading").split()
    os.kill(int(first[2]), signal.SIGKILL)
    second = program.line("leading").split()
    assert int(second[1]) > int(first[1])
    assert second[2] != first[2]
    os.kill(int(second[2]), signal.SIGTERM)
    third = program.line("leading").split()
    os.kill(int(third[2]), signal.SIGTERM)
    assert program.end() == 0
    assert len({first[2], second[2], third[2]}) == 3
