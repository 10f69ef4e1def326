"""What goes into a holder: what the backend answered, what its owner did, and that time has passed."""

from __future__ import annotations

import enum

import msgspec

from tenure.errors import Reason


class Verdict(enum.Enum):
    """What an error says about the grant."""

    DEFINITE = "definite"
    """It is gone, or will never be given: trying again is useless."""
    UNKNOWN = "unknown"
    """Nobody knows; trying again may help. Everything unclassified is this."""


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend granted.

    `sent_ns` was read on the holder's clock *before* the request that won left; `lease_ns` is how long the service
    keeps the grant without renewal, None for ever; `clean` says that the tenure before this one was closed by its
    leader, or that there was none.
    """

    token: int
    sent_ns: int
    lease_ns: int | None
    clean: bool = True


class Resign(msgspec.Struct, frozen=True, tag=True):
    """The wish that the leader step down."""


class Transfer(msgspec.Struct, frozen=True, tag=True):
    """The wish that the leader step down in favour of the candidate named `to`."""

    to: str


Wish = Resign | Transfer


class Stand(msgspec.Struct, frozen=True):
    """Begin: campaign. `wait_ns` None is for ever, 0 is one try."""

    wait_ns: int | None = None


class Won(msgspec.Struct, frozen=True):
    """Campaign `call` was won."""

    call: int
    granted: Granted


class NotWon(msgspec.Struct, frozen=True):
    """Campaign `call` was one try, and somebody else leads."""

    call: int


class RenewalGranted(msgspec.Struct, frozen=True):
    """The service vouches for the grant for `lease_ns` from when renewal `call` was sent."""

    call: int
    lease_ns: int


class Failed(msgspec.Struct, frozen=True):
    """Call `call` (campaign, renewal or release) failed."""

    call: int
    verdict: Verdict
    detail: str
    reason: Reason = Reason.DEPOSED


class Deposed(msgspec.Struct, frozen=True):
    """The backend says, unasked, that the grant is gone; nobody else leads before `until_ns` (None: it cannot say)."""

    reason: Reason
    detail: str
    until_ns: int | None = None


class OwnerTicked(msgspec.Struct, frozen=True):
    """The owner of the body was alive at `at_ns`."""

    at_ns: int


class Asked(msgspec.Struct, frozen=True):
    """Somebody wishes that this tenure end."""

    wish: Wish


class BodyLeft(msgspec.Struct, frozen=True):
    """The body has ended, or will never begin: the owner neither waits for the grant nor acts on it any more."""


class ReleaseDone(msgspec.Struct, frozen=True):
    """Release `call` was carried out."""

    call: int


class Woke(msgspec.Struct, frozen=True):
    """`wake_ns` has come, or the driver looked at the clock for another reason."""


Event = Stand | Won | NotWon | RenewalGranted | Failed | Deposed | OwnerTicked | Asked | BodyLeft | ReleaseDone | Woke
