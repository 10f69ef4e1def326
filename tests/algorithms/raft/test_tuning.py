"""Time-outs that follow measured round trips: Dynatune's rules, and that nothing of safety rests on them."""

# ruff: noqa: SLF001  what a node would do next is told by its timer

from __future__ import annotations

import statistics
from collections.abc import Iterable
from random import Random

import pytest

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.messages import (
    AppendEntries,
    Canvass,
    Canvassed,
    Installing,
    InstallSnapshot,
    Matched,
    Mismatched,
)
from tenure.algorithms.raft.tuning import Measured, Pulse, Tuned, Tuner, Tuning
from tenure.core.elector import UnexpectedMessage
from tenure.core.events import Received, Woke
from tenure.durations import NS_PER_S
from tenure.simulator import simulate
from tests.algorithms.raft.group import MS, Group

TUNING = Tuning()
THREE = Settings(voters=(1, 2, 3), tuning=TUNING)
SHORT = Tuned(promise_ns=80 * MS, heartbeat_ns=50 * MS)
"""What a follower says whose round trips take next to nothing: 100 ms, in the proportions of the settings."""


def measured(round_trips_ns: Iterable[int], numbers: Iterable[int], tuning: Tuning = TUNING) -> Measured:
    """After heartbeats of these numbers, each with a round trip."""
    known = Measured(tuning)
    for number, round_trip_ns in zip(numbers, round_trips_ns, strict=True):
        known.note(Pulse(number, round_trip_ns))
    return known


def tuned_group() -> Group:
    """Node 1 leads, and both others have measured."""
    group = Group(3, THREE)
    group.elect(1)
    group.pass_ms(2_000)
    return group


def just_tuned_group() -> Group:
    """Node 1 leads, and node 2 has begun to promise less this very instant."""
    group = Group(3, THREE)
    group.elect(1)
    while not any(message.tuned for message in group.said(Matched, 2)):
        group.pass_ms(10)
        assert group.now_ns < 5 * NS_PER_S
    return group


# What is measured


def test_the_time_out_is_the_mean_and_two_standard_deviations() -> None:
    """`mu + s sigma`, to a nanosecond, from integers alone; a second is far above the bounds of neither."""
    chance = Random(1)
    sample = [200 * MS + int(chance.random() * 50 * MS) for _ in range(500)]
    wanted_ns = statistics.fmean(sample) + 2 * statistics.pstdev(sample)

    assert measured(sample, range(1, 501)).election_ns() == pytest.approx(wanted_ns, abs=4)


def test_it_has_bounds_and_needs_enough_round_trips() -> None:
    """Ten of them; not below 100 ms, and not above 5 s."""
    assert measured([MS] * 9, range(1, 10)).election_ns() is None
    assert measured([MS] * 10, range(1, 11)).election_ns() == 100 * MS
    assert measured([60 * NS_PER_S] * 10, range(1, 11)).election_ns() == 5 * NS_PER_S


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """Round trips, and heartbeats that were lost."""
    tuning = Tuning(window=20)
    known = measured([900 * MS] * 20 + [200 * MS] * 20, [*range(2, 41, 2), *range(101, 121)], tuning)

    assert known.election_ns() == 200 * MS
    assert known.heartbeats() == tuning.fewest
    assert len(known._round_trips) == 20


@pytest.mark.parametrize(
    ("lost", "count"), [(0, 2), (30, 2), (32, 3), (99, 3), (101, 4), (300, 6), (500, 10), (900, 10)]
)
def test_all_heartbeats_of_a_time_out_are_lost_once_in_a_thousand(lost: int, count: int) -> None:
    """K is the least with p^K below 0.001, but two at least and ten at most; p in thousandths."""
    assert TUNING.heartbeats(lost, 1_000) == count
    assert (lost / 1_000) ** count < 0.001 or count == TUNING.most
    assert count == TUNING.fewest or (lost / 1_000) ** (count - 1) >= 0.001


