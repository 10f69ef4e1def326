"""A leader is stopped between its last look at its tenure and its write, replaced, and continued: what comes of it.

With a fence the late write is refused. Without, it lands behind the new leader's, which is what fences are for.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

import pytest

from tenure.fencing import FenceGate, SqlFence
from tests.processes.guarded_scene import state, until
from tests.processes.library_scene import Program

FENCED = Path(__file__).with_name("programs") / "fenced.py"
SCHEMES = pytest.mark.parametrize("scheme", ["file", "lease"])
KINDS = pytest.mark.parametrize("kind", ["gate", "sql", "asgi", "wsgi"])


class Scene:
    """An election, a book that its leaders write to, and a server before the book where the fence stands there."""

    def __init__(self, folder: Path, scheme: str, kind: str, *, guarded: bool) -> None:
        self._stack = ExitStack()
        self._scheme = scheme
        self._elections = folder / "elections"
        self._folder = folder
        self._kind = kind
        self._plan: dict[str, Any] = {
            "url": f"{scheme}://{self._elections}",
            "lease": "2s" if scheme == "lease" else None,
            "folder": str(folder),
            "kind": kind,
            "guarded": guarded,
            "port": 0,
        }
        if kind == "sql":
            with closing(sqlite3.connect(folder / "book.db")) as connection, connection:
                connection.execute("CREATE TABLE book (token INTEGER)")
                SqlFence().create(connection)
        if kind in {"asgi", "wsgi"}:
            server = self._start(f"serve_{kind}")
            self._plan["port"] = int(server.line("serving").split()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def leader(self, name: str, *, pause: bool = False) -> Program:
        """A process that leads and writes once."""
        return self._start("lead", name=name, pause=pause)

    def depose(self) -> None:
        """Let somebody else be elected though the leader sleeps: its lease runs out by itself; a lock is deleted."""
        if self._scheme == "file":
            (self._elections / "report" / "lock").unlink()

    def book(self) -> list[int]:
        """Under which tokens was written, in order."""
        if self._kind == "sql":
            with closing(sqlite3.connect(self._folder / "book.db")) as connection:
                return [row[0] for row in connection.execute("SELECT token FROM book ORDER BY rowid")]
        path = self._folder / "book"
        return [int(line) for line in path.read_text(encoding="utf-8").split()] if path.exists() else []

    def highest(self) -> int:
        """What the fence refuses everything below."""
        return FenceGate(self._folder / "gate").highest("report")

    def _start(self, function: str, **changes: Any) -> Program:
        program = Program(function, json.dumps({**self._plan, **changes}), FENCED)
        self._stack.callback(program.close)
        return program


def token_of(program: Program) -> int:
    """The token with which it says that it leads."""
    return int(program.line("leading").split()[1])


def stopped(program: Program) -> None:
    """Wait until it has stopped itself."""
    until(lambda: state(program.pid) == "T", "it has stopped itself")


@SCHEMES
@KINDS
def test_L16_a_paused_leader_wakes_and_is_refused(tmp_path: Path, scheme: str, kind: str) -> None:
    """Its last look said that it leads; its write comes after the new leader's, and is refused by its token."""
    with Scene(tmp_path, scheme, kind, guarded=True) as scene:
        old = scene.leader("old", pause=True)
        first = token_of(old)
        stopped(old)
        scene.depose()
        new = scene.leader("new")
        second = token_of(new)
        new.line("written")

        old.signal(signal.SIGCONT)

        assert old.line("refused") == (
            f"refused token {first} is stale: {second} was seen already; a newer leader acts now, so stop"
        )
        assert old.end() == 0
        assert scene.book() == [second]
        new.release_stdin()
        assert new.end() == 0


@SCHEMES
@KINDS
def test_L16_without_the_fence_a_paused_leader_overwrites_what_the_new_one_did(
    tmp_path: Path, scheme: str, kind: str
) -> None:
    """The same, without: the damage shows. No lock and no deadline can stop an act that was about to be done."""
    with Scene(tmp_path, scheme, kind, guarded=False) as scene:
        old = scene.leader("old", pause=True)
        first = token_of(old)
        stopped(old)
        scene.depose()
        new = scene.leader("new")
        second = token_of(new)
        new.line("written")

        old.signal(signal.SIGCONT)

        old.line("written")
        assert scene.book() == [second, first]
        new.release_stdin()


@SCHEMES
@pytest.mark.parametrize("kind", ["gate", "sql"])
def test_L16_being_elected_is_enough_to_refuse_who_was_paused(tmp_path: Path, scheme: str, kind: str) -> None:
    """The new leader sleeps too, before it could write anything; the old one is refused all the same."""
    with Scene(tmp_path, scheme, kind, guarded=True) as scene:
        old = scene.leader("old", pause=True)
        token_of(old)
        stopped(old)
        scene.depose()
        new = scene.leader("new", pause=True)
        second = token_of(new)
        stopped(new)
        if kind == "gate":
            assert scene.highest() == second

        old.signal(signal.SIGCONT)

        old.line("refused")
        assert scene.book() == []
        os.kill(new.pid, signal.SIGKILL)
