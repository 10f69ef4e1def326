"""What is wrong with what a group did under the nemesis: by its traces, by its ledger, and by its clients' history."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tenure import trace
from tenure.audit import Reader, Verdict, audit
from tenure.runtime.joining import join
from tenure.simulator import linearizability
from tenure.simulator.history import Operation
from tenure.simulator.linearizability import Outcome
from tenure.simulator.linearizability.histories import write
from tenure.simulator.replay import judge

ALWAYS = ("one-at-a-time", "tokens-grow")
FINAL = ("agreement", "termination")
CHECK_S = 120.0
"""For one history; longer ones are undecided, and that counts as wrong."""
OVER = "over"
"""The phase in which nothing is expected of nodes any more: they are told to end."""


def of_traces(paths: list[Path], *, is_raft: bool) -> list[str]:
    """Tenures do not overlap on the common clock, tokens grow, a term has one leader, and in the end all agree."""
    whole = join([trace.read(path) for path in paths])
    checks = (*ALWAYS, "one-per-term") if is_raft else ALWAYS
    found = judge(whole, checks)
    over_ns = next(one.at_ns for one in whole.records if isinstance(one, trace.Phase) and one.name == OVER)
    until_then = trace.Trace(whole.head, [one for one in whole.records if one.at_ns <= over_ns])
    found += judge(until_then, FINAL)
    return [f"traces: {violation}" for violation in found]


def of_ledger(path: Path) -> tuple[list[str], Verdict]:
    """What the audit objects to, and its verdict."""
    verdict = audit(Reader(path).new())
    found = [*verdict.overlaps, *verdict.token_faults, *verdict.stale_acts, *verdict.contradictions]
    return [f"audit: {one}" for one in found], verdict


def fail_overs(verdict: Verdict) -> int:
    """How often another node led than before."""
    tenures = sorted(verdict.tenures, key=lambda tenure: tenure.opened_ns)
    return sum(one.candidate != other.candidate for one, other in pairwise(tenures))


def of_history(history: list[Operation], path: Path) -> list[str]:
    """Whether it is linearizable; it is written to this file, for `tenure check`."""
    write(history, path)
    verdict = linearizability.check(history, limit_s=CHECK_S)
    if verdict.outcome is Outcome.LINEARIZABLE:
        return []
    where = "" if verdict.failure is None else f": key {verdict.failure.key}"
    return [f"history: {verdict.outcome.value}{where} {verdict.why}; see `tenure check {path} --picture failure.svg`"]
