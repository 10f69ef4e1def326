"""Disks: what is durable when, and what a crash leaves."""

from __future__ import annotations

from random import Random

from tenure.simulator.disk import LOST, TORN, Disk
from tests.simulator.probe import Also, Kept


def disk(seed: int = 1, *, least_ns: int = 10, most_ns: int = 20) -> Disk:
    """With a chance of its own."""
    return Disk(least_ns, most_ns, Random(seed))


def test_writes_end_in_their_order_each_told_once() -> None:
    """Whatever time each takes."""
    d = disk()
    done = [d.write(number, Kept(number), 0) for number in range(1, 21)]
    assert done == sorted(done)
    assert d.done(9) == []
    told = [number for now in range(21) for number, _ in d.done(now)]
    assert told == list(range(1, 21))
    assert d.records == (Kept(20),)


def test_it_keeps_the_last_record_of_each_type() -> None:
    """Both types side by side."""
    d = disk()
    for number, record in enumerate((Kept(1), Also(1), Kept(2)), start=1):
        d.write(number, record, 0)
    d.done(100)
    assert set(d.records) == {Kept(2), Also(1)}


def test_a_crash_leaves_any_first_part_of_what_was_being_written() -> None:
    """Never a later record without an earlier one; nothing of it is told afterwards."""
    left = set()
    for seed in range(60):
        d = disk(seed)
        d.write(1, Kept(1), 0)
        d.done(100)
        d.write(2, Kept(2), 100)
        d.write(3, Also(3), 100)
        said = d.crash()
        assert d.done(1000) == []
        left.add((d.records, said))
    assert left == {((Kept(1),), (LOST,)), ((Kept(2),), (TORN,)), ((Kept(2), Also(3)), ())}


def test_nothing_ends_on_a_stalled_disk_until_it_is_mended() -> None:
    """What waited is done when it would have been."""
    d = disk()
    d.is_stalled = True
    d.write(1, Kept(1), 0)
    assert d.done(10**9) == []
    d.mend(10, 20, 10**9)
    assert d.done(10**9) == [(1, Kept(1))]


def test_a_lying_disk_loses_what_it_said_was_durable() -> None:
    """Unless an honest write came after it, or it was mended."""
    for mended, survives in ((False, ()), (True, (Kept(1),))):
        d = disk()
        d.is_lying = True
        d.write(1, Kept(1), 0)
        assert d.done(100) == [(1, Kept(1))]
        assert d.records == ()
        if mended:
            d.mend(10, 20, 100)
        d.crash()
        assert d.records == survives


def test_a_mended_disk_is_as_fast_as_in_the_beginning_at_once() -> None:
    """Also with what it was writing slowly."""
    d = disk(least_ns=10**9, most_ns=10**9)
    d.write(1, Kept(1), 0)
    assert d.mend(10, 20, 100) == 120
    assert d.done(120) == [(1, Kept(1))]
    assert d.write(2, Kept(2), 120) <= 140
