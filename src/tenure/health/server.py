"""As much of HTTP/1.1 (RFC 9112) as probes and scrapers speak: one GET or HEAD a connection, then it is closed.

Not `http.server`: its time-outs count from the last byte, so that a client that sends one now and then holds a thread
for ever, and each connection costs a thread. Here one loop serves all, each within `REQUEST_S` in all, and who comes
when `CONNECTIONS` are open takes the place of whoever has been sending its request for longest.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from tenure.health.answers import ALLOWED, Answer

HEAD_BYTES = 8192
"""The longest request line with its header, as Apache and nginx have it."""
REQUEST_S = 5.0
"""From the connection until the answer has been taken; kubelet waits for 1 s, HAProxy for 2, Prometheus for 10."""
CONNECTIONS = 128
"""How many are served at once."""
LINGER_S = 0.5
"""How long, at most, what a client still sends is read: closing before would take the answer from it."""
ACCEPT_PAUSE_S = 0.1
"""How long to wait when no connection can be accepted, as when the process has no descriptor left."""
END = b"\r\n\r\n"


class HttpServer:
    """Serves `listener` on the loop that runs `run`; `answer(target, method)` must not wait."""

    def __init__(self, listener: socket.socket, answer: Callable[[str, str], Answer]) -> None:
        self._listener = listener
        self._answer = answer
        self._open: dict[asyncio.Task[None], socket.socket] = {}
        self._reading: dict[asyncio.Task[None], None] = {}  # those that have not sent their request, oldest first
        self._pause: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until cancelled; then nothing is left open."""
        loop = asyncio.get_running_loop()
        self._listen(loop)
        try:
            await loop.create_future()
        finally:
            if self._pause is not None:
                self._pause.cancel()
            loop.remove_reader(self._listener)
            self._listener.close()
            for task in self._open:
                task.cancel()
            if self._open:
                await asyncio.wait(set(self._open))

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pause = None
        loop.add_reader(self._listener, self._accept, loop)  # not `sock_accept`: cancelled, it may lose a connection

    def _accept(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # whoever came has gone again
            return
        except OSError:
            loop.remove_reader(self._listener)
            self._pause = loop.call_later(ACCEPT_PAUSE_S, self._listen, loop)
            return
        if len(self._open) >= CONNECTIONS:
            oldest = next(iter(self._reading or self._open))
            self._reading.pop(oldest, None)  # the next one takes another's place
            oldest.cancel()
        task = loop.create_task(self._serve(connection))
        self._open[task] = connection
        self._reading[task] = None
        task.add_done_callback(self._forget)

    def abandon(self) -> None:
        """In a forked child: what was inherited is closed, so that the parent's port goes with the parent."""
        for one in (self._listener, *self._open.values()):
            one.close()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._open.pop(task).close()  # also of a task that was cancelled before it began
        self._reading.pop(task, None)

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with suppress(OSError, TimeoutError):  # the client's affair, and nobody else's
            async with asyncio.timeout(REQUEST_S):
                await self._converse(connection)

    async def _converse(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        head = b""
        while END not in head and len(head) <= HEAD_BYTES:
            piece = await loop.sock_recv(connection, HEAD_BYTES)
            if not piece:
                return
            head += piece
        task = asyncio.current_task()
        assert task is not None
        self._reading.pop(task, None)
        await loop.sock_sendall(connection, self._response(head))
        connection.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await loop.sock_recv(connection, HEAD_BYTES):
                    continue

    def _response(self, head: bytes) -> bytes:
        method = ""
        if not 0 <= head.find(END) <= HEAD_BYTES - len(END):
            answer = _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            if len(words) != 3 or not all(words) or not words[2].startswith("HTTP/"):  # noqa: PLR2004  as RFC 9112, 3
                answer = _plain(HTTPStatus.BAD_REQUEST)
            elif not words[2].startswith("HTTP/1."):
                answer = _plain(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
            else:
                method = words[0]
                answer = self._safe_answer(words[1], method)
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append(f"Allow: {', '.join(ALLOWED)}")
        return "\r\n".join(lines).encode("latin-1") + END + (b"" if method == "HEAD" else answer.body)

    def _safe_answer(self, target: str, method: str) -> Answer:
        try:
            return self._answer(target, method)
        except Exception as error:  # noqa: BLE001  a defect of ours is said, and ends no server
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, f"a defect of tenure: {type(error).__name__}: {error}")


def _plain(status: HTTPStatus, text: str = "") -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{text or status.phrase}\n".encode())
