"""The log of one node, against a list that does the same without any care for speed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.log import ENTRY_BYTES, Log
from tenure.algorithms.raft.messages import AnyEntry, Appended, Command, Configured, NoOp
from tenure.core.quorum import Quorum

FOUNDERS = Configuration((1, 2, 3))
steps = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "truncate", "compact", "persisted"]),
        st.integers(min_value=0, max_value=5),
        st.integers(min_value=0, max_value=2),
    ),
    max_size=30,
)


@given(steps)
@settings(max_examples=150, deadline=None, database=None)
def test_a_log_is_a_list_with_a_base(said: list[tuple[str, int, int]]) -> None:
    """Entries, terms and batches are those of the list; the record that folds all records is the log."""
    log, model, base, term = Log(FOUNDERS), list[AnyEntry](), 0, 1
    folded: Appended | None = None
    for what, count, by in said:
        term += by
        if what in {"append", "truncate"} and count:
            first = max(base + 1, len(model) + 1 - (by if what == "truncate" else 0))
            entries = tuple(Command(term, 1, at, b"x" * at) for at in range(count))
            log.put(first, entries)
            model[first - 1 :] = entries
            record = Appended(log.base_index, log.base_term, first, entries)
            folded = record if folded is None else record.over(folded)
        elif what == "compact" and base + count <= len(model):
            base += count
            log.compact(base)
            record = Appended(log.base_index, log.base_term, log.last_index + 1, ())
            folded = record if folded is None else record.over(folded)
        assert log.last_index == len(model)
        assert log.slice(base + 1, len(model)) == tuple(model[base:])
        assert all(log.term_at(index) == model[index - 1].term for index in range(base + 1, len(model) + 1))
        for index in range(base, len(model) + 1):
            assert log.bytes_behind(index) == sum(
                ENTRY_BYTES + len(getattr(one, "payload", b"")) for one in model[index:]
            )
        if len(model) > base:
            batch, size = log.batch(base + 1, 3, 2 * ENTRY_BYTES)
            assert batch == tuple(model[base : base + len(batch)])
            assert size == sum(ENTRY_BYTES + len(getattr(entry, "payload", b"")) for entry in batch)
            assert len(batch) == 1 or size <= 2 * ENTRY_BYTES
        if folded is not None:
            assert (folded.base_index, folded.entries) == (base, tuple(model[base:]))


def test_a_configuration_is_in_force_from_when_it_is_appended_until_it_is_truncated() -> None:
    """It says: "A server always uses the latest configuration in its log, regardless of whether the entry is
    committed".
    """
    log, joint = Log(FOUNDERS), FOUNDERS.towards(frozenset({3, 4}), frozenset())

    log.put(1, (NoOp(1), Configured(1, joint)))
    assert log.configuration == joint
    log.put(2, (NoOp(2),))

    assert (log.configuration, log.configuration_index) == (FOUNDERS, 0)


def test_C8_what_was_written_before_does_not_make_durable_what_stands_there_now() -> None:
    """The record of the entries that were replaced becomes durable, and that of the new ones has not yet."""
    log = Log(FOUNDERS)
    log.put(1, (NoOp(1), NoOp(1), NoOp(1)))
    log.is_written_by(1)
    log.put(2, (NoOp(2), NoOp(2)))
    log.is_written_by(2)

    assert log.persisted(1)
    assert log.durable_index == 1
    assert log.persisted(2)
    assert log.durable_index == 3


def test_a_joint_configuration_needs_both_majorities() -> None:
    """It says: "Separate majorities from both the old and new configurations"."""
    quorum: Quorum = FOUNDERS.towards(frozenset({3, 4, 5}), frozenset()).quorum()

    assert not quorum.is_met_by({3, 4, 5})
    assert not quorum.is_met_by({1, 2, 3})
    assert quorum.is_met_by({2, 3, 4})


def test_what_is_put_behind_a_snapshot_is_not_durable_because_what_stood_there_was() -> None:
    """Nor is the snapshot itself before it is written."""
    log = Log(FOUNDERS)
    log.put(1, (NoOp(1),) * 3)
    log.is_written_by(1)
    assert log.persisted(1)

    log.reset(2, 2, FOUNDERS)
    log.put(3, (NoOp(2),))
    assert (log.last_index, log.durable_index) == (3, 2)

    log.reset(9, 2, FOUNDERS)
    assert log.durable_index == 2
    log.is_written_by(2)
    assert log.persisted(2)
    assert log.durable_index == 9
