"""Serves one node's admin paths by starlette and uvicorn, on a thread of its own.

Its loop is not the node's: a request costs uvicorn and starlette a good part of a millisecond in Python, which beside
the node's own messages would add up with the number of clients; and `/livez` must answer when that loop does not turn.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tenure import announcer
from tenure.admin.guard import STREAMS, Gate, Guarded, GuardedConfig
from tenure.admin.news import News
from tenure.admin.paths import Paths
from tenure.admin.stream import Streams
from tenure.admin.window import Window
from tenure.bell import Bell
from tenure.health.address import listen, url_of
from tenure.health.answers import ALLOWED, Answer, no_such_path, not_allowed, said
from tenure.health.server import HEAD_BYTES, LINGER_S
from tenure.runtime.node import RuntimeNode
from tenure.transports.forking import not_for_children

EVENTS = "/v1/events"
CLOSE_S = 2.0
"""How long `close` waits for the thread; it takes a quarter of a second."""
LIMIT_BODY = 1 << 20
"""How much of a body, which nobody asked for, is read so that its sender can read the answer."""


class Admin:
    """Serves `node` at `address` from when this is made, in the node's loop, until `close`. The node may start later.

    In a forked child nothing of it is left. Raises ConfigurationError where nobody can listen there.
    """

    def __init__(self, node: RuntimeNode, news: News, address: str) -> None:
        self._listener = listen(address)
        self.url = url_of(self._listener)
        """Where it is served, with the port that it has."""
        self._window = Window(node, asyncio.get_running_loop())
        self._paths = Paths(self._window)
        self._news = news
        self._bell = Bell()
        self._gate = Gate()
        not_for_children(self)
        self._is_over = False
        self._end: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._thread = threading.Thread(target=self._run, name="tenure-admin", daemon=True)
        self._thread.start()

    def descriptors(self) -> list[int]:
        """As of what a forked child must not keep."""
        return [self._listener.fileno(), *self._gate.descriptors()]

    def ending(self, why: str) -> None:
        """From now on the node is not ready: it is about to leave."""
        self._paths.ending = why

    async def close(self) -> None:
        """End every stream and connection, and the thread; waits for that, at most CLOSE_S. The second time it does
        nothing.
        """
        await asyncio.to_thread(self._close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    def _close(self) -> None:
        self._bell.wait_for(lambda: self._end is not None or self._is_over, CLOSE_S)
        if self._end is not None:
            loop, end = self._end
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(end.set)
        self._thread.join(CLOSE_S)

    # On its own thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001  a defect of ours is said, and the node goes on
            announcer.ANNOUNCER.say(logging.ERROR, "a defect of tenure in what serves a node's health", error)
        finally:
            self._listener.close()
            self._is_over = True
            self._bell.ring()

    async def _serve(self) -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        streams = Streams(self._window, self._news)
        config = _config(application(self._paths, streams), self._gate)
        server = uvicorn.Server(config)
        self._news.ring(_Waker(loop, streams).wake)
        serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        self._end = (loop, end)
        self._bell.ring()
        ending = asyncio.create_task(end.wait())
        await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
        self._news.ring(lambda: None)
        ending.cancel()
        streams.end()
        server.should_exit = True
        await asyncio.wait([serving], timeout=CLOSE_S / 2)
        self._gate.cut_all()
        await serving


class _Waker:
    """Wakes the streams from the node's thread; many events before they have woken wake them once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, streams: Streams) -> None:
        self._loop, self._streams = loop, streams
        self._is_rung = False

    def wake(self) -> None:
        """Called after each event."""
        if not self._is_rung:
            self._is_rung = True
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._is_rung = False  # before they look: what comes from now on rings again
        self._streams.wake()


def _config(application: Starlette, gate: Gate) -> GuardedConfig:
    config = GuardedConfig(
        application,
        http=Guarded,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # no wall clock
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_graceful_shutdown=1,
    )
    config.gate = gate
    return config


def application(paths: Paths, streams: Streams) -> Starlette:
    """All paths, for a server whose connections are Guarded."""

    async def answer(request: Request) -> Response:
        return _response(await paths.answer(request.url.path))

    async def events(request: Request) -> Any:
        place, refusal = streams.place(request.headers.get("last-event-id"))
        if refusal is None and not request.state.connection.stay():
            refusal = said(503, error=f"{STREAMS} read events already, as many as may")
        return _response(refusal) if refusal is not None else _Stream(streams, place)

    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:  # noqa: PLR2004  of HTTP
            return _response(not_allowed(), allow=", ".join(ALLOWED))
        return _response(no_such_path([*paths.all, EVENTS]))

    async def fail(request: Request, error: Exception) -> Response:
        where = request.url.path
        announcer.ANNOUNCER.say(logging.ERROR, f"a defect of tenure in what {where} answers", error)
        return _response(said(500, error=f"a defect of tenure: {type(error).__name__}: {error}"))

    routes = [Route(path, answer) for path in paths.all]
    made = Starlette(
        routes=[*routes, Route(EVENTS, events)],
        exception_handlers={404: refuse, 405: refuse, Exception: fail},
    )
    made.router.redirect_slashes = False
    made.add_middleware(_Drained)
    return made


class _Stream(Response):
    """The answer that goes on for as long as its reader reads."""

    def __init__(self, streams: Streams, place: int | None) -> None:
        super().__init__()
        self._streams, self._place = streams, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._streams.run(scope, receive, send, self._place)


class _Drained:
    """Reads a body that comes with a request before it is answered: closing before would take the answer from its
    sender. Only so much, and only so long.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", ())}
        if names & {b"content-length", b"transfer-encoding"}:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await _drain(receive)
        await self._app(scope, receive, send)


async def _drain(receive: Receive) -> None:
    size = 0
    while size < LIMIT_BODY:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _response(answer: Answer, **headers: str) -> Response:
    """One request a connection: a probe that holds one open learns nothing sooner."""
    every = {"content-type": answer.kind, "cache-control": "no-store", "connection": "close"}
    return Response(answer.body, answer.status, headers={**every, **headers})
