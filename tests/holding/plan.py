"""What one seed decides before the run begins: the lease, the clocks, the network, and when which fault strikes."""

from __future__ import annotations

from dataclasses import dataclass, field

from tenure.durations import NS_PER_S
from tenure.holding.budget import Budget
from tests.holding.world import Chance

FAULTS = (
    "pause",  # SIGSTOP: the whole process stands still, its clock does not
    "suspend",  # the machine sleeps: as a pause, and timers stop too
    "keeper stall",  # only the thread that drives the holder stands still; the body acts on
    "silent owner",  # only the body stands still
    "crash",
    "cut",  # nothing passes between one candidate and the service
    "requests lost",
    "answers lost",
    "service restart",
    "revoked",  # the service ends a grant, and lets nobody else win before its lease has run out
    "resign asked",
    "transfer asked",
)
LEASELESS_FAULTS = (
    "pause",
    "suspend",
    "keeper stall",
    "silent owner",
    "crash",
    "revoked",
    "resign asked",
    "transfer asked",
)


@dataclass
class Network:
    """How messages fare before the faults heal; afterwards each takes at most `usual_ns`."""

    usual_ns: int
    late_ns: int
    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    errors: float = 0.0
    """How often the service answers with an error instead of doing what it was asked to."""


@dataclass
class Plan:
    """The decisions of one seed."""

    budget: Budget
    service_rate_ppm: int
    rates_ppm: list[int]
    takeover_delay_ns: int
    network: Network
    heal_ns: int
    short_leases: float
    faults: list[tuple[int, str, int, int]] = field(default_factory=list)
    """When, what, which candidate, for how long."""
    first_token: int = 0
    wiped_ns: int | None = None
    quiet: bool = False

    @property
    def span_ns(self) -> int:
        """The length that everything else is measured in: the lease, or ten seconds."""
        return self.budget.lease_ns or 10 * NS_PER_S


def draw(chance: Chance) -> Plan:
    """A plan whose faults stay inside what the law promises to survive."""
    rho_ppm = chance.pick((0, 1_000, 100_000, 100_000))
    leaseless = chance.yes(0.08)
    quiet = chance.yes(0.05)
    lease_s = None if leaseless else chance.pick((5.0, 15.0, 15.0))
    budget = _budget(chance, lease_s, rho_ppm)
    span_ns = budget.lease_ns or 10 * NS_PER_S
    candidates = chance.between(2, 5)
    plan = Plan(
        budget=budget,
        service_rate_ppm=_rate(chance, rho_ppm),
        rates_ppm=[_rate(chance, rho_ppm) for _ in range(candidates)],
        takeover_delay_ns=0 if chance.yes(0.6) else chance.between(span_ns // 10, span_ns),
        network=_network(chance, budget, span_ns, calm=leaseless or quiet),
        heal_ns=span_ns * chance.between(8, 16),
        short_leases=0.0 if leaseless or chance.yes(0.6) else 0.1,
        quiet=quiet,
    )
    if quiet:
        plan.takeover_delay_ns, plan.short_leases = 0, 0.0
        return plan
    kinds = LEASELESS_FAULTS if leaseless else FAULTS
    longest = chance.pick((budget.grace_ns, span_ns, 3 * span_ns))
    for _ in range(chance.between(3, 14)):
        at_ns = chance.between(0, plan.heal_ns)
        lasts_ns = min(chance.between(0, longest), plan.heal_ns - at_ns)
        plan.faults.append((at_ns, chance.pick(kinds), chance.between(0, candidates - 1), lasts_ns))
    if not leaseless and chance.yes(0.05):
        plan.first_token, plan.wiped_ns = 1_000, chance.between(0, plan.heal_ns)
    return plan


def _budget(chance: Chance, lease_s: float | None, rho_ppm: int) -> Budget:
    scale_s = lease_s or 10.0
    grace_s = chance.pick((None, None, 0.1 * scale_s))
    stall_after_s = chance.pick((None, 0.25 * scale_s))
    return Budget.of(lease_s, grace_s=grace_s, stall_after_s=stall_after_s, rho_ppm=rho_ppm)


def _rate(chance: Chance, rho_ppm: int) -> int:
    """A rate inside the bound, and half of the time exactly at it."""
    return chance.pick((-rho_ppm, rho_ppm)) if chance.yes(0.5) else chance.between(-rho_ppm, rho_ppm)


def _network(chance: Chance, budget: Budget, span_ns: int, *, calm: bool) -> Network:
    usual_ns = chance.pick((0, span_ns // 1000, budget.call_timeout_ns // 4))
    network = Network(usual_ns=usual_ns, late_ns=span_ns * 3 // 2)
    if not calm:
        network.lost = chance.pick((0.0, 0.02, 0.2))
        network.doubled = chance.pick((0.0, 0.1))
        network.late = chance.pick((0.0, 0.05, 0.2))
        network.errors = chance.pick((0.0, 0.02, 0.1))
    return network
