"""How often everything happened: a rule that never had to act, or a fault that never struck, proves nothing."""

from __future__ import annotations

from collections import Counter

from tenure.durations import NEVER_NS
from tenure.errors import Reason
from tenure.holding import effects, notices
from tenure.holding.effects import WhyNot
from tests.holding.checkers import Judged
from tests.holding.history import History, losses
from tests.holding.plan import FAULTS

ROWS = (
    *(f"fault: {kind}" for kind in FAULTS),
    "fault: message lost",
    "fault: message late",
    "fault: message doubled",
    "fault: error answered",
    "fault: short lease",
    "fault: lease ran out",
    "fault: service wiped",
    "fault: cancel swallowed",
    "fault: exit on overrun",
    "fault: owner left early",
    "fault: lost between win and body",
    "fault: clock at its bound",
    *(
        f"loss: {reason.name}"
        for reason in (
            Reason.RESIGNED,
            Reason.TRANSFERRED,
            Reason.EXPIRED,
            Reason.STALLED,
            Reason.DEPOSED,
            Reason.BACKEND_GONE,
        )
    ),
    *(f"not elected: {why.name}" for why in WhyNot),
    *(
        f"notice: {kind.__name__}"
        for kind in (
            notices.Campaigning,
            notices.CampaignFailed,
            notices.Elected,
            notices.Renewed,
            notices.Uncertain,
            notices.Stalled,
            notices.Lost,
            notices.Overran,
            notices.Released,
        )
    ),
    "rule  1: an answer that took its time moved a deadline",
    "rule  2: given back, too little left",
    "rule  2: given back, the lease does not fit",
    "rule  3: given back, the token is stale",
    "rule  4: told to stop at the soft deadline",
    "rule  5: told again at half the grace",
    "rule  5: another cause came after the first",
    "rule  6: a silent owner was reported",
    "rule  7: a call was abandoned",
    "rule  7: a late answer counted all the same",
    "rule  7: a failure was survived",
    "rule  7: a definite end was obeyed",
    "rule  8: renewed while the work drained",
    "rule  8: renewals stopped after the grace",
    "rule  9: released after a loss, when the body had left",
    "rule 10: an overrun",
    "rule 11: a take-over was delayed",
    "rule 12: a win that nobody waited for was given back",
    "world: tenures",
    "world: tenures without a lease",
    "world: acts",
)


def tally(judged: Judged) -> Counter[str]:
    """How often each fault struck, each reason ended a tenure, and each rule of the holder's docstring had to act."""
    run = judged.run
    counts = Counter(run.counts)
    at_bound = run.plan.budget.rho_ppm and run.plan.budget.rho_ppm in map(abs, run.plan.rates_ppm)
    counts["fault: clock at its bound"] += bool(at_bound)
    for history in judged.histories:
        counts.update(f"loss: {reason.name}" for _, reason in losses(history))
        counts.update(f"not elected: {gave_up.why.name}" for _, gave_up in history.gave_up)
        counts.update(f"notice: {type(notice).__name__}" for notice in history.notices)
        counts.update(_winning(history))
        counts.update(_leading(history))
        if history.session.began_ns is not None:
            counts["world: tenures"] += 1
            counts["world: tenures without a lease"] += history.counted[0][1] == NEVER_NS
            counts["world: acts"] += len(history.session.acts)
    return counts


def _winning(history: History) -> Counter[str]:
    counts, budget = Counter[str](), history.session.budget
    for step, granted in history.wins:
        if any(isinstance(effect, effects.Release) for effect in step.effects):
            if granted.lease_ns is not None and not budget.fits(granted.lease_ns):
                counts["rule  2: given back, the lease does not fit"] += 1
            elif granted.token <= history.session.floor:
                counts["rule  3: given back, the token is stale"] += 1
            else:
                counts["rule  2: given back, too little left"] += 1
    counts["rule 12: a win that nobody waited for was given back"] += len(history.strays)
    if history.start is not None and history.start.now_ns > history.wins[-1][0].now_ns:
        counts["rule 11: a take-over was delayed"] += 1
    return counts


def _leading(history: History) -> Counter[str]:
    counts = Counter[str]()
    renewed = [notice for notice in history.notices if isinstance(notice, notices.Renewed)]
    counts["rule  1: an answer that took its time moved a deadline"] += sum(one.latency_ns > 0 for one in renewed)
    counts["rule  6: a silent owner was reported"] += sum(isinstance(one, notices.Stalled) for one in history.notices)
    counts["rule  7: a failure was survived"] += sum(one.late for one in renewed)
    for call in history.session.calls.values():
        if call.abandoned_ns is not None:
            counts["rule  7: a call was abandoned"] += 1
            late = call.answered_ns is not None and call.answered_ns > call.abandoned_ns
            counts["rule  7: a late answer counted all the same"] += late and any(
                step.true_ns == call.answered_ns for step, _ in history.counted
            )
    counts["rule 10: an overrun"] += len(history.overruns)
    for told, reason in losses(history):
        until_ns = told.now_ns + history.session.budget.grace_ns
        counts["rule  4: told to stop at the soft deadline"] += reason in (Reason.EXPIRED, Reason.STALLED)
        counts["rule  5: told again at half the grace"] += len(history.told) > 1
        counts["rule  5: another cause came after the first"] += any(
            step.true_ns > told.true_ns for step, _ in history.definite
        )
        counts["rule  7: a definite end was obeyed"] += reason in (Reason.DEPOSED, Reason.BACKEND_GONE)
        counts["rule  8: renewed while the work drained"] += any(
            step.true_ns > told.true_ns for step, _, _ in history.renewals
        )
        left_ns = history.left.now_ns if history.left is not None else until_ns
        counts["rule  8: renewals stopped after the grace"] += history.counted[0][1] != NEVER_NS and left_ns > until_ns
        counts["rule  9: released after a loss, when the body had left"] += bool(history.releases)
    return counts
