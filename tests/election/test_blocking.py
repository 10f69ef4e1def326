"""`tenure.blocking`: the same without asyncio. It cannot interrupt a thread."""

from __future__ import annotations

import threading

import pytest

from tenure import (
    BackendRefused,
    BackendUnreachable,
    ConfigurationError,
    LeadershipLost,
    NotElected,
    Reason,
    State,
    Unknown,
    Vacant,
)
from tenure.backends.memory import Delay, Fail, Hang, LoseRequest
from tenure.blocking import Candidacy, Tenure, singleton
from tenure.holding.notices import JobFailed
from tests.election.stage import InThread, Stage, hear, heard, kinds, wait_until

pytestmark = pytest.mark.versions


class Boom(Exception):
    """What a job raises."""


def test_a_body_that_ends_resigns(stage: Stage) -> None:
    """When the block is left the service knows already that nobody leads."""
    with stage.blocking().lead() as tenure:
        assert stage.leader() == "a"
        assert (tenure.state, tenure.token) == (State.SAFE, 1)
    assert stage.leader() is None
    assert tenure.reason is Reason.RESIGNED


def test_check_raises_after_a_loss_and_the_block_lets_it_out(stage: Stage) -> None:
    """The thread is not interrupted: `check()` tells, and LeadershipLost comes out as it is."""
    with pytest.raises(LeadershipLost) as caught, stage.blocking().lead() as tenure:
        tenure.check()
        stage.lose(tenure)
        tenure.check()
    assert caught.value.reason is Reason.DEPOSED
    assert not hasattr(caught.value, "__notes__")


def test_check_for_some_time_raises_before_the_deadline(stage: Stage) -> None:
    """`check(for_s)` and `is_valid(for_s)` look ahead; nothing is lost by asking."""
    with stage.blocking().lead() as tenure:
        tenure.check(for_s=14)
        assert not tenure.is_valid(for_s=15)
        with pytest.raises(LeadershipLost):
            tenure.check(for_s=15)
        assert tenure.is_valid()


def test_a_body_that_never_asked_is_told_at_the_end(stage: Stage) -> None:
    """It ends normally after the loss: LeadershipLost comes out of the block."""
    with pytest.raises(LeadershipLost), stage.blocking().lead() as tenure:
        stage.lose(tenure)


def test_the_bodys_own_error_goes_on_with_a_note(stage: Stage) -> None:
    """After a loss its error comes out and says that the tenure was lost."""
    with pytest.raises(Boom) as caught, stage.blocking().lead() as tenure:
        stage.lose(tenure)
        raise Boom
    assert "was lost (deposed)" in caught.value.__notes__[0]


def test_wait_lost_returns_the_reason_or_none_after_the_time(stage: Stage) -> None:
    """Instead of `time.sleep`: it ends early with the reason."""
    with pytest.raises(LeadershipLost), stage.blocking().lead() as tenure:
        assert tenure.wait_lost(0) is None
        stage.service.revoke("e")
        assert tenure.wait_lost() is Reason.DEPOSED
        assert tenure.wait_lost() is Reason.DEPOSED


def test_wait_lost_in_another_thread_ends_when_the_body_was_left(stage: Stage) -> None:
    """Nobody waits for ever for the loss of a tenure that has ended in good order."""
    with stage.blocking().lead() as tenure:
        beside = InThread(tenure.wait_lost)
    assert beside.outcome() is Reason.RESIGNED


def test_resign_from_another_thread(stage: Stage) -> None:
    """The body hears of it as of any loss, with RESIGNED."""
    with pytest.raises(LeadershipLost) as caught, stage.blocking().lead() as tenure:
        InThread(tenure.resign).outcome()
        assert tenure.wait_lost() is Reason.RESIGNED
    assert caught.value.reason is Reason.RESIGNED


def test_publish_is_read_by_others(stage: Stage) -> None:
    """The value stands beside the leader's name; one that is too long is refused with words."""
    with stage.blocking().lead() as tenure:
        tenure.publish("here")
        leader = stage.blocking(candidate="other").leader()
        assert leader is not None
        assert (leader.candidate, leader.value) == ("a", "here")
        with pytest.raises(ConfigurationError, match="4096"):
            tenure.publish("x" * 5000)


def test_publish_by_a_tenure_that_has_ended_says_so(stage: Stage) -> None:
    """The service knows the grant no more and no newer leader: LeadershipLost, no word of the keeper's own."""
    with pytest.raises(LeadershipLost), stage.blocking().lead() as tenure:
        stage.lose(tenure)
        with pytest.raises(LeadershipLost):
            tenure.publish("here")


