"""An elector with a detector around it: what goes out, and what the inner one is told."""

from __future__ import annotations

import copy
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.algorithms import bully
from tenure.core.effects import Persist, Recognised, Send
from tenure.core.elector import WishRefused
from tenure.core.events import Asked, Event, Joined, Left, Persisted, Received, Started, Suspected, Trusted, Woke
from tenure.detectors import heartbeat, phi
from tenure.detectors.watched import Heartbeat, Watched, WatchedByPhi
from tenure.durations import NEVER_NS
from tests.detectors.probe import MS, Note, Probe, Scene, Word

both = pytest.mark.parametrize("kind", [Watched, WatchedByPhi], ids=lambda kind: kind.name)


def begun(kind: type[Watched] = Watched, begin_ns: int = 0) -> Scene:
    """A probe that has started, with the default settings of its detector."""
    scene = Scene(kind, begin_ns=begin_ns)
    scene.give(Started())
    return scene


# What it is


def test_it_is_named_after_both_and_is_what_the_inner_one_is() -> None:
    """One class for each detector; what is assumed and promised is the inner elector's affair."""
    fixed, by_phi = Watched.over(Probe), WatchedByPhi.over(Probe)
    assert (fixed.name, by_phi.name) == ("probe+heartbeat", "probe+phi")
    assert fixed.messages == by_phi.messages == (Word, Heartbeat)
    assert fixed.records == (Note,)
    assert (fixed.assumes, fixed.guarantees) == (Probe.assumes, Probe.guarantees)
    assert isinstance(fixed(1, (1, 2), Random(1)).detector, heartbeat.Timeout)
    assert isinstance(by_phi(1, (1, 2), Random(1)).detector, phi.Phi)


def test_role_leader_and_term_are_those_of_the_inner_one() -> None:
    """After every event; what the inner one sends and keeps goes out as well."""
    scene = begun()
    assert (scene.elector.role, scene.elector.leader, scene.elector.term) == ("listening", None, 0)

    scene.give(Received(2, Word()))

    assert (scene.elector.role, scene.elector.leader, scene.elector.term) == ("following", 2, 1)
    assert scene.other_effects == [Recognised(2, 1), Persist(1, Note()), Send(2, Word(), after=1)]


# Heartbeats


def test_heartbeats_leave_at_once_and_then_in_every_period() -> None:
    """To every member but itself."""
    scene = begun(begin_ns=-7 * MS)
    scene.pass_until(350 * MS)
    assert scene.beats == [(at * MS, peer) for at in (-7, 93, 193, 293) for peer in (2, 3)]


def test_who_joins_gets_heartbeats_and_who_leaves_gets_none() -> None:
    """From the next period on."""
    scene = begun()
    scene.give(Joined(4))
    scene.give(Left(2))
    scene.pass_until(100 * MS)
    assert scene.beats[2:] == [(100 * MS, 3), (100 * MS, 4)]


# Opinions


@both
def test_who_falls_silent_is_suspected_at_the_promised_instant_and_trusted_when_heard(kind: type[Watched]) -> None:
    """Once each; the inner elector is told nothing while nothing changes, and nothing of heartbeats."""
    scene = begun(kind)
    scene.all_beat(2, 3, times=20)
    assert scene.opinions == []
    due_ns = scene.elector.detector.suspect_ns(2)
    assert due_ns > scene.now_ns

    scene.all_beat(3, times=20)
    assert scene.opinions == [(due_ns, Suspected(2))]
    assert scene.elector.suspects == {2}

    scene.all_beat(2, 3, times=20)
    assert scene.opinions == [(due_ns, Suspected(2)), (2_000 * MS + 2_100 * MS, Trusted(2))]
    assert scene.elector.suspects == set()
    assert not any(isinstance(event, Received) for _, event in scene.probe.told)


@both
@given(
    gaps_ms=st.lists(st.tuples(st.integers(1, 900), st.sampled_from([2, 3])), max_size=30),
    begin_ns=st.integers(-99, 99),
)
@settings(max_examples=60, deadline=None, database=None)
def test_the_inner_elector_is_told_exactly_when_the_opinion_changes(
    kind: type[Watched], gaps_ms: list[tuple[int, int]], begin_ns: int
) -> None:
    """Whatever arrives when: the same changes at the same instants as of a detector that is asked at every one."""
    scene, alone = begun(kind, begin_ns), kind.over(Probe)(1, (1, 2, 3), Random(1)).detector
    expected: list[tuple[int, Event]] = []
    suspects = set[int]()
    for peer in (2, 3):
        alone.watch(peer, begin_ns)
    for gap_ms, heard in [*gaps_ms, (5_000, 2)]:
        until_ns = scene.now_ns + gap_ms * MS
        for at_ns, peer in sorted((alone.suspect_ns(peer), peer) for peer in (2, 3)):
            if at_ns <= until_ns and peer not in suspects:
                suspects.add(peer)
                expected.append((at_ns, Suspected(peer)))
        if heard in suspects:
            suspects.discard(heard)
            expected.append((until_ns, Trusted(heard)))
        alone.hear(heard, until_ns)
        scene.pass_until(until_ns)
        scene.hear(heard)
    assert scene.opinions == expected
    assert scene.elector.suspects == suspects


