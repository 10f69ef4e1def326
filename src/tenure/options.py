"""What an election was made with, checked once: shared by the asyncio and the blocking front."""

from __future__ import annotations

import logging
import os
import random
import re
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, TypedDict

import msgspec

from tenure.backends import registry
from tenure.backends.base import (
    METADATA_LIMIT_BYTES,
    VALUE_LIMIT_BYTES,
    Backend,
    Candidate,
    Grade,
    Leader,
    Place,
    Reading,
    Scope,
)
from tenure.clock import BootClock
from tenure.durations import NS_PER_S, seconds, to_ns
from tenure.errors import ConfigurationError
from tenure.fencing.stamping import Fence, checked_fences
from tenure.holding.budget import Budget
from tenure.holding.events import Transfer, Wish
from tenure.holding.holder import Holder
from tenure.keeper import Guard, Keeper, Owner, Seat

PRIORITY_LIMIT = 2**31
"""Beyond this no backend could tell two priorities apart."""
CALL_LIMIT_S = 5.0
"""The limit of one look at a backend, or of one wish left with it."""

_SCOPES: tuple[Scope, ...] = ("process", "user", "host", "cluster")
_log = logging.getLogger("tenure")


class ElectionOptions(TypedDict, total=False):
    """What `Election` takes by keyword, for those who only pass it on."""

    candidate: str | None
    metadata: Mapping[str, str] | None
    priority: int
    lease: float | str | None
    grace: float | str | None
    stall_after: float | str | None
    min_grade: Grade
    scope: Scope | None
    on_overrun: Literal["report", "exit"]
    guard: Literal["process"] | None
    takeover_delay: float | str
    fences: Iterable[Fence]


