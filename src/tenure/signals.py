"""Ending a process in good order on a signal: Python runs no `finally` on SIGTERM by itself."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tenure.errors import ConfigurationError, NotElected
from tenure.keeper import Keeper


@contextmanager
def resign_on(*signals: signal.Signals) -> Iterator[None]:
    """On one of `signals` (default SIGTERM) leave the `with` block in good order and end the process with 128 + signal.

    In a coroutine the task that entered the block is cancelled, so that tenures inside it are resigned with their
    grace and candidacies withdrawn. Without asyncio SystemExit is raised in the main thread, and every tenure that
    other threads hold is asked to resign; if what runs there swallows it, SystemExit is raised again where the block
    ends. Another exception that comes out of the block goes on as it is. A second signal does what it did before. Only
    in the main thread: raises ConfigurationError elsewhere.
    """
    wanted = signals or (signal.SIGTERM,)
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    came: list[int] = []
    before = {one: signal.getsignal(one) or signal.SIG_DFL for one in wanted}  # None: a handler that is not Python's

    def restore() -> None:
        for one in wanted:
            if signal.getsignal(one) is handler:
                signal.signal(one, before[one])

    def handler(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        restore()
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel, f"signal {number}")
        else:
            Keeper.resign_all(f"this process ends on signal {number}")
            raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError("resign_on works in the main thread only: signals come to no other")
    try:
        for one in wanted:
            _install(one, handler)
        yield
    except asyncio.CancelledError:
        if not came:
            raise
    except NotElected:  # a job that swallowed it would stand again, in a process where nobody is elected any more
        if not came or task is not None:
            raise
    finally:
        restore()
    if came:
        if task is not None:
            task.uncancel()
        raise SystemExit(128 + came[0])


def _install(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
    try:
        signal.signal(number, handler)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{number!r} cannot be caught; give signals such as SIGTERM or SIGINT") from error
