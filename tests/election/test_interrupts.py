"""Ctrl-C, and whatever else a signal handler raises, at any instant of the blocking front.

Nothing stays held, and the keeper waits for nobody: it serves every other election of the process.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import _base
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import pytest

from tenure import BackendRefused, bell, blocking, post
from tenure.bell import Bell
from tenure.blocking import Tenure
from tests.election.stage import LIMIT_S, InThread, Stage, hear, heard, wait_until

pytestmark = pytest.mark.versions
MOST_PLACES = 500
SOURCES = (blocking.__file__, post.__file__, bell.__file__)
"""Code without locks: at the end of a `with lock` a tracer can raise where the interpreter runs no signal handler."""
LOCKS = (threading.__file__, _base.__file__)
"""Locks that are written in Python."""


class Interrupter:
    """Raises KeyboardInterrupt at the n-th line or call of `SOURCES` that this thread runs, as a handler could."""

    def __init__(self, at_line: int) -> None:
        self._left = at_line
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line(frame, event, argument) if frame.f_code.co_filename in SOURCES else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        del argument
        if event in {"call", "line"} and not self.where:
            self._left -= 1
            if self._left == 0:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._line


def interrupted_at(stage: Stage, at_line: int, wait: float | None) -> str:
    """Enter `lead` and be interrupted at the n-th line; where that was, or "" if entering has fewer lines."""
    lead = stage.blocking().lead(wait=wait)
    before, interrupter = sys.gettrace(), Interrupter(at_line)
    sys.settrace(interrupter)
    try:
        lead.__enter__()
    except KeyboardInterrupt:
        return interrupter.where
    finally:
        sys.settrace(before)
    lead.__exit__(None, None, None)
    return ""


def test_an_interrupt_at_any_line_of_entering_leaves_nobody_leading(stage: Stage) -> None:
    """At each line in turn: the grant goes back, the candidate stands no more, and the thread may lead anew."""
    at_line, places = 1, []
    while where := interrupted_at(stage, at_line, None):
        wait_until(lambda: stage.leader() is None and not stage.waiting())
        hear()
        assert stage.leader() is None, where
        with stage.blocking(candidate="next").lead(wait=30):
            assert stage.leader() == "next", where
        places.append(where)
        at_line += 1
    assert {where.split(":")[0] for where in places} == {"bell.py", "blocking.py", "post.py"}


class Tracing:
    """What is called inside is traced, and nothing after it; a KeyboardInterrupt ends the block.

    A class, for with the exception goes its traceback, which refers to everything that was on the way: a generator
    that ends after it has swallowed an exception leaves both in a cycle on Python 3.12 and later.
    """

    def __enter__(self) -> None:
        self._before = sys.gettrace()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool:
        sys.settrace(self._before)
        return kind is KeyboardInterrupt


def leave_a_body(stage: Stage, interrupter: Interrupter) -> None:
    """Interrupted on the way out of a body."""
    with Tracing(), stage.blocking().lead():
        sys.settrace(interrupter)


def leave_a_candidacy(stage: Stage, interrupter: Interrupter) -> None:
    """The same of a candidacy that leads."""
    with Tracing(), stage.blocking().stand() as candidacy:
        assert candidacy.wait_elected(LIMIT_S) is not None
        sys.settrace(interrupter)


def enter_a_candidacy(stage: Stage, interrupter: Interrupter) -> None:
    """Interrupted on the way into a candidacy, or while it is waited for."""
    with Tracing():
        sys.settrace(interrupter)
        with stage.blocking().stand() as candidacy:
            candidacy.wait_elected(LIMIT_S)
            sys.settrace(None)


@pytest.mark.parametrize("act", [leave_a_body, leave_a_candidacy, enter_a_candidacy])
def test_an_interrupt_at_any_line_leaves_nobody_leading(
    stage: Stage, act: Callable[[Stage, Interrupter], None]
) -> None:
    """At each line and call in turn, that of `__exit__` itself among them, where no code of tenure's runs any more."""
    places: list[str] = []
    while len(places) < MOST_PLACES:
        interrupter = Interrupter(len(places) + 1)
        act(stage, interrupter)
        wait_until(lambda: not [one for one in threading.enumerate() if one.name.startswith("tenure-stand")])
        wait_until(lambda: stage.leader() is None and not stage.waiting())
        hear()
        assert stage.leader() is None, interrupter.where
        with stage.blocking(candidate="next").lead(wait=30):
            assert stage.leader() == "next", interrupter.where
        if not interrupter.where:
            break
        places.append(interrupter.where)
    assert 10 < len(places) < MOST_PLACES


