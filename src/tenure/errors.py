"""Every exception of the project, in one hierarchy, and the reasons for which a tenure ends.

::

    TenureError
    ├── LeadershipLost       the tenure ended while the body ran: stop; somebody else may lead now
    ├── NotElected           nobody elected us in the time we gave (also a TimeoutError)
    ├── StaleToken           an act or a value bore a token older than one already seen
    ├── NotAdmitted          an act did not begin, because an older one has not ended (also a TimeoutError)
    ├── NotStamped           a fence could not be told of a new token, so nothing was begun under it
    ├── ConfigurationError   what was asked for cannot work: change the call (also a ValueError)
    ├── BackendError
    │   ├── BackendUnreachable   the service did not answer, or not in time: trying again may help
    │   └── BackendRefused       the service answered no: trying again does not help
    ├── NotServed            no node could serve it in time, and nothing was done (also a TimeoutError)
    ├── RequestRefused       the group will not do it, now or later: the message says what would help
    ├── OutcomeUnknown       no answer came in time: it may have come about, or may yet
    ├── NodeStopped          the node was stopped before it answered
    ├── NodeFailed           the node's disk failed, or its algorithm broke a rule: it has stopped
    │   └── NodeRemoved          or it was removed from its cluster
    └── NodeForked           the node stayed with the parent of this forked child
"""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """Why a tenure ended; the value is its stable spelling in logs, metrics and JSON."""

    RESIGNED = "resigned"
    """The leader stepped down by itself, or because it was asked to."""
    TRANSFERRED = "transferred"
    """The leader stepped down in favour of a named candidate."""
    EXPIRED = "expired"
    """Renewals failed for so long that the lease was about to run out."""
    DEPOSED = "deposed"
    """The backend says that the grant is gone: somebody else may lead already."""
    STALLED = "stalled"
    """The owner did not prove itself alive, so the lease was not renewed."""
    BACKEND_GONE = "backend_gone"
    """The backend ended for good (a closed session, a removed directory)."""
    BACKEND_RESET = "backend_reset"
    """The backend gave a token that is not above one seen before: it was wiped or restored."""
    FORKED = "forked"
    """This is a forked child; the tenure stayed with its parent."""
    OVERRUN = "overrun"
    """The body still ran at the hard deadline; a grant that is released late tells this, whatever it was lost for."""


class TenureError(Exception):
    """The root of every exception that tenure raises on purpose."""


class LeadershipLost(TenureError):
    """The tenure ended while the body ran; whatever it still does, it does without leadership.

    Stop what you do. `Election.run` campaigns again by itself; a bare `lead()` leaves that to the caller.
    """

    def __init__(self, election: str, token: int, reason: Reason) -> None:
        super().__init__(election, token, reason)
        self.election = election
        self.token = token
        self.reason = reason

    def __str__(self) -> str:
        return f"tenure {self.token} of {self.election!r} was lost ({self.reason.value}); somebody else may lead now"


class NotElected(TenureError, TimeoutError):
    """Nobody elected this candidate within the time it gave; it stands no more. Try again, or wait longer.

    With `withdrawn` its time was not over, and trying again is no help: `detail` says why nobody stands here any more.
    """

    def __init__(self, election: str, waited_s: float, detail: str = "", withdrawn: bool = False) -> None:
        super().__init__(election, waited_s, detail, withdrawn)
        self.election = election
        self.waited_s = waited_s
        self.detail = detail
        self.withdrawn = withdrawn

    def __reduce__(self) -> tuple[type[NotElected], tuple[str, float, str, bool]]:
        return type(self), (self.election, self.waited_s, self.detail, self.withdrawn)  # OSError keeps but two of them

    def __str__(self) -> str:
        if self.withdrawn:
            return f"the candidacy for {self.election!r} was withdrawn: {self.detail}; let another process stand for it"
        because = f" ({self.detail})" if self.detail else ""
        return f"not elected for {self.election!r} within {self.waited_s:g} s{because}; wait longer, or try again later"


class StaleToken(TenureError):
    """An act bore a token below the highest one seen: its leader was replaced. Drop the act."""

    def __init__(self, token: int, highest: int) -> None:
        super().__init__(token, highest)
        self.token = token
        self.highest = highest

    def __str__(self) -> str:
        return f"token {self.token} is stale: {self.highest} was seen already; a newer leader acts now, so stop"


class NotAdmitted(TenureError, TimeoutError):
    """An act did not begin, since one with an older token has not ended within the time that was given. Try again.

    `inside` is that older token; None where the gate's file was in use, or its disk silent, all the time.
    """

    def __init__(self, election: str, token: int, inside: int | None, waited_s: float) -> None:
        super().__init__(election, token, inside, waited_s)
        self.election = election
        self.token = token
        self.inside = inside
        self.waited_s = waited_s

    def __str__(self) -> str:
        because = (
            f"an act with the older token {self.inside} has not ended; its process may be paused"
            if self.inside is not None
            else "the gate's file was in use all the time, perhaps by a process that is paused, or its disk is silent"
        )
        return (
            f"token {self.token} of {self.election!r} was not admitted within {self.waited_s:g} s, and nothing was "
            f"done: {because}. Try again; a process that will not go on must be killed, which frees the gate"
        )


class NotStamped(TenureError):
    """A fence could not be told of a new token; who was elected with it gave the tenure back before its body began.

    The cause says what went wrong. `Election.run` and `stand` try again after a pause; `lead()` leaves that to the
    caller.
    """

    def __init__(self, election: str, token: int, detail: str) -> None:
        super().__init__(election, token, detail)
        self.election = election
        self.token = token
        self.detail = detail

    def __str__(self) -> str:
        return f"token {self.token} of {self.election!r} was stamped on no fence, and nothing began: {self.detail}"


class ConfigurationError(TenureError, ValueError):
    """What was asked for cannot work as asked; nothing was changed. The message says what to change."""


class BackendError(TenureError):
    """The backend could not do what it was asked to."""


class BackendUnreachable(BackendError):
    """The backend did not answer, or not in time; what became of the request is unknown. Trying again may help."""


class BackendRefused(BackendError):
    """The backend answered no, and would answer no again. The message says what to change."""


class NotServed(TenureError, TimeoutError):
    """Nobody could serve it in time, and nothing was done. Ask again when a majority of the group runs."""

    exit_code = 124


class RequestRefused(TenureError):
    """The group will not do it, now or later; the message says what would help."""

    exit_code = 78


class OutcomeUnknown(TenureError):
    """No answer came in time: the command may have come about, or may yet. Read what is there before you ask again."""

    exit_code = 124


class NodeStopped(TenureError):
    """The node was stopped before it answered: what was asked of it may have come about, or not."""


class NodeFailed(TenureError):
    """The node cannot go on: its disk failed, or its algorithm broke a rule of its own. The cause tells; start it again
    when that is mended.
    """


class NodeRemoved(NodeFailed):
    """The node was removed from its cluster, and takes part no more. A new one may join in its place."""


class NodeForked(TenureError):
    """This process was forked from the one whose node this is: make a Node of its own, under another name."""