@both
def test_none_but_members_are_suspected_and_all_are_trusted_at_first(kind: type[Watched]) -> None:
    """The driver's duty 8: not who was never one, nor who has left; who joins again begins anew."""
    scene = begun(kind)
    scene.hear(7)
    scene.give(Left(2))
    scene.give(Left(8))
    scene.pass_until(60_000 * MS)
    assert [event for _, event in scene.opinions] == [Suspected(3)]

    scene.give(Left(3))
    scene.give(Joined(3))
    scene.give(Joined(1))
    assert scene.elector.suspects == set()
    began_ns = scene.now_ns
    scene.give(Joined(3))
    scene.pass_until(began_ns + 60_000 * MS)
    assert [event for _, event in scene.opinions] == [Suspected(3)] * 2
    assert scene.opinions[1][0] > began_ns


def test_what_the_driver_knows_counts_until_the_peer_is_heard() -> None:
    """A driver that sees a connection break may be quicker than any silence, and may be wrong like a detector."""
    scene = begun()
    scene.give(Suspected(2))
    scene.give(Suspected(3))
    assert scene.elector.suspects == {2, 3}
    scene.all_beat(2, times=1)
    scene.pass_until(600 * MS)
    assert scene.opinions == [
        (0, Suspected(2)),
        (0, Suspected(3)),
        (100 * MS, Trusted(2)),
        (600 * MS, Suspected(2)),  # by its silence; and 3 not once more
    ]


def test_whom_the_driver_trusts_is_heard() -> None:
    """Its silence counts from then on."""
    scene = begun()
    scene.pass_until(500 * MS)
    assert scene.elector.suspects == {2, 3}
    scene.give(Trusted(2))
    scene.pass_until(5_000 * MS)
    assert scene.opinions[2:] == [(500 * MS, Trusted(2)), (1_000 * MS, Suspected(2))]


def test_the_driver_changes_nothing_by_what_is_no_news() -> None:
    """Suspected twice, trusted while trusted, strangers and the node itself: the inner elector hears one voice."""
    scene = begun()
    scene.give(Suspected(2))
    told = list(scene.probe.told)
    for event in (Suspected(2), Trusted(3), Suspected(7), Trusted(7), Suspected(1), Trusted(1)):
        scene.give(event)
    assert (scene.probe.told, scene.elector.suspects) == (told, {2})


def test_a_heartbeat_at_the_last_instant_is_in_time() -> None:
    """Where the driver hands it over before it wakes the elector; no false alarm for a millisecond of its own."""
    scene = begun()
    scene.pass_until(499 * MS)
    scene.now_ns = 501 * MS
    scene.hear(2, 3)
    assert scene.opinions == []


def test_who_has_left_falls_silent() -> None:
    """It sends nothing, suspects nobody, tells nothing to the inner elector, and keeps nothing of its peers."""
    scene = begun()
    scene.give(Left(1))
    told = list(scene.probe.told)
    assert (scene.elector.wake_ns, scene.elector.role) == (NEVER_NS, "gone")

    scene.now_ns = 60_000 * MS
    for event in (Woke(), Joined(5), Received(2, Heartbeat()), Received(2, Word()), Asked(), Persisted(1)):
        scene.give(event)

    assert (scene.probe.told, len(scene.beats), scene.elector.wake_ns) == (told, 2, NEVER_NS)
    assert scene.elector.members == {1}


def test_what_the_inner_elector_refuses_has_changed_nothing() -> None:
    """Not even when a pause lies behind, or a heartbeat is due."""
    scene = begun()
    scene.stand_still(5_000 * MS)
    before = copy.deepcopy(vars(scene.elector.detector))
    with pytest.raises(WishRefused):
        scene.give(Asked())
    assert vars(scene.elector.detector) == before
    assert (scene.elector.wake_ns, len(scene.beats)) == (100 * MS, 2)


# Pauses of this node itself


