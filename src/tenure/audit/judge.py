"""What is wrong with a set of tenures, by the definition of *valid* in `intervals`. Pure: no clock, no files.

A fault is reported only where it is certain whatever happened between the instants that were recorded; where it is
possible, the verdict says so under `doubts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from tenure.audit.intervals import Story, stories
from tenure.audit.records import ENDS_AT_ONCE, NO_TOKEN, Acted, Ended, Record, Told
from tenure.audit.verdict import Doubt, Gap, Overlap, StaleAct, Tenancy, TokenFault, Verdict
from tenure.durations import NEVER_NS


def audit(records: Sequence[Record]) -> Verdict:
    """Judge the records of a ledger, which stand in its order; each election is judged by itself."""
    told, contradictions = stories(records)
    by_election: dict[str, list[Story]] = {}
    for story in told:
        by_election.setdefault(story.opened.election, []).append(story)
    overlaps: list[Overlap] = []
    faults: list[TokenFault] = []
    stale: list[StaleAct] = []
    gaps: list[Gap] = []
    doubts: list[Doubt] = []
    for group in by_election.values():
        tenures = [story.tenancy() for story in group]
        for first, second in combinations(tenures, 2):
            overlaps += _overlap(first, second)
        doubts += _doubts(tenures)
        faults += _token_faults(tenures)
        stale += _late_acts(group)
        stale += _acts_out_of_order(group)
        gaps += _gaps(tenures)
    return Verdict(
        overlaps=tuple(overlaps),
        token_faults=tuple(faults),
        stale_acts=tuple(stale),
        contradictions=tuple(contradictions),
        tenures=tuple(story.tenancy() for story in told),
        gaps=tuple(gaps),
        doubts=tuple(doubts),
    )


def _overlap(first: Tenancy, second: Tenancy) -> Iterator[Overlap]:
    from_ns, to_ns = max(first.opened_ns, second.opened_ns), min(first.held_ns, second.held_ns)
    if from_ns < to_ns:
        yield Overlap(first=first, second=second, from_ns=from_ns, to_ns=to_ns)


def _doubts(tenures: Sequence[Tenancy]) -> Iterator[Doubt]:
    """Where a later tenure opened before an earlier one was seen to be over."""
    valid = [tenure for tenure in tenures if tenure.held_ns > tenure.opened_ns]
    for position, first in enumerate(valid):
        for second in valid[position + 1 :]:
            if second.opened_ns < first.held_ns:
                continue  # no doubt: an overlap
            if first.over_ns is None:
                yield Doubt(first=first, second=second, for_ns=None)
                break
            if second.opened_ns < first.over_ns:
                yield Doubt(first=first, second=second, for_ns=first.over_ns - second.opened_ns)


def _token_faults(tenures: Sequence[Tenancy]) -> Iterator[TokenFault]:
    """In the order of their opening.

    An opening is recorded late, but never so late that the order lies: a tenure that was valid when it recorded its
    opening either got its token after all those that are over, or led together with one of them.
    """
    highest: Tenancy | None = None
    seen: dict[int, Tenancy] = {}
    for tenure in tenures:
        if tenure.token == NO_TOKEN:
            continue
        twin = seen.setdefault(tenure.token, tenure)
        if twin is not tenure:
            yield TokenFault(earlier=twin, later=tenure)
        elif tenure.held_ns > tenure.opened_ns:
            if highest is not None and tenure.token < highest.token:
                yield TokenFault(earlier=highest, later=tenure)
            else:
                highest = tenure


def _late_acts(group: Sequence[Story]) -> Iterator[StaleAct]:
    """Acts that began after the deadline that their process knew, after word that all is lost, or after the end."""
    for story in group:
        tenure = story.tenancy()
        ends = [(record.at_ns, "its body had ended") for record in story.records if isinstance(record, Ended)]
        ends += [
            (record.at_ns, f"it was told that it is {record.reason.value}")
            for record in story.records
            if isinstance(record, Told) and record.reason in ENDS_AT_ONCE
        ]
        for act in story.acts:
            deadline = [] if act.deadline_ns is None else [(act.deadline_ns, "the deadline that it knew")]
            end_ns, because = min(ends + deadline, default=(NEVER_NS, ""))
            if act.began_ns >= end_ns:
                yield StaleAct(act=act.act, by=tenure, late_ns=act.began_ns - end_ns, because=because)


def _acts_out_of_order(group: Sequence[Story]) -> Iterator[StaleAct]:
    """Acts that began after an act of a newer tenure was done; newer has the greater token, or opened later."""
    ranked: list[tuple[int, Acted, Tenancy]] = []
    for opening, story in enumerate(group):
        tenure = story.tenancy()
        ranked += [(opening if act.token == NO_TOKEN else act.token, act, tenure) for act in story.acts]
    done = sorted(ranked, key=lambda one: one[1].at_ns)
    newest: tuple[int, Acted, Tenancy] | None = None
    position = 0
    for rank, act, tenure in sorted(ranked, key=lambda one: one[1].began_ns):
        while position < len(done) and done[position][1].at_ns <= act.began_ns:
            newest = max(newest or done[position], done[position], key=lambda one: one[0])
            position += 1
        if newest is not None and rank < newest[0]:
            yield StaleAct(act=act.act, by=tenure, late_ns=act.began_ns - newest[1].at_ns, after=newest[2])


def _gaps(tenures: Sequence[Tenancy]) -> Iterator[Gap]:
    """Between each tenure and the next one that opened after all before it had ended."""
    last: Tenancy | None = None
    for tenure in tenures:
        if tenure.held_ns <= tenure.opened_ns:
            continue
        if last is not None and tenure.opened_ns >= last.held_ns:
            surely_ns = tenure.opened_ns if last.over_ns is None else min(last.over_ns, tenure.opened_ns)
            yield Gap(
                before=last,
                after=tenure,
                least_ns=tenure.opened_ns - surely_ns,
                most_ns=tenure.opened_ns - last.held_ns,
            )
        if last is None or tenure.held_ns >= last.held_ns:
            last = tenure
