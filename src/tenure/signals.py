"""Ending a process in good order on a signal: Python runs no `finally` on SIGTERM by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tenure.errors import ConfigurationError
from tenure.keeper import Keeper


@contextmanager
def resign_on(*signals: signal.Signals) -> Iterator[None]:
    """On one of `signals` (default SIGTERM) leave the `with` block in good order and end the process with 128 + signal.

    In a coroutine the task that entered the block is cancelled, so that tenures inside it are resigned with their
    grace and candidacies withdrawn. Without asyncio SystemExit is raised in the main thread, and every tenure that
    other threads hold is asked to resign. A second signal does what it did before. Only in the main thread: raises
    ConfigurationError elsewhere.
    """
    wanted = signals or (signal.SIGTERM,)
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    came: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        for one in wanted:
            signal.signal(one, before[one])
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel, f"signal {number}")
        else:
            Keeper.resign_all(f"this process ends on signal {number}")
            raise SystemExit(128 + number)

    try:
        before = {one: signal.signal(one, handler) for one in wanted}
    except ValueError as error:
        raise ConfigurationError("resign_on works in the main thread only: signals come to no other") from error
    try:
        yield
    except asyncio.CancelledError:
        if not came:
            raise
    finally:
        for one in wanted:
            signal.signal(one, before[one])
    if came and task is not None:
        task.uncancel()
        raise SystemExit(128 + came[0])
