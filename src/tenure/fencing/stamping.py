"""What an election does with its fences: each is told of the new token before the body begins, or nothing begins.

A fence that is not told refuses the old leader only once the new one acts there. Stamping may block, on a disk or on a
transaction that a paused leader holds open, so it has a thread of its own; the lease is renewed meanwhile.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from tenure.bell import Bell
from tenure.errors import ConfigurationError, NotStamped, StaleToken
from tenure.handle import Hold

LIMIT_S = 5.0
"""How long the fences of one election get, all together; the limit of a look at a backend too."""
MOST_THREADS = 16
"""So many elections of a process are stamped at once; the others wait for a thread, within their own limit."""
MOST_STUCK = 4
"""When so many of these threads have overrun their limit, each further stamping is refused at once."""

_lock = threading.Lock()  # a raw one, and a `Bell` below: a signal's exception leaves neither taken
_waiting: deque[_Stamping] = deque()
_running: set[_Stamping] = set()


def _forked() -> None:
    global _lock, _waiting, _running  # the threads stayed with the parent
    _lock, _waiting, _running = threading.Lock(), deque(), set()


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
            f"fences=[...] takes a list of what has a method stamp(token, election), not {_text(fences)}"
        )
    for fence in given:
        if inspect.iscoroutinefunction(fence.stamp):
            raise ConfigurationError(f"{_text(fence)} cannot be stamped: {_NOT_AWAITED}")
    return given


_NOT_AWAITED = "its stamp() is a coroutine, which nobody awaits; write it with def, for it is called on a thread"


async def stamp_all(fences: tuple[Fence, ...], tenure: Hold) -> NotStamped | None:
    """Stamp every fence with the token of `tenure`; what went wrong, if something did while the tenure was valid.

    Of one that was lost meanwhile the caller must not begin the body anyway, and campaigns on.
    """
    if not fences:
        return None
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def answer() -> None:
        if not ended.done():
            ended.set_result(None)

    stamping = _Stamping(fences, tenure, lambda: loop.call_soon_threadsafe(answer))
    _begin(stamping)
    await asyncio.wait([ended], timeout=stamping.limit_s)
    return stamping.failure()


def stamp_all_blocking(fences: tuple[Fence, ...], tenure: Hold) -> NotStamped | None:
    """The same for a thread."""
    if not fences:
        return None
    bell = Bell()
    stamping = _Stamping(fences, tenure, bell.ring)
    _begin(stamping)
    bell.wait_for(lambda: stamping.outcome, stamping.limit_s)
    return stamping.failure()


def _limit_s(tenure: Hold) -> float:
    """Half of what the grant has left at most, so that a fence that hangs is given up well before the deadline."""
    return min(LIMIT_S, tenure.remaining() / 2)


class _Stamping:
    """The stamping of one tenure's fences: it waits for a thread, has one, and comes to something."""

    def __init__(self, fences: tuple[Fence, ...], tenure: Hold, tell: Callable[[], object]) -> None:
        self.tenure = tenure
        self.limit_s = _limit_s(tenure)
        self.outcome: list[NotStamped | None] = []
        """What it came to, once it has."""
        self._fences = fences
        self._tell = tell
        self._end_s = time.monotonic() + self.limit_s

    def is_late(self) -> bool:
        """Whether its time is over, so that nobody waits for it any more."""
        return time.monotonic() >= self._end_s

    def run(self) -> None:
        """Stamp them, on a thread of its own."""
        outcome = _stamped(self._fences, self.tenure)
        with _lock:
            _running.discard(self)
        _begin_waiting()
        self.end(outcome)

    def end(self, outcome: NotStamped | None) -> None:
        """It came to this; who waits is told."""
        self.outcome.append(outcome)
        try:
            self._tell()
        except RuntimeError:  # the loop of who waited is closed
            return

    def failure(self) -> NotStamped | None:
        """What went wrong by now, if something did while the tenure was valid."""
        failure = self.outcome[0] if self.outcome else _late(self.tenure, self.limit_s)
        return failure if self.tenure.is_valid() else None


def _begin(stamping: _Stamping) -> None:
    with _lock:
        is_refused = sum(other.is_late() for other in _running) >= MOST_STUCK
        if not is_refused:
            _waiting.append(stamping)
    if is_refused:
        detail = f"{MOST_STUCK} earlier tries hang in a fence; look at its disk"
        stamping.end(NotStamped(stamping.tenure.election, stamping.tenure.token, detail))
    else:
        _begin_waiting()


def _begin_waiting() -> None:
    """Begin those that wait for a thread, as far as there are threads."""
    while (stamping := _next()) is not None:
        name = f"tenure-stamp-{stamping.tenure.election}"
        try:
            threading.Thread(target=stamping.run, name=name, daemon=True).start()
        except BaseException as error:
            with _lock:
                _running.discard(stamping)
            stamping.end(_failed(stamping.tenure, f"no thread could be begun ({_text(error)})", error))
            if not isinstance(error, RuntimeError):  # it is not ours: a signal's
                raise


def _next() -> _Stamping | None:
    with _lock:
        while _waiting and len(_running) < MOST_THREADS:
            stamping = _waiting.popleft()
            if not stamping.is_late():
                _running.add(stamping)
                return stamping
    return None


def _stamped(fences: tuple[Fence, ...], tenure: Hold) -> NotStamped | None:
    for fence in fences:
        try:
            answer: object = fence.stamp(tenure.token, tenure.election)  # type: ignore[func-returns-value]  # a stranger may return something
        except StaleToken as error:
            return _failed(
                tenure,
                f"{_text(fence)} has seen token {error.highest} already. Either a newer leader is there, or the "
                "election was wiped or restored and gives old tokens again: then lift them, tenure doctor "
                f"{tenure.election} --floor {error.highest}",
                error,
            )
        except BaseException as error:  # noqa: BLE001  whatever a fence raises, it was not stamped; the caller is told
            return _failed(tenure, f"{_text(fence)} failed with {type(error).__name__}: {_text(error, str)}", error)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            return NotStamped(tenure.election, tenure.token, f"{_text(fence)}: {_NOT_AWAITED}")
    return None


def _text(thing: object, to_text: Callable[[object], str] = repr) -> str:
    """How a stranger's object says what it is; its class where it cannot."""
    try:
        return to_text(thing)
    except BaseException:  # noqa: BLE001  what is wrong is told all the same
        return f"<{type(thing).__name__}>"


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