@both
@pytest.mark.parametrize("first", ["woke", "queued"])
@pytest.mark.parametrize("pause_ms", [350, 1_000, 60_000, 86_400_000])
def test_who_was_paused_does_not_suspect_everybody(kind: type[Watched], first: str, pause_ms: int) -> None:
    """Whether it is woken first or given what has come meanwhile; and a round later the world is as it was."""
    scene = begun(kind)
    scene.all_beat(2, 3, times=20)

    scene.stand_still(pause_ms * MS)
    if first == "woke":
        scene.give(Woke())
    for _ in range(min(pause_ms // 100, 1_000)):
        scene.hear(2, 3)
    scene.give(Woke())
    scene.all_beat(2, 3, times=50)

    assert scene.opinions == []


@both
def test_who_died_during_the_pause_is_found_out_after_it(kind: type[Watched]) -> None:
    """Its silence counts from the waking on: at least what was left before the pause, and at most a whole one."""
    scene = begun(kind)
    scene.all_beat(2, 3, times=20)
    left_ns = scene.elector.detector.suspect_ns(3) - scene.elector.wake_ns
    whole_ns = scene.elector.detector.suspect_ns(3) - scene.now_ns
    scene.stand_still(10_000 * MS)
    woke_ns = scene.now_ns

    scene.all_beat(2, times=30)

    ((at_ns, event),) = scene.opinions
    assert event == Suspected(3)
    assert woke_ns + left_ns <= at_ns <= woke_ns + whole_ns


def test_a_pause_is_excused_once() -> None:
    """However much is handed over before the elector is woken."""
    scene = begun()
    scene.all_beat(2, 3, times=20)
    due_ns = scene.elector.detector.suspect_ns(3)
    scene.stand_still(10_000 * MS)
    for _ in range(5):
        scene.hear(2)
    scene.give(Woke())
    assert scene.elector.detector.suspect_ns(3) == due_ns + 9_900 * MS  # all but what it would have slept anyway


def test_ordinary_lateness_is_no_pause() -> None:
    """A timer that is late by less than a period puts nothing off."""
    scene = begun()
    due_ns = scene.elector.detector.suspect_ns(3)
    while scene.elector.suspects == set():
        scene.now_ns = scene.elector.wake_ns + 99 * MS
        scene.give(Woke())
    assert due_ns <= scene.now_ns < due_ns + 100 * MS


def test_who_was_suspected_before_the_pause_stays_suspected() -> None:
    """An excuse is no sign of life."""
    scene = begun()
    scene.all_beat(2, times=20)
    assert [event for _, event in scene.opinions] == [Suspected(3)]
    scene.stand_still(10_000 * MS)
    scene.give(Woke())
    assert scene.elector.suspects == {3}
    assert [event for _, event in scene.opinions] == [Suspected(3)]


@both
def test_who_is_always_late_still_finds_out_who_is_dead(kind: type[Watched]) -> None:
    """A node that wakes 300 ms late each time excuses each time, and its time goes on all the same."""
    scene = begun(kind)
    for _ in range(30):
        scene.now_ns = scene.elector.wake_ns + 300 * MS
        scene.give(Woke())
        scene.hear(2)
    assert [event for _, event in scene.opinions] == [Suspected(3)]


def test_a_pause_makes_up_for_no_heartbeats() -> None:
    """One leaves at the waking, not one for each that was missed."""
    scene = begun()
    scene.stand_still(10_000 * MS)
    scene.give(Woke())
    assert scene.beats[2:] == [(10_000 * MS, 2), (10_000 * MS, 3)]
    assert scene.elector.wake_ns == 10_100 * MS


# Bounds, and the inner elector's own time


@both
def test_state_is_bounded_by_the_members(kind: type[Watched]) -> None:
    """Who has left leaves nothing behind, and a stranger never does."""
    scene = begun(kind)
    for node in range(4, 400):
        scene.give(Joined(node))
        scene.hear(node, node + 1_000)
        scene.give(Left(node))
    for holder in (scene.elector, scene.elector.detector):
        for kept in vars(holder).values():
            assert not isinstance(kept, dict | set) or set(kept) <= {1, 2, 3}


def test_it_wakes_when_the_inner_elector_wishes_to() -> None:
    """Or earlier."""
    scene = begun()
    scene.probe.wake_ns = 42 * MS
    scene.hear(2)
    assert scene.elector.wake_ns == 42 * MS
    scene.pass_until(50 * MS)
    assert (42 * MS, Woke()) in scene.probe.told


def test_inner_settings_reach_the_inner_elector_and_own_ones_the_detector() -> None:
    """Each its own."""
    kind = Watched.over(bully.Bully, bully.Settings(delay_ns=5))
    elector = kind(1, (1, 2), Random(1), heartbeat.Settings(every_ns=70, timeout_ns=300))
    elector.handle(Started(), 0)
    assert isinstance(elector.inner, bully.Bully)
    assert (elector.inner.settings.delay_ns, elector.detector.suspect_ns(2)) == (5, 300)
    assert elector.wake_ns == elector.inner.wake_ns < 70
