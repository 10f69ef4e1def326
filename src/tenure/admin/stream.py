"""Events as they happen, as server-sent events (WHATWG HTML, section 9.2).

Each has an `id:` by which a reader that was cut off goes on where it was: `Last-Event-ID`. What is kept no more by
then, and what an earlier life of the node told, is said to be missed, in an event of that name. A reader has no queue
here but its place in the ring; one that does not take what is written for it within `WRITE_S` is cut off.
"""

from __future__ import annotations

import asyncio
import re

import msgspec
from starlette.types import Receive, Scope, Send

from tenure.admin.guard import Guarded
from tenure.admin.news import Happening, News
from tenure.admin.window import NotSeen, Window
from tenure.health.answers import Answer, said

WRITE_S = 5.0
"""How long a reader may leave a full buffer of 64 KiB untouched."""
REST_S = 15.0
"""A comment after so long without an event, as the standard advises: proxies close what is silent, and so we learn of
readers that are gone."""
_ID = re.compile(r"([0-9a-f]{16})-([0-9]{1,18})")


class Streams:
    """All readers of one node's news. But for `ring`, in the server's loop."""

    def __init__(self, window: Window, news: News) -> None:
        self._window, self._news = window, news
        self._bell = asyncio.Event()
        self._is_ending = False

    def wake(self) -> None:
        """There is something new, or the end."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    def end(self) -> None:
        """Let every stream end."""
        self._is_ending = True
        self.wake()

    def place(self, last_id: str | None) -> tuple[int | None, Answer | None]:
        """Behind which event to begin, None for the present; or why that makes no sense."""
        if last_id is None or last_id == "":
            return None, None
        match = _ID.fullmatch(last_id)
        if match is None:
            return None, said(400, error="Last-Event-ID is none that this server gave; leave it out", id=last_id)
        if match[1] != self._window.incarnation:
            return -1, None
        number = int(match[2])
        if number > self._news.latest:
            return None, said(400, error="no event has that id yet; leave it out", id=last_id)
        return number, None

    async def run(self, scope: Scope, receive: Receive, send: Send, place: int | None) -> None:
        """Tell one reader everything from its place on, until it goes, is cut, or the server ends."""
        connection: Guarded = scope["state"]["connection"]
        gone = asyncio.create_task(_gone(receive))
        try:
            await _start(send)
            if scope["method"] != "HEAD":
                await self._tell(send, place, gone)
            await _write(send, b"", is_last=True)
        except TimeoutError:
            connection.cut()
        finally:
            gone.cancel()

    async def _tell(self, send: Send, place: int | None, gone: asyncio.Task[None]) -> None:
        if place is None:
            place = self._news.latest
            try:
                seen = msgspec.json.encode((await self._window.look()).status)
            except NotSeen as error:
                seen = msgspec.json.encode({"error": str(error)})
            await _write(send, self._form(Happening(place, "status", seen)))
        elif place < 0:
            await _write(send, _missed("these are of another life of the node", None))
            place = 0
        while not gone.done() and not self._is_ending:
            bell = self._bell
            missed, events = self._news.after(place)
            if missed:
                await _write(send, _missed("they are kept no more", missed))
            if events:
                await _write(send, b"".join(map(self._form, events)))
                place = events[-1].number
                continue
            rung = asyncio.create_task(bell.wait())
            await asyncio.wait([gone, rung], timeout=REST_S, return_when=asyncio.FIRST_COMPLETED)
            if not rung.done():
                rung.cancel()
                await _write(send, b": nothing new\n\n")

    def _form(self, event: Happening) -> bytes:
        return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
            self._window.incarnation.encode(),
            event.number,
            event.kind.encode(),
            event.data,
        )


def _missed(why: str, number: int | None) -> bytes:
    """Without an id: the place of the reader is that of what follows."""
    return b"event: missed\ndata: %s\n\n" % msgspec.json.encode({"missed": number, "why": why})


async def _start(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _write(send: Send, data: bytes, *, is_last: bool = False) -> None:
    """Raises TimeoutError where what was written before is not taken."""
    async with asyncio.timeout(WRITE_S):
        await send({"type": "http.response.body", "body": data, "more_body": not is_last})


async def _gone(receive: Receive) -> None:
    """Return when the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