def test_lost_heartbeats_are_counted_by_number() -> None:
    """In whatever order they came, and some twice; one that jumps ahead by more than the window begins anew."""
    numbers = [number for number in range(7, 207) if number % 5]
    Random(1).shuffle(numbers)
    known = measured([MS] * 320, [7, *sorted(numbers)[1:160], *numbers])
    assert known.heartbeats() == TUNING.heartbeats(40, 200) == 5

    known.note(Pulse(10**18, None))
    assert known.heartbeats() == TUNING.fewest


def test_another_leader_and_another_term_begin_anew() -> None:
    """The configured times are in force again."""
    configured = THREE.timing()
    tuner = Tuner(TUNING, configured)
    assert [tuner.follow(1, 1, Pulse(number, MS)) for number in range(1, 21)][-1].election_ns == 100 * MS

    assert tuner.follow(1, 2, Pulse(21, MS)) is configured
    assert [tuner.follow(1, 2, Pulse(number, MS)) for number in range(22, 42)][-1].election_ns == 100 * MS
    assert tuner.follow(2, 2, Pulse(42, MS)) is configured


@pytest.mark.parametrize(
    "wrong",
    [{"enough": 0}, {"fewest": 11}, {"window": 9}, {"least_ns": 6 * NS_PER_S}, {"missed_ppm": 0}, {"sigmas": -1}],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    """With what to give instead, or what contradicts what."""
    with pytest.raises(ValueError, match=r"give|above"):
        Tuning(**wrong)


# What nodes do with it


def test_it_is_off_by_default() -> None:
    """No heartbeat measures, and no answer says anything else than is configured."""
    group = Group(3)
    group.elect(1)
    group.pass_ms(2_000)

    assert {message.pulse for message in group.said(AppendEntries)} == {None}
    assert {message.tuned for message in group.said(Matched)} == {None}


@pytest.mark.parametrize(("leads", "follows"), [(None, TUNING), (TUNING, None)], ids=["follower alone", "leader alone"])
def test_both_must_wish_it(leads: Tuning | None, follows: Tuning | None) -> None:
    """A follower measures by what the leader tells it."""
    group = Group(2, Settings(voters=(1, 2), tuning=leads))
    group.settings = Settings(voters=(1, 2), tuning=follows)
    group.start(2)
    group.elect(1)
    group.pass_ms(2_000)

    assert {message.tuned for message in group.said(Matched)} == {None}


def test_a_follower_asks_for_heartbeats_and_gets_them() -> None:
    """Two within a time-out of 100 ms. It promises less, and says so."""
    group = tuned_group()
    group.sent.clear()
    group.pass_ms(1_000)

    assert {message.tuned for message in group.said(Matched)} == {SHORT}
    assert len(group.said(AppendEntries)) == 2 * 20


def test_a_leader_that_dies_is_replaced_within_half_a_second() -> None:
    """By default nobody notices for a second."""
    group = tuned_group()
    group.crash(1)
    group.pass_ms(500)

    assert Role.LEADING in {group.role(2), group.role(3)}


def test_a_snapshot_puts_the_configured_times_in_force() -> None:
    """Installing says nothing of a promise, so the leader counts the configured one; and so does the voter."""
    group = tuned_group()
    leader, voter = group.nodes[1], group.nodes[2]
    piece = InstallSnapshot(leader.term, 9, leader.term, leader.configuration, 0, b"x", 9, group.now_ns, 0)
    group.sent.clear()
    group.give(2, Received(1, piece))

    assert group.said(Installing, 2) == [Installing(leader.term, 9, 1, group.now_ns, 0)]
    assert voter.promised_until_ns == group.now_ns + THREE.promise_ns


def test_each_time_out_doubles_the_next_up_to_the_configured_one() -> None:
    """And what was measured is void."""
    group = tuned_group()
    group.isolate(3)
    lost = group.nodes[3]
    waits: list[int] = []
    for _ in range(6):
        group.now_ns = lost.wake_ns
        group.give(3, Woke())
        waits.append((lost.wake_ns - group.now_ns) // MS)

    bounds = [(200, 400), (400, 800), (800, 1600), (1000, 2000), (1000, 2000), (1000, 2000)]
    assert all(least <= wait <= most for wait, (least, most) in zip(waits, bounds, strict=True))

    group.cut.clear()
    group.sent.clear()
    group.pass_ms(100)
    assert group.said(Matched, 3)[0].tuned is None


# Safety


def test_a_promise_that_was_given_is_kept_whatever_is_promised_next() -> None:
    """A voter that has just begun to promise 80 ms refuses for the rest of the 800 that it promised before."""
    group = just_tuned_group()
    leader = group.nodes[1]
    voter, begun_ns = group.nodes[2], group.now_ns
    group.isolate(1)
    assert voter._timing.promise_ns == 80 * MS

    group.now_ns = begun_ns + 300 * MS
    assert leader.may_read(group.now_ns)
    group.give(2, Received(3, Canvass(leader.term + 1, 99, leader.term)))
    assert not group.said(Canvassed, 2)[-1].granted


def test_a_candidate_waits_for_its_own_promise() -> None:
    """It would vote for itself: with time-outs of 100 ms, nobody loses patience within the 800 promised before."""
    group = just_tuned_group()
    leader = group.nodes[1]
    voter = group.nodes[2]
    group.isolate(1)

    assert voter.wake_ns == voter.promised_until_ns > group.now_ns + 600 * MS
    group.pass_ms(600)
    assert leader.may_read(group.now_ns - 50 * MS)
    assert voter.role is Role.FOLLOWING


def test_a_lease_is_counted_from_what_each_answer_says() -> None:
    """Nine elevenths of 80 ms from sending, not of 800; and never of more than is configured, since that binds a voter
    that has forgotten what it promised.
    """
    for promise_ns, counted_ns in ((80 * MS, 80 * MS), (5 * NS_PER_S, 800 * MS)):
        group = Group(3, THREE)
        leader = group.elect(1)
        group.isolate(1)
        group.pass_ms(900)
        leader.beat_ns = sent_ns = group.now_ns
        assert not leader.may_read(group.now_ns)

        group.give(1, Received(2, Matched(leader.term, 1, sent_ns, 0, Tuned(promise_ns, 50 * MS))))
        until_ns = sent_ns + counted_ns * 9 // 11
        assert leader.may_read(until_ns - 1)
        assert not leader.may_read(until_ns)


def test_a_tenure_is_as_long_as_it_is_configured() -> None:
    """Whatever is promised for shorter: a voter says how long one may last."""
    group = tuned_group()

    assert all(group.nodes[voter]._left_ns(group.now_ns) > THREE.tenure_ns - 100 * MS for voter in (2, 3))
    assert group.nodes[1].deadline_ns is not None
    assert group.nodes[1].deadline_ns > group.now_ns + THREE.tenure_ns // 2


@pytest.mark.parametrize("pulse", [Pulse(0, None), Pulse(1, -1)], ids=str)
def test_heartbeats_that_cannot_be_are_refused(pulse: Pulse) -> None:
    """Before anything has changed."""
    group = tuned_group()
    word = AppendEntries(group.nodes[1].term, 1, 1, 0, group.now_ns, 0, (), pulse)

    with pytest.raises(UnexpectedMessage, match="round trip"):
        group.nodes[2].handle(Received(1, word), group.now_ns)


@pytest.mark.parametrize("tuned", [Tuned(-1, 1), Tuned(1, 0)], ids=str)
def test_answers_that_cannot_be_are_refused(tuned: Tuned) -> None:
    """A promise of less than nothing, and heartbeats without end."""
    group = tuned_group()
    term, now_ns = group.nodes[1].term, group.now_ns

    for answer in (Matched(term, 1, 0, 0, tuned), Mismatched(term, 1, 0, 0, 0, 0, tuned)):
        with pytest.raises(UnexpectedMessage, match="less than nothing"):
            group.nodes[1].handle(Received(2, answer), now_ns)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_violated_in_storms(seed: int) -> None:
    """All faults of Raft's model at once, or cut links alone, which is when leases are put to the test; hundreds of
    seeds more were hunted.
    """
    run = simulate(
        "raft",
        nodes=3 + 2 * (seed % 3 == 0),
        seed=seed,
        until=20,
        faults=None if seed % 2 else ("partition", "one-way", "pause", "latency", "drift"),
        settings=Settings(tuning=TUNING, snapshot_every=40, keep_tail=5),
        detector="told",
        trace=False,
    )

    assert run.violations == []