def test_not_elected_after_the_wait(stage: Stage) -> None:
    """Somebody else leads all the time."""
    with stage.blocking(candidate="first").lead():
        second = InThread(lambda: _lead(stage, wait=2))
        wait_until(lambda: stage.waiting() == ["second"])
        stage.clock.advance(2)
        with pytest.raises(NotElected):
            second.outcome()


def test_one_try_does_not_wait(stage: Stage) -> None:
    """With `wait=0` somebody else's tenure is the answer."""
    with stage.blocking(candidate="first").lead():
        with pytest.raises(NotElected):
            InThread(lambda: _lead(stage, wait=0)).outcome()


def test_L18_a_lead_object_is_used_once(stage: Stage) -> None:
    """Entering it again is refused with words."""
    lead = stage.blocking().lead()
    with lead:
        pass
    with pytest.raises(ConfigurationError, match="used before"):
        lead.__enter__()


def test_the_same_election_twice_in_one_thread_is_refused(stage: Stage) -> None:
    """It would wait for itself; after the block it is free again, also when the block ended with an error."""
    election = stage.blocking()
    with pytest.raises(Boom):
        with election.lead():
            with pytest.raises(ConfigurationError, match="already"):
                election.lead().__enter__()
            raise Boom
    with election.lead():
        assert stage.leader() == "a"


def test_nested_tenures_of_different_elections(stage: Stage) -> None:
    """The loss of the outer one comes out of both blocks, and both are released."""
    with pytest.raises(LeadershipLost) as caught:
        with stage.blocking("outer").lead() as outer, stage.blocking("inner").lead():
            stage.lose(outer, "outer")
            outer.check()
    assert caught.value.election == "outer"
    assert stage.leader("outer") is stage.leader("inner") is None


def test_L3_a_tenure_lost_before_its_body_could_begin_is_campaigned_on(stage: Stage) -> None:
    """The grant is expired on arrival: the answer was under way for longer than the lease; the next one is led with."""
    stage.service.faults.add("campaign", Delay(answer_s=20), times=1)
    thread = InThread(lambda: _lead(stage, wait=None))
    wait_until(lambda: stage.leader() == "second")
    hear()
    stage.clock.advance(20)
    hear()
    for _ in range(20):
        hear()
        stage.clock.advance(0.3)
    assert thread.outcome() >= 2


def test_a_thread_that_dies_without_leaving_stalls(stage: Stage) -> None:
    """It entered the block by hand and ended: its lease is not renewed, and somebody else leads in the end."""
    lead = stage.blocking().lead()
    tenure = InThread(lead.__enter__).outcome()
    for _ in range(16):
        stage.clock.advance(2)
        hear()
    assert not tenure.is_valid()
    assert tenure.reason is Reason.STALLED
    assert stage.leader() is None


def test_stall_after_demands_check(stage: Stage) -> None:
    """With `stall_after` a thread that lives proves nothing: it is renewed as long as it calls `check()`."""
    with pytest.raises(LeadershipLost) as caught, stage.blocking(stall_after=4).lead() as tenure:
        for _ in range(10):
            tenure.check()
            stage.clock.advance(2)
            hear()
        assert tenure.is_valid()
        for _ in range(10):
            stage.clock.advance(2)
            hear()
        tenure.check()
    assert caught.value.reason is Reason.STALLED


def test_without_stall_after_a_thread_that_lives_is_renewed(stage: Stage) -> None:
    """It works for minutes without a word: nothing is lost."""
    with stage.blocking().lead() as tenure:
        for _ in range(30):
            stage.clock.advance(2)
            hear()
        assert tenure.is_valid()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x")], ids=repr)
def test_L7_an_error_while_campaigning_never_elects(stage: Stage, error: Exception) -> None:
    """The body does not run."""
    stage.service.faults.add("campaign", Fail(error))
    thread = InThread(lambda: _lead(stage, wait=3))
    wait_until(lambda: stage.service.faults.count("campaign"))
    hear()
    stage.clock.advance(3)
    with pytest.raises(NotElected, match=type(error).__name__):
        thread.outcome()


def test_run_returns_leads_again_and_reports(stage: Stage) -> None:
    """A loss and a failure are each followed by another tenure; the result of the third comes out."""

    def job(tenure: Tenure) -> int:
        if tenure.token == 1:
            stage.lose(tenure)
            tenure.check()
        if tenure.token == 2:
            raise Boom("of the job")
        return tenure.token

    with heard() as notices:
        assert stage.blocking().run(job, backoff=(0, 0)) == 3
    assert [one.error for one in notices if isinstance(one, JobFailed)] == ["Boom: of the job"]
    assert stage.leader() is None


