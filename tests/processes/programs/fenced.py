"""Leaders that write to one book, and servers before it: `fenced.py FUNCTION PLAN`. Stdout says how far they are.

The plan, in JSON: `url`, `name`, `lease`, `folder` (book, database and gate are there), `kind` of fence, `guarded`,
`port` of the server, `pause` (stop this process between its last look at its tenure and its write).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tenure import LeadershipLost, StaleToken
from tenure.blocking import Election, Tenure
from tenure.fencing import AsgiFence, Fence, FenceGate, SqlFence, WsgiFence, token_headers

ELECTION = "report"


def say(*words: object) -> None:
    """One line, at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Book:
    """Where leaders write, each line under the token of its writer: the last line is what counts."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._path = Path(plan["folder"]) / "book"

    def write(self, token: int) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{token}\n")


def gate_of(plan: dict[str, Any]) -> FenceGate:
    """The gate of this scene, which all processes share."""
    return FenceGate(Path(plan["folder"]) / "gate")


# ------------------------------------------------------------------------------------------------------- leaders


def lead(plan: dict[str, Any]) -> None:
    """Lead once, look at the tenure for the last time, and write."""
    kind, fences = plan["kind"], list[Fence]()
    if plan["guarded"]:
        fences = [SqlFence(lambda: connected(plan)) if kind == "sql" else gate_of(plan)]
    write = {"gate": write_to_book, "sql": write_to_database, "asgi": send, "wsgi": send}[kind]
    options = {"lease": plan["lease"]} if plan["lease"] else {}
    election = Election(ELECTION, plan["url"], candidate=plan["name"], fences=fences, **options)
    try:
        with election.lead() as tenure:
            say("leading", tenure.token)
            tenure.check()
            if plan["pause"]:
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            try:
                write(plan, tenure)
            except StaleToken as error:
                say("refused", error)
            else:
                say("written", tenure.token)
            if not plan["pause"]:
                sys.stdin.read()
    except LeadershipLost as lost:
        say("lost", lost.reason.value)


def write_to_book(plan: dict[str, Any], tenure: Tenure) -> None:
    """Through the gate, if there is one."""
    with gate_of(plan).admit(tenure) if plan["guarded"] else nullcontext():
        Book(plan).write(tenure.token)


def connected(plan: dict[str, Any]) -> sqlite3.Connection:
    """The database that the book is in."""
    return sqlite3.connect(Path(plan["folder"]) / "book.db", timeout=30)


def write_to_database(plan: dict[str, Any], tenure: Tenure) -> None:
    """In one transaction with the check, if there is one."""
    with closing(connected(plan)) as connection, connection:
        if plan["guarded"]:
            SqlFence().check(connection, tenure)
        connection.execute("INSERT INTO book VALUES (?)", (tenure.token,))


def send(plan: dict[str, Any], tenure: Tenure) -> None:
    """To the server, which writes. Raises StaleToken where it says so."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{plan['port']}/", data=str(tenure.token).encode(), headers=token_headers(tenure)
    )
    try:
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  the address stands above
    except urllib.error.HTTPError as error:
        if error.code != 412:
            raise
        problem = json.load(error)
        error.close()
        raise StaleToken(problem["token"], problem["highest"]) from error


# ------------------------------------------------------------------------------------------------------- servers


class Quiet(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base's name
        del format, arguments


def serve_wsgi(plan: dict[str, Any]) -> None:
    """A WSGI application that writes what is sent to it, behind a fence if it is guarded."""
    book = Book(plan)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        book.write(int(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    guarded: Any = WsgiFence(application, gate_of(plan), ELECTION) if plan["guarded"] else application
    with make_server("127.0.0.1", 0, guarded, handler_class=Quiet) as server:
        say("serving", server.server_port)
        server.serve_forever()


def serve_asgi(plan: dict[str, Any]) -> None:
    """The same by ASGI, on a server of a few lines."""
    book = Book(plan)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        book.write(int(message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    guarded: Any = AsgiFence(application, gate_of(plan), ELECTION) if plan["guarded"] else application

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[1:-2]
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        body = await reader.readexactly(int(dict(headers)[b"content-length"]))

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                fields = b"".join(name + b": " + value + b"\r\n" for name, value in message["headers"])
                writer.write(b"HTTP/1.1 %d .\r\n%sConnection: close\r\n\r\n" % (message["status"], fields))
            else:
                writer.write(message["body"])

        await guarded({"type": "http", "headers": headers}, receive, send)
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        say("serving", server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


if __name__ == "__main__":
    globals()[sys.argv[1]](json.loads(sys.argv[2]))
