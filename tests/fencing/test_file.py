"""The marks in files: durable before an act, shared by processes, freed by death, and never lowered."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure import BackendRefused, BackendUnreachable, NotAdmitted, NotStamped, StaleToken
from tenure.backends.file import steps
from tenure.backends.file.counter import FILE_BYTES, OFFSETS, SLOT_BYTES
from tenure.fencing import FenceGate, file
from tests.election.stage import LIMIT_S, InThread, wait_until

E = "e"


@contextmanager
def forked(work: Callable[[], None], *, stopped: bool = False) -> Iterator[int]:
    """A child that does `work` and then waits for its end; when the block begins it has done it (or is stopped)."""
    done_read, done_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(done_read)
            work()
            os.write(done_write, b"!")
            signal.pause()
        finally:
            os._exit(3)
    os.close(done_write)
    try:
        if stopped:
            assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
        else:
            assert os.read(done_read, 1) == b"!", "the child has failed"
        yield child
    finally:
        os.close(done_read)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def refuses(gate: FenceGate, token: int) -> bool:
    """Whether an act with this token does not begin because it is stale."""
    try:
        with gate.admit(token, E):
            return False
    except StaleToken:
        return True


def test_L16_the_mark_is_kept_for_the_next_process(tmp_path: Path) -> None:
    """Another gate on the same directory knows it, and so does this one after a restart."""
    FenceGate(tmp_path / "a" / "gate").stamp(7, E)

    later = FenceGate(tmp_path / "a" / "gate")

    assert later.highest(E) == 7
    assert refuses(later, 6)


def test_processes_share_the_gate(tmp_path: Path) -> None:
    """An act inside another process is in the way until that process leaves it, here by its death."""
    gate = FenceGate(tmp_path, wait=0)
    admission = FenceGate(tmp_path).admit(1, E)

    def enter() -> None:
        admission.__enter__()

    with forked(enter), pytest.raises(NotAdmitted, match="older token 1"):
        gate.admit(2, E).__enter__()
    with gate.admit(2, E):
        pass


def test_L25_a_process_paused_inside_its_act_is_waited_for_and_a_killed_one_is_not(tmp_path: Path) -> None:
    """The wait is bounded, the error says what helps, and that does help: the kernel frees the gate."""
    gate = FenceGate(tmp_path, wait="50ms")

    def act() -> None:
        with FenceGate(tmp_path).admit(1, E):
            os.kill(os.getpid(), signal.SIGSTOP)

    with forked(act, stopped=True) as child:
        with pytest.raises(NotAdmitted, match=r"token 1 has not ended; its process may be paused.*must be killed"):
            gate.admit(2, E).__enter__()
        gate.stamp(3, E)  # being elected does not wait for it
        os.kill(child, signal.SIGKILL)
        with FenceGate(tmp_path, wait=LIMIT_S).admit(3, E):
            pass


def test_L25_a_process_paused_in_the_middle_of_a_step_is_a_bounded_wait(tmp_path: Path) -> None:
    """It holds the file for as long as it sleeps; everybody is told so, and nobody waits for ever."""
    gate = FenceGate(tmp_path, wait="50ms")
    gate.stamp(1, E)

    def stop_in_the_step() -> None:
        file.sync_mark = lambda fd: os.kill(os.getpid(), signal.SIGSTOP)  # noqa: ARG005  in the child only
        FenceGate(tmp_path).stamp(2, E)

    with forked(stop_in_the_step, stopped=True) as child:
        with pytest.raises(NotAdmitted, match="in use all the time"):
            gate.admit(3, E).__enter__()
        with pytest.raises(NotStamped, match=r"in use for 0\.05 s"):
            gate.stamp(3, E)
        assert gate.highest(E) in {1, 2}, "looking needs no step"
        os.kill(child, signal.SIGKILL)
        FenceGate(tmp_path, wait=LIMIT_S).stamp(3, E)
    assert gate.highest(E) == 3


def test_L26_a_forked_child_has_no_part_in_its_parents_acts(tmp_path: Path) -> None:
    """It neither ends them, when it leaves the block that it was forked in, nor keeps them inside after they ended."""
    gate = FenceGate(tmp_path, wait=0)
    admission = gate.admit(1, E)
    with admission, forked(lambda: admission.__exit__(None, None, None)), pytest.raises(NotAdmitted):
        gate.admit(2, E).__enter__()
    with forked(lambda: None), gate.admit(2, E):
        pass


def test_L26_a_forked_child_does_not_keep_the_acts_of_a_dead_parent_inside(tmp_path: Path) -> None:
    """The parent dies inside; its child, which lives on, holds no copy of the descriptor."""

    def parent() -> None:
        with FenceGate(tmp_path).admit(1, E):
            if os.fork() == 0:
                signal.pause()  # until it is ended below, with its group
            os.kill(os.getpid(), signal.SIGSTOP)

    def lead_a_group() -> None:
        os.setpgid(0, 0)
        parent()

    with forked(lead_a_group, stopped=True) as child:
        try:
            os.kill(child, signal.SIGKILL)
            with FenceGate(tmp_path, wait=LIMIT_S).admit(2, E):
                pass
            os.killpg(child, 0)  # the grandchild lives: it was not its end that opened the gate
        finally:
            os.killpg(child, signal.SIGKILL)


def test_L26_a_child_forked_from_a_memory_gate_has_one_of_its_own(tmp_path: Path) -> None:
    """Acts of the parent are not inside there, and the marks were copied."""
    gate = FenceGate(wait=0)

    def check() -> None:
        assert refuses(gate, 1)
        with gate.admit(3, E):
            pass

    with gate.admit(2, E), forked(check):
        assert gate.highest(E) == 2


def test_L17_a_mark_that_was_deleted_or_restored_is_lifted_by_who_remembers(tmp_path: Path) -> None:
    """What this process has seen counts whatever the file says; and it mends the file for the others."""
    gate = FenceGate(tmp_path)
    gate.stamp(3, E)
    backup = (tmp_path / "e.mark").read_bytes()
    gate.stamp(7, E)

    (tmp_path / "e.mark").write_bytes(backup)
    assert refuses(gate, 6)
    assert FenceGate(tmp_path).highest(E) == 7
    (tmp_path / "e.mark").unlink()
    assert gate.highest(E) == 7
    assert refuses(gate, 6)
    assert FenceGate(tmp_path).highest(E) == 7


def test_L23_a_file_that_is_replaced_between_opening_and_locking_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a mark would be raised that nobody finds."""
    gate = FenceGate(tmp_path)
    gate.stamp(1, E)
    path = tmp_path / "e.mark"
    flock, replaced = fcntl.flock, list[int]()

    def replace_then_lock(fd: int, how: int) -> None:
        if not replaced:
            replaced.append(fd)
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", replace_then_lock)
    gate.stamp(5, E)

    assert replaced
    assert FenceGate(tmp_path).highest(E) == 5