class Options:
    """The options of one `Election`; see there for their meaning."""

    def __init__(
        self,
        name: str,
        at: str | Backend | Place | None,
        *,
        candidate: str | None,
        metadata: Mapping[str, str] | None,
        priority: int,
        lease: float | str | None,
        grace: float | str | None,
        stall_after: float | str | None,
        min_grade: Grade,
        scope: Scope | None,
        on_overrun: Literal["report", "exit"],
        guard: Literal["process"] | None,
        takeover_delay: float | str,
        fences: Iterable[Fence],
    ) -> None:
        self.name = registry.checked_name(_text(name, "the name of an election", "nightly-report"))
        who = _default_candidate() if candidate is None else candidate
        self.candidate = registry.checked_name(_text(who, "a candidate", "host-7"), what="a candidate")
        self.metadata = _checked_metadata(metadata)
        self.priority = _checked_priority(priority)
        self.on_overrun = on_overrun
        self.guard = guard
        self.stall_checked = stall_after is not None
        self.takeover_delay_ns = to_ns(takeover_delay)
        self.fences = checked_fences(fences)
        self.highest = 0
        """The highest token seen: no tenure begins with one that is not above it."""
        if isinstance(at, Place):
            at = at.backend
        self._at = at if isinstance(at, Backend) else registry.resolve(_place(at))
        self.backend  # noqa: B018 -- connected now, so that a bad URL is refused where it was written
        self.budget = self._checked_budget(lease, grace, stall_after)
        self._check_demands(min_grade, scope)

    @property
    def backend(self) -> Backend:
        """The backend, shared by this process; a forked child connects anew."""
        if isinstance(self._at, Backend):
            return self._at
        return Keeper.current().backend(self._at.url, registry.connect)

    @property
    def key(self) -> tuple[str, str]:
        return self.backend.url.partition("?")[0], self.name

    @property
    def release_limit_s(self) -> float:
        """How long leaving a body waits for the release at most; the keeper goes on with it after that."""
        budget = self.budget
        return (budget.attempts * (budget.call_timeout_ns + budget.backoff_ns) + budget.margin_ns) / NS_PER_S

    def read(self) -> Future[Reading]:
        """A look at the election."""
        return Keeper.current().call(self.backend.read(self.name), CALL_LIMIT_S)

    def ask(self, wish: Wish) -> Future[Leader]:
        """Leave a wish with whoever leads."""
        if isinstance(wish, Transfer) and not self.backend.capabilities.transfer:
            raise ConfigurationError(f"{self.backend.url} cannot transfer to a named candidate; ask to resign")
        return Keeper.current().call(self.backend.ask(self.name, wish), CALL_LIMIT_S)

    def seat(self, owner: Owner) -> Seat:
        """A new candidacy for `owner`; it begins with `stand`."""
        if not isinstance(self._at, Backend):
            _tell_where(self._at)
        holder = Holder(
            election=self.name,
            candidate=self.candidate,
            budget=self.budget,
            chance=random.Random(),
            floor=self.highest,
            takeover_delay_ns=self.takeover_delay_ns,
        )
        candidate = Candidate(
            election=self.name,
            name=self.candidate,
            nonce="",  # each attempt gets its own
            priority=self.priority,
            metadata=self.metadata,
            lease_ns=self.budget.lease_ns,
        )
        return Seat(Keeper.current(), self.backend, candidate, holder, owner, guard=self._started_guard())

    def _started_guard(self) -> Guard | None:
        if self.guard is None:
            return None
        from tenure.supervise.own import OwnGuardian  # subprocess comes with it: only for those who want a guard

        return OwnGuardian.current().tell

    def _checked_budget(
        self, lease: float | str | None, grace: float | str | None, stall_after: float | str | None
    ) -> Budget:
        able = self.backend.capabilities
        lease_s = able.default_lease_s if lease is None else seconds(lease)
        if able.default_lease_s is None and lease is not None:
            raise ConfigurationError(
                f"{self.backend.url} gives no leases: a tenure there ends with its process. Leave the lease away, or "
                "use lease:// with a directory"
            )
        if lease is not None and not able.takes_leases:
            raise ConfigurationError(
                f"the lease at {self.backend.url} is the group's own, {able.default_lease_s:g} s: leave the lease "
                "away here, and give Node(..., lease=) another one, the same at all nodes"
            )
        if lease_s is not None and lease_s < able.min_lease_s:
            raise ConfigurationError(
                f"{self.backend.url} gives no lease below {able.min_lease_s:g} s; ask for a longer"
            )
        return Budget.of(
            lease_s,
            grace_s=None if grace is None else seconds(grace),
            stall_after_s=None if stall_after is None else seconds(stall_after),
            rho_ppm=able.rho_ppm,
        )

    def _check_demands(self, min_grade: Grade, scope: Scope | None) -> None:
        able = self.backend.capabilities
        if min_grade not in {"A", "B", "C"}:
            raise ConfigurationError(f"min_grade is A, B or C, not {min_grade!r}")
        if able.grade > min_grade:
            raise ConfigurationError(
                f"{self.backend.url} has grade {able.grade}, and grade {min_grade} is demanded; use another backend"
            )
        if scope is not None and scope not in _SCOPES:
            raise ConfigurationError(f"scope is one of {', '.join(_SCOPES)}, not {scope!r}")
        if scope is not None and _SCOPES.index(able.scope) < _SCOPES.index(scope):
            raise ConfigurationError(
                f"{self.backend.url} elects within one {able.scope}, and scope {scope!r} is demanded; name a backend "
                "that every candidate reaches"
            )
        if self.on_overrun not in {"report", "exit"}:
            raise ConfigurationError(f"on_overrun is 'report' or 'exit', not {self.on_overrun!r}")
        if self.guard not in {"process", None}:
            raise ConfigurationError(f"guard is 'process' or None, not {self.guard!r}")
        if self.guard is not None and self.budget.lease_ns is None:
            raise ConfigurationError(
                f"{self.backend.url} gives no leases, so there is no deadline at which a guardian could end this "
                "process; leave the guard away, or use lease://"
            )
        if self.guard is not None and not isinstance(self.backend.clock, BootClock):
            raise ConfigurationError(
                f"the clock of {self.backend.url} is moved by hand, and a guardian looks at the machine's; leave the "
                "guard away in this test"
            )
        if self.priority != 0 and not able.ordered:
            raise ConfigurationError(f"{self.backend.url} elects in no order; leave the priority out")


