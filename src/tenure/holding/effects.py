"""What comes out of a holder: what its driver has to do, in order. `call` numbers are answered by events."""

from __future__ import annotations

import enum

import msgspec

from tenure.errors import Reason
from tenure.holding.notices import Notice


class Campaign(msgspec.Struct, frozen=True):
    """Ask the backend for the grant; `once` for a single try. Answer with Won, NotWon or Failed of this `call`."""

    call: int
    once: bool


class Renew(msgspec.Struct, frozen=True):
    """Ask the backend to renew. Answer with RenewalGranted or Failed of this `call`."""

    call: int


class Abandon(msgspec.Struct, frozen=True):
    """Wait for `call` no longer, but do not wait for its end either; a late answer is still told to the holder."""

    call: int


class Start(msgspec.Struct, frozen=True):
    """The tenure is open: let the body begin."""

    token: int


class Cancel(msgspec.Struct, frozen=True):
    """Tell the body to stop; `again` when it was told before and still runs."""

    reason: Reason
    again: bool


class Overrun(msgspec.Struct, frozen=True):
    """The body still runs at its hard deadline: report it, or end the process, as the owner chose."""

    reason: Reason


class Release(msgspec.Struct, frozen=True):
    """Give grant `token` back, in favour of the candidate `to` if there is one. Answer with ReleaseDone or Failed."""

    call: int
    token: int
    to: str | None = None


class WhyNot(enum.Enum):
    """Why a candidate was not elected."""

    LATE = "late"
    """Somebody else led all the time that it was ready to wait."""
    UNREACHABLE = "unreachable"
    """The backend did not answer, and there was no time for another try."""
    REFUSED = "refused"
    """The backend would say no again."""


class GiveUp(msgspec.Struct, frozen=True):
    """The candidate was not elected, and stands no more."""

    why: WhyNot
    detail: str


class Announce(msgspec.Struct, frozen=True):
    """Tell the world; never wait for it."""

    notice: Notice


Effect = Campaign | Renew | Abandon | Start | Cancel | Overrun | Release | GiveUp | Announce
