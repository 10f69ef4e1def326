"""What a scrape answers: counted from notices, and looked up at that instant."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tenure import Reason
from tenure.announcer import ANNOUNCER
from tenure.clock import ManualClock
from tenure.holding import notices
from tenure.metrics import OVERFLOW, Metrics
from tenure.metrics import collector as collector_module
from tests.election.stage import LIMIT_S, SlowHandler, wait_until
from tests.metrics.stand_in import held, parsed, value

WHO = {"election": "e", "candidate": "a"}


@pytest.fixture
def clock() -> ManualClock:
    """Stands still."""
    return ManualClock()


@pytest.fixture
def metrics(clock: ManualClock) -> Iterator[Metrics]:
    """Counts until the test ends."""
    metrics = Metrics(clock=clock)
    yield metrics
    metrics.close()


def tell(kind: type[notices.Notice], **fields: Any) -> None:
    """Announce as the holder of candidate a of election e would, unless told otherwise."""
    ANNOUNCER.tell(kind(**{**WHO, "at_ns": 0, **fields}))


def elected(token: int = 1, **who: str) -> None:
    """An election that was won."""
    tell(notices.Elected, token=token, deadline_ns=None, **who)


def renewed(*, latency_ms: int, left_ms: int) -> None:
    """A renewal that was granted."""
    ns = {"latency_ns": latency_ms * 10**6, "left_ns": left_ms * 10**6}
    tell(notices.Renewed, token=1, deadline_ns=0, late=False, **ns)


def test_is_leader_is_computed_at_the_scrape_and_not_from_the_last_notice(clock: ManualClock, metrics: Metrics) -> None:
    """The deadline passes, and nobody tells anybody: the next scrape says 0, and nothing remains."""
    tenure = held(clock)
    elected()
    assert value(metrics.text(), "tenure_is_leader", **WHO) == 1
    assert value(metrics.text(), "tenure_remaining_seconds", **WHO) == tenure.remaining() > 0

    clock.advance(15)

    assert value(metrics.text(), "tenure_is_leader", **WHO) == 0
    assert value(metrics.text(), "tenure_remaining_seconds", **WHO) == 0
    assert value(metrics.text(), "tenure_token", **WHO) == 1  # of the tenure that it held last


def test_who_resigned_leads_no_more_at_once(clock: ManualClock, metrics: Metrics) -> None:
    """Nothing need have been told, to or by the keeper."""
    tenure = held(clock)
    assert value(metrics.text(), "tenure_is_leader", **WHO) == 1

    tenure.resign()

    assert value(metrics.text(), "tenure_is_leader", **WHO) == 0


def test_a_candidate_is_one_only_while_it_stands_or_leads(clock: ManualClock, metrics: Metrics) -> None:
    """Who has stood once does not stand for ever, though its other numbers stay."""
    assert value(metrics.text([("e", "a")]), "tenure_is_candidate", **WHO) == 1
    assert value(metrics.text(), "tenure_is_candidate", **WHO) == 0
    tenure = held(clock)
    assert value(metrics.text(), "tenure_is_candidate", **WHO) == 1
    tenure.resign()
    assert value(metrics.text(), "tenure_is_candidate", **WHO) == 0


def test_a_tenure_without_a_lease_has_no_end(clock: ManualClock, metrics: Metrics) -> None:
    """As under file://."""
    tenure = held(clock, lease_s=None)

    assert value(metrics.text(), "tenure_remaining_seconds", **WHO) == math.inf
    del tenure


def test_the_alias_is_there_on_request_only(clock: ManualClock, metrics: Metrics) -> None:
    """client-go's name, with its one label."""
    tenure = held(clock)

    assert value(metrics.text(), "leader_election_master_status") is None
    assert value(metrics.text(client_go=True), "leader_election_master_status", name="e") == 1
    clock.advance(15)
    assert value(metrics.text(client_go=True), "leader_election_master_status", name="e") == 0
    del tenure


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.FORKED])
def test_each_tenure_ends_once_with_its_first_reason(metrics: Metrics, reason: Reason) -> None:
    """A loss that is released later, perhaps for another reason, is one transition."""
    elected()
    tell(notices.Lost, token=1, reason=reason, detail="")
    tell(notices.Released, token=1, reason=Reason.OVERRUN)

    ended = {
        dict(labels)["reason"]: count
        for (name, labels), count in parsed(metrics.text()).items()
        if name == "tenure_transitions_total" and ("to", "follower") in labels and count
    }
    assert ended == {reason.value: 1}
    assert value(metrics.text(), "tenure_transitions_total", to="leader", reason="elected") == 1