class AtALock:
    """Raises KeyboardInterrupt as this thread has taken a lock that is written in Python, for the n-th time."""

    def __init__(self, at_lock: int) -> None:
        self._left = at_lock
        self.raised = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        del argument
        if event == "return" and frame.f_code.co_name == "__enter__" and frame.f_code.co_filename in LOCKS:
            self._left -= 1
            if self._left == 0:
                self.raised = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def lead(stage: Stage) -> None:
    """Enter and leave a body that publishes."""
    with stage.blocking().lead() as tenure:
        tenure.publish("here")
        tenure.wait_lost(0)


def stand(stage: Stage) -> None:
    """Lead in the background."""
    with stage.blocking().stand() as candidacy:
        candidacy.wait_elected(LIMIT_S)


def watch(stage: Stage) -> None:
    """See who leads, in every way."""
    with stage.blocking().watch() as views:
        views.next(LIMIT_S)
    stage.blocking().leader()
    with pytest.raises(BackendRefused):
        stage.blocking().ask_resign()


def listen(stage: Stage) -> None:
    """Subscribe, and have something told."""
    with heard():
        lead(stage)


@pytest.mark.parametrize("act", [lead, stand, watch, listen])
def test_the_keeper_waits_for_no_lock_that_an_exception_left_taken(stage: Stage, act: Callable[[Stage], None]) -> None:
    """An exception between `__enter__` and the block of a lock written in Python leaves it taken: the keeper has none.

    What is left are locks between this thread and one that it starts itself, which then is not there; so the keeper is
    started first.
    """
    InThread(hear).outcome()
    for at_lock in range(1, MOST_PLACES):
        tracer = AtALock(at_lock)
        with Tracing():
            sys.settrace(tracer)
            act(stage)
        InThread(hear).outcome()
        with stage.blocking(candidate="next").lead(wait=30):
            assert stage.leader() == "next"
        if not tracer.raised:
            return
    raise AssertionError("it never came to an end")


def test_an_interrupt_right_after_the_win_gives_the_grant_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenure has just been made when KeyboardInterrupt comes."""
    made = Tenure.__init__

    def interrupted(self: Tenure, *arguments: Any) -> None:
        made(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Tenure, "__init__", interrupted)
        with pytest.raises(KeyboardInterrupt), stage.blocking().lead():
            raise AssertionError
    wait_until(lambda: stage.leader() is None)
    with stage.blocking().lead(wait=30) as tenure:
        assert tenure.token == 2


def test_an_interrupt_as_the_wait_ends_gives_the_grant_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread was woken by its election, and the signal's handler runs before anything else."""
    wait_for = Bell.wait_for
    main = threading.current_thread()

    def interrupted(self: Bell, condition: Callable[[], object], timeout_s: float | None = None) -> bool:
        woken = wait_for(self, condition, timeout_s)
        if threading.current_thread() is main and stage.leader() == "a":
            raise KeyboardInterrupt
        return woken

    with monkeypatch.context() as patch:
        patch.setattr(Bell, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), stage.blocking().lead():
            raise AssertionError
    wait_until(lambda: stage.leader() is None)


def test_a_block_left_in_another_thread_bars_nobody(stage: Stage) -> None:
    """What a thread leads is noted with the block, not with whoever leaves it."""
    block = stage.blocking().lead()
    block.__enter__()
    leaver = threading.Thread(target=block.__exit__, args=(None, None, None))
    leaver.start()
    leaver.join()
    with stage.blocking().lead(wait=30) as tenure:
        assert tenure.is_valid()