class Front:
    """What both kinds of `Election` are made with; the options are explained at `tenure.Election`."""

    def __init__(
        self,
        name: str,
        at: str | Backend | Place | None = None,
        *,
        candidate: str | None = None,
        metadata: Mapping[str, str] | None = None,
        priority: int = 0,
        lease: float | str | None = None,
        grace: float | str | None = None,
        stall_after: float | str | None = None,
        min_grade: Grade = "C",
        scope: Scope | None = None,
        on_overrun: Literal["report", "exit"] = "report",
        guard: Literal["process"] | None = None,
        takeover_delay: float | str = 0,
        fences: Iterable[Fence] = (),
    ) -> None:
        self._options = Options(
            name,
            at,
            candidate=candidate,
            metadata=metadata,
            priority=priority,
            lease=lease,
            grace=grace,
            stall_after=stall_after,
            min_grade=min_grade,
            scope=scope,
            on_overrun=on_overrun,
            guard=guard,
            takeover_delay=takeover_delay,
            fences=fences,
        )
        self.name = self._options.name
        self.candidate = self._options.candidate
        self.url = self._options.backend.url
        self.grace_s = self._options.budget.grace_ns / NS_PER_S

    def __repr__(self) -> str:
        return f"<Election {self.name!r} at {self.url} as {self.candidate!r}>"


_told: set[str] = set()


def _tell_where(resolved: registry.Resolved) -> None:
    """Say once in the log where this process stands, and in what scope, lest somebody be elected elsewhere (L30)."""
    if resolved.url not in _told:
        _told.add(resolved.url)
        _log.info("elections at %s (from %s), among this %s", resolved.url, resolved.origin, resolved.scope)
        for warning in resolved.warnings:
            _log.warning("%s", warning)


def checked_value(value: str) -> str:
    """`value`, if a leader may publish it; else ConfigurationError."""
    try:
        size = len(value.encode())
    except (AttributeError, UnicodeEncodeError) as error:
        raise ConfigurationError(f"a value is text that has a form in UTF-8, not {value!r}; encode it") from error
    if size > VALUE_LIMIT_BYTES:
        raise ConfigurationError(f"a value has at most {VALUE_LIMIT_BYTES} bytes; publish where to find it instead")
    return value


def _text(given: object, what: str, example: str) -> str:
    if not isinstance(given, str):
        raise ConfigurationError(f"{what} is text, such as {example!r}, not {given!r}")
    return given


def _place(at: object) -> str | None:
    if at is None or isinstance(at, str):
        return at
    hint = f"; write {at.absolute().as_uri()!r}" if isinstance(at, Path) else ""
    raise ConfigurationError(
        f"at takes a URL such as 'file:///absolute/path', a Backend, or None for the default, not "
        f"{type(at).__name__}{hint}"  # and not what it is: a secret may stand in it
    )


def _checked_priority(priority: object) -> int:
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise ConfigurationError(f"a priority is a whole number, the higher the sooner elected, not {priority!r}")
    if abs(priority) > PRIORITY_LIMIT:
        raise ConfigurationError(f"a priority lies between -{PRIORITY_LIMIT} and {PRIORITY_LIMIT}, not at {priority}")
    return priority


def _default_candidate() -> str:
    """Host and process number, in the letters that a name may have: a host may be called `(none)`."""
    host = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).lstrip("._-")[:100]
    return f"{host or 'host'}-{os.getpid()}"


def _checked_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    try:
        checked = msgspec.convert(dict(metadata or {}), dict[str, str])
        size = len(msgspec.json.encode(checked))
    except (TypeError, ValueError) as error:  # what is no mapping of texts, or has no form in UTF-8
        raise ConfigurationError(f"metadata maps text to text ({error}); convert it with str()") from error
    if size > METADATA_LIMIT_BYTES:
        raise ConfigurationError(f"metadata has at most {METADATA_LIMIT_BYTES} bytes as JSON; put less there")
    return checked