def test_an_error_of_the_job_at_the_loss_is_reported(stage: Stage) -> None:
    """The job fails because its tenure was lost: it leads again at once, and the error was told."""

    def job(tenure: Tenure) -> int:
        if tenure.token == 1:
            stage.lose(tenure)
            raise Boom("half done")
        return tenure.token

    with heard() as notices:
        assert stage.blocking().run(job, backoff=(3600, 3600)) == 2
    assert [one.error for one in notices if isinstance(one, JobFailed)] == ["Boom: half done"]


def test_the_loss_of_the_election_around_comes_out_of_run(stage: Stage) -> None:
    """The job says by `check()` that the tenure around is lost: standing again inside it would be wrong."""

    def job(tenure: Tenure) -> None:
        del tenure
        stage.lose(outer, "outer")
        outer.check()

    with pytest.raises(LeadershipLost) as caught, stage.blocking("outer").lead() as outer:
        stage.blocking().run(job, backoff=(3600, 3600))
    assert caught.value.election == "outer"


def test_the_loss_of_an_inner_election_is_a_failure_of_the_job(stage: Stage) -> None:
    """It is reported, and the job is tried again (L6)."""

    def job(tenure: Tenure) -> int:
        with stage.blocking("inner").lead() as inner:
            if tenure.token == 1:
                stage.lose(inner, "inner")
                inner.check()
        return tenure.token

    assert stage.blocking().run(job, backoff=(0, 0)) == 2


def test_a_refusal_comes_out_of_run(stage: Stage) -> None:
    """The backend says no: nobody tries again."""
    stage.service.faults.add("campaign", Fail(BackendRefused("no right to")))
    with pytest.raises(BackendRefused, match="no right to"):
        stage.blocking().run(lambda tenure: tenure.wait_lost())


def test_a_candidacy_leads_in_the_background_and_again_after_a_loss(stage: Stage) -> None:
    """From the main thread: wait, look, lose, wait again, leave."""
    with stage.blocking().stand() as candidacy:
        first = candidacy.wait_elected()
        assert first is not None
        assert candidacy.is_leader()
        stage.lose(first)
        wait_until(lambda: candidacy.tenure is not first)
        second = candidacy.wait_elected()
        assert second is not None
        assert second.token == 2
    assert stage.leader() is None
    assert candidacy.tenure is None


def test_a_candidacy_left_at_once_stands_no_more(stage: Stage) -> None:
    """Whatever it was about to do when it was left: nobody of it leads or waits afterwards, and its thread is gone."""
    for _ in range(50):
        with stage.blocking().stand():
            pass
    wait_until(lambda: stage.leader() is None and not stage.waiting())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tenure-stand")]


def test_a_candidacy_left_while_it_stands_stops_standing(stage: Stage) -> None:
    """Somebody else leads; leaving the block takes the candidate out of the queue."""
    with stage.blocking(candidate="rival").lead():
        with stage.blocking().stand() as candidacy:
            wait_until(lambda: stage.waiting() == ["a"])
            assert candidacy.wait_elected(0) is None
        wait_until(lambda: stage.waiting() == [])


def test_a_candidacy_left_while_it_backs_off_ends_at_once(stage: Stage) -> None:
    """Its job has failed and would be tried again in a second or more; the thread does not sleep that out."""
    failed = threading.Event()

    def job(tenure: Tenure) -> None:
        failed.set()
        raise Boom

    with stage.blocking().stand(job) as candidacy:
        failed.wait(30)
        wait_until(lambda: stage.leader() is None)
    assert not _thread(candidacy).is_alive()


def test_a_candidacy_that_is_refused_says_so(stage: Stage) -> None:
    """To who waits, and at the end of the block."""
    stage.service.faults.add("campaign", Fail(BackendRefused("no right to")))
    with pytest.raises(BackendRefused), stage.blocking().stand() as candidacy:
        with pytest.raises(BackendRefused):
            candidacy.wait_elected()


def test_a_candidacys_job_is_told_by_its_tenure_when_the_block_is_left(stage: Stage) -> None:
    """It is not interrupted: it waits by `wait_lost` and ends; the block is left after it."""
    ended = []

    def job(tenure: Tenure) -> None:
        tenure.wait_lost()
        ended.append(stage.leader())

    with stage.blocking().stand(job) as candidacy:
        candidacy.wait_elected()
    assert ended == ["a"]
    assert stage.leader() is None


