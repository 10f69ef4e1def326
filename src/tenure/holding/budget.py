"""The arithmetic of deadlines.

A lease that the service counts for `granted` on its clock, and that the holder counts on its own, must end at the
holder first. With both clocks' rates within `1 - rho` and `1 + rho` of true time and the holder's count started before
its request left, it does if

    deadline = t_send + granted * (1 - rho) / (1 + rho) - margin

(Gray & Cheriton, "Leases", SOSP 1989, section 3, with a rate bound on both sides). Everything is in whole nanoseconds
and parts per million, rounded towards the earlier deadline.
"""

from __future__ import annotations

import msgspec

from tenure.durations import NEVER_NS, NS_PER_S, PPM, safe_ns
from tenure.errors import ConfigurationError

SHORTEST_NS = 1_000
"""What a shorter lease is divided into would be no whole nanoseconds any more."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How the time of one lease is spent, in nanoseconds >= 0; `lease_ns` None is a grant without a lease."""

    lease_ns: int | None
    grace_ns: int
    """The time that the body gets to end after it was told to."""
    margin_ns: int
    """What no rule may use: scheduling delays, and the spacing of looks at the clock."""
    renew_every_ns: int
    """From one renewal sent to the next, when all is well."""
    attempts: int
    """Renewals that may fail in a row before the work is told to stop."""
    call_timeout_ns: int
    """After this a call is abandoned and counts as failed, outcome unknown."""
    backoff_ns: int
    """The longest wait between a failed call and its repetition; the actual one is drawn from its upper half."""
    stall_after_ns: int
    """An owner silent for longer is not renewed any more."""
    rho_ppm: int = 0
    """How far each clock's rate may be off, in parts per million: 100,000 across hosts, 0 on one host's one clock."""

    @classmethod
    def of(
        cls,
        lease_s: float | None,
        *,
        grace_s: float | None = None,
        stall_after_s: float | None = None,
        rho_ppm: int = 0,
    ) -> Budget:
        """The usual division of a lease; a part that is given is kept, the others share the rest.

        Of the usable lease: renewed after a fifth, three attempts of 8 % and a pause of 2 % each, a quarter of grace,
        a twentieth of margin: 80 % in all, so that one attempt more fits by luck. (Kubernetes: 15 s lease, told to
        stop after 10 s, renewed each 2 s, no grace.)
        Raises ConfigurationError with the arithmetic when the parts do not fit.
        """
        grace_ns = None if grace_s is None else round(grace_s * NS_PER_S)
        stall_ns = None if stall_after_s is None else round(stall_after_s * NS_PER_S)
        if stall_ns is not None and stall_ns <= 0:
            raise ConfigurationError(
                "stall_after is 0, so that every owner is silent for too long; give the longest time between two calls "
                "of check(), such as stall_after=10, or leave it away"
            )
        if lease_s is None:
            return cls(
                lease_ns=None,
                grace_ns=10 * NS_PER_S if grace_ns is None else grace_ns,  # docker stop: 10 s; Kubernetes: 30 s
                margin_ns=NS_PER_S // 2,
                renew_every_ns=0,
                attempts=3,
                call_timeout_ns=5 * NS_PER_S,  # a local disk that needs longer than this is broken
                backoff_ns=NS_PER_S,
                stall_after_ns=10 * NS_PER_S if stall_ns is None else stall_ns,
                rho_ppm=rho_ppm,
            ).checked()
        lease_ns = round(lease_s * NS_PER_S)
        usable_ns = safe_ns(lease_ns, rho_ppm)
        if usable_ns < SHORTEST_NS:
            raise ConfigurationError(f"nobody can renew a lease of {_s(lease_ns)} in time; give one such as lease=15")
        grace_ns = usable_ns // 4 if grace_ns is None else grace_ns
        margin_ns = usable_ns // 20
        return cls(
            lease_ns=lease_ns,
            grace_ns=grace_ns,
            margin_ns=margin_ns,
            renew_every_ns=usable_ns // 5,
            attempts=3,
            call_timeout_ns=usable_ns * 8 // 100,
            backoff_ns=usable_ns * 2 // 100,
            stall_after_ns=max(lease_ns - grace_ns - margin_ns, 1) if stall_ns is None else stall_ns,
            rho_ppm=rho_ppm,
        ).checked()

    def checked(self) -> Budget:
        """This budget, if its parts make sense and fit into its lease; else ConfigurationError with the arithmetic."""
        for name in ("grace_ns", "margin_ns", "renew_every_ns", "call_timeout_ns", "backoff_ns"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, it is {getattr(self, name)}")
        if self.attempts < 1 or min(self.call_timeout_ns, self.backoff_ns, self.stall_after_ns) <= 0:
            raise ConfigurationError("a budget needs attempts >= 1, and call_timeout, backoff and stall_after above 0")
        if not 0 <= self.rho_ppm < PPM:
            raise ConfigurationError(f"rho_ppm must be from 0 to below {PPM}, it is {self.rho_ppm}")
        if self.lease_ns is not None:
            if self.renew_every_ns <= 0 or self.margin_ns <= 0:
                raise ConfigurationError("a lease needs renew_every and margin above 0")
            if not self.fits(self.lease_ns):
                raise ConfigurationError(self.explain(self.lease_ns))
        return self

    def needed_ns(self) -> int:
        """What one lease must have room for."""
        tries_ns = self.attempts * (self.call_timeout_ns + self.backoff_ns)
        return self.renew_every_ns + tries_ns + self.grace_ns + self.margin_ns

    def fits(self, lease_ns: int) -> bool:
        """Whether a lease of this length has room for everything it must have room for."""
        return self.renew_every_ns > 0 and self.needed_ns() <= safe_ns(lease_ns, self.rho_ppm)

    def explain(self, lease_ns: int) -> str:
        """The comparison that `fits` makes, in numbers and in words."""
        usable_ns, needed_ns = safe_ns(lease_ns, self.rho_ppm), self.needed_ns()
        return (
            f"renew_every {_s(self.renew_every_ns)} + {self.attempts} attempts x (call_timeout "
            f"{_s(self.call_timeout_ns)} + backoff {_s(self.backoff_ns)}) + grace {_s(self.grace_ns)} + margin "
            f"{_s(self.margin_ns)} = {_s(needed_ns)}, and a lease of {_s(lease_ns)} has {_s(usable_ns)} to spend "
            f"(clock rates off by {self.rho_ppm / 10_000:g} %): "
            + ("it fits" if self.fits(lease_ns) else "lengthen the lease or shorten the grace")
        )

    def deadline_ns(self, sent_ns: int, lease_ns: int | None) -> int:
        """The instant after which nobody may act on a grant asked for at `sent_ns`; NEVER_NS without a lease."""
        if lease_ns is None:
            return NEVER_NS
        return sent_ns + safe_ns(lease_ns, self.rho_ppm) - self.margin_ns


def _s(ns: int) -> str:
    return f"{ns / NS_PER_S:g} s"
