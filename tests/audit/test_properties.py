"""Over all histories: the audit accuses nobody falsely, and sees every overlap that the records prove."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tenure.audit import Record, audit
from tenure.errors import Reason
from tests.audit.records_of import Process


@dataclass(frozen=True)
class Truth:
    """A tenure as it really was, and how badly it was recorded."""

    gap_ns: int
    seen_after_ns: int
    """How long after its true beginning it read the clock; it may have been over by then, or killed."""
    works_ns: int
    acts: int
    killed: bool
    death_seen_after_ns: int


truths = st.builds(
    Truth,
    gap_ns=st.integers(0, 20),
    seen_after_ns=st.integers(0, 5),
    works_ns=st.integers(6, 60),
    acts=st.integers(0, 4),
    killed=st.booleans(),
    death_seen_after_ns=st.integers(0, 40),
)


def recorded(history: list[Truth]) -> tuple[list[Record], list[tuple[int, int]]]:
    """The records of a history in which one leads after the other, in any order of writing, and the true gaps."""
    records: list[tuple[int, Record]] = []
    true_gaps: list[tuple[int, int]] = []
    now_ns = 100
    for number, truth in enumerate(history, start=1):
        process = Process(f"c{number % 3}", token=number, pid=number)
        begun_ns = now_ns + truth.gap_ns
        over_ns = begun_ns + truth.works_ns
        true_gaps.append((now_ns, begun_ns))
        opened_ns = begun_ns + truth.seen_after_ns
        records.append((opened_ns, process.opened(opened_ns)))
        step_ns = (over_ns - opened_ns) // (truth.acts + 1)
        for act in range(truth.acts):
            began_ns = opened_ns + act * step_ns
            records.append((began_ns + step_ns, process.acted(began_ns, began_ns + step_ns)))
        if truth.killed:
            seen_ns = over_ns + truth.death_seen_after_ns
            records.append((seen_ns, process.died(seen_ns)))
        else:
            records.append((over_ns, process.ended(over_ns)))
        now_ns = over_ns
    return [record for _, record in sorted(records, key=lambda one: one[0])], true_gaps[1:]


@given(st.lists(truths, min_size=1, max_size=8))
def test_a_history_without_overlap_is_never_called_one(history: list[Truth]) -> None:
    """However late deaths are seen and openings are read, one after the other is clean."""
    verdict = audit(recorded(history)[0])
    assert verdict.is_clean, verdict.in_words()


@given(st.lists(truths, min_size=2, max_size=8))
def test_the_true_gap_lies_within_the_bounds(history: list[Truth]) -> None:
    """A gap, measured to the reading of the clock, is at least and at most what the verdict says."""
    records, true_gaps = recorded(history)
    verdict = audit(records)
    assert len(verdict.gaps) == len(true_gaps)
    for gap, (from_ns, _) in zip(verdict.gaps, true_gaps, strict=True):
        assert gap.least_ns <= gap.after.opened_ns - from_ns <= gap.most_ns


@given(
    st.lists(truths, min_size=0, max_size=4),
    st.integers(1, 50),
    st.integers(1, 50),
    st.sampled_from([None, Reason.RESIGNED, Reason.EXPIRED]),
)
def test_two_that_both_gave_signs_of_life_are_always_found(
    before: list[Truth], head_start_ns: int, both_ns: int, reason: Reason | None
) -> None:
    """Whatever came before, and however they end: who acts after another has opened, undeposed, led beside it."""
    records = recorded(before)[0]
    ann, bob = Process("ann", 100, 1001), Process("bob", 101, 1002)
    begun_ns = 10_000
    opened_ns = begun_ns + head_start_ns
    end_ns = opened_ns + both_ns
    records += [ann.opened(begun_ns), bob.opened(opened_ns), bob.noted(end_ns)]
    records += [ann.told(opened_ns, reason)] if reason else []
    records.append(ann.ended(end_ns, reason))
    (overlap,) = audit(records).overlaps
    assert (overlap.from_ns, overlap.to_ns) == (opened_ns, end_ns)


@given(st.lists(truths, min_size=2, max_size=6), st.data())
def test_a_token_that_is_given_twice_is_always_found(history: list[Truth], data: st.DataObject) -> None:
    """Whichever two tenures share it."""
    first = data.draw(st.integers(1, len(history) - 1))
    second = data.draw(st.integers(first + 1, len(history)))
    records = [
        type(record)(**{**{name: getattr(record, name) for name in record.__struct_fields__}, "token": first})
        if getattr(record, "token", None) == second
        else record
        for record in recorded(history)[0]
    ]
    assert len(audit(records).token_faults) >= 1


@dataclass(frozen=True)
class LeasedTruth:
    """A tenure with a lease, of a process that may be paused anywhere, and so reads and says everything late."""

    gap_ns: int
    lease_ns: int
    opened_after_ns: int
    told_after_ns: int
    grace_ns: int
    acts: int


leased = st.builds(
    LeasedTruth,
    gap_ns=st.integers(0, 10),
    lease_ns=st.integers(1, 40),
    opened_after_ns=st.integers(0, 60),
    told_after_ns=st.integers(0, 80),
    grace_ns=st.integers(0, 10),
    acts=st.integers(0, 3),
)


@given(st.lists(leased, min_size=1, max_size=8))
def test_a_process_that_wakes_after_its_deadline_is_not_accused(history: list[LeasedTruth]) -> None:
    """Each next one begins after the last deadline; whatever the former says late, and in whatever order, is clean."""
    records: list[tuple[int, Record]] = []
    now_ns = 100
    for number, truth in enumerate(history, start=1):
        process = Process(f"c{number % 3}", token=number, pid=number)
        begun_ns = now_ns + truth.gap_ns
        deadline_ns = begun_ns + truth.lease_ns
        opened_ns = begun_ns + truth.opened_after_ns
        records.append((opened_ns, process.opened(opened_ns, deadline_ns)))
        acting_ns = range(opened_ns, deadline_ns)[: truth.acts]
        records += [(at_ns + 1, process.acted(at_ns, at_ns + 1, deadline_ns)) for at_ns in acting_ns]
        told_ns = max(opened_ns, deadline_ns) + truth.told_after_ns
        records.append((told_ns, process.told(told_ns, Reason.EXPIRED, deadline_ns)))
        records.append((told_ns + truth.grace_ns, process.ended(told_ns + truth.grace_ns, Reason.EXPIRED)))
        now_ns = deadline_ns
    verdict = audit([record for _, record in sorted(records, key=lambda one: one[0])])
    assert verdict.is_clean, verdict.in_words()
    assert verdict.doubts == ()
