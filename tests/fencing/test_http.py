"""The fence before a web application, by the specifications alone: no server, no framework."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tenure import NotAdmitted
from tenure.blocking import Election
from tenure.fencing import AsgiFence, FenceGate, WsgiFence, token_headers
from tests.election.stage import Play, Stage, until
from tests.fencing.conftest import Gates

E = "report"
Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


def ask_asgi(gate: FenceGate, *fields: tuple[str, str], **options: Any) -> Answer:
    """One request to an application that says `done`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    asyncio.run(AsgiFence(app, gate, E, **options)({"type": "http", "headers": headers}, receive, send))
    start, body = sent
    return start["status"], {n.decode(): v.decode() for n, v in start["headers"]}, body["body"]


def ask_wsgi(gate: FenceGate, *fields: tuple[str, str], **options: Any) -> Answer:
    """The same by PEP 3333; a field that stands twice is joined, as servers do."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"done"]

    answers: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        answers.append((status, headers))

    environ: dict[str, object] = {}
    for name, value in fields:
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    response = WsgiFence(app, gate, E, **options)(environ, start_response)
    body = b"".join(response)
    if hasattr(response, "close"):
        response.close()
    status, headers = answers[-1]
    return int(status.split()[0]), {name.lower(): value for name, value in headers}, body


BOTH = pytest.mark.parametrize("ask", [ask_asgi, ask_wsgi], ids=["asgi", "wsgi"])


@BOTH
def test_L16_a_stale_token_is_refused_with_412(ask: Ask) -> None:
    """The application does not see it; the problem tells both tokens."""
    gate = FenceGate()
    assert ask(gate, ("Tenure-Token", "7"))[::2] == (200, b"done")
    gate.stamp(8, E)

    status, headers, body = ask(gate, ("Tenure-Token", "7"))

    assert status == 412
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-length"] == str(len(body))
    problem = json.loads(body)
    assert problem == {
        "type": "about:blank",
        "title": "Precondition Failed",
        "status": 412,
        "detail": "token 7 is stale: 8 was seen already; a newer leader acts now, so stop",
        "election": E,
        "token": 7,
        "highest": 8,
    }


@BOTH
def test_a_missing_token_is_refused_with_428_or_let_through(ask: Ask) -> None:
    """As `require` says; let through, it touches no gate."""
    gate = FenceGate()
    status, _, body = ask(gate)
    assert (status, json.loads(body)["title"]) == (428, "Precondition Required")
    assert ask(gate, require=False)[::2] == (200, b"done")
    assert gate.highest(E) == 0


@BOTH
@pytest.mark.parametrize(
    "token", ["", "0", "-1", "+7", "7.0", "07", "seven", "9223372036854775808", "7, 8", "\u0667", "9" * 99]
)
@pytest.mark.parametrize("require", [True, False])
def test_what_is_no_token_is_refused_with_400(ask: Ask, token: str, require: bool) -> None:
    """A token that cannot be read is not taken for none."""
    gate = FenceGate()
    status, _, body = ask(gate, ("Tenure-Token", token), require=require)
    assert (status, json.loads(body)["status"]) == (400, 400)
    assert gate.highest(E) == 0


@BOTH
def test_a_token_that_stands_twice_is_refused_with_400(ask: Ask) -> None:
    """Nobody can know which one is meant."""
    assert ask(FenceGate(), ("Tenure-Token", "7"), ("Tenure-Token", "7"))[0] == 400


@BOTH
@pytest.mark.parametrize("require", [True, False])
def test_a_token_of_another_election_is_refused_with_400(ask: Ask, require: bool) -> None:
    """It would raise a mark with which it has nothing to do."""
    gate = FenceGate()
    fields = ("Tenure-Token", "99"), ("Tenure-Election", "other")
    assert ask(gate, *fields, require=require)[0] == 400
    assert gate.highest(E) == 0
    assert ask(gate, ("Tenure-Token", " 7 "), ("Tenure-Election", E))[0] == 200


@BOTH
def test_while_an_older_request_is_handled_a_newer_one_gets_503(ask: Ask) -> None:
    """After the gate's wait, with the time after which to try again."""
    gate = FenceGate(wait="10ms")
    with gate.admit(1, E):
        status, headers, body = ask(gate, ("Tenure-Token", "2"))
    assert (status, headers["retry-after"]) == (503, "1")
    assert "older token 1 has not ended" in json.loads(body)["detail"]


