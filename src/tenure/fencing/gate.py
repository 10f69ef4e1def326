"""The gate around an act: nothing older than the newest token begins, and nothing newer beside something older."""

from __future__ import annotations

import asyncio
import os
import time
from types import TracebackType

from tenure.durations import seconds
from tenure.errors import ConfigurationError, NotAdmitted, NotStamped
from tenure.fencing.file import FileMarks
from tenure.fencing.marks import Marks, MemoryMarks, Obstacle, Visit, borne
from tenure.handle import Hold

FIRST_PAUSE_S = 0.0005
LONGEST_PAUSE_S = 0.02
"""An act that may not begin yet looks again after the first pause, doubled up to the longest."""
ANSWER_S = 1.0
"""What a disk gets beyond the caller's time, so that waiting for 0 seconds is one honest try."""


class FenceGate:
    """Surrounds acts: `with gate.admit(tenure): ...`, or `async with`; threads, tasks and processes share it.

    `path` is a directory on a local disk, made where it is missing, with one file for each election: every process of
    this host that names it shares the gate, and its marks outlive them and a power cut. None: this process only, and
    forgotten with it; right inside the one server that all acts go through. `wait` is how long an act waits for older
    ones to end, in seconds, or text such as "500ms". Raises BackendRefused where the file system's locks are none, and
    ConfigurationError for what is no path.

    Once a token was stamped or asked to be admitted no act of the same election with a smaller one *begins*, and an act
    does not begin while one with a smaller token is inside. Acts with the same token run beside one another.

    It surrounds the act, so a process that is paused inside its act keeps newer ones out until it goes on or dies:
    whatever they did would be overwritten when it wakes. They wait `wait` seconds, then raise NotAdmitted; kill the
    paused process, and the kernel frees the gate. A forked child has no part in its parent's acts.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, wait: float | str = 10) -> None:
        self.wait_s = seconds(wait)
        self._marks: Marks = MemoryMarks() if path is None else FileMarks(_directory(path))

    def admit(self, bearer: Hold | int, election: str | None = None) -> Admission:
        """An act under the token of `bearer`: a tenure, or a token and the name of its election; not begun yet.

        Entering it raises StaleToken if a greater token was seen (drop the act: another leader is there), NotAdmitted
        if an older act has not ended within `wait` (nothing was done; try again), and BackendError where the gate's
        files cannot be used. The block is given the token.
        """
        return Admission(self._marks, *borne(bearer, election), self.wait_s)

    def stamp(self, bearer: Hold | int, election: str | None = None) -> None:
        """Refuse everything older from now on; `Election(..., fences=[gate])` does it before its body begins.

        It does not wait for older acts that are inside: newer acts will. It may wait for a disk, so in a task give it
        a thread: `await asyncio.to_thread(gate.stamp, tenure)`. Raises StaleToken if a greater token was seen,
        NotStamped if the gate's file was in use for `wait` seconds, and BackendError where it cannot be used.
        """
        name, token = borne(bearer, election)
        rounds = _Rounds(self.wait_s)
        while self._marks.stamp(name, token) is not None:
            pause_s = rounds.next()
            if pause_s is None:
                raise NotStamped(name, token, f"the gate's file was in use for {self.wait_s:g} s; try again")
            time.sleep(pause_s)

    def highest(self, election: str) -> int:
        """The greatest token seen of an election; 0 if there was none."""
        return self._marks.highest(election)


def _directory(path: object) -> str:
    """The path as text; ConfigurationError where it names no directory."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(
            f"FenceGate(path) takes the path of a directory (text or Path), or None for this process only, not {path!r}"
        )
    return text


class Admission:
    """One act, to be entered once: by `with` in a thread, by `async with` in a task."""

    def __init__(self, marks: Marks, election: str, token: int, wait_s: float) -> None:
        self.election = election
        self.token = token
        self._marks = marks
        self._wait_s = wait_s
        self._visit: Visit | None = None
        self._used = False

    def __enter__(self) -> int:
        self._use()
        rounds = _Rounds(self._wait_s)
        while isinstance(answer := self._marks.enter(self.election, self.token), Obstacle):
            pause_s = rounds.next()
            if pause_s is None:
                raise self._refusal(answer.inside)
            time.sleep(pause_s)
        self._visit = answer
        return self.token

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """End the act, from any thread; for those who cannot write it as one block."""
        if self._visit is not None:
            self._visit.leave()

    async def __aenter__(self) -> int:
        self._use()
        rounds = _Rounds(self._wait_s)
        while isinstance(answer := await self._enter(rounds), Obstacle):
            pause_s = rounds.next()
            if pause_s is None:
                raise self._refusal(answer.inside)
            await asyncio.sleep(pause_s)
        self._visit = answer
        return self.token

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.leave()

    async def _enter(self, rounds: _Rounds) -> Visit | Obstacle:
        """One try, in a thread where it may block. An answer that comes too late for anybody is given back."""
        if not self._marks.may_block:
            return self._marks.enter(self.election, self.token)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(None, self._marks.enter, self.election, self.token)
        try:
            await asyncio.wait([future], timeout=rounds.left_s + ANSWER_S)
        except asyncio.CancelledError:
            future.add_done_callback(_give_back)
            raise
        if not future.done():
            future.add_done_callback(_give_back)
            raise self._refusal(None)
        return future.result()

    def _use(self) -> None:
        if self._used:
            raise ConfigurationError("this admission was used before; call admit() again for another act")
        self._used = True

    def _refusal(self, inside: int | None) -> NotAdmitted:
        return NotAdmitted(self.election, self.token, inside, self._wait_s)


class _Rounds:
    """The pauses between tries, until the time is over."""

    def __init__(self, wait_s: float) -> None:
        self._end_s = time.monotonic() + wait_s
        self._pause_s = FIRST_PAUSE_S

    @property
    def left_s(self) -> float:
        return max(0.0, self._end_s - time.monotonic())

    def next(self) -> float | None:
        """How long to wait before the next try; None when there is none."""
        left_s = self.left_s
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        return min(pause_s, left_s) if left_s > 0 else None


def _give_back(future: asyncio.Future[Visit | Obstacle]) -> None:
    if not future.cancelled() and future.exception() is None and isinstance(visit := future.result(), Visit):
        visit.leave()
