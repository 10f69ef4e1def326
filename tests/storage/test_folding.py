"""`over` is associative for every record of every algorithm, so that a storage may put neighbours together first."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.algorithms.majority_lease.messages import Vote
from tenure.algorithms.paxos import Ledger as PaxosLedger
from tenure.algorithms.paxos_lease import Ledger as LeaseLedger
from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import Appended, HardState, NoOp
from tenure.core.events import Record
from tenure.storage.folding import Folding
from tests.contracts.test_electors import ELECTORS


@st.composite
def logs(draw: st.DrawFn) -> list[Appended]:
    """What one node writes of its log: entries put behind, in place of others, and its beginning forgotten."""
    base = last = 0
    written = []
    for term in range(draw(st.integers(1, 12))):
        match draw(st.sampled_from(("put", "put", "put", "compact", "reset"))):
            case "put":
                first = draw(st.integers(base + 1, last + 1))
                entries = tuple(NoOp(term) for _ in range(draw(st.integers(1, 4))))
                last = first - 1 + len(entries)
                written.append(Appended(base, term, first, entries))
            case "compact":
                base = draw(st.integers(base, last))
                written.append(Appended(base, term, last + 1, ()))
            case _:
                base = last = last + draw(st.integers(0, 5))
                written.append(Appended(base, term, last + 1, ()))
    return written


def one_by_one(records: list[Appended]) -> Record:
    """As a disk that keeps what it has, and puts each record over it."""
    return reduce(lambda earlier, later: later.over(earlier), records[1:], records[0])


@settings(max_examples=500, deadline=None)
@given(logs(), st.data())
def test_neighbours_may_be_put_together_first(records: list[Appended], data: st.DataObject) -> None:
    """In any grouping they amount to the same."""
    wanted = one_by_one(records)
    left: list[Record] = list(records)
    while len(left) > 1:
        at = data.draw(st.integers(0, len(left) - 2))
        left[at : at + 2] = [left[at + 1].over(left[at])]
    assert left == [wanted]


@settings(max_examples=200, deadline=None)
@given(logs())
def test_folding_amounts_to_the_same_as_one_by_one(records: list[Appended]) -> None:
    """Whatever it puts together first."""
    folding = Folding()
    for record in records:
        folding.add(record)
    assert folding.result() == (one_by_one(records),)
    assert folding.result() == (one_by_one(records),)


def test_every_other_record_takes_the_place_of_the_one_before() -> None:
    """Which is associative. A record of another kind needs a test like those above."""
    kinds = {kind for elector in ELECTORS for kind in elector.records}

    assert {kind for kind in kinds if kind.over is not Record.over} == {Appended}
    assert kinds > {Vote, PaxosLedger, LeaseLedger}
    assert set(Raft.records) <= kinds


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_the_last_of_each_kind_is_kept(count: int) -> None:
    """In the order in which the kinds were first seen."""
    folding = Folding()
    for value in range(count):
        folding.add(HardState(value, None))
        folding.add(Appended(0, 0, value + 1, (NoOp(value),)))
    assert folding.result() == (HardState(count - 1, None), Appended(0, 0, 1, tuple(NoOp(at) for at in range(count))))
