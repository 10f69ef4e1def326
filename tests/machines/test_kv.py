"""The key-value machine: the same commands give the same bytes, and nothing that cannot be read stops it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.machines import kv

keys = st.sampled_from(["a", "b"])
values = st.binary(max_size=3)
commands = st.one_of(
    st.builds(kv.Get, keys),
    st.builds(kv.Put, keys, values),
    st.builds(kv.Delete, keys),
    st.builds(kv.CompareAndSet, keys, st.none() | values, st.none() | values),
)


def answer(machine: kv.KeyValue, index: int, command: kv.Command) -> kv.Answer:
    """What the machine says to a command."""
    return kv.decode_answer(machine.apply(index, kv.encode(command)))


def test_it_gets_puts_deletes_and_compares() -> None:
    """Each is answered with what came of it."""
    machine = kv.KeyValue()

    assert answer(machine, 1, kv.Get("a")) == kv.Found(None, 0)
    assert answer(machine, 2, kv.CompareAndSet("a", None, b"1")) == kv.Stored(True)
    assert answer(machine, 3, kv.CompareAndSet("a", None, b"2")) == kv.Stored(False)
    assert answer(machine, 4, kv.Get("a")) == kv.Found(b"1", 2)
    assert answer(machine, 5, kv.Put("a", b"3")) == kv.Stored(True)
    assert kv.decode_answer(machine.query(kv.encode(kv.Get("a")))) == kv.Found(b"3", 5)
    assert answer(machine, 6, kv.CompareAndSet("a", b"3", None)) == kv.Stored(True)
    assert answer(machine, 7, kv.Delete("a")) == kv.Stored(False)


@given(st.lists(commands, max_size=30), st.integers(min_value=0, max_value=30))
@settings(max_examples=60, deadline=None, database=None)
def test_a_restored_machine_goes_on_as_the_first(said: list[kv.Command], cut: int) -> None:
    """Snapshots are the same bytes, and what follows them is answered in the same way."""
    first, second = kv.KeyValue(), kv.KeyValue()
    for index, command in enumerate(said[:cut], 1):
        answer(first, index, command)
    second.restore(first.snapshot())
    for index, command in enumerate(said[cut:], cut + 1):
        assert answer(first, index, command) == answer(second, index, command)
    assert first.snapshot() == second.snapshot()


@given(st.binary(max_size=20))
@settings(max_examples=100, deadline=None, database=None)
def test_what_cannot_be_read_changes_nothing(junk: bytes) -> None:
    """Every copy has to get past it; a snapshot that is none is refused."""
    machine = kv.KeyValue()
    before = machine.snapshot()
    kv.decode_answer(machine.query(junk))
    assert machine.snapshot() == before
    if kv.decode_answer(machine.apply(1, junk)) == kv.Unreadable():
        assert machine.snapshot() == before


def test_what_is_no_snapshot_is_refused() -> None:
    """And leaves the machine as it was."""
    machine = kv.KeyValue()
    answer(machine, 1, kv.Put("a", b"1"))
    before = machine.snapshot()

    with pytest.raises(ValueError, match="no snapshot of a key-value machine"):
        machine.restore(b"\x01")

    assert machine.snapshot() == before


def test_a_query_changes_nothing() -> None:
    """A command is no query."""
    machine = kv.KeyValue()

    assert kv.decode_answer(machine.query(kv.encode(kv.Put("a", b"1")))) == kv.Unreadable()
    assert machine.cells == {}
