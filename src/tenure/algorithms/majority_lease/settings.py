"""How long a lease lasts, and what else nodes that grant one another leases agree on."""

from __future__ import annotations

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S, PPM, safe_ns

RENEWALS = 3
"""So many fit into a lease: two may be lost in a row."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes of one group must agree on, but for `eligible`. To change `duration_ns` or `rho_ppm`, stop all of
    them for one duration, the longer.
    """

    duration_ns: int = 5 * NS_PER_S
    """How long a voter's lease lasts from when it was asked, on its clock. Between ZooKeeper's shortest session, 4 s,
    and CockroachDB's lease, 6 s; a holder that dies is replaced after about so long."""
    renew_every_ns: int = 1 * NS_PER_S
    """From one renewal to the next; three must fit into a lease. Kubernetes renews 15 s every 2 s, CockroachDB at
    half."""
    rho_ppm: int = 100_000
    """How far each clock's rate may be off, in parts per million. Ten per cent, since chrony may slew by 8.3 %."""
    margin_ns: int = 100_000_000
    """Taken off the holder's deadline, for the time between looking at the clock and acting. Ten times what a process
    on a loaded machine is late as a rule."""
    retry_ns: int = 500_000_000
    """A claim waits so long for answers, and one that failed is repeated after half to all of it, then of twice as
    much, and so on up to `duration_ns`; but soon after leases that stood in the way have run out. As long as bully
    gives a message and its handling."""
    give_way_ns: int = 10 * NS_PER_S
    """A holder asks for no more renewals once its elector has preferred another for so long without a break, and gives
    way at its deadline. Two leases: who comes and goes faster is not worth the gap."""
    patience_ns: int = 15 * NS_PER_S
    """A voter that has seen nobody hold for so long, and up to one duration more by chance, claims by itself. Three
    leases: electors need some seconds, and theirs is the better choice."""
    voters: tuple[NodeId, ...] | None = None
    """Who grants leases at first; None: the members that a node is given when it starts for the first time, and then
    all that begin the group must be given the same. Changed later by Reconfigure alone."""
    eligible: bool = True
    """Whether this node may claim; one that may not still votes, and takes part in the election."""

    def __post_init__(self) -> None:
        times = ("duration_ns", "renew_every_ns", "margin_ns", "retry_ns", "give_way_ns", "patience_ns")
        for name in times:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give one nanosecond at least")
        if not 0 <= self.rho_ppm < PPM:
            raise ValueError(f"rho_ppm is {self.rho_ppm}; give the bound on a clock's rate, from 0 to below {PPM}")
        if self.voters is not None and not self.voters:
            raise ValueError("voters names nobody; give the numbers of some nodes, or None for all first members")
        needed_ns = RENEWALS * self.renew_every_ns
        if needed_ns > self.usable_ns:
            raise ValueError(
                f"{RENEWALS} renewals need {needed_ns} ns, and of a lease of {self.duration_ns} ns the holder may use "
                f"{self.usable_ns} (clock rates off by {self.rho_ppm} ppm, a margin of {self.margin_ns} ns): lengthen "
                "duration_ns or shorten renew_every_ns"
            )

    @property
    def usable_ns(self) -> int:
        """How long a lease lasts for the holder, on its clock, from when it asked."""
        return safe_ns(self.duration_ns, self.rho_ppm) - self.margin_ns
