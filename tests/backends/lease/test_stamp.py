"""Stamps: two slots, of which readers find the state before or after each write, and what damage they can tell."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tenure.backends.lease import record, stamp
from tenure.backends.lease.stamp import Frame, Phase, Stamp

INT64 = st.integers(0, 2**63 - 1)
STAMPS = st.builds(
    Stamp,
    number=st.integers(0, 2**64 - 2),
    phase=st.sampled_from(Phase),
    at_ns=INT64,
    lease_ns=st.integers(1, 2**63 - 1),
    frame=st.builds(Frame, st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1)),
    clean=st.booleans(),
    heir=st.text("abc0123456789-", max_size=160),
    heir_until_ns=INT64,
)


def file_of(data: bytes) -> int:
    """An open file with this content and no name."""
    fd = os.memfd_create("tenure")
    os.pwrite(fd, data, 0)
    return fd


@given(STAMPS)
def test_a_stamp_comes_back_whole(one: Stamp) -> None:
    """What is packed is unpacked, every field of it."""
    assert stamp.unpack(stamp.pack(one)) == one


@given(STAMPS, st.data())
def test_no_damaged_slot_is_read(one: Stamp, data: st.DataObject) -> None:
    """One byte that differs anywhere, or a slot that is cut short, is no stamp."""
    packed = bytearray(stamp.pack(one))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))

    assert stamp.unpack(bytes(packed)) is None
    assert stamp.unpack(stamp.pack(one)[: data.draw(st.integers(0, stamp.SLOT_BYTES - 1))]) is None


@given(STAMPS.filter(lambda one: one.number < 2**40), st.integers(0, 8), st.integers(0, stamp.SLOT_BYTES))
def test_a_torn_write_leaves_the_stamp_before_it(one: Stamp, writes: int, torn: int) -> None:
    """After any number of writes, and a part of one more, the last whole one is found; and it is said to be unsure."""
    fd = file_of(stamp.image(one))
    try:
        newest = msgspec.structs.replace(one, number=one.number + 1)
        for _ in range(writes):
            newest = msgspec.structs.replace(newest, number=newest.number + 1, at_ns=newest.number)
            os.pwrite(fd, stamp.pack(newest), stamp.offset(newest))
        after = msgspec.structs.replace(newest, number=newest.number + 1, at_ns=newest.at_ns ^ 1)
        os.pwrite(fd, stamp.pack(after)[:torn], stamp.offset(after))

        sight = stamp.read(fd)
    finally:
        os.close(fd)

    assert sight is not None
    if sight.stamp != after:
        assert sight.stamp == newest
        assert sight.sure == (sight.stamp.number == newest.number and (torn == 0 or _is_still_whole(one, newest, torn)))


def _is_still_whole(one: Stamp, newest: Stamp, torn: int) -> bool:
    """Whether the part that was written did not differ from what stood there."""
    before = msgspec.structs.replace(newest, number=newest.number - 1)
    if before.number >= one.number + 2:
        before = msgspec.structs.replace(before, at_ns=before.number - 1)
    else:
        before = msgspec.structs.replace(one, number=before.number)
    after = msgspec.structs.replace(newest, number=newest.number + 1, at_ns=newest.at_ns ^ 1)
    return stamp.pack(before)[:torn] == stamp.pack(after)[:torn]


def test_a_file_without_a_whole_slot_has_no_stamp() -> None:
    """Empty, cut short, rubbish: nobody guesses."""
    for data in (b"", b"\0" * 100, b"\xff" * 20000):
        fd = file_of(data)
        try:
            assert stamp.read(fd) is None
            assert record.holder(fd) is None
            assert record.value(fd) == record.NOTHING
        finally:
            os.close(fd)


@given(st.lists(st.text("abcü", max_size=300), min_size=1, max_size=4))  # no end of "torn" stands there already
def test_the_last_value_is_read_and_a_torn_one_loses_only_itself(texts: list[str]) -> None:
    """Values are written in turn into two slots."""
    fd = file_of(b"")
    try:
        for number, text in enumerate(texts, 1):
            os.pwrite(fd, *record.value_slot(record.Value(number, text)))
        assert record.value(fd) == record.Value(len(texts), texts[-1])

        data, at = record.value_slot(record.Value(len(texts) + 1, "torn"))
        os.pwrite(fd, data[:-1], at)
        assert record.value(fd) == (record.Value(len(texts), texts[-1]))
    finally:
        os.close(fd)


def test_who_holds_it_comes_back(tmp_path: Path) -> None:
    """A new file carries its stamp twice and its holder."""
    from tenure.backends.file.identity import this_process

    holder = record.Holder(candidate="c", nonce="n", metadata={"k": "ü"}, process=this_process(), since=1.5)
    first = Stamp(number=0, phase=Phase.CLAIMED, at_ns=7, lease_ns=9, frame=Frame(b"b" * 16, 3))
    fd = file_of(record.image(first, holder))
    try:
        sight = stamp.read(fd)
        assert sight is not None
        assert sight.sure
        assert sight.stamp == msgspec.structs.replace(first, number=1)
        assert record.holder(fd) == holder
    finally:
        os.close(fd)
