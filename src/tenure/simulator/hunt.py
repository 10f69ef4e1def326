"""Runs many seeds of one algorithm, on all cores, until one violates something; then shrinks what it lets happen.

Seeds are judged in their order, whatever finishes first: the one that is found is the smallest of all that violate
anything, however many workers there are. Work is sent by names and plain data, so that any executor can carry it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S, to_ns
from tenure.errors import ConfigurationError
from tenure.simulator import checkers
from tenure.simulator.checkers import Violation
from tenure.simulator.run import Setup, run, set_up
from tenure.simulator.scenario import Scenario
from tenure.simulator.shrink import MOST_RUNS, Shrunk, shrink
from tenure.simulator.tally import Tally
from tenure.simulator.workers import MOST_UNDER_WAY, cores, in_order, processes

LIMIT_SEEDS = 1_000_000_000


class Job(msgspec.Struct, frozen=True):
    """What runs, but for its seed: as in `tenure.simulator.simulate`."""

    algorithm: str
    nodes: int | tuple[NodeId, ...] = 5
    until_ns: int = 60 * NS_PER_S
    faults: tuple[str, ...] | None = None
    detector: str = "heartbeat"
    check: tuple[str, ...] | None = None

    def setup(self, seed: int) -> Setup:
        """The run of this seed. Raises ConfigurationError."""
        return set_up(
            self.algorithm,
            nodes=self.nodes,
            seed=seed,
            until=self.until_ns / NS_PER_S,
            faults=self.faults,
            detector=self.detector,
            check=self.check,
        )

    def scenario(self, seed: int) -> Scenario:
        """The same run with everything said that its seed draws."""
        setup = self.setup(seed)
        return Scenario(
            algorithm=self.algorithm,
            nodes=setup.nodes,
            seed=seed,
            until_ns=setup.until_ns,
            detector=self.detector,
            hosts=setup.surroundings.hosts,
            clients_ns=setup.clients_ns or None,
            strokes=setup.plan.strokes,
            healed_ns=setup.plan.healed_ns,
            converging=setup.plan.converging,
        )


class Outcome(NamedTuple):
    """What a worker found for one seed."""

    seed: int
    tally: Tally
    violations: tuple[Violation, ...]


class Hunt(NamedTuple):
    """What came of a hunt. `found` is the smallest seed that violates something, with all that its run violates."""

    job: Job
    tally: Tally
    found: Outcome | None = None
    smallest: Shrunk | None = None
    """The shortest schedule that shows the first of these violations, where it was looked for."""


def look(job: Job, seed: int) -> Outcome:
    """What a worker does: one seed."""
    done = run(job.setup(seed), keeps_trace=False)
    return Outcome(seed, Tally.of(done), tuple(done.violations))


def hunt(
    algorithm: str,
    seeds: int | range = 1000,
    *,
    nodes: int | tuple[NodeId, ...] = 5,
    until: float | str = 60,
    faults: Iterable[str] | None = None,
    detector: str = "heartbeat",
    check: Iterable[str] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
    shrink_runs: int = MOST_RUNS,
) -> Hunt:
    """Run `seeds` (so many from 0 on, or a range) of one algorithm until one violates something.

    The others are as in `simulate`. `executor` is any of `concurrent.futures`; None is one with a process for each
    core, or with so many `workers`. `progress` is called with how many seeds are done, after each. A violation is
    shrunk by `shrink_runs` further runs at most; 0 leaves it as it is. Raises ConfigurationError, and TenureError where
    a worker dies.
    """
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    if not 1 <= len(chosen) <= LIMIT_SEEDS:
        raise ConfigurationError(f"seeds are {len(chosen)}; hunt through 1 to {LIMIT_SEEDS}, such as seeds=1000")
    kinds = None if faults is None else tuple(faults)
    job = Job(algorithm, nodes, to_ns(until), kinds, detector, None if check is None else tuple(check))
    tally = Tally()
    tally.expect(_checked(job, chosen[0]), kinds)
    count = workers or cores()
    with contextlib.ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(processes(min(count, len(chosen))))
        for outcome in in_order(executor, functools.partial(look, job), chosen, MOST_UNDER_WAY * count):
            tally.add(outcome.tally)
            if progress is not None:
                progress(tally.runs)
            if outcome.violations:
                break
        else:
            return Hunt(job, tally)
    if not shrink_runs:
        return Hunt(job, tally, outcome)
    return Hunt(job, tally, outcome, shrink(job.scenario(outcome.seed), outcome.violations[0].checker, shrink_runs))


def _checked(job: Job, seed: int) -> Setup:
    """The first run's setup, and whether its checkers exist: before any worker starts."""
    setup = job.setup(seed)
    checkers.make(setup.check or (), (), has_authority=False)
    return setup
