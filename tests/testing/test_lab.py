"""The lab for asyncio does to a tenure what it says, and waits for what the code under test does about it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from tenure import BackendUnreachable, ConfigurationError, Election, LeadershipLost, NotElected, Reason, State, Tenure
from tenure.keeper import Keeper
from tenure.testing import ElectionLab

HOUR_S = 3600


async def _until_told(tenure: Tenure) -> None:
    await tenure.wait_lost()


@asynccontextmanager
async def running(work: Coroutine[object, object, object]) -> AsyncIterator[asyncio.Task[object]]:
    """Run `work` beside the block, and end it after it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_code_finds_the_lab_by_its_url_and_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """TENURE_URL names the lab while it is open, and what it was before afterwards."""
    monkeypatch.setenv("TENURE_URL", "memory://before")
    with ElectionLab() as lab:
        assert Election("orders").url == Election("orders", lab.url).url == lab.url
    assert os.environ["TENURE_URL"] == "memory://before"


def test_what_production_demands_is_granted(tenure_lab: ElectionLab) -> None:
    """The lab stands in for a service of any grade and scope, with the lease that was asked for, or its own."""
    assert Election("orders", min_grade="A", scope="cluster", lease="30s").grace_s == 7.5
    assert Election("orders").grace_s == 3.75


def test_a_job_runs_stops_and_runs_again(tenure_lab: ElectionLab) -> None:
    """A revoked tenure is cancelled, its job has left when wait_stopped returns, and `run` leads again."""
    stopped: list[int] = []

    async def job(tenure: Tenure) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(tenure.token)

    async def main() -> None:
        async with running(Election("orders").run(job)):
            assert await tenure_lab.grant() == 1
            tenure_lab.revoke()
            assert tenure_lab.tokens() == (1,)
            await tenure_lab.wait_stopped()
            assert stopped == [1]
            assert await tenure_lab.grant() == 2

    asyncio.run(main())
    assert tenure_lab.tokens() == tenure_lab.tokens("orders") == (1, 2)
    assert stopped == [1, 2]


def test_a_tenure_is_lost_between_check_and_act(tenure_lab: ElectionLab) -> None:
    """When `revoke` returns the tenure is invalid, even inside the task that leads, which has not been told yet."""

    async def main() -> None:
        async with Election("orders").lead() as tenure:
            tenure.check()
            tenure_lab.revoke(reason=Reason.BACKEND_GONE)
            assert not tenure.is_valid()
            assert tenure.reason is Reason.BACKEND_GONE
            tenure.check()

    with pytest.raises(LeadershipLost) as lost:
        asyncio.run(main())
    assert lost.value.reason is Reason.BACKEND_GONE


def test_an_uncertain_tenure_recovers(tenure_lab: ElectionLab) -> None:
    """UNCERTAIN until renewals are answered again, and valid all the time."""
    states: list[State] = []

    async def main() -> None:
        async with Election("orders").lead() as tenure:
            for _ in range(2):
                await tenure_lab.make_uncertain()
                states.append(tenure.state)
                assert tenure.is_valid()
                await tenure_lab.recover()
                states.append(tenure.state)

    asyncio.run(main())
    assert states == [State.UNCERTAIN, State.SAFE] * 2


def test_an_uncertain_tenure_ends_by_its_deadline(tenure_lab: ElectionLab) -> None:
    """Time that passes without renewals ends it, its grace before the deadline, and no overrun is seen."""
    left_with: list[float] = []

    async def main() -> None:
        async with Election("orders", grace="3s").lead() as tenure:
            try:
                await tenure_lab.make_uncertain()
                assert tenure.is_valid(for_s=5)
                assert not tenure.is_valid(for_s=14)
                await tenure_lab.advance(HOUR_S)
            finally:
                assert tenure.deadline_ns is not None
                left_with.append(tenure.remaining())

    with pytest.raises(LeadershipLost) as lost:
        asyncio.run(main())
    assert lost.value.reason is Reason.EXPIRED
    assert left_with == [0.0]
    assert tenure_lab.overruns == []


def test_time_that_passes_ends_no_tenure(tenure_lab: ElectionLab) -> None:
    """An hour with renewals: the same tenure, with as much left as before a renewal at least."""

    async def main() -> None:
        async with Election("orders").lead() as tenure:
            assert tenure.remaining() == pytest.approx(14.25)
            await tenure_lab.advance(2)
            assert tenure.remaining() == pytest.approx(12.25)
            await tenure_lab.advance("1h")
            assert tenure.remaining() >= 11.2
            assert tenure.state is State.SAFE

    asyncio.run(main())
    assert tenure_lab.tokens() == (1,)


def test_time_that_passes_stalls_nobody(tenure_lab: ElectionLab, caplog: pytest.LogCaptureFixture) -> None:
    """An owner is asked whether it lives as often as it must be, however soon it would count as silent."""

    async def main() -> None:
        async with Election("orders", stall_after="100ms").lead():
            await tenure_lab.advance(60)

    asyncio.run(main())
    assert "stalled" not in caplog.text


