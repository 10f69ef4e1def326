"""Deaths of real processes: what the kernel vouches for is told as certain, and nothing else ever is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import overload

import pytest

from tenure.transports import vouching
from tests.processes.guarded_scene import state
from tests.transports.stage import Node, Stage, play, staged, until

PROGRAM = Path(__file__).with_name("programs") / "neighbour.py"
ROOT = Path(__file__).parents[2]
QUIET_S = 0.2
"""For what must not happen; it would take a few milliseconds."""
UVLOOP = pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))


class Neighbour:
    """Node b in another process, as node a of this process sees it."""

    def __init__(self, a: Node, process: subprocess.Popen[str]) -> None:
        self.a = a
        self.process = process
        self.incarnation = 0

    def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    async def answer(self) -> list[str]:
        assert self.process.stdout is not None
        return (await asyncio.to_thread(self.process.stdout.readline)).split()

    @property
    def losses(self) -> list[tuple[object, object]]:
        return self.a.notes.losses(2)


def start(command: list[str]) -> subprocess.Popen[str]:
    """A process that is spoken with line by line."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@contextlib.asynccontextmanager
async def neighbours(stage: Stage, outlived: str = "") -> AsyncIterator[Neighbour]:
    """A node a here, and a node b in a process of its own that reaches it."""
    a = await stage.node("a")
    own = f"unix:{stage.folder}/b"
    a.transport.know(2, "b", own)
    async with neighbour(a, own, outlived) as made:
        yield made


@contextlib.asynccontextmanager
async def neighbour(a: Node, own: str, outlived: str = "") -> AsyncIterator[Neighbour]:
    """Node b, reached at `own`, in a process that is killed in the end."""
    with start([sys.executable, str(PROGRAM), own, a.address, outlived]) as process:
        made = Neighbour(a, process)
        try:
            ready = await made.answer()
            made.incarnation = int(ready[1])
            await until(lambda: made.incarnation in a.notes.lives(2), "b is heard")
            yield made
        finally:
            process.kill()


def on_unix(folder: Path, scene: object, loop: str = "asyncio") -> None:
    """Play a scene that takes a stage."""
    assert callable(scene)

    async def whole() -> None:
        async with staged("unix", folder) as stage:
            await scene(stage)

    play(whole(), loop)


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
def test_a_killed_process_is_lost_for_certain(tmp_path: Path, loop: str) -> None:
    """Once, under its incarnation, and as soon as the kernel says so."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            assert b.a.transport.reaches()[0].is_vouched
            started_s = time.monotonic()
            b.process.kill()
            await until(lambda: (b.incarnation, True) in b.losses, "the death is certain")
            assert time.monotonic() - started_s < 10, "not after a time-out of anything"
            assert [loss for loss in b.losses if loss[1]] == [(b.incarnation, True)]
            assert not b.a.transport.reaches()[0].is_vouched

    on_unix(tmp_path, scene, loop)


def test_last_words_come_before_the_death_and_nothing_after_it(tmp_path: Path) -> None:
    """What a node said just before it died is handed over first, all of it."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            b.tell("last farewell")
            await until(lambda: (b.incarnation, True) in b.losses, "the death is certain")
            assert b.a.notes.payloads(2) == [*(b"%d" % number for number in range(200)), b"farewell"]
            assert b.a.notes.told[-1] == ("lost", 2, b.incarnation, True)

    on_unix(tmp_path, scene)


def test_a_stopped_process_is_not_lost_at_all(tmp_path: Path) -> None:
    """It may go on, and does: the same life speaks on the same connection."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            b.process.send_signal(signal.SIGSTOP)
            await until(lambda: state(b.process.pid) == "T", "it is stopped")
            await asyncio.sleep(QUIET_S)
            assert b.losses == []
            b.process.send_signal(signal.SIGCONT)
            b.tell("say hello")
            await until(lambda: b.a.notes.payloads(2) == [b"hello"], "it speaks again")
            assert b.a.notes.lives(2) == [b.incarnation]

    on_unix(tmp_path, scene)


def test_who_closes_and_lives_is_not_lost_for_certain_until_it_dies(tmp_path: Path) -> None:
    """An end of file says little. The witness is kept, and tells of the death whenever that comes."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            b.tell("close")
            await until(lambda: b.losses == [(b.incarnation, False)], "it is lost")
            await asyncio.sleep(QUIET_S)
            assert b.losses == [(b.incarnation, False)]
            b.process.kill()
            await until(lambda: b.losses == [(b.incarnation, False), (b.incarnation, True)], "now it is certain")

    on_unix(tmp_path, scene)


