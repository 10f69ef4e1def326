"""The lab for threads: the test leads on its own thread or watches others, and no well-behaved thread is blamed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tenure import ConfigurationError, LeadershipLost, Reason, State
from tenure import Election as AsyncElection
from tenure.blocking import Election, Tenure, singleton
from tenure.testing.blocking import ElectionLab


@contextmanager
def running(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run `work` on a thread beside the block; it has to end by itself within the limit after it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(30)
    assert not thread.is_alive(), "the thread has not ended"


def test_the_test_itself_leads(blocking_tenure_lab: ElectionLab) -> None:
    """On one thread: time passes, the tenure becomes uncertain and safe again, is paused, and check() tells."""
    with pytest.raises(LeadershipLost), Election("orders", stall_after=None).lead() as tenure:
        blocking_tenure_lab.advance("1h")
        tenure.check(for_s=5)
        blocking_tenure_lab.make_uncertain()
        assert tenure.state is State.UNCERTAIN
        blocking_tenure_lab.recover()
        tenure.check(for_s=5)
        blocking_tenure_lab.pause(20)
        assert tenure.remaining() == 0
        tenure.check()
    assert blocking_tenure_lab.tokens() == (1,)
    assert blocking_tenure_lab.overruns == []


def test_a_job_on_another_thread_stops_and_runs_again(blocking_tenure_lab: ElectionLab) -> None:
    """Its loss reaches a thread that waits for it; the next tenure is the same candidacy's."""
    reasons: list[Reason | None] = []

    def job(tenure: Tenure) -> None:
        reasons.append(tenure.wait_lost())

    def service() -> None:
        with Election("orders").stand(job):
            shut_down.wait(30)

    shut_down = threading.Event()
    with running(service):
        assert blocking_tenure_lab.grant() == 1
        blocking_tenure_lab.revoke(reason=Reason.BACKEND_RESET)
        blocking_tenure_lab.wait_stopped()
        assert blocking_tenure_lab.grant() == 2
        blocking_tenure_lab.make_uncertain()
        blocking_tenure_lab.advance(15)
        blocking_tenure_lab.wait_stopped()
        blocking_tenure_lab.recover()
        assert blocking_tenure_lab.grant() == 3
        blocking_tenure_lab.lead_elsewhere("orders")
        blocking_tenure_lab.wait_standing()
        shut_down.set()
    assert reasons == [Reason.BACKEND_RESET, Reason.EXPIRED, Reason.DEPOSED]


def test_a_decorated_function_finds_the_lab(blocking_tenure_lab: ElectionLab) -> None:
    """`@singleton` resolves TENURE_URL when it is called, so a module may be imported before the test."""

    @singleton("orders")
    def report(tenure: Tenure) -> int:
        return tenure.token

    blocking_tenure_lab.lead_elsewhere("orders")
    tokens: list[int] = []
    with running(lambda: tokens.append(report())):
        blocking_tenure_lab.wait_standing()
        assert tokens == []
        blocking_tenure_lab._service.revoke("orders")  # noqa: SLF001  a grant of which the test need not see the body
    assert tokens == [2]


def test_a_loop_on_another_thread_is_asked_whether_it_lives(blocking_tenure_lab: ElectionLab) -> None:
    """A program with asyncio on a thread beside the test is renewed while its loop turns."""

    async def service() -> None:
        async with AsyncElection("orders", stall_after=1).lead() as tenure:
            await asyncio.to_thread(shut_down.wait, 30)
            tenure.check()

    shut_down = threading.Event()
    with running(lambda: asyncio.run(service())):
        assert blocking_tenure_lab.grant() == 1
        blocking_tenure_lab.advance(300)
        assert blocking_tenure_lab.grant() == 1
        shut_down.set()


def test_a_stalled_thread_loses() -> None:
    """A thread that is to prove itself by check(), and does not, is not renewed."""
    reasons: list[Reason | None] = []

    def job(tenure: Tenure) -> None:
        reasons.append(tenure.wait_lost())  # one check() at its beginning, and none after it

    def service() -> None:
        with Election("orders", stall_after=1).stand(job):
            shut_down.wait(30)

    shut_down = threading.Event()
    with ElectionLab(limit=0.1) as lab, running(service):
        lab.grant()
        lab.advance(11.5)
        lab.wait_stopped()
        assert reasons == [Reason.STALLED]
        shut_down.set()


def test_the_clock_does_not_pass_over_the_test_itself(blocking_tenure_lab: ElectionLab) -> None:
    """A body on the thread that waits in the lab could never leave in time: that is said, and nothing overruns."""
    with pytest.raises(LeadershipLost), Election("orders").lead():
        blocking_tenure_lab.make_uncertain()
        with pytest.raises(AssertionError, match="this thread itself is in its body"):
            blocking_tenure_lab.advance(60)
    assert blocking_tenure_lab.overruns == []


def test_a_thread_that_works_on_is_an_overrun() -> None:
    """Work that only looks at its tenure when it is too late is told with the line where it was."""
    let_go = threading.Event()

    def job(tenure: Tenure) -> None:
        del tenure
        let_go.wait(30)

    def service() -> None:
        with Election("orders").stand(job):
            shut_down.wait(30)

    shut_down = threading.Event()
    lab = ElectionLab(limit=0.1)
    with pytest.raises(AssertionError, match=r"tenure 1 of 'orders' by .* overran[^$]*in job\n"), lab, running(service):
        lab.grant()
        lab.revoke()
        lab.advance(1)
        shut_down.set()
        let_go.set()


def test_a_leaked_candidacy_is_an_error_and_ends() -> None:
    """A thread that still waits to be elected when its test ends is named, and does not wait for ever."""
    errors: list[BaseException] = []

    def stand() -> None:
        try:
            with Election("orders").lead():
                raise AssertionError("somebody else leads")
        except Exception as error:  # noqa: BLE001  what a thread raises is looked at below
            errors.append(error)

    with pytest.raises(AssertionError, match=r"the candidacy of 'orders' by .* is not over \(STANDING\)"):
        with ElectionLab(limit=0.1) as lab:
            lab.lead_elsewhere("orders")
            thread = threading.Thread(target=stand, daemon=True)
            thread.start()
            lab.wait_standing()
    thread.join(30)
    assert [type(error).__name__ for error in errors] == ["NotElected"]


def test_a_loop_is_not_blocked(blocking_tenure_lab: ElectionLab) -> None:
    """In a coroutine the other lab must be used, and the error says which."""

    async def main() -> None:
        with pytest.raises(ConfigurationError, match="fixture tenure_lab"):
            blocking_tenure_lab.advance(1)

    asyncio.run(main())


def test_an_hour_is_no_time(blocking_tenure_lab: ElectionLab) -> None:
    """No wait of the lab goes by the length of a lease: an hour of 1,200 renewals takes less real time than one lease
    (of 15 s; it takes about half a second).
    """
    began_s = time.monotonic()
    with Election("orders").lead():
        blocking_tenure_lab.advance("1h")
    assert time.monotonic() - began_s < 15
