"""The leader's record: torn writes, rubbish, the largest that fits, and reading while it is written."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.backends.base import METADATA_LIMIT_BYTES, VALUE_LIMIT_BYTES
from tenure.backends.file import record, steps
from tenure.backends.file.identity import this_process
from tenure.backends.file.place import Place


def make(seq: int, value: str | None = None) -> record.Record:
    """A state of some tenure."""
    return record.Record(
        seq=seq,
        token=seq,
        candidate="a",
        nonce="n",
        metadata={"host": "h"},
        process=this_process(),
        lock_device=1,
        lock_inode=2,
        value=value,
    )


def write(place: Place, state: record.Record) -> None:
    """Write it where it belongs."""
    fd = record.open_for_writing(place)
    try:
        steps.write_record(fd, record.pack(state), record.offset(state))
    finally:
        os.close(fd)


def prepared(root: str | Path) -> Place:
    """An election's directory."""
    place = Place(str(root), "e", private=False)
    place.create()
    return place


def test_there_is_no_record_before_the_first_leader(tmp_path: Path) -> None:
    """A missing file and a fresh one both say that nobody has led."""
    place = prepared(tmp_path)
    assert record.read(place) is None
    os.close(record.open_for_writing(place))
    assert record.read(place) is None
    assert Path(place.leader).stat().st_size == record.FILE_BYTES


@settings(deadline=None)
@given(states=st.integers(1, 5), torn_at=st.integers(0, 200), rubbish=st.binary(min_size=200, max_size=200))
def test_a_torn_write_loses_only_itself(states: int, torn_at: int, rubbish: bytes) -> None:
    """Cut at any byte, a write leaves the state before it, or is whole."""
    with tempfile.TemporaryDirectory() as root:
        place = prepared(root)
        for seq in range(1, states + 1):
            write(place, make(seq))
        torn = make(states + 1)
        data = record.pack(torn)
        with Path(place.leader).open("r+b") as file:
            file.seek(record.offset(torn))
            file.write((data[:torn_at] + rubbish[torn_at:])[: len(data)])

        assert record.read(place) in (make(states), torn)


@settings(deadline=None)
@given(data=st.binary(max_size=400))
def test_rubbish_is_no_record(data: bytes) -> None:
    """Nothing that was not written as a record is taken for one."""
    assert record.unpack(data) is None


def test_the_largest_record_fits_its_slot() -> None:
    """Value, metadata and names at their limits, in the characters that take most room, still fit."""
    metadata = {f"{number:03}": "x" * 40 for number in range(40)}
    assert METADATA_LIMIT_BYTES - 100 < len(json.dumps(metadata, separators=(",", ":"))) <= METADATA_LIMIT_BYTES
    largest = msgspec.structs.replace(
        make(2**62),
        candidate="ü" * 256,
        nonce="ü" * 256,
        metadata=metadata,
        value="ü" * (VALUE_LIMIT_BYTES // 2),
        heir="9" * 150,
        heir_until_ns=2**62,
    )

    assert len(record.pack(largest)) <= record.SLOT_BYTES


def test_a_reader_beside_a_writer_sees_whole_states_in_order(tmp_path: Path) -> None:
    """Hundreds of reads beside hundreds of writes: each is a state that was written, and none goes back."""
    place = prepared(tmp_path)
    write(place, make(1, "1" * 3000))
    done = threading.Event()

    def scribble() -> None:
        for seq in range(2, 1500):
            write(place, make(seq, str(seq % 10) * 3000))
        done.set()

    writer = threading.Thread(target=scribble)
    writer.start()
    seen = []
    while not done.is_set():
        state = record.read(place)
        assert state is not None
        assert state.value == str(state.seq % 10) * 3000
        seen.append(state.seq)
    writer.join()

    assert seen == sorted(seen)
