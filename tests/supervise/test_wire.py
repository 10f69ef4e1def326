"""What wrapper and guardian say to each other."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tenure.errors import ConfigurationError
from tenure.supervise.wire import (
    Because,
    Channel,
    Closed,
    Continued,
    Ended,
    EndingBegun,
    Forward,
    LeftBehind,
    Order,
    Paused,
    Program,
    Refused,
    Remaining,
    Report,
    SetDeadline,
    Start,
    Started,
    Stop,
    read_program,
    write_program,
)


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    """Both ends."""
    wrapper, guardian = Channel.pair()
    yield wrapper, guardian
    wrapper.close()
    guardian.close()


@pytest.mark.parametrize(
    "order", [Start(5, None, True), Start(0, 2**62, False), SetDeadline(7), SetDeadline(None), Stop(15), Forward(2)]
)
def test_each_order_arrives_as_it_was_given(pair: tuple[Channel, Channel], order: Order) -> None:
    """Down the channel."""
    wrapper, guardian = pair

    assert wrapper.send(order)

    assert guardian.orders() == (order, [])
    assert guardian.orders() is None


@pytest.mark.parametrize(
    "report",
    [
        Started(3),
        Refused("exec", 2),
        Paused(20),
        Continued(),
        EndingBegun(Because.WRAPPER),
        LeftBehind(0, 2, ["4 (sleep)"]),
        Remaining([1, 2]),
        Ended(137, Because.DEADLINE),
    ],
)  # fmt: skip  a table reads better in rows
def test_each_report_arrives_as_it_was_given(pair: tuple[Channel, Channel], report: Report) -> None:
    """Up the channel."""
    wrapper, guardian = pair

    assert guardian.send(report)

    assert wrapper.reports() == report


def test_descriptors_travel_and_are_not_inherited_by_chance(pair: tuple[Channel, Channel]) -> None:
    """They arrive in their order, and close at an exec unless somebody wants otherwise."""
    wrapper, guardian = pair
    reading, writing = os.pipe()

    wrapper.send(Start(0, None, False), [reading, writing])
    received = guardian.orders()

    assert received is not None
    _, (read_end, write_end) = received
    os.write(write_end, b"x")
    assert os.read(reading, 1) == b"x"
    assert not os.get_inheritable(read_end)
    for descriptor in (reading, writing, read_end, write_end):
        os.close(descriptor)


@pytest.mark.parametrize("unread", [False, True])
def test_the_end_of_one_side_is_told_to_the_other(pair: tuple[Channel, Channel], unread: bool) -> None:
    """Also when it went with packets unread: that is no other case."""
    wrapper, guardian = pair
    if unread:
        guardian.send(Paused(20))

    wrapper.close()

    with pytest.raises(Closed):
        guardian.orders()
    assert guardian.send(Paused(20))  # no error: reading tells


def test_what_was_said_before_the_end_is_heard(pair: tuple[Channel, Channel]) -> None:
    """The last report of a guardian that died counts."""
    wrapper, guardian = pair
    guardian.send(Ended(3, Because.ITSELF))

    guardian.close()

    assert wrapper.reports() == Ended(3, Because.ITSELF)
    with pytest.raises(Closed):
        wrapper.reports()


def test_a_reader_that_has_stopped_does_not_stop_the_writer(pair: tuple[Channel, Channel]) -> None:
    """When its buffer is full the message is not taken, and nobody waits."""
    wrapper, _ = pair

    taken = [wrapper.send(SetDeadline(number)) for number in range(10_000)]

    assert taken[0]
    assert not taken[-1]


def test_a_program_is_bytes() -> None:
    """Neither arguments nor environments need to be UTF-8, or short."""
    odd = os.fsdecode(b"\xff=\xfe")
    long = "x" * 3_000_000

    program = read_program(write_program(["a", odd, long], {"NAME": odd}))

    assert program == Program([b"a", b"\xff=\xfe", long.encode()], [(b"NAME", b"\xff=\xfe")])


@pytest.mark.parametrize("command", [[], ["x" * 9_000_000]])
def test_what_nobody_could_execute_is_refused(command: list[str]) -> None:
    """No word, or too many."""
    with pytest.raises(ConfigurationError, match="nothing was started"):
        write_program(command, {})