def test_a_body_that_left_by_itself_has_resigned(metrics: Metrics) -> None:
    """There is no loss to tell of then, only a release."""
    elected()
    tell(notices.Released, token=1, reason=Reason.RESIGNED)

    assert value(metrics.text(), "tenure_transitions_total", to="follower", reason="resigned") == 1


def test_a_grant_that_was_given_back_unused_is_no_transition(metrics: Metrics) -> None:
    """Nobody led with it."""
    tell(notices.Released, token=1, reason=Reason.RESIGNED)

    assert value(metrics.text(), "tenure_transitions_total", to="follower", reason="resigned") == 0


def test_what_begins_to_count_during_a_tenure_counts_its_end(clock: ManualClock, metrics: Metrics) -> None:
    """A scrape has seen that it leads, though its election was not heard."""
    tenure = held(clock)
    metrics.text()
    tell(notices.Lost, token=1, reason=Reason.DEPOSED, detail="")

    assert value(metrics.text(), "tenure_transitions_total", to="follower", reason="deposed") == 1
    del tenure


@pytest.mark.parametrize(
    ("name", "kind", "fields"),
    [
        ("tenure_overruns_total", notices.Overran, {"token": 1, "reason": Reason.EXPIRED}),
        ("tenure_stalls_total", notices.Stalled, {"token": 1, "silent_since_ns": 0}),
        ("tenure_renewal_failures_total", notices.Uncertain, {"token": 1, "deadline_ns": 0, "detail": ""}),
        ("tenure_campaign_failures_total", notices.CampaignFailed, {"detail": "", "retry_at_ns": 0}),
        ("tenure_job_failures_total", notices.JobFailed, {"token": 1, "error": "", "retry_after_s": 1.0}),
    ],
)
def test_each_trouble_is_counted(
    metrics: Metrics, name: str, kind: type[notices.Notice], fields: dict[str, object]
) -> None:
    """From 0, which is there before the first, so that `increase` sees that one too."""
    tell(notices.Campaigning)
    assert value(metrics.text(), name, **WHO) == 0

    tell(kind, **fields)
    tell(kind, **fields)

    assert value(metrics.text(), name, **WHO) == 2


def test_a_campaign_that_is_over_has_not_failed(metrics: Metrics) -> None:
    """Whoever waited no longer than it wanted has been told."""
    tell(notices.CampaignFailed, detail="somebody else leads", retry_at_ns=None)

    assert value(metrics.text(), "tenure_campaign_failures_total", **WHO) == 0


def test_latency_is_a_histogram_and_the_margin_the_smallest_of_the_tenure(metrics: Metrics) -> None:
    """The next tenure begins a margin of its own; renewals of work that drains concern none."""
    elected()
    assert value(metrics.text(), "tenure_smallest_margin_seconds", **WHO) is None
    for latency_ms, left_ms in ((3, 9000), (300, 4000), (4, 8000)):
        renewed(latency_ms=latency_ms, left_ms=left_ms)
    assert value(metrics.text(), "tenure_renew_latency_seconds_bucket", le="0.005") == 2
    assert value(metrics.text(), "tenure_renew_latency_seconds_count") == 3
    assert value(metrics.text(), "tenure_renew_latency_seconds_sum") == pytest.approx(0.307)
    assert value(metrics.text(), "tenure_smallest_margin_seconds", **WHO) == 4

    tell(notices.Lost, token=1, reason=Reason.RESIGNED, detail="")
    renewed(latency_ms=1, left_ms=1)
    assert value(metrics.text(), "tenure_smallest_margin_seconds", **WHO) == 4

    elected(2)
    assert value(metrics.text(), "tenure_smallest_margin_seconds", **WHO) is None


def test_leaderless_is_what_was_seen_vacant_and_unknown_is_apart(clock: ManualClock, metrics: Metrics) -> None:
    """Counted up to the instant of the scrape; while nobody looks, nothing is."""
    for sight, seconds in (("led", 1), ("vacant", 2), ("unknown", 4), ("vacant", 8), (None, 16), ("vacant", 32)):
        metrics.saw("e", sight)  # type: ignore[arg-type]  # a table of literals
        clock.advance(seconds)

    assert value(metrics.text(), "tenure_leaderless_seconds_total", election="e") == 42
    assert value(metrics.text(), "tenure_leader_unknown_seconds_total", election="e") == 4