def test_who_executes_another_program_is_not_lost_for_certain(tmp_path: Path) -> None:
    """Its sockets close, and its process lives on under the same number."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            b.tell("exec")
            await until(lambda: b.losses == [(b.incarnation, False)], "it is lost")
            await asyncio.sleep(QUIET_S)
            assert b.losses == [(b.incarnation, False)]
            assert b.process.poll() is None

    on_unix(tmp_path, scene)


def test_a_forked_child_that_keeps_the_connection_hides_nothing(tmp_path: Path) -> None:
    """The connection does not end, and its process's death is certain all the same; the child cannot speak on."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            b.tell("fork")
            child = os.pidfd_open(int((await b.answer())[1]))
            try:
                b.process.kill()
                await until(lambda: b.losses == [(b.incarnation, True)], "the death is certain")
                assert b.a.transport.reaches()[0].heard is None
            finally:
                signal.pidfd_send_signal(child, signal.SIGKILL)
                os.close(child)

    on_unix(tmp_path, scene)


def test_nobody_vouches_for_a_node_that_something_may_outlive(tmp_path: Path) -> None:
    """It says so in its hello, and its death is a loss like any other."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage, "outlived") as b:
            assert not b.a.transport.reaches()[0].is_vouched
            b.process.kill()
            await until(lambda: b.losses == [(b.incarnation, False)], "it is lost")
            await asyncio.sleep(QUIET_S)
            assert b.losses == [(b.incarnation, False)]

    on_unix(tmp_path, scene)


def test_a_death_is_certain_before_the_next_life_is_announced_or_never(tmp_path: Path) -> None:
    """Duty 9 of whoever drives an elector: five lives, each killed while the next one starts."""

    async def scene(stage: Stage) -> None:
        async with neighbours(stage) as b:
            b.process.kill()
            for _ in range(4):
                async with neighbour(b.a, f"unix:{stage.folder}/b") as following:
                    following.process.kill()
            await until(lambda: len([loss for loss in b.losses if loss[1]]) == 5, "all five deaths are certain")
            ended = set[object]()
            last: object = None
            for note in b.a.notes.told:
                if note[0] == "connected":
                    assert note[2] not in ended
                    last = note[2]
                elif note[0] == "lost":
                    assert note[2] == last, "never of an earlier life"
                    ended |= {note[2]} if note[3] else set()

    on_unix(tmp_path, scene)


def connected(folder: Path) -> tuple[socket.socket, socket.socket]:
    """An accepted Unix socket and its other end, in this process."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.listen()
    other = socket.socket(socket.AF_UNIX)
    other.connect(str(folder / "socket"))
    accepted, _ = listening.accept()
    listening.close()
    return accepted, other


class ByNumber:
    """A socket as kernels before 6.5 have it: without SO_PEERPIDFD. `pid` stands for a number that was used again."""

    def __init__(self, accepted: socket.socket, pid: int | None = None) -> None:
        self._accepted = accepted
        self._pid = pid

    @overload
    def getsockopt(self, level: int, option: int, /) -> int: ...
    @overload
    def getsockopt(self, level: int, option: int, length: int, /) -> bytes: ...
    def getsockopt(self, level: int, option: int, length: int = 0, /) -> int | bytes:
        if option == vouching.SO_PEERPIDFD:
            raise OSError(92, "Protocol not available")
        found = self._accepted.getsockopt(level, option, length)
        return found if self._pid is None else self._pid.to_bytes(4, sys.byteorder) + found[4:]


def test_the_process_that_speaks_is_vouched_for(tmp_path: Path) -> None:
    """On this kernel, and on older ones by pid and start time."""
    accepted, other = connected(tmp_path)
    with accepted, other:
        for options in (accepted, ByNumber(accepted)):
            found = vouching.witness(options, os.getpid(), vouching.start_time())
            assert found is not None
            assert not found.is_gone
            found.close()


def test_who_speaks_on_anothers_socket_is_not_vouched_for(tmp_path: Path) -> None:
    """A socket that was inherited or handed on: the process that dialled is not the one that speaks."""
    accepted, other = connected(tmp_path)
    with accepted, other:
        for options in (accepted, ByNumber(accepted)):
            assert vouching.witness(options, os.getpid() + 1, vouching.start_time()) is None
            assert vouching.witness(options, 0, 0) is None


def test_a_pid_that_was_used_again_is_not_vouched_for(tmp_path: Path) -> None:
    """Where the pidfd is opened by number: the process that has the number now started at another time."""
    accepted, other = connected(tmp_path)
    with accepted, other, subprocess.Popen(["sleep", "60"]) as heir:
        try:
            speaks = (heir.pid, vouching.start_time(heir.pid) - 1)  # as the dead one of this number said of itself
            assert vouching.witness(ByNumber(accepted, heir.pid), *speaks) is None
            honest = vouching.witness(ByNumber(accepted, heir.pid), heir.pid, vouching.start_time(heir.pid))
            assert honest is not None
            honest.close()
        finally:
            heir.kill()


def test_who_has_died_already_is_not_vouched_for(tmp_path: Path) -> None:
    """Its number may be anybody's by now."""
    accepted, other = connected(tmp_path)
    with subprocess.Popen(["true"]) as gone:
        pass
    with accepted, other:
        assert vouching.witness(ByNumber(accepted, gone.pid), gone.pid, 1) is None