def test_an_act_begins_only_when_its_mark_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both slots are written and synced, one after the other; a token that was seen costs no sync."""
    gate = FenceGate(tmp_path)
    gate.stamp(1, E)
    order: list[str] = []
    write, sync = steps.write_whole, file.sync_mark

    def noted_write(fd: int, data: bytes, offset: int) -> None:
        order.append(f"write {OFFSETS.index(offset)}")
        write(fd, data, offset)

    def noted_sync(fd: int) -> None:
        order.append("sync")
        sync(fd)

    monkeypatch.setattr(steps, "write_whole", noted_write)
    monkeypatch.setattr(file, "sync_mark", noted_sync)
    with gate.admit(2, E):
        order.append("act")
    with gate.admit(2, E):
        order.append("act")

    assert order == ["write 1", "sync", "write 0", "sync", "act", "act"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_mark_that_cannot_be_synced_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The disk's error says so; nothing stays inside, and it may be tried again."""
    gate = FenceGate(tmp_path)
    gate.stamp(1, E)
    calls: list[int] = []

    def fails(fd: int) -> None:
        calls.append(fd)
        if len(calls) == failing:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(file, "sync_mark", fails)
        with pytest.raises(BackendUnreachable, match=r"Input/output error.*nothing was admitted"):
            gate.admit(2, E).__enter__()

    with FenceGate(tmp_path, wait=0).admit(2, E):
        pass
    with FenceGate(tmp_path, wait=0).admit(3, E):
        pass


@settings(deadline=None, max_examples=50)
@given(
    marks=st.lists(st.integers(2, 2**63 - 1), min_size=2, max_size=4, unique=True).map(sorted),
    written=st.integers(0, 2 * SLOT_BYTES),
    rubbish=st.binary(min_size=SLOT_BYTES, max_size=SLOT_BYTES),
)
def test_L17_a_torn_write_loses_no_mark_that_anybody_acted_under(
    tmp_path_factory: pytest.TempPathFactory, marks: list[int], written: int, rubbish: bytes
) -> None:
    """The power goes at any byte of either slot's write: the mark before is still there, or the new one is."""
    path = tmp_path_factory.mktemp("gate")
    gate = FenceGate(path)
    for mark in marks[:-1]:
        gate.stamp(mark, E)
    before = (path / "e.mark").read_bytes()
    gate.stamp(marks[-1], E)
    after = (path / "e.mark").read_bytes()
    data = bytearray(before)
    for number, offset in enumerate(OFFSETS):
        count = min(max(written - number * SLOT_BYTES, 0), SLOT_BYTES)
        data[offset : offset + count] = after[offset : offset + count]
        if 0 < count < SLOT_BYTES:
            data[offset + count : offset + SLOT_BYTES] = rubbish[count:]
    (path / "e.mark").write_bytes(data)

    assert FenceGate(path).highest(E) in marks[-2:]
    assert refuses(FenceGate(path), marks[-2] - 1)


