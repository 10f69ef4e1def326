"""The gate's rules, for threads and tasks, in memory and in files."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tenure import ConfigurationError, NotAdmitted, StaleToken
from tenure.blocking import Election
from tenure.fencing import FenceGate
from tenure.fencing.file import FileMarks
from tenure.fencing.marks import MemoryMarks, Obstacle, Visit
from tests.election.stage import LIMIT_S, InThread, Play, Stage, until, wait_until
from tests.fencing.conftest import Gates

E = "e"


def test_an_act_is_given_its_token(gates: Gates) -> None:
    """The block gets what it hands on to whatever it writes to."""
    gate = gates()

    with gate.admit(7, E) as token:
        assert token == 7
    assert gate.highest(E) == 7


def test_L16_an_older_act_does_not_begin_after_a_newer_one(gates: Gates) -> None:
    """The error tells both tokens, and the block is not entered."""
    gate = gates()
    with gate.admit(7, E):
        pass

    with pytest.raises(StaleToken) as caught, gate.admit(6, E):
        pytest.fail("a stale act began")
    assert (caught.value.token, caught.value.highest) == (6, 7)
    with gate.admit(7, E):
        pass


def test_L16_an_older_act_does_not_begin_after_a_newer_token_was_stamped(gates: Gates) -> None:
    """The new leader need not have acted: being elected is enough."""
    gate = gates()
    gate.stamp(7, E)

    with pytest.raises(StaleToken), gate.admit(6, E):
        pytest.fail("a stale act began")
    with pytest.raises(StaleToken):
        gate.stamp(6, E)
    assert gate.highest(E) == 7


def test_L16_a_newer_act_waits_until_the_older_one_has_left(gates: Gates) -> None:
    """The gate surrounds the act: what the older one does in its block comes before what the newer one does."""
    gate, done = gates(), list[str]()
    inside = threading.Event()

    def newer() -> None:
        inside.wait(LIMIT_S)
        with gate.admit(2, E):
            done.append("new")

    thread = InThread(newer)
    with gate.admit(1, E):
        inside.set()
        wait_until(lambda: gate.highest(E) == 2)  # the newer one has come, and waits
        done.append("old")
    thread.outcome()

    assert done == ["old", "new"]


def test_while_a_newer_act_waits_no_older_one_begins(gates: Gates) -> None:
    """Otherwise a busy old leader could keep the new one waiting for ever."""
    gate = gates()
    with gate.admit(1, E):
        thread = InThread(lambda: gate.admit(2, E).__enter__())
        wait_until(lambda: gate.highest(E) == 2)
        with pytest.raises(StaleToken), gate.admit(1, E):
            pytest.fail("a stale act began")
    assert thread.outcome() == 2


def test_an_act_that_waits_is_refused_when_a_still_newer_token_comes(gates: Gates) -> None:
    """It is not let in behind the newest."""
    gate = gates()
    with gate.admit(1, E):
        thread = InThread(lambda: gate.admit(2, E).__enter__())
        wait_until(lambda: gate.highest(E) == 2)
        gate.stamp(3, E)
        with pytest.raises(StaleToken, match="token 2 is stale: 3 was seen"):
            thread.outcome()


def test_a_wait_is_bounded_and_names_who_is_in_the_way(gates: Gates) -> None:
    """An act inside that does not end, as of a paused process, is an error that says so; nothing was done."""
    gate = gates(wait="20ms")
    with gate.admit(3, E):
        with pytest.raises(NotAdmitted, match=r"within 0\.02 s.*older token 3 has not ended.*killed") as caught:
            gate.admit(5, E).__enter__()
        assert (caught.value.inside, caught.value.token, caught.value.election) == (3, 5, E)
        assert isinstance(caught.value, TimeoutError)
    with gate.admit(5, E):
        pass


def test_waiting_for_no_time_is_one_try(gates: Gates) -> None:
    """It succeeds where nothing is in the way."""
    gate = gates(wait=0)
    with gate.admit(1, E), pytest.raises(NotAdmitted):
        gate.admit(2, E).__enter__()
    with gate.admit(2, E):
        pass


def test_acts_with_one_token_run_beside_one_another(gates: Gates) -> None:
    """The gate keeps leaders apart, not the threads of one leader."""
    gate = gates(wait=0)
    with gate.admit(1, E), gate.admit(1, E):
        pass


def test_each_act_inside_counts(gates: Gates) -> None:
    """When one of two has left, the other is still in the way."""
    gate = gates(wait=0)
    with gate.admit(1, E):
        with gate.admit(1, E):
            pass
        with pytest.raises(NotAdmitted):
            gate.admit(2, E).__enter__()


def test_elections_do_not_touch_one_another(gates: Gates) -> None:
    """One mark for each name: tokens of two elections mean nothing to each other."""
    gate = gates(wait=0)
    with gate.admit(9, "a"), gate.admit(1, "b"):
        assert (gate.highest("a"), gate.highest("b"), gate.highest("c")) == (9, 1, 0)


def test_an_act_that_raises_leaves(gates: Gates) -> None:
    """Its error goes on, and it is not inside any more."""
    gate = gates(wait=0)
    with pytest.raises(ZeroDivisionError), gate.admit(1, E):
        raise ZeroDivisionError
    with gate.admit(2, E):
        pass


def test_an_act_that_nobody_holds_any_more_is_over(gates: Gates) -> None:
    """One that was abandoned on its way, as by Ctrl-C, does not shut the gate for the rest of the process's life."""
    gate = gates(wait=0)
    gate.admit(1, E).__enter__()

    with gate.admit(2, E):
        pass


