"""Any order of stamps and acts, by threads and by processes: acts never go back, and never overlap a newer one."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tenure import NotAdmitted, StaleToken
from tenure.fencing import FenceGate
from tenure.fencing.gate import Admission
from tests.election.stage import InThread

E = "e"
TOKENS = st.integers(1, 6)


class GateMachine(RuleBasedStateMachine):
    """One gate, two handles on it, and a model: the mark, and who is inside."""

    handles: tuple[FenceGate, FenceGate]

    def __init__(self) -> None:
        super().__init__()
        self.mark = 0
        self.inside: list[Admission] = []
        self.begun: list[int] = []

    @rule(token=TOKENS, which=st.integers(0, 1))
    def stamp(self, token: int, which: int) -> None:
        """It is refused below the mark, and raises it else, whoever is inside."""
        if token < self.mark:
            with pytest.raises(StaleToken) as caught:
                self.handles[which].stamp(token, E)
            assert (caught.value.token, caught.value.highest) == (token, self.mark)
        else:
            self.handles[which].stamp(token, E)
            self.mark = token

    @rule(token=TOKENS, which=st.integers(0, 1))
    def enter(self, token: int, which: int) -> None:
        """It is refused below the mark, kept out by older acts, and let in else."""
        admission = self.handles[which].admit(token, E)
        older = [one.token for one in self.inside if one.token < token]
        if token < self.mark:
            with pytest.raises(StaleToken):
                admission.__enter__()
            return
        self.mark = token
        if older:
            with pytest.raises(NotAdmitted) as caught:
                admission.__enter__()
            assert caught.value.inside in older
            return
        admission.__enter__()
        self.inside.append(admission)
        self.begun.append(token)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """Any act may end next."""
        self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1))).leave()

    @invariant()
    def acts_never_go_back(self) -> None:
        """The tokens under which acts began only grow; those inside at one instant are of one tenure."""
        assert self.begun == sorted(self.begun)
        assert len({one.token for one in self.inside}) <= 1
        assert self.handles[0].highest(E) == self.handles[1].highest(E) == self.mark

    def teardown(self) -> None:
        """Leave nothing inside."""
        for admission in self.inside:
            admission.leave()


class MemoryMachine(GateMachine):
    """In one process."""

    def __init__(self) -> None:
        super().__init__()
        gate = FenceGate(wait=0)
        self.handles = (gate, gate)


class FileMachine(GateMachine):
    """In a directory, by two gates as two processes have them."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.handles = (FenceGate(self._folder.name, wait=0), FenceGate(self._folder.name, wait=0))

    def teardown(self) -> None:
        """Leave nothing on the disk either."""
        super().teardown()
        self._folder.cleanup()


GateMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMemory = MemoryMachine.TestCase
TestFile = FileMachine.TestCase
TestMemory.settings = TestFile.settings = GateMachine.TestCase.settings

PLANS = st.lists(st.lists(st.tuples(TOKENS, st.booleans()), min_size=1, max_size=6), min_size=2, max_size=4)
"""What each of some actors does in turn: under which token, and whether it acts or only stamps."""


def perform(gate: FenceGate, plan: list[tuple[int, bool]], note: Callable[[str], None]) -> None:
    """Do one actor's part; each act is noted at its beginning and at its end."""
    for token, acts in plan:
        with contextlib.suppress(StaleToken):
            if acts:
                with gate.admit(token, E):
                    note(f"+{token}")
                    note(f"-{token}")
            else:
                gate.stamp(token, E)
                note(f"!{token}")


def noted_in(book: int) -> Callable[[str], None]:
    """Note each line at the end of the file `book`, whoever writes there too."""

    def note(line: str) -> None:
        os.write(book, f"{line}\n".encode())

    return note


def judge(notes: list[str]) -> None:
    """No act begins below what was stamped or begun before it, and none beside an older one."""
    highest, inside = 0, list[int]()
    for entry in notes:
        kind, token = entry[0], int(entry[1:])
        if kind == "-":
            inside.remove(token)
            continue
        if kind == "+":
            assert token >= highest, notes
            assert min(inside, default=token) >= token, notes
            inside.append(token)
        highest = max(highest, token)
    assert inside == []


@settings(max_examples=30, deadline=None)
@given(plans=PLANS)
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_threads_never_go_back(kind: str, plans: list[list[tuple[int, bool]]]) -> None:
    """All begin at once, and the notes are judged in the order in which they were made."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        gate = FenceGate(folder if kind == "file" else None)
        begin = threading.Barrier(len(plans))

        def actor(plan: list[tuple[int, bool]]) -> Callable[[], None]:
            def act() -> None:
                begin.wait()
                perform(gate, plan, notes.append)

            return act

        for thread in [InThread(actor(plan)) for plan in plans]:
            thread.outcome()
    judge([note for note in notes if note[0] != "!"])


@settings(max_examples=15, deadline=None)
@given(plans=PLANS)
def test_processes_never_go_back(plans: list[list[tuple[int, bool]]]) -> None:
    """The same by forked processes on one directory, noted in one file opened for appending."""
    with tempfile.TemporaryDirectory() as folder:
        book = os.open(Path(folder) / "book", os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        ready, begin = os.pipe()
        children = []
        for plan in plans:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    os.close(begin)
                    os.read(ready, 1)  # ends when all are there and the parent closes its end
                    perform(FenceGate(folder), plan, noted_in(book))
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        os.close(ready)
        os.close(begin)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
        notes = os.pread(book, 1 << 20, 0).decode().split()
        os.close(book)
    judge([note for note in notes if note[0] != "!"])


def test_what_goes_back_or_overlaps_would_be_found() -> None:
    """The judge fails on each way to be wrong."""
    judge(["+1", "+1", "-1", "-1", "+2", "-2"])
    for wrong in (["+2", "-2", "+1", "-1"], ["+1", "+2", "-1", "-2"], ["!2", "+1", "-1"]):
        with pytest.raises(AssertionError):
            judge(wrong)