def test_a_singleton_takes_turns(stage: Stage) -> None:
    """Two threads call it; arguments go in, results come out, one after the other."""

    def make(candidate: str) -> InThread:
        @singleton("e", stage.backend(), candidate=candidate)
        def job(tenure: Tenure, number: int) -> tuple[int, int]:
            assert stage.leader() == candidate
            return tenure.token, number

        return InThread(lambda: job(7))

    results = sorted(thread.outcome() for thread in (make("a"), make("b")))
    assert results == [(1, 7), (2, 7)]


def test_a_watch_gives_views_with_a_timeout(stage: Stage) -> None:
    """`next(timeout)` ends with TimeoutError when nothing changes; after the block it says that it has ended."""
    with stage.blocking().watch() as views:
        assert views.next(30) == Vacant()
        with pytest.raises(TimeoutError):
            views.next(0.01)
        with stage.blocking().lead():
            assert "Led" in type(views.next(30)).__name__
        assert views.next(30) == Vacant()
    with pytest.raises(ConfigurationError):
        views.next(1)
    assert list(views) == []


def test_a_watch_that_was_not_entered_says_so(stage: Stage) -> None:
    """It would wait for ever."""
    with pytest.raises(ConfigurationError, match="enter"):
        stage.blocking().watch().next()


def test_L11_a_watch_of_a_silent_service_says_unknown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is paused: the old leader is not repeated for ever."""
    monkeypatch.setattr("tenure.views.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("tenure.views.LOOK_LIMIT_S", 0.05)
    with stage.blocking().watch() as views:
        assert views.next(30) == Vacant()
        stage.service.pause()
        view = views.next(30)
        assert isinstance(view, Unknown)
        assert view.last == Vacant()
        stage.service.resume()
        wait_until(lambda: views.next(30) == Vacant())


def test_whoever_leads_can_be_asked_to_go(stage: Stage) -> None:
    """`ask_resign` and `ask_transfer` name whom they asked; the leader obeys, and says why it went."""
    other = stage.blocking(candidate="other")
    with pytest.raises(BackendRefused):
        other.ask_resign()
    with pytest.raises(LeadershipLost) as caught, stage.blocking().lead() as tenure:
        with pytest.raises(BackendRefused):
            other.ask_transfer("nobody")
        assert other.ask_resign().candidate == "a"
        tenure.wait_lost()
    assert caught.value.reason is Reason.RESIGNED
    with pytest.raises(LeadershipLost) as caught, stage.blocking().lead() as tenure:
        heir = InThread(lambda: _lead(stage, wait=None))
        wait_until(lambda: [one.candidate for one in other.candidates()] == ["second"])
        assert other.ask_transfer("second").token == tenure.token
        tenure.wait_lost()
    assert caught.value.reason is Reason.TRANSFERRED
    assert heir.outcome() == 3


def test_L9_a_look_at_a_service_that_hangs_ends_within_the_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """BackendUnreachable, and no old answer."""

    monkeypatch.setattr("tenure.options.CALL_LIMIT_S", 0.05)
    stage.service.faults.add("read", Hang(stubborn=True))
    with pytest.raises(BackendUnreachable):
        stage.blocking().leader()
    stage.service.faults.clear()
    stage.service.faults.add("read", LoseRequest(), times=1)
    with pytest.raises(BackendUnreachable):
        stage.blocking().leader()
    stage.service.faults.add("read", Fail(RuntimeError("a bug")), times=1)
    with pytest.raises(BackendUnreachable, match="a bug"):
        stage.blocking().leader()
    assert stage.blocking().leader() is None


def test_a_body_that_works_on_is_reported_with_its_stack(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """At the hard deadline: an Overran notice, and where the thread is, in the log."""
    working, may_end = threading.Event(), threading.Event()

    def stubborn_work() -> None:
        with stage.blocking().lead():
            working.set()
            may_end.wait(30)

    with heard() as notices:
        thread = InThread(stubborn_work)
        working.wait(30)
        stage.service.faults.add("renew", LoseRequest())
        stage.clock.advance(20)
        wait_until(lambda: "Overran" in kinds(notices))
        may_end.set()
        with pytest.raises(LeadershipLost):
            thread.outcome()
    assert any("stubborn_work" in record.message for record in caplog.records)


def _lead(stage: Stage, *, wait: float | None) -> int:
    with stage.blocking(candidate="second").lead(wait=wait) as tenure:
        return tenure.token


def _thread(candidacy: Candidacy) -> threading.Thread:
    return candidacy._standing.thread  # noqa: SLF001  whether it has ended is the claim
