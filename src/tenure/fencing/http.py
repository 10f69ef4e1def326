"""The fence before a web application: requests that bear a stale token never reach it.

A request bears `Tenure-Token: 7`, and may name its election, `Tenure-Election: report`, which is then compared. The
gate surrounds the application's whole handling of the request: a newer leader's request waits for an older one's end.

- 400: the token is no token, or is another election's
- 412: it is stale, so a condition that the request made in its header fields is false (RFC 9110, section 15.5.13). Not
  409: that invites to mend the conflict and send it again, and a stale leader must not
- 428: it is missing and required (RFC 6585, section 3)
- 503: an older request has not ended within the gate's `wait`; with Retry-After

The body is problem+json (RFC 9457), with `token` and `highest` where they are known. Neither class knows a framework.
Whoever may send a token can lock all leaders out with a great one: authenticate before this.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple, Protocol, cast

import msgspec

from tenure.backends.base import TOKEN_LIMIT
from tenure.backends.url import checked_name
from tenure.errors import NotAdmitted, StaleToken
from tenure.fencing.gate import FenceGate
from tenure.handle import Hold

TOKEN_HEADER = "Tenure-Token"  # noqa: S105  the name of a field, no secret
ELECTION_HEADER = "Tenure-Election"
RETRY_AFTER_S = 1
POLICY_VIOLATION = 1008
"""With this code a refused WebSocket is closed (RFC 6455, section 7.4.1)."""

_TOKEN = re.compile(r"[1-9][0-9]{0,18}")

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class StartResponse(Protocol):
    """As of PEP 3333."""

    def __call__(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | None = None,
        /,
    ) -> Callable[[bytes], object]: ...


WsgiApp = Callable[[dict[str, object], StartResponse], Iterable[bytes]]


def token_headers(tenure: Hold) -> dict[str, str]:
    """The header fields with which a leader's requests bear its token."""
    return {TOKEN_HEADER: str(tenure.token), ELECTION_HEADER: tenure.election}


class Refusal(NamedTuple):
    """Why a request is not let through, and the answer to it."""

    status: HTTPStatus
    detail: str
    facts: Mapping[str, object] = {}

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those of the answer."""
        fields = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(self.body)))]
        if self.status is HTTPStatus.SERVICE_UNAVAILABLE:
            fields.append(("Retry-After", str(RETRY_AFTER_S)))
        return fields

    @property
    def body(self) -> bytes:
        """The problem as JSON."""
        told = {"type": "about:blank", "title": self.status.phrase, "status": int(self.status), "detail": self.detail}
        return msgspec.json.encode({**told, **self.facts})


class _Fence:
    """What both kinds of middleware share: reading a request's token."""

    def __init__(self, gate: FenceGate, election: str, require: bool) -> None:
        self._gate = gate
        self._election = checked_name(election)
        self._require = require

    def _token(self, tokens: list[str], elections: list[str]) -> int | Refusal | None:
        """The token that a request bears; None if it bears none and may."""
        if any(name != self._election for name in elections):
            return Refusal(HTTPStatus.BAD_REQUEST, f"{ELECTION_HEADER} names another election than {self._election!r}")
        if not tokens and self._require:
            return Refusal(HTTPStatus.PRECONDITION_REQUIRED, f"a leader's request bears its token in {TOKEN_HEADER}")
        if not tokens:
            return None
        if len(tokens) > 1 or _TOKEN.fullmatch(tokens[0]) is None or int(tokens[0]) > TOKEN_LIMIT:
            return Refusal(HTTPStatus.BAD_REQUEST, f"{TOKEN_HEADER} is one whole number from 1 to {TOKEN_LIMIT}")
        return int(tokens[0])

    def _refusal(self, error: StaleToken | NotAdmitted) -> Refusal:
        if isinstance(error, StaleToken):
            facts = {"election": self._election, "token": error.token, "highest": error.highest}
            return Refusal(HTTPStatus.PRECONDITION_FAILED, str(error), facts)
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"election": self._election, "token": error.token})


class AsgiFence(_Fence):
    """An ASGI application around another: `app = AsgiFence(app, FenceGate(path), "report")`.

    election   whose tokens requests bear; with several, put one fence around each part of the application
    require    refuse requests without a token; False lets them through unguarded, as for those that only read

    A WebSocket is guarded as a request is, until it ends, and refused by closing it; lifespan messages pass.
    """

    def __init__(self, app: AsgiApp, gate: FenceGate, election: str, *, require: bool = True) -> None:
        super().__init__(gate, election, require)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        token = self._token(_field(scope, TOKEN_HEADER), _field(scope, ELECTION_HEADER))
        async with AsyncExitStack() as stack:
            if isinstance(token, int):
                try:
                    await stack.enter_async_context(self._gate.admit(token, self._election))
                except (StaleToken, NotAdmitted) as error:
                    token = self._refusal(error)
            if isinstance(token, Refusal):
                await _refuse(scope, send, token)
            else:
                await self._app(scope, receive, send)


class WsgiFence(_Fence):
    """A WSGI application around another: `app = WsgiFence(app, FenceGate(path), "report")`; as AsgiFence otherwise.

    The request ends when the server closes the response, as PEP 3333 has it do.
    """

    def __init__(self, app: WsgiApp, gate: FenceGate, election: str, *, require: bool = True) -> None:
        super().__init__(gate, election, require)
        self._app = app

    def __call__(self, environ: dict[str, object], start_response: StartResponse) -> Iterable[bytes]:
        token = self._token(_variable(environ, TOKEN_HEADER), _variable(environ, ELECTION_HEADER))
        if token is None:
            return self._app(environ, start_response)
        if isinstance(token, int):
            admission = self._gate.admit(token, self._election)
            try:
                admission.__enter__()
            except (StaleToken, NotAdmitted) as error:
                token = self._refusal(error)
            else:
                try:
                    return _Response(self._app(environ, start_response), admission.leave)
                except BaseException:
                    admission.leave()
                    raise
        start_response(f"{int(token.status)} {token.status.phrase}", token.headers)
        return [token.body]


class _Response:
    """An application's response, at whose closing its act ends."""

    def __init__(self, body: Iterable[bytes], leave: Callable[[], None]) -> None:
        self._body = body
        self._leave = leave

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._leave()


def _field(scope: Scope, name: str) -> list[str]:
    wanted = name.lower().encode()
    fields = cast("Iterable[tuple[bytes, bytes]]", scope["headers"])
    return [value.decode("latin-1").strip() for field, value in fields if field.lower() == wanted]


def _variable(environ: Mapping[str, object], name: str) -> list[str]:
    value = environ.get("HTTP_" + name.upper().replace("-", "_"))
    return [value.strip()] if isinstance(value, str) else []


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.status.phrase})
        return
    headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