@settings(deadline=None, max_examples=50)
@given(mark=st.integers(2, 2**63 - 1), slot=st.sampled_from(OFFSETS), rot=st.binary(min_size=1, max_size=SLOT_BYTES))
def test_L17_a_mark_that_rots_in_one_slot_stands_in_the_other(
    tmp_path_factory: pytest.TempPathFactory, mark: int, slot: int, rot: bytes
) -> None:
    """Both slots hold it, and the next act mends the damaged one."""
    path = tmp_path_factory.mktemp("gate")
    FenceGate(path).stamp(mark, E)
    data = bytearray((path / "e.mark").read_bytes())
    whole = bytes(data)
    data[slot : slot + len(rot)] = rot
    (path / "e.mark").write_bytes(data)

    assert FenceGate(path).highest(E) == mark
    assert refuses(FenceGate(path), mark - 1)
    assert (path / "e.mark").read_bytes() == whole


def test_L17_a_mark_that_leaps_stands_in_both_slots(tmp_path: Path) -> None:
    """Unlike a counter that grows by one, of which one slot tells what the other held."""
    FenceGate(tmp_path).stamp(3, E)
    FenceGate(tmp_path).stamp(9, E)
    whole = (tmp_path / "e.mark").read_bytes()
    for offset in OFFSETS:
        (tmp_path / "e.mark").write_bytes(whole[:offset] + b"rot" + whole[offset + 3 :])
        assert FenceGate(tmp_path).highest(E) == 9


@pytest.mark.parametrize("data", [b"", b"\0" * FILE_BYTES, b"rubbish"])
def test_L17_a_mark_that_is_damaged_in_both_slots_lets_nobody_in(tmp_path: Path, data: bytes) -> None:
    """What it refused is not known; the error says what to do, and that does it."""
    FenceGate(tmp_path).stamp(7, E)
    (tmp_path / "e.mark").write_bytes(data)
    gate = FenceGate(tmp_path)

    for ask in (lambda: gate.admit(8, E).__enter__(), lambda: gate.stamp(8, E), lambda: gate.highest(E)):
        with pytest.raises(BackendRefused, match=r"damaged in both.*Remove the file.*\.stamp\(token, election\)"):
            ask()
    assert (tmp_path / "e.mark").read_bytes() == data

    (tmp_path / "e.mark").unlink()
    FenceGate(tmp_path).stamp(7, E)
    assert refuses(gate, 6)


def test_a_file_is_made_whole_by_whoever_comes_first(tmp_path: Path) -> None:
    """Many begin at once; there is one file, with one mark, and nothing else."""

    def first_use(token: int) -> None:
        FenceGate(tmp_path / "g").stamp(token, E)

    threads = [InThread(partial(first_use, token)) for token in range(5, 9)]
    for thread in threads:
        try:
            thread.outcome()
        except StaleToken:
            continue

    assert [path.name for path in (tmp_path / "g").iterdir()] == ["e.mark"]
    assert FenceGate(tmp_path / "g").highest(E) == 8


def test_L20_acts_leave_no_descriptor(tmp_path: Path) -> None:
    """Whether they are admitted, refused, kept waiting or raise."""
    gate = FenceGate(tmp_path, wait=0)
    with gate.admit(5, E):
        pass
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208  names are numbers here

    for _ in range(20):
        with gate.admit(5, E), gate.admit(5, E), pytest.raises(NotAdmitted):
            gate.admit(6, E).__enter__()
        assert refuses(gate, 4)
        gate = FenceGate(tmp_path, wait=0)
        (tmp_path / "e.mark").unlink()
        gate.stamp(5, E)

    wait_until(lambda: sorted(os.listdir("/proc/self/fd")) == before)  # noqa: PTH208  names are numbers here


def test_a_directory_that_may_not_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, with what to change. Root may write anywhere, so the kernel's answer is played."""

    def denied(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(file, "open_regular", denied)
    with pytest.raises(BackendRefused, match=r"Permission denied.*Give this user write access"):
        FenceGate(tmp_path).stamp(1, E)


def test_a_path_that_is_no_directory_says_so(tmp_path: Path) -> None:
    """Nothing was admitted."""
    (tmp_path / "file").touch()
    with pytest.raises(BackendUnreachable, match="nothing was admitted"):
        FenceGate(tmp_path / "file").stamp(1, E)


def test_a_file_system_of_other_hosts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its locks are not this kernel's."""
    monkeypatch.setattr("tenure.backends.file.filesystems._mountinfo", lambda: "1 1 0:1 / / rw - nfs4 server:/ rw")
    with pytest.raises(BackendRefused, match="nfs4"):
        FenceGate(tmp_path)


def test_a_file_system_that_forgets_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a restart of the machine the marks are gone, and perhaps the tokens are not."""
    monkeypatch.setattr("tenure.backends.file.filesystems._mountinfo", lambda: "1 1 0:1 / / rw - tmpfs none rw")
    FenceGate(tmp_path)
    assert "forgotten at a restart" in caplog.text