@BOTH
def test_the_fields_of_a_tenure_are_what_the_fence_reads(ask: Ask, stage: Stage) -> None:
    """`token_headers` is the other end."""
    gate = FenceGate()
    with Election(E, stage.backend()).lead() as tenure:
        fields = token_headers(tenure)
        assert ask(gate, *fields.items())[0] == 200
    assert gate.highest(E) == tenure.token


# --------------------------------------------------------------------------------------- the whole handling is inside


def test_an_asgi_application_is_inside_until_it_has_returned(gates: Gates, play: Play) -> None:
    """Also what it does after its response was sent, and also when it fails."""
    gate = gates(wait=0)
    finish = asyncio.Event()
    answered: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await finish.wait()
        raise ZeroDivisionError

    async def send(message: Any) -> None:
        answered.append(message)

    async def main() -> None:
        fence = AsgiFence(app, gate, E)
        scope = {"type": "http", "headers": [(b"tenure-token", b"1")]}
        task = asyncio.create_task(fence(scope, None, send))  # type: ignore[arg-type]  # nothing is received
        await until(lambda: bool(answered))
        assert is_busy(gate)
        finish.set()
        with pytest.raises(ZeroDivisionError):
            await task
        assert not is_busy(gate)

    play(main)


def is_busy(gate: FenceGate) -> bool:
    """Whether a newer act is kept out now."""
    try:
        with gate.admit(2, E):
            return False
    except NotAdmitted:
        return True


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_no_request(kind: str) -> None:
    """A WebSocket is guarded, and refused by closing it; lifespan messages pass."""
    gate = FenceGate()
    gate.stamp(9, E)
    reached: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    async def send(message: Any) -> None:
        sent.append(message)

    for token in (b"8", b"9"):
        scope: Any = {"type": kind, "headers": [(b"Tenure-Token", token)]} if kind == "websocket" else {"type": kind}
        asyncio.run(AsgiFence(app, gate, E)(scope, None, send))  # type: ignore[arg-type]  # nothing is received

    if kind == "websocket":
        assert reached == ["websocket"]
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": "Precondition Failed"}]
    else:
        assert reached == ["lifespan", "lifespan"]


def start(status: str, headers: Any, exc_info: Any = None) -> Any:
    """A server's `start_response`; nobody looks at what it is told."""


def answering(body: Any) -> Any:
    """An application that answers with `body`."""

    def app(environ: Any, start_response: Any) -> Any:
        return body

    return app


class Body:
    """A response that notes its closing."""

    def __init__(self, gate: FenceGate) -> None:
        self._gate = gate
        self.closed_inside = False

    def __iter__(self) -> Any:
        yield b"a"
        yield b"b"

    def close(self) -> None:
        self.closed_inside = is_busy(self._gate)


def test_a_wsgi_application_is_inside_until_its_response_is_closed(gates: Gates) -> None:
    """While it is iterated, and while it is closed; not after that."""
    gate = gates(wait=0)
    body = Body(gate)
    fence = WsgiFence(answering(body), gate, E)

    response: Any = fence({"HTTP_TENURE_TOKEN": "1"}, start)
    for _ in response:
        assert is_busy(gate)
    response.close()

    assert body.closed_inside
    assert not is_busy(gate)


def test_a_wsgi_application_that_raises_is_left(gates: Gates) -> None:
    """Before it gave a response, and in its closing."""
    gate = gates(wait=0)

    class Closing(Body):
        def close(self) -> None:
            raise ZeroDivisionError

    def fails(environ: Any, start_response: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        WsgiFence(fails, gate, E)({"HTTP_TENURE_TOKEN": "1"}, start)
    response: Any = WsgiFence(answering(Closing(gate)), gate, E)({"HTTP_TENURE_TOKEN": "1"}, start)
    with pytest.raises(ZeroDivisionError):
        response.close()
    assert not is_busy(gate)
