"""What an election does with its fences: each is told of the new token before the body begins, or nothing begins.

A fence that is not told refuses the old leader only once the new one acts there. Stamping may block, on a disk or on a
transaction that a paused leader holds open, so it has a thread of its own; the lease is renewed meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Protocol

from tenure.errors import ConfigurationError, NotStamped, StaleToken
from tenure.handle import Hold

LIMIT_S = 5.0
"""How long the fences of one election get, all together; the limit of a look at a backend too."""
MOST_STUCK = 4
"""So many threads may hang in a fence before no other is begun."""

_stuck = threading.BoundedSemaphore(MOST_STUCK)


def _forked() -> None:
    global _stuck  # noqa: PLW0603  the threads that hang stayed with the parent
    _stuck = threading.BoundedSemaphore(MOST_STUCK)


os.register_at_fork(after_in_child=_forked)


class Fence(Protocol):
    """What refuses a stale token, and can be told of a new one: FenceGate, SqlFence, or one's own."""

    def stamp(self, bearer: int, election: str, /) -> None:
        """Refuse every token of `election` below `bearer` from now on; whoever is elected calls it, on some thread.

        Raises StaleToken if a greater one was seen. Any error means that the election's body does not begin.
        """
        ...


def checked_fences(fences: object) -> tuple[Fence, ...]:
    """`fences`, if each can be stamped; else ConfigurationError."""
    given = tuple(fences) if isinstance(fences, Iterable) else (fences,)
    if not isinstance(fences, Iterable) or not all(callable(getattr(fence, "stamp", None)) for fence in given):
        raise ConfigurationError(
            f"fences=[...] takes a list of what has a method stamp(token, election), not {fences!r}"
        )
    return given


async def stamp_all(fences: tuple[Fence, ...], tenure: Hold) -> NotStamped | None:
    """Stamp every fence with the token of `tenure`; what went wrong, if something did while the tenure was valid.

    Of one that was lost meanwhile the caller must not begin the body anyway, and campaigns on.
    """
    if not fences:
        return None
    limit_s = _limit_s(tenure)
    future = asyncio.wrap_future(_begun(fences, tenure))
    try:
        await asyncio.wait([future], timeout=limit_s)
        failure = future.result() if future.done() else _late(tenure, limit_s)
    finally:
        future.cancel()  # nobody looks at it any more, and its loop may be closed before the fence answers
    return failure if tenure.is_valid() else None


def stamp_all_blocking(fences: tuple[Fence, ...], tenure: Hold) -> NotStamped | None:
    """The same for a thread."""
    if not fences:
        return None
    limit_s = _limit_s(tenure)
    try:
        failure = _begun(fences, tenure).result(limit_s)
    except TimeoutError:
        failure = _late(tenure, limit_s)
    return failure if tenure.is_valid() else None


def _limit_s(tenure: Hold) -> float:
    """Half of what the grant has left at most, so that a fence that hangs is given up well before the deadline."""
    return min(LIMIT_S, tenure.remaining() / 2)


def _begun(fences: tuple[Fence, ...], tenure: Hold) -> Future[NotStamped | None]:
    future: Future[NotStamped | None] = Future()
    future.set_running_or_notify_cancel()  # what was begun goes on to its end, whoever waits for it
    if not _stuck.acquire(blocking=False):
        detail = f"{MOST_STUCK} earlier tries hang in a fence; look at its disk"
        future.set_result(NotStamped(tenure.election, tenure.token, detail))
        return future

    def work() -> None:
        try:
            failure = _stamped(fences, tenure)
        finally:
            _stuck.release()
        future.set_result(failure)

    threading.Thread(target=work, name=f"tenure-stamp-{tenure.election}", daemon=True).start()
    return future


def _stamped(fences: tuple[Fence, ...], tenure: Hold) -> NotStamped | None:
    for fence in fences:
        try:
            fence.stamp(tenure.token, tenure.election)
        except StaleToken as error:
            return _failed(
                tenure,
                f"{fence!r} has seen token {error.highest} already. Either a newer leader is there, or the election "
                "was wiped or restored and gives old tokens again: then lift them, tenure doctor "
                f"{tenure.election} --floor {error.highest}",
                error,
            )
        except BaseException as error:  # noqa: BLE001  whatever a fence raises, it was not stamped; the caller is told
            return _failed(tenure, f"{fence!r} failed with {type(error).__name__}: {error}", error)
    return None


def _failed(tenure: Hold, detail: str, cause: BaseException) -> NotStamped:
    failure = NotStamped(tenure.election, tenure.token, detail)
    failure.__cause__ = cause
    return failure


def _late(tenure: Hold, limit_s: float) -> NotStamped:
    return NotStamped(
        tenure.election,
        tenure.token,
        f"its fences did not answer within {limit_s:.3g} s; one may wait for an act or a transaction that a "
        "paused process has open",
    )
