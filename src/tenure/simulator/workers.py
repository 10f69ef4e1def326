"""Processes that carry out work of the laboratory, on all cores, and leave nothing behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

from tenure.errors import TenureError

MOST_UNDER_WAY = 4
"""Pieces of work that are under way, for each worker: enough that none is idle while the oldest is awaited."""
_Piece = TypeVar("_Piece")
_Done = TypeVar("_Done")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    executor: Executor, work: Callable[[_Piece], _Done], pieces: Iterable[_Piece], most: int
) -> Iterator[_Done]:
    """What comes of each piece, in their order, with at most so many under way. What is left over is cancelled.

    Raises TenureError where a worker dies.
    """
    rest = iter(pieces)
    under_way = deque[Future[_Done]]()
    try:
        while True:
            under_way += (executor.submit(work, piece) for piece in islice(rest, most - len(under_way)))
            if not under_way:
                return
            yield under_way.popleft().result()
    except BrokenExecutor as error:
        raise TenureError(
            "a worker process died, perhaps because memory ran out; take fewer workers or nodes"
        ) from error
    finally:
        for future in under_way:
            future.cancel()


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """A pool of processes that leaves nothing behind, whatever ends this one."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Ctrl-C is for the parent, which ends the pool; a parent that is killed cannot, so its workers watch it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
