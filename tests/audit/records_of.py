"""Records for tests, written short: one process of one candidate in the election `e`."""

from __future__ import annotations

from tenure.audit import Acted, Alive, Died, Ended, Noted, Opened, Record, Told
from tenure.errors import Reason


class Process:
    """Makes the records of one process; every instant is given."""

    def __init__(self, candidate: str, token: int, pid: int, election: str = "e") -> None:
        self.about = {"election": election, "token": token, "candidate": candidate, "pid": pid}
        self.pid = pid

    def opened(self, at_ns: int, deadline_ns: int | None = None, with_pid: int | None = None) -> Record:
        return Opened(**self.about, at_ns=at_ns, deadline_ns=deadline_ns, with_pid=with_pid)  # type: ignore[arg-type] # a dict's values are mixed

    def acted(self, began_ns: int, at_ns: int, deadline_ns: int | None = None) -> Record:
        return Acted(**self.about, at_ns=at_ns, began_ns=began_ns, act="pay", deadline_ns=deadline_ns)  # type: ignore[arg-type] # the same

    def noted(self, at_ns: int) -> Record:
        return Noted(**self.about, at_ns=at_ns, note="here")  # type: ignore[arg-type] # the same

    def told(self, at_ns: int, reason: Reason, deadline_ns: int | None = None) -> Record:
        return Told(**self.about, at_ns=at_ns, reason=reason, deadline_ns=deadline_ns)  # type: ignore[arg-type] # the same

    def ended(self, at_ns: int, reason: Reason | None = None) -> Record:
        return Ended(**self.about, at_ns=at_ns, reason=reason)  # type: ignore[arg-type] # the same

    def alive(self, at_ns: int) -> Record:
        return Alive(pid=self.pid, at_ns=at_ns)

    def died(self, at_ns: int) -> Record:
        return Died(pid=self.pid, at_ns=at_ns)
