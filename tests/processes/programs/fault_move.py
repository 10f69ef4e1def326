"""`tenure move` that is killed at a step of its own: `fault_move.py STEP before|after ARGUMENTS...`.

The steps are those of `tenure.cli.moving`, and `write_record`, at whose third call one of the two slots in which an old
place of file:// says where the election is was written, and the other was not.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Any

from tenure.__main__ import main
from tenure.backends.file import steps
from tenure.cli import moving


def die() -> None:
    """As by SIGKILL from outside, at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def kill_at(step: str, when: str) -> None:
    """Put the kill around a step of the move."""
    whole: Any = getattr(moving, step)

    async def wrapped(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            die()
        await whole(*arguments, **named)
        die()

    setattr(moving, step, wrapped)


def kill_between_the_slots() -> None:
    """One write tells that the mover leads, two that the election has moved."""
    whole, calls = steps.write_record, itertools.count(1)

    def wrapped(fd: int, data: bytes, offset: int) -> None:
        if next(calls) == 3:
            die()
        whole(fd, data, offset)

    steps.write_record = wrapped


if __name__ == "__main__":
    _, step, when, *arguments = sys.argv
    if step == "write_record":
        kill_between_the_slots()
    else:
        kill_at(step, when)
    sys.argv = ["tenure", *arguments]
    main()
