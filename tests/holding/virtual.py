"""Thousands of seeded runs of the product's own holder on virtual time, under drifting clocks and every kind of fault.

`python -m tests.holding.virtual --seeds 3000` prints the table of what happened, and for each violation the line that
runs its seed again, such as `python -m tests.holding.virtual --seeds 1 --seed 17`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from dataclasses import dataclass

from tests.holding.candidate import Candidate, Session
from tests.holding.plan import Plan, draw
from tests.holding.service import LeaseService, Wire
from tests.holding.world import DriftingClock, World


@dataclass
class Run:
    """One seed's run, for the checkers."""

    seed: int
    plan: Plan
    candidates: list[Candidate]
    service: LeaseService
    counts: Counter[str]
    at_rest: bool = False
    closed_ns: int = 0

    @property
    def sessions(self) -> list[Session]:
        return [session for candidate in self.candidates for session in candidate.sessions]

    def digest(self) -> str:
        """What every holder was given and answered, in one number."""
        digest = hashlib.sha256()
        for session in self.sessions:
            for step in session.steps:
                digest.update(repr(step).encode())
        return digest.hexdigest()


def simulate(seed: int) -> Run:
    """The run of `seed`: faults until they heal, then time enough to converge, then everybody leaves."""
    world = World(seed)
    plan = draw(world.chance)
    wire = Wire(world, plan)
    service_clock = DriftingClock(world.chance.between(10**9, 10**15), plan.service_rate_ppm)
    service = LeaseService(world, plan, wire, service_clock)
    candidates = [Candidate(world, plan, wire, service, index) for index in range(len(plan.rates_ppm))]
    for candidate in candidates:
        candidate.stand_again(world.chance.between(0, plan.span_ns // 4))
    for at_ns, kind, index, lasts_ns in plan.faults:
        world.at(at_ns, strike, world, wire, candidates[index], kind, lasts_ns)
    if plan.wiped_ns is not None:
        world.counts["fault: service wiped"] += 1
        world.at(plan.wiped_ns, service.wipe)
        world.at(plan.heal_ns, set_floor, service)
    run = Run(seed, plan, candidates, service, world.counts)
    world.at(plan.heal_ns + plan.span_ns, close, world, run)
    run.at_rest = world.run()
    return run


def close(world: World, run: Run) -> None:
    """End the run once somebody has led since the faults healed, or the patience is over."""
    if world.now_ns < run.plan.heal_ns + patience_ns(run.plan) and not any(
        session.began_ns is not None and (session.began_ns > run.plan.heal_ns or session.body.leads())
        for candidate in run.candidates
        for session in candidate.sessions[-1:]
    ):
        world.at(world.now_ns + run.plan.span_ns // 2, close, world, run)
        return
    run.closed_ns = world.now_ns
    for candidate in run.candidates:
        candidate.close()


def patience_ns(plan: Plan) -> int:
    """Within which after healing somebody must lead.

    A lease of nobody's that was granted by a message long under way, a body that will not stop, the longest pause
    between campaigns, a delayed take-over, and a look for a vacancy whose news was lost: each at the slowest clock.
    """
    return 9 * plan.span_ns + 40_000_000_000 + plan.takeover_delay_ns


def set_floor(service: LeaseService) -> None:
    """The operator mends a service that was wiped."""
    service.token = max([service.token, *(token for token, _, _ in service.grants)])


def strike(world: World, wire: Wire, candidate: Candidate, kind: str, lasts_ns: int) -> None:
    """One fault happens now, to a candidate or to its service."""
    service = candidate.service
    until_ns, struck = world.now_ns + lasts_ns, True
    match kind:
        case "pause":
            candidate.freeze(until_ns, keeper=True, body=True)
        case "suspend":
            candidate.freeze(until_ns, keeper=True, body=True, timers=True)
        case "keeper stall":
            candidate.freeze(until_ns, keeper=True, body=False)
        case "silent owner":
            candidate.freeze(until_ns, keeper=False, body=True)
        case "crash":
            candidate.crash(lasts_ns)
        case "cut":
            wire.cut(candidate.index, "requests", until_ns)
            wire.cut(candidate.index, "answers", until_ns)
        case "requests lost":
            wire.cut(candidate.index, "requests", until_ns)
        case "answers lost":
            wire.cut(candidate.index, "answers", until_ns)
        case "service restart":
            service.restart(lasts_ns)
        case "revoked":
            struck = service.revoke()
        case "resign asked":
            struck = service.wish(None)
        case "transfer asked":
            struck = service.wish(candidate.name)
        case _:
            raise AssertionError(f"no such fault: {kind}")
    if struck:
        world.counts[f"fault: {kind}"] += 1


def main(arguments: list[str] | None = None) -> int:
    """Run seeds, print the table, and for each violation the line that reproduces it."""
    from tests.holding.checkers import Judged, judge
    from tests.holding.tally import tally

    parser = argparse.ArgumentParser(prog="python -m tests.holding.virtual", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many runs")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--digest", action="store_true", help="print one number for all that the holders did")
    options = parser.parse_args(arguments)
    total, digest, violated = Counter[str](), hashlib.sha256(), 0
    for seed in range(options.seed, options.seed + options.seeds):
        run = simulate(seed)
        if options.digest:
            digest.update(run.digest().encode())
            continue
        judged = Judged.of(run)
        for violation in judge(judged):
            violated += 1
            sys.stdout.write(f"{violation}\n  again: python -m tests.holding.virtual --seeds 1 --seed {seed}\n")
        total.update(tally(judged))
    if options.digest:
        sys.stdout.write(f"{digest.hexdigest()}\n")
        return 0
    for name in sorted(total):
        sys.stdout.write(f"{total[name]:>9}  {name}\n")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
