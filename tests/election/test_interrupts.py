"""Ctrl-C, and whatever else a signal handler raises, on the way into `with election.lead()`: nothing stays held."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tenure import blocking, post
from tenure.blocking import Tenure
from tests.election.stage import Stage, hear, wait_until

pytestmark = pytest.mark.versions
SOURCES = (blocking.__file__, post.__file__)
"""Code without locks: at the end of a `with lock` a tracer can raise where the interpreter runs no signal handler."""


class Interrupter:
    """Raises KeyboardInterrupt at the n-th line of `SOURCES` that this thread runs, as a signal's handler could."""

    def __init__(self, at_line: int) -> None:
        self._left = at_line
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        del event, argument
        return self._line if frame.f_code.co_filename in SOURCES else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        del argument
        if event == "line" and not self.where:
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
    assert {where.split(":")[0] for where in places} == {"blocking.py", "post.py"}


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
    wait = threading.Event.wait
    main = threading.current_thread()

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        woken = wait(self, timeout)
        if threading.current_thread() is main and stage.leader() == "a":
            raise KeyboardInterrupt
        return woken

    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", interrupted)
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