def test_beyond_the_limit_candidates_are_added_up_and_said_to_be(clock: ManualClock) -> None:
    """Two have series of their own; what three others do is in one."""
    metrics = Metrics(limit=2, clock=clock)
    try:
        for number in range(5):
            elected(7, candidate=f"c{number}")
            metrics.saw(f"e{number}", "vacant")
        tenures = [held(clock, candidate=f"c{number}", token=7) for number in range(5)]
        for number in range(4):
            tell(notices.Lost, candidate=f"c{number}", token=7, reason=Reason.EXPIRED, detail="")
        text = metrics.text([("e", f"c{number}") for number in range(4)])
    finally:
        metrics.close()

    assert {dict(labels).get("candidate") for _, labels in parsed(text)} == {None, "c0", "c1", OVERFLOW}
    assert value(text, "tenure_transitions_total", candidate=OVERFLOW, to="leader") == 3
    assert value(text, "tenure_transitions_total", candidate=OVERFLOW, reason="expired") == 2
    assert value(text, "tenure_is_leader", candidate=OVERFLOW) == 3
    assert value(text, "tenure_is_candidate", candidate=OVERFLOW) == 2
    assert value(text, "tenure_token", candidate=OVERFLOW) is None
    assert value(text, "tenure_series_overflow") == 1
    assert sum(name == "tenure_leaderless_seconds_total" for name, _ in parsed(text)) == 2
    del tenures


def test_within_the_limit_nothing_is_said_to_overflow(metrics: Metrics) -> None:
    """As many as the limit are not too many."""
    for number in range(collector_module.LIMIT):
        tell(notices.Campaigning, candidate=f"c{number}")

    assert value(metrics.text(), "tenure_series_overflow") == 0


def test_whoever_tells_waits_for_no_scrape(metrics: Metrics) -> None:
    """A scrape that takes for ever holds its lock; the keeper tells on, and it is counted afterwards."""
    with metrics._lock:  # noqa: SLF001  the scrape that does not end
        teller = threading.Thread(target=elected, daemon=True)
        teller.start()
        teller.join(LIMIT_S)
        assert not teller.is_alive()

    assert value(metrics.text(), "tenure_transitions_total", to="leader") == 1


def test_a_log_handler_that_blocks_holds_no_number_up(metrics: Metrics) -> None:
    """Logging and subscribers have a queue and a thread of their own, and numbers do not stand in it."""
    handler = SlowHandler()
    logger = logging.getLogger("tenure")
    logger.addHandler(handler)
    try:
        tell(notices.Overran, token=1, reason=Reason.EXPIRED)
        assert handler.blocked.wait(LIMIT_S)
        tell(notices.Overran, token=1, reason=Reason.EXPIRED)
        assert value(metrics.text(), "tenure_overruns_total", **WHO) == 2
    finally:
        handler.let_go.set()
        logger.removeHandler(handler)
        wait_until(ANNOUNCER.flush)


def test_what_nobody_reads_is_dropped_and_said_to_be(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue has a limit, and what did not fit is a number of its own."""
    for _ in range(collector_module.QUEUE_LIMIT + 5):
        metrics.saw("e", "led")

    assert value(metrics.text(), "tenure_notices_dropped_total") == 5


def test_nothing_is_counted_after_the_end(clock: ManualClock) -> None:
    """Whoever closes it is told no more."""
    metrics = Metrics(clock=clock)
    metrics.close()
    elected()

    assert value(metrics.text(), "tenure_is_leader", **WHO) is None


def test_the_whole_answer_obeys_the_conventions(clock: ManualClock, metrics: Metrics) -> None:
    """Every family has help and a type, counters end in _total and no gauge does, times are in seconds."""
    tenure = held(clock)
    elected()
    renewed(latency_ms=1, left_ms=9)
    metrics.saw("e", "vacant")
    lines = metrics.text(client_go=True).splitlines()
    kinds = dict(line.split()[2:] for line in lines if line.startswith("# TYPE"))

    assert [line.split()[2] for line in lines if line.startswith("# HELP")] == list(kinds)
    assert all(name.startswith("tenure_") for name in kinds if name != "leader_election_master_status")
    assert all((kind == "counter") == name.endswith("_total") for name, kind in kinds.items())
    assert not [name for name in kinds if name.endswith(("_ms", "_ns", "_milliseconds"))]
    del tenure
