"""One backend, as the commands ask it: who leads, what may be wished for, what changes."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import msgspec

from tenure.backends import registry
from tenure.backends.base import Backend, Grade, Leader, Reading, Scope
from tenure.bell import Bell
from tenure.durations import NS_PER_S
from tenure.holding.events import Wish
from tenure.keeper import Keeper
from tenure.options import CALL_LIMIT_S
from tenure.views import Lookout, View

QUEUE_LIMIT = 10_000
"""So many views wait for a reader that is too slow; then the oldest go."""
_log = logging.getLogger("tenure")


class Where(msgspec.Struct, frozen=True):
    """What was resolved: where the election is, who takes part in it, and what it vouches for."""

    url: str
    origin: str
    scope: Scope
    grade: Grade
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        within = " in a container" if self.warnings else ""
        return f"{self.url} (scope {self.scope}{within}, grade {self.grade}, from {self.origin})"


class Connection:
    """The backend at `at`, by the rules of `registry.resolve`.

    Who only looks is not warned of a scope: it is printed beside the answer, and who stands is warned by the library.
    The one exception, unless `warn` is off, is a look into this process itself, which sees nobody, whoever leads.

    Raises ConfigurationError for a URL that cannot be meant, and BackendRefused for a place that is no authority.
    """

    def __init__(self, at: str | None, *, warn: bool = True) -> None:
        resolved = registry.resolve(at)
        for warning in resolved.warnings if warn else ():
            _log.info("%s", warning)
        if warn and resolved.scope == "process":
            _log.warning("%s is inside this process, which no other takes part in", resolved.url)
        self._keeper = Keeper.current()
        self.backend: Backend = self._keeper.backend(resolved.url, registry.connect)
        self.where = Where(
            url=resolved.url,
            origin=resolved.origin,
            scope=resolved.scope,
            grade=self.backend.capabilities.grade,
            warnings=resolved.warnings,
        )

    def reading(self, election: str) -> Future[Reading]:
        """A look at an election, under way."""
        return self._keeper.call(self.backend.read(election), CALL_LIMIT_S)

    def read(self, election: str) -> Reading:
        """One linearizable look at an election. Raises BackendUnreachable rather than repeat an old answer."""
        return self.reading(election).result()

    def ask(self, election: str, wish: Wish) -> Leader:
        """Leave a wish with the leader and return it. Raises BackendRefused when nobody leads."""
        return self._keeper.call(self.backend.ask(election, wish), CALL_LIMIT_S).result()

    def floor(self, election: str, token: int) -> None:
        """Let every later token be above `token`. Raises BackendRefused while somebody leads, or to go back."""
        self._keeper.call(self.backend.floor(election, token), CALL_LIMIT_S).result()

    def elections(self) -> list[str]:
        """Every election that anybody ever stood for. Raises BackendRefused where they cannot be listed."""
        return sorted(self._keeper.call(self.backend.elections(), CALL_LIMIT_S).result())

    @contextmanager
    def watch(self, election: str) -> Iterator[Views]:
        """Views of an election, each with the instant at which it came."""
        views = Views()
        watching = self._keeper.run(Lookout(self.backend, election, views.put).run())
        try:
            yield views
        finally:
            watching.cancel()


class Views:
    """Views that came and were not yet taken, each with its instant (CLOCK_MONOTONIC nanoseconds)."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, View]] = deque(maxlen=QUEUE_LIMIT)
        self._bell = Bell()
        self.reader_left = False

    def put(self, view: View) -> None:
        """Take a view in; on the keeper's thread."""
        self._queue.append((time.monotonic_ns(), view))
        self._bell.ring()

    def next(self, until_ns: int | None = None) -> tuple[int, View] | None:
        """The next view; None when there is none until the instant `until_ns`, or when nobody wants it any more."""
        left_s = None if until_ns is None else max(0.0, (until_ns - time.monotonic_ns()) / NS_PER_S)
        self._bell.wait_for(lambda: self._queue or self.reader_left, left_s)
        return self._queue.popleft() if self._queue and not self.reader_left else None

    def end_with_reader(self, stdout: int) -> None:
        """Have `next` return when whoever reads the pipe or terminal `stdout` has gone, though nothing changes.

        A thread waits for that; it ends with the process.
        """

        def wait() -> None:
            poll = select.poll()
            poll.register(stdout, 0)  # hang-ups and errors are told unasked
            poll.poll()
            self.reader_left = True
            self._bell.ring()

        threading.Thread(target=wait, name="tenure-reader", daemon=True).start()
