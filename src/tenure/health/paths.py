"""What each path answers, from what is so at that instant. Nothing here waits, for the keeper least of all.

Rules of this file (the tests name them):
 1. `/leader` is 200 only while this process holds a valid tenure, by the clock, at the instant of the answer.
 2. A standby is ready: it would lead if it could.
 3. `/livez` is 503 for a process that goes on only in part: its keeper ended or does not turn, an owner does not turn.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from tenure.durations import NS_PER_S
from tenure.handle import valid_holds
from tenure.health.answers import ALLOWED, Answer, no_such_path, not_allowed, said
from tenure.keeper import Keeper, Seat
from tenure.lag import lags
from tenure.metrics import CONTENT_TYPE, Metrics

_Parameters = dict[str, list[str]]


class Paths:
    """Answers for one process."""

    def __init__(self, metrics: Metrics, stall_after_ns: int) -> None:
        self.metrics = metrics
        self._stall_after_ns = stall_after_ns
        self._paths: dict[str, Callable[[_Parameters], Answer]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/leader": self._leader,
            "/standby": self._standby,
            "/metrics": self._metrics,
        }

    def answer(self, target: str, method: str) -> Answer:
        """The answer to a request for `target`, such as `/leader?election=report`."""
        try:
            where = urlsplit(target)
            parameters = parse_qs(where.query, keep_blank_values=True, max_num_fields=10)
        except ValueError as error:
            return said(400, error=f"the address makes no sense: {error}")
        path = self._paths.get(where.path)
        if path is None:
            return no_such_path(list(self._paths))
        if method not in ALLOWED:
            return not_allowed()
        return path(parameters)

    def elections(self) -> set[str]:
        """Those for which this process stands, leads, or stood."""
        return self.metrics.elections | {seat.holder.election for seat in _seats()}

    def troubles(self) -> list[str]:
        """Why this process had better be started anew; empty while all goes on."""
        found = []
        keeper = Keeper.existing()
        if keeper is not None and not keeper.is_alive:
            found.append("tenure's own thread has ended: nothing is renewed, and nobody is elected")
        for lag in lags():
            silent_ns = lag.silent_ns()
            if silent_ns > self._stall_after_ns:
                found.append(f"the {lag.name}'s event loop has not turned for {silent_ns / NS_PER_S:.1f} s")
        silent = [seat for seat in _seats() if seat.holder.is_silent(seat.clock.now_ns())]
        return [*found, *(f"the owner of {seat.holder.election!r} was silent past its stall_after" for seat in silent)]

    # Paths

    def _livez(self, _: _Parameters) -> Answer:
        troubles = self.troubles()
        return said(503 if troubles else 200, live=not troubles, troubles=troubles)

    def _readyz(self, _: _Parameters) -> Answer:
        troubles = self.troubles()
        keeper = Keeper.existing()
        if keeper is not None and keeper.ending:
            troubles.append(f"it is ending: {keeper.ending}")
        if not self.elections():  # rule 2: who stands is ready, whoever leads
            troubles.append("it does not stand for any election yet")
        return said(503 if troubles else 200, ready=not troubles, troubles=troubles)

    def _leader(self, parameters: _Parameters) -> Answer:
        return self._role(parameters, wanted=True)

    def _standby(self, parameters: _Parameters) -> Answer:
        return self._role(parameters, wanted=False)

    def _role(self, parameters: _Parameters, *, wanted: bool) -> Answer:
        known = sorted(self.elections())
        named = parameters.get("election", known if len(known) < 2 else [])[-1:]  # noqa: PLR2004  one needs no name
        if not named and known:
            return said(400, error="this process stands for several: say which with ?election=NAME", elections=known)
        if named and named[0] not in known:
            return said(404, error="no candidate of this process stands for it", election=named[0], elections=known)
        holds = [hold for hold in valid_holds() if hold.election in named]  # rule 1
        status = 200 if bool(holds) is wanted else 503
        if not holds:
            return said(status, election=named[0] if named else None, leads=False)
        hold = max(holds, key=lambda one: one.token)
        return said(
            status,
            election=hold.election,
            leads=True,
            candidate=hold.candidate,
            token=hold.token,
            remaining_s=hold.remaining(),
        )

    def _metrics(self, parameters: _Parameters) -> Answer:
        aliases = parameters.get("alias", [])
        if set(aliases) - {"client-go"}:
            return said(400, error="the only alias is client-go", alias=aliases)
        standing = [(seat.holder.election, seat.holder.candidate) for seat in _seats()]
        return Answer(200, CONTENT_TYPE, self.metrics.text(standing, client_go=bool(aliases)).encode())


def _seats() -> set[Seat]:
    """Every candidacy of this process that is not over."""
    keeper = Keeper.existing()
    return set() if keeper is None else keeper.seats
