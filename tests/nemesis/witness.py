"""What a node's application would put down of its tenures, on the clock that all processes of the host share."""

from __future__ import annotations

import os

from tenure.audit import Acted, Ledger, Scribe
from tenure.clock import BootClock
from tenure.core.effects import Divided
from tenure.core.elector import Elector
from tenure.errors import NodeFailed, Reason
from tenure.runtime.owner import Owner

ELECTION = "group"


class HostClock(BootClock):
    """The host's CLOCK_BOOTTIME, in a process whose own runs ahead by `ahead_ns` (time_namespaces(7))."""

    def __init__(self, ahead_ns: int) -> None:
        self._ahead_ns = ahead_ns

    def now_ns(self) -> int:
        return super().now_ns() - self._ahead_ns


class Witness(Owner):
    """Puts every tenure into the ledger, and for each extension an act; then tells the node's own owner."""

    def __init__(self, inner: Owner, ledger: Ledger, name: str, ahead_ns: int) -> None:
        self._inner, self._ledger, self._name, self._ahead_ns = inner, ledger, name, ahead_ns
        self._token, self._deadline_ns = 0, 0

    def became(self, elector: Elector) -> None:
        self._inner.became(elector)

    def authorised(self, token: int, deadline_ns: int) -> None:
        began_ns = self._ledger.clock.now_ns()
        self._deadline_ns = deadline_ns - self._ahead_ns
        if token != self._token:
            self._token = token
            self._scribe().opened(deadline_ns=self._deadline_ns)
        elif began_ns < self._deadline_ns:
            self._ledger.append(
                Acted(
                    election=ELECTION,
                    token=token,
                    candidate=self._name,
                    pid=os.getpid(),
                    at_ns=self._ledger.clock.now_ns(),
                    act="extension",
                    began_ns=began_ns,
                    deadline_ns=self._deadline_ns,
                )
            )
        self._inner.authorised(token, deadline_ns)

    def deposed(self, token: int, why: str) -> None:
        if token == self._token:
            self._scribe().told(Reason.DEPOSED, deadline_ns=self._deadline_ns)
        self._inner.deposed(token, why)

    def divided(self, divided: Divided) -> None:
        self._inner.divided(divided)

    def failed(self, error: NodeFailed) -> None:
        self._inner.failed(error)

    def _scribe(self) -> Scribe:
        return Scribe(self._ledger, ELECTION, self._token, self._name)