def test_a_pause_is_what_a_paused_leader_finds(tenure_lab: ElectionLab) -> None:
    """L16: it wakes without leadership and is told to stop; that it is late is no overrun of its own."""

    async def main() -> None:
        async with Election("orders").lead() as tenure:
            tenure_lab.pause(5)
            tenure.check()
            await tenure_lab.advance(5)
            tenure_lab.pause(60)
            assert tenure.remaining() == 0
            tenure.check()

    with pytest.raises(LeadershipLost):
        asyncio.run(main())
    assert tenure_lab.overruns == []


def test_somebody_else_leads(tenure_lab: ElectionLab) -> None:
    """Before the code under test stands, while it leads, and again; its own tokens are told apart."""

    async def main() -> None:
        assert tenure_lab.lead_elsewhere("orders", "ben") == 1
        async with running(Election("orders").run(_until_told)):
            await tenure_lab.wait_standing()
            leader = await Election("orders").leader()
            assert leader is not None
            assert leader.candidate == "ben"
            assert await tenure_lab.grant() == 2
            assert tenure_lab.lead_elsewhere("orders") == tenure_lab.lead_elsewhere("orders") == 3
            await tenure_lab.wait_stopped()
            await tenure_lab.wait_standing()
            await tenure_lab.advance(HOUR_S)  # whoever leads elsewhere goes on leading
            assert tenure_lab.tokens() == (2,)
            assert await tenure_lab.grant() == 4

    asyncio.run(main())
    assert tenure_lab.tokens() == (2, 4)


@pytest.mark.parametrize("wish", ["resign", "transfer"])
def test_who_leads_elsewhere_obeys(tenure_lab: ElectionLab, wish: str) -> None:
    """Code that asks the leader to go can be tested against one that goes."""

    async def main() -> None:
        tenure_lab.lead_elsewhere("orders")
        election = Election("orders", candidate="me")
        async with running(election.run(_until_told)):
            await tenure_lab.wait_standing()
            await (election.ask_resign() if wish == "resign" else election.ask_transfer("me"))
            assert await tenure_lab.grant() == 2

    asyncio.run(main())


def test_waiting_to_be_elected_goes_by_the_clock_of_the_lab(tenure_lab: ElectionLab) -> None:
    """`lead(wait=30)` gives up when the lab's clock has moved by 30 seconds."""

    async def tries() -> None:
        async with Election("orders").lead(wait=30):
            raise AssertionError("somebody else leads")

    async def main() -> None:
        tenure_lab.lead_elsewhere("orders")
        async with running(tries()) as task:
            await tenure_lab.wait_standing()
            await tenure_lab.advance(29)
            assert not task.done()
            await tenure_lab.advance(2)
            with pytest.raises(NotElected):
                await task

    asyncio.run(main())


def test_a_job_that_is_over_at_once_has_led(tenure_lab: ElectionLab) -> None:
    """Nobody could see it lead; its token tells that it did, and what it did under it is done."""
    done: list[int] = []

    async def job(tenure: Tenure) -> None:
        done.append(tenure.token)

    async def main() -> None:
        tenure_lab.lead_elsewhere("orders")
        async with running(Election("orders").run(job)):
            await tenure_lab.wait_standing()
            assert await tenure_lab.grant() == 2
            assert done == [2]

    asyncio.run(main())


def test_a_tenure_that_is_held_back_has_not_begun() -> None:
    """After a leader that did not close its tenure, `takeover_delay` has to pass on the lab's clock."""

    async def main() -> None:
        async with running(Election("orders", takeover_delay=3).run(_until_told)):
            assert await lab.grant() == 1
            lab.revoke()
            await lab.wait_stopped()
            with pytest.raises(AssertionError, match="in vain for the code under test to lead 'orders'"):
                await lab.grant()
            await lab.advance(3)
            assert await lab.grant() == 2

    with ElectionLab(limit=0.1) as lab:
        asyncio.run(main())


def test_several_elections_are_named(tenure_lab: ElectionLab) -> None:
    """With two elections each verb wants to know which; a loss of one is none of the other."""

    async def main() -> None:
        async with Election("a").lead(), running(Election("b").run(_until_told)):
            assert await tenure_lab.grant("b") == 1
            with pytest.raises(ConfigurationError, match="a, b: name the one"):
                tenure_lab.revoke()
            tenure_lab.revoke("b")
            await tenure_lab.wait_stopped("b")
            assert await tenure_lab.grant("b") == 2
            assert (tenure_lab.tokens("a"), tenure_lab.tokens("b")) == ((1,), (1, 2))

    asyncio.run(main())


async def _grant(lab: ElectionLab) -> None:
    await lab.grant()


