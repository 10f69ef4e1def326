"""What a backend offers. Every implementation passes the suite in tests/contracts; nobody asks one for its class.

All coroutines run on the keeper's loop and never block it. The caller limits the time of each call and abandons it by
cancelling; what an abandoned call does to the service afterwards, the backend reconciles by the candidate's nonce.

Errors, from every coroutine here:
    BackendRefused      the service said no and would say no again; a bad option, a missing right, a damaged counter
    BackendUnreachable  anything else; the outcome is unknown, and the caller may try again
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Literal

import msgspec

from tenure.clock import Clock
from tenure.errors import BackendRefused
from tenure.holding.events import Deposed, Granted, Wish

Grade = Literal["A", "B", "C"]
Scope = Literal["process", "user", "host", "cluster"]

TOKEN_LIMIT = 2**63 - 1
"""Tokens stay within what SQL's BIGINT and JSON readers of 64 bits can compare."""
VALUE_LIMIT_BYTES = 4096
"""The longest value that a leader may publish, in UTF-8. It is a decision or an address, not a data set."""
METADATA_LIMIT_BYTES = 2048
"""The longest metadata of one candidate, as JSON in UTF-8."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend can do and what it vouches for; options that it lacks are refused, never ignored."""

    grade: Grade
    """Exclusion *and* growing tokens hold: A while any minority of the service is lost; B across crash and restart of
    its one node; C not across a fail-over or restart."""
    scope: Scope
    """Who takes part in one election: this process, this user's processes on this host, this host's, a cluster's."""
    default_lease_s: float | None
    """None where grants have no lease: they last until released or until their holder dies."""
    min_lease_s: float = 0.0
    rho_ppm: int = 0
    """The bound on clock rates that leases here must be counted with; see `tenure.holding.budget`."""
    takes_leases: bool = True
    """Whether a candidate may ask for a lease of another length, which it then gets; otherwise all have the default, or
    what is left of it."""
    movable: bool = True
    """Whether elections can move here and away: `floor`, `shut` and `retire` work."""
    apart: bool = True
    """Whether each election is led by itself; otherwise one process leads all of them, and they change hands together.
    """
    ordered: bool
    """Candidates win in the order of priority, then of arrival, as long as they are awake."""
    transfer: bool
    watch: Literal["push", "poll"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands for an election: one attempt of one process. `nonce` is unique among all attempts, ever."""

    election: str
    name: str
    nonce: str
    priority: int = 0
    metadata: Mapping[str, str] = {}
    lease_ns: int | None = None
    """The lease to ask for; None where grants have none."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate as others see it, in `Reading.candidates` ordered as they would be elected."""

    candidate: str
    priority: int
    metadata: Mapping[str, str]


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """Who leads, with which fencing token, and the value it published last, if any."""

    candidate: str
    token: int
    metadata: Mapping[str, str]
    value: str | None = None
    since: float | None = None
    """When it was elected, in seconds of the epoch by the wall clock; None where nobody knows. For display only: that
    clock may be wrong or set at any time, so nothing is ever decided by it."""
    warning: str = ""
    """Something an operator should know, such as a survivor that still holds a dead leader's lock."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One linearizable look at an election: all of it was true at one instant during the call."""

    leader: Leader | None
    token: int
    """The highest token given so far; 0 before the first."""
    candidates: tuple[Standing, ...]
    warning: str = ""
    """What keeps everybody from being elected though nobody leads, such as a stranger that holds the lock."""


class Grant(ABC):
    """What a won campaign gave; it ends with `release`, or when the service says so."""

    granted: Granted
    keep_open: tuple[int, ...] = ()
    """Descriptors that carry the grant: whoever keeps a copy open keeps the grant. Not to be closed by the borrower's
    unlock, ever."""

    @abstractmethod
    async def renew(self) -> int:
        """Have the quorum vouch for the grant for another lease; returns its length in nanoseconds.

        It never shortens what is left of the lease: the answer that says so could be lost. Raises Gone where the grant
        is known to be lost. Never called where `granted.lease_ns` is None.
        """

    @abstractmethod
    async def release(self, to: str | None = None, *, acted: bool = True) -> None:
        """Close the tenure in good order and let the next candidate win at once, preferably the one named `to`.

        `acted` says whether anybody acted on the grant. Where nobody did, this tenure closes nothing but itself: how
        the one before it ended still counts, so the next grant is as `clean` as this one was.
        Releasing twice, or a grant that is gone, does nothing. Where grants have no lease it must not fail for good:
        nothing else would ever end them.
        """

    async def retire(self, url: str) -> None:
        """Close the tenure for good: from now on the election is at `url`, and nobody is elected here any more.

        That is durable (by the grade) before this returns; whoever campaigns, reads, watches or asks here is told by
        `Moved`. Raises Gone where the grant is lost. After any error nothing has moved, once `release` has returned.
        `Backend.shut` and `Backend.floor` are the other halves of a move; see docs/decisions.
        """
        raise BackendRefused(f"tenure {self.granted.token} cannot move to {url} from here; nothing was changed")

    @abstractmethod
    def attend(self) -> AsyncGenerator[Wish | Deposed, None]:
        """What its leader must hear while it leads: wishes bound to its token, and the grant's end.

        Ends only after a Deposed, by being closed, or with BackendUnreachable; the caller then attends again, and a
        wish that came meanwhile is told.
        """

    @abstractmethod
    async def publish(self, value: str) -> None:
        """Put `value` (at most VALUE_LIMIT_BYTES) beside the leader's name.

        Raises StaleToken when a newer tenure was given, Gone or BackendRefused when this one has ended otherwise.
        """


class Gone(Exception):
    """The service says that this grant is no more. An answer, not a failure; it never leaves the keeper."""


class Moved(BackendRefused):
    """The election is at another place, `url`: `token` is the highest that was given here, or a floor above it."""

    def __init__(self, election: str, here: str, url: str, token: int) -> None:
        there = f"is at {url} now" if url else "has moved away, and the note that says where cannot be read"
        use = f"; use --at {url}, or TENURE_URL={url}" if url else ""
        super().__init__(f"{election} {there}: nobody is elected at {here} any more{use}")
        self.election = election
        self.url = url
        self.token = token


class Place(ABC):
    """What an election can be at beside a URL: an object that has a backend."""

    @property
    @abstractmethod
    def backend(self) -> Backend:
        """Its backend. Raises ConfigurationError where it has none now."""


class Backend(ABC):
    """A service that agrees with itself. Made by `tenure.backends.registry.connect` from a URL."""

    url: str
    """How it was resolved, in full; printed by `status` and in the first log line. Never contains a secret."""
    capabilities: Capabilities
    clock: Clock

    @abstractmethod
    async def campaign(self, candidate: Candidate, *, once: bool) -> Grant | None:
        """Wait until `candidate` is elected; with `once` return None if somebody else leads.

        While it waits the candidate is listed by `read`. `granted.sent_ns` is read before the deciding request leaves.
        The token is greater than every token given for this election before, and durable (by the grade) before this
        returns. If it is cancelled, whatever it took or still takes is given back.
        """

    @abstractmethod
    async def read(self, election: str) -> Reading:
        """Look at an election; one that nobody ever stood for reads as vacant with token 0."""

    @abstractmethod
    def watch(self, election: str) -> AsyncGenerator[Reading, None]:
        """A reading now, and another after every change; never an older after a newer; changes may be merged.

        Ends only by being closed or with an error.
        """

    @abstractmethod
    async def ask(self, election: str, wish: Wish) -> Leader:
        """Leave a durable wish with whoever leads now, bound to its token, and return that leader.

        Raises BackendRefused when nobody leads, or when `wish` names a candidate that does not stand.
        """

    @abstractmethod
    async def floor(self, election: str, token: int) -> None:
        """Let every later token be above `token`, and end what `shut` or `Grant.retire` said: this place elects again.

        Raises BackendRefused while somebody leads, or to go back.
        """

    async def shut(self, election: str, token: int, url: str, *, clean: bool) -> int:
        """Elect nobody here, for the election is at `url`, until `floor` is called with the number that this returns.

        That number is at least `token` and above every token given here; after a second `shut` the first one's number
        opens nothing. `clean` tells how the last tenure ended there. Raises BackendRefused while somebody leads here.
        """
        del token, clean
        raise BackendRefused(f"{self.url} cannot take {election} over from {url}; nothing was changed")

    async def elections(self) -> tuple[str, ...]:
        """Every election that anybody ever stood for, in no order. Raises BackendRefused where nobody can list them."""
        raise BackendRefused(f"{self.url} cannot list its elections; name the one that you mean")

    @abstractmethod
    async def close(self) -> None:
        """Let go of every descriptor, connection and thread. Grants that are still held end as if their holder died."""

    @abstractmethod
    def forked(self) -> None:
        """Called in a forked child instead of `close`: drop what was inherited without a word to the service."""
