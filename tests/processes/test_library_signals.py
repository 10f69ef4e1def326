"""SIGTERM and Ctrl-C, in every phase, with asyncio and without: good order, and the right status."""

from __future__ import annotations

import signal

import pytest

from tenure.blocking import Election
from tests.processes.library_scene import Start, leads_at_once

pytestmark = pytest.mark.serial
LEADERS = [
    "asyncio_lead",
    pytest.param("uvloop_lead", marks=pytest.mark.needs("uvloop")),
    "asyncio_stand",
    "blocking_lead",
    "blocking_stand",
]


@pytest.mark.parametrize("function", LEADERS)
def test_sigterm_while_leading_ends_in_good_order(start: Start, url: str, function: str) -> None:
    """The block is left, the status is 128 + 15, Python complains of nothing, and the next candidate leads."""
    program = start(function)
    program.line("leading")
    program.signal(signal.SIGTERM)
    assert (program.end(), program.complaints()) == (143, [])
    assert program.lines[-1] == "left"
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("function", LEADERS)
def test_L13_sigterm_while_standing_ends_in_good_order(start: Start, url: str, function: str) -> None:
    """It stands by while somebody else leads: it never leads, and is listed no more."""
    election = Election("e", url)
    with election.lead():
        program = start(function)
        program.line("standing")
        while not election.candidates():
            continue
        program.signal(signal.SIGTERM)
        assert (program.end(), program.complaints()) == (143, [])
        assert program.lines[-1] == "left"
        assert not [line for line in program.lines if line.startswith("leading")]
        assert election.candidates() == ()


def test_sigterm_is_heard_by_other_threads_through_their_tenure(start: Start) -> None:
    """The main thread is in `resign_on`; the thread that leads hears by `wait_lost` that it resigns."""
    program = start("another_thread")
    program.line("leading")
    program.signal(signal.SIGTERM)
    assert program.end() == 143
    assert program.lines[-2:] == ["told Reason.RESIGNED", "left"]


def test_L13_nobody_stands_again_in_a_process_that_ends(start: Start, url: str) -> None:
    """A thread that leads by `run` resigns and would stand again: it is told that the process ends, and so can that."""
    program = start("running_thread")
    program.line("leading")
    program.signal(signal.SIGTERM)
    assert program.end() == 143
    assert program.lines[-1] == "ended this process ends on signal 15"
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("function", ["asyncio_releasing", "blocking_releasing"])
def test_sigterm_while_releasing_ends_after_the_release(start: Start, function: str) -> None:
    """The body has ended and the service takes its time: the status is that of the signal."""
    program = start(function)
    program.line("leading")
    program.signal(signal.SIGTERM)
    assert (program.end(), program.complaints()) == (143, [])
    assert "not cancelled" not in program.lines


def test_a_second_sigterm_kills_a_body_that_does_not_end(start: Start, url: str) -> None:
    """The first one tells it, the second one does what it did before `resign_on`."""
    program = start("asyncio_stubborn")
    program.line("leading")
    program.signal(signal.SIGTERM)
    program.line("told")
    program.signal(signal.SIGTERM)
    assert program.end() == -signal.SIGTERM
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("function", ["asyncio_interrupted", "blocking_interrupted", "asyncio_lead", "blocking_lead"])
def test_ctrl_c_while_leading_leaves_the_block(start: Start, url: str, function: str) -> None:
    """KeyboardInterrupt goes through the body; the process ends as interrupted."""
    program = start(function)
    program.line("leading")
    program.signal(signal.SIGINT)
    assert program.end() == -signal.SIGINT
    assert program.lines[-1] == "left"
    assert "KeyboardInterrupt" in program.errors
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("function", ["asyncio_interrupted", "blocking_interrupted"])
def test_ctrl_c_while_standing_stops_standing(start: Start, url: str, function: str) -> None:
    """Waiting to be elected can be interrupted; the candidate is listed no more."""
    election = Election("e", url)
    with election.lead():
        program = start(function)
        program.line("standing")
        while not election.candidates():
            continue
        program.signal(signal.SIGINT)
        assert program.end() == -signal.SIGINT
        assert program.lines[-1] == "left"
        assert election.candidates() == ()
