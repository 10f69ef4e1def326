"""A thread that watches what only changes by itself, and serves whoever asks."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import selectors
import threading
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Self

from tenure import announcer
from tenure.durations import to_ns
from tenure.health.address import listen, url_of
from tenure.health.answers import Answer
from tenure.health.paths import Paths
from tenure.health.server import HttpServer
from tenure.keeper import Keeper, Seat
from tenure.lag import lag_of, lags
from tenure.metrics import LIMIT, Metrics, Sight
from tenure.views import Led, Lookout, Unknown, View

TICK_S = 1.0
"""How often loops are asked whether they turn, and notices are counted that nobody has scraped."""
CLOSE_S = 2.0
"""How long `close()` waits for the thread; it takes milliseconds."""


class Health:
    """The health and the numbers of this process, counted from when this is made until `close()`.

    `stall_after` is a duration: when the event loop of the keeper, or of an owner, has not turned for longer, `/livez`
    is 503. Where this is made inside a running loop, that loop is watched too, also while it does not lead.

    It has a daemon thread. Leave its `with` or `async with` block, or call `close()`, to end that; an interpreter that
    ends does so by itself. In a forked child it is closed. To have it served, see `serve_health`.
    """

    def __init__(self, *, stall_after: float | str = 10.0, address: str | None = None) -> None:
        self._stall_after_ns = to_ns(stall_after)
        listener = None if address is None else listen(address)
        self.url = None if listener is None else url_of(listener)
        """Where it is served, with the port that it has; None where it is not."""
        self._server = None if listener is None else HttpServer(listener, self.answer)
        self._paths = Paths(Metrics(), self._stall_after_ns)
        self._watches: dict[str, Future[None]] = {}
        self._closed = asyncio.Event()
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(target=self._run, name="tenure-health", daemon=True)
        with suppress(RuntimeError):  # no loop runs here: there is none to watch
            lag_of(asyncio.get_running_loop(), "owner")
        _open.add(self)
        self._thread.start()

    def answer(self, target: str, method: str = "GET") -> Answer:
        """What `target`, such as `/leader?election=report`, is answered with: for those who serve it themselves.

        Never waits for anything. `Answer(status, kind, body)`: the status of HTTP, the Content-Type, and bytes.
        """
        return self._paths.answer(target, method)

    def close(self) -> None:
        """Stop serving and counting, and end the thread; waits for that, at most 2 s. Does nothing the second time."""
        with _closing:
            if self not in _open:
                return
            _open.discard(self)
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(CLOSE_S)
        self._paths.metrics.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()  # a matter of milliseconds, and a thread for it would outlive the block

    def forget_in_child(self) -> None:
        """In a forked child: the thread is not here, and what was inherited is closed without a word to anybody."""
        if self._server is not None:
            self._server.abandon()
        self._selector.close()
        self._paths = Paths(Metrics(), self._stall_after_ns)  # another thread may have held the lock of the one before
        self._paths.metrics.close()

    # On its own thread

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        serving = None if self._server is None else asyncio.create_task(self._server.run())
        try:
            while not self._closed.is_set():
                try:
                    self._tick()
                except Exception as error:  # noqa: BLE001  a defect of ours is said, and answers go on
                    announcer.ANNOUNCER.say(logging.ERROR, "a defect of tenure in what watches its health", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._closed.wait()
        finally:
            for future in self._watches.values():
                future.cancel()
            if serving is not None:
                serving.cancel()
                await asyncio.wait([serving])

    def _tick(self) -> None:
        self._paths.metrics.drain()
        for lag in lags():
            lag.ask()
        for election in [election for election, future in self._watches.items() if future.done()]:
            del self._watches[election]  # the keeper has ended; there may be another one
            self._paths.metrics.saw(election, None)
        keeper = Keeper.existing()
        if keeper is None:
            return
        for seat in keeper.seats:
            self._paths.metrics.stands(seat.holder.election, seat.holder.candidate)
            if seat.holder.election not in self._watches and len(self._watches) < LIMIT:
                self._watch(keeper, seat)

    def _watch(self, keeper: Keeper, seat: Seat) -> None:
        """Look who leads, from now on: a standby is told of its own victory only, and not of others'."""
        election, metrics = seat.holder.election, self._paths.metrics
        lookout = Lookout(seat.backend, election, lambda view: metrics.saw(election, _sight(view)))
        coroutine = lookout.run()
        try:
            self._watches[election] = keeper.run(coroutine)
        except RuntimeError:  # its loop was closed in between
            coroutine.close()


def serve_health(address: str, *, stall_after: float | str = 10.0) -> Health:
    """Serve `/livez`, `/readyz`, `/leader`, `/standby` and `/metrics` at `address`, `HOST:PORT`, on its own thread.

    Port 0 takes a free one; the result's `url` has it. `stall_after` and how to end it: see `Health`. Raises
    ConfigurationError where nobody can listen there; the message says what to change.
    """
    return Health(address=address, stall_after=stall_after)


def _sight(view: View) -> Sight:
    if isinstance(view, Unknown):
        return "unknown"
    return "led" if isinstance(view, Led) else "vacant"


_open: set[Health] = set()
_closing = threading.Lock()


def _close_all() -> None:
    for health in tuple(_open):
        health.close()


def _forget_in_child() -> None:
    global _closing  # noqa: PLW0603  another thread may have held it when the process forked
    _closing = threading.Lock()
    for health in _open:
        health.forget_in_child()
    _open.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_in_child)
