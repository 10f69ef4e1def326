"""The law of holding a tenure with one rule taken away at a time, over electors: who sees it in which run.

The mutations are those of `tests.holding.mutants`. `python -m tests.simulator.mutants_holder` finds the seeds anew when
the world has changed.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from tenure.simulator import Run, simulate
from tenure.simulator.scenario import parse_script
from tests.holding import mutants as law
from tests.mutation import applied

SCRIPT = """
algorithm bully+lease
nodes 1 2 3
until 40s
at 1s  drift 2 +100000ppm
at 1s  drift 3 -100000ppm
at 9s  ask 1
at 9s  ask 2
at 9s  ask 3
at 15s pause 2 for 3s
at 15s pause 3 for 3s
at 22s ask 3 to 1
at 22s ask 2 to 1
at 29s pause 1 for 6s
at 29s crash 3
"""
"""What befalls the group whatever the seed, which decides about the rest: bodies, threads that are busy, latencies."""
MOST_SEEDS = 2000


class Row(NamedTuple):
    """A mutation by its name in `tests.holding.mutants`, and the checker that sees it in the run of a seed."""

    mutant: str
    checker: str
    seed: int


CAUGHT = (
    Row("deadline_from_the_arrival", "one-body", 0),
    Row("no_margin", "one-body", 0),
    Row("older_answer_overrides", "overrun-once", 57),
    Row("too_little_left_accepted", "told-in-time", 170),
    Row("soft_deadline_skipped", "told-in-time", 2),
    Row("valid_without_the_clock", "one-body", 0),
    Row("silent_owner_renewed", "renewed-alive", 0),
    Row("renewed_after_the_grace", "renewed-alive", 0),
    Row("released_before_the_body_left", "released-last", 0),
    Row("overrun_not_reported", "overrun-once", 0),
    Row("overrun_reported_again", "overrun-once", 0),
)
UNSEEN = {
    "no_rho": "holder and elector read one clock, so rho is 0 and the sum is the same without it",
    "rho_on_one_side": "the same",
    "granted_lease_not_checked": "a member grants nothing that does not fit: the elector may still renew it",
}
"""Mutations of the rules about deadlines that no run can show here, and why; `tests.holding` shows them."""
DEADLINES = {1, 2, 4, 6, 8, 9}
"""The rules of `holder.py` about deadlines, and about when the grant is let go."""


def named(name: str) -> law.Mutant:
    """The mutation of this name."""
    return next(mutant for mutant in law.MUTANTS if mutant.name == name)


def group(seed: int) -> Run:
    """The run of a seed."""
    return simulate(scenario=parse_script(SCRIPT), seed=seed, holders=True, trace=False)


def violated(seed: int) -> set[str]:
    """What the checkers object to in this run."""
    return {violation.checker for violation in group(seed).violations}


def main() -> None:
    """Print for each mutant the first seed in which its checker sees it, beside the recorded one."""
    for row in CAUGHT:
        with applied(named(row.mutant)):
            found = next((seed for seed in range(MOST_SEEDS) if row.checker in violated(seed)), None)
        sys.stdout.write(f"{row.mutant} -> {row.checker} -> {found} (recorded: {row.seed})\n")


if __name__ == "__main__":
    main()