def test_an_act_may_be_left_by_the_garbage_collector_in_the_middle_of_another_ones_step(
    gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs on whichever thread allocates, also on the one that has the lock: leaving must not want that."""
    gate = gates(wait=LIMIT_S)
    abandoned = gate.admit(1, E)
    abandoned.__enter__()
    for marks in (MemoryMarks, FileMarks):

        def collect(self: object, *arguments: object, real: Any = marks.__dict__["_raise"]) -> None:
            abandoned.leave()
            real(self, *arguments)

        monkeypatch.setattr(marks, "_raise", collect)

    def newer() -> int:
        with gate.admit(2, E) as token:
            return token

    assert InThread(newer).outcome() == 2


def test_a_tenure_brings_its_token_and_the_name_of_its_election(gates: Gates, stage: Stage) -> None:
    """`gate.admit(tenure)` is all that a leader writes."""
    gate = gates()
    with Election("report", stage.backend()).lead() as tenure:
        with gate.admit(tenure) as token:
            assert token == tenure.token
        gate.stamp(tenure)
        with pytest.raises(ConfigurationError, match="tenure of 'report', not of 'other'"):
            gate.admit(tenure, "other")
    assert gate.highest("report") == tenure.token


@pytest.mark.parametrize("bearer", [0, -1, 2**63, True, 1.5, "7", None])
def test_what_is_no_token_is_refused(gates: Gates, bearer: object) -> None:
    """The largest that everybody can compare is allowed."""
    gate = gates()
    with pytest.raises(ConfigurationError, match="a token from 1 to"):
        gate.admit(bearer, E)  # type: ignore[arg-type]  # the mistake that is shown
    with gate.admit(2**63 - 1, E):
        pass


def test_a_bare_token_needs_the_name_of_its_election(gates: Gates) -> None:
    """And the name must be one, for it becomes that of a file."""
    with pytest.raises(ConfigurationError, match="needs the name of its election"):
        gates().admit(7)
    with pytest.raises(ConfigurationError, match="cannot name an election"):
        gates().stamp(7, "../e")


def test_an_admission_is_used_once(gates: Gates) -> None:
    """Each act asks anew."""
    admission = gates().admit(1, E)
    with admission:
        pass
    with pytest.raises(ConfigurationError, match="used before"), admission:
        pytest.fail("it was entered again")


# ------------------------------------------------------------------------------------------------------- asyncio


def test_tasks_wait_without_blocking_their_loop(gates: Gates, play: Play) -> None:
    """The older act is on the same loop, and ends while the newer one waits."""
    gate, done = gates(), list[str]()

    async def main() -> None:
        async def newer() -> None:
            async with gate.admit(2, E):
                done.append("new")

        async with gate.admit(1, E) as token:
            task = asyncio.create_task(newer())
            await until(lambda: gate.highest(E) == 2)
            done.append(f"old {token}")
        await task

    play(main)
    assert done == ["old 1", "new"]


def test_a_task_is_refused_and_its_wait_is_bounded(gates: Gates, play: Play) -> None:
    """The same errors as for threads."""
    gate = gates(wait="20ms")

    async def main() -> None:
        gate.stamp(3, E)
        with pytest.raises(StaleToken):
            async with gate.admit(2, E):
                pytest.fail("a stale act began")
        async with gate.admit(3, E):
            with pytest.raises(NotAdmitted, match="older token 3"):
                await gate.admit(4, E).__aenter__()

    play(main)


def test_a_task_that_is_cancelled_while_it_waits_leaves_nothing(gates: Gates, play: Play) -> None:
    """It is not inside afterwards, whatever its last try came to."""
    gate = gates(wait=30)

    async def main() -> None:
        async with gate.admit(1, E):
            task = asyncio.create_task(gate.admit(2, E).__aenter__())
            await until(lambda: gate.highest(E) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    play(main)
    with gates(wait=1).admit(3, E):
        pass


def test_a_try_whose_answer_comes_too_late_is_given_back(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is silent when the task is cancelled; when it answers, nobody wants to be inside."""
    gate = FenceGate(tmp_path, wait=5)
    asked, answered = threading.Event(), threading.Event()
    enter = FileMarks.enter

    def silent(self: FileMarks, election: str, token: int) -> Visit | Obstacle:
        asked.set()
        answered.wait(LIMIT_S)
        return enter(self, election, token)

    async def main() -> None:
        monkeypatch.setattr(FileMarks, "enter", silent)
        task = asyncio.create_task(gate.admit(1, E).__aenter__())
        await until(asked.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answered.set()
        await until(lambda: gate.highest(E) == 1)
        monkeypatch.setattr(FileMarks, "enter", enter)
        async with gate.admit(2, E):
            pass

    play(main)


def test_a_disk_that_does_not_answer_blocks_no_loop(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is told so within its time; meanwhile the loop turns."""
    monkeypatch.setattr("tenure.fencing.gate.ANSWER_S", 0.05)
    gate = FenceGate(tmp_path, wait=0)
    answered = threading.Event()
    enter = FileMarks.enter

    def silent(self: FileMarks, election: str, token: int) -> Visit | Obstacle:
        answered.wait(LIMIT_S)
        return enter(self, election, token)

    monkeypatch.setattr(FileMarks, "enter", silent)

    async def main() -> None:
        began_s = time.monotonic()
        with pytest.raises(NotAdmitted, match="disk is silent"):
            await gate.admit(1, E).__aenter__()
        assert time.monotonic() - began_s < LIMIT_S / 2
        answered.set()

    play(main)