async def _stand(lab: ElectionLab) -> None:
    await lab.wait_standing()


@pytest.mark.parametrize(
    ("wait", "what"),
    [
        (_grant, "waited 0.05 s of real time in vain for the code under test to lead 'orders'"),
        (_stand, "waited 0.05 s of real time in vain for the code under test to stand by"),
    ],
)
def test_a_wait_ends_and_says_what_for(wait: Callable[[ElectionLab], Awaitable[None]], what: str) -> None:
    """What does not come is named, with the state of the election."""

    async def main() -> None:
        await wait(lab)

    with ElectionLab(limit=0.05) as lab:
        lab.lead_elsewhere("orders")
        with pytest.raises(AssertionError) as failure:
            asyncio.run(main())
    assert what in str(failure.value)
    assert "\norders: " in str(failure.value)


def test_what_was_not_done_is_said(tenure_lab: ElectionLab) -> None:
    """To revoke what nobody leads, or to wait for the end of what has not ended, is a mistake of the test."""
    with pytest.raises(AssertionError, match="does not lead\nnobody of the code under test stands"):
        tenure_lab.revoke()

    async def main() -> None:
        async with Election("orders").lead():
            with pytest.raises(AssertionError, match="no tenure has ended"):
                await tenure_lab.wait_stopped()

    asyncio.run(main())
    with pytest.raises(ConfigurationError, match="opened before"), tenure_lab:
        raise AssertionError("never reached")


def test_a_job_that_swallows_its_cancellation_is_found_where_it_waits() -> None:
    """wait_stopped tells where it hangs; time that passes makes it an overrun, which fails the test at its end."""

    async def job(tenure: Tenure) -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        async with running(Election("orders").run(job)):
            await lab.grant()
            lab.revoke()
            with pytest.raises(AssertionError, match=r"to leave its body\n[^$]*in job\n"):
                await lab.wait_stopped()
            await lab.advance(1)
            stop.set()
            await lab.wait_stopped()
            tenure = await lab.grant()
            assert tenure == 2

    stop = asyncio.Event()
    lab = ElectionLab(limit=0.1)
    with pytest.raises(AssertionError, match=r"tenure 1 of 'orders' by .* overran[^$]*in job\n"), lab:
        asyncio.run(main())
    assert len(lab.overruns) == 1


def test_a_job_that_would_end_the_process_does_not() -> None:
    """`on_overrun="exit"` would end the run of the tests: the clock stops before that, and says so."""

    async def job(tenure: Tenure) -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        async with running(Election("orders", on_overrun="exit").run(job)):
            await lab.grant()
            with pytest.raises(AssertionError, match="would end this process with code 75"):
                lab.pause(60)
            lab.revoke()
            with pytest.raises(AssertionError, match="would end this process with code 75"):
                await lab.advance(60)
            stop.set()
            await lab.wait_stopped()

    stop = asyncio.Event()
    with ElectionLab(limit=0.1) as lab:
        asyncio.run(main())


def test_a_lab_leaves_nothing_behind() -> None:
    """Neither a candidacy nor a backend, nor what it moved: labs may come and go by the thousand."""

    async def main() -> None:
        async with Election("orders").lead(), Election("orders", lab.url.replace("15s", "30s"), candidate="b").stand():
            await lab.advance(1)

    keeper = Keeper.current()
    before = (len(keeper.seats), len(keeper._backends), len(keeper._clocks))  # noqa: SLF001  what it holds for ever
    for _ in range(3):
        with ElectionLab() as lab:
            asyncio.run(main())
    assert (len(keeper.seats), len(keeper._backends), len(keeper._clocks)) == before  # noqa: SLF001  the same


def test_an_election_kept_from_another_test_is_refused() -> None:
    """It would stand where nobody looks: at a service of the same name that nobody shares."""
    with ElectionLab() as lab:
        kept = Election("orders")
    with pytest.raises(ConfigurationError, match="make it anew in each test"):
        asyncio.run(kept.run(_until_told))
    with pytest.raises(ConfigurationError, match="make it anew in each test"):
        Election("orders", lab.url)


def test_a_forked_child_is_told_that_it_is_in_no_lab(tenure_lab: ElectionLab) -> None:
    """The lab lives in the process of the test; a child that finds its URL must not lead at a service of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            Election("orders")
        except ConfigurationError:
            os._exit(7)
        finally:
            os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_an_error_of_the_test_itself_comes_first() -> None:
    """What is left over because the test failed is a note to its error, not another one."""

    async def main() -> None:
        candidacy = Election("orders").stand()
        await candidacy.__aenter__()
        await lab.grant()
        raise BackendUnreachable("the test's own")

    lab = ElectionLab()
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(BackendUnreachable) as failure, lab:
            loop.run_until_complete(main())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        loop.close()
    assert ["is not over (LEADING)" in note for note in failure.value.__notes__] == [True]
