"""The detectors, and what puts them around electors, with one rule taken away at a time, and the test that sees it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tenure.core.effects import Effect, Send
from tenure.core.events import Event, NodeId, Suspected, Trusted
from tenure.detectors import phi
from tenure.detectors.base import Detector
from tenure.detectors.phi import Phi
from tenure.detectors.watched import Heartbeat, Watched, WatchedByPhi
from tenure.durations import NEVER_NS
from tests.detectors import test_detectors, test_phi, test_watched
from tests.mutation import name_of

Rhythm = phi._Rhythm  # noqa: SLF001 -- a mutant replaces a rule where it stands
_add, _hear, _handle = Rhythm.add, Watched._hear, Watched.handle  # noqa: SLF001 -- a mutant wraps what it mutates


class Mutant(NamedTuple):
    """What stands in the place of a rule, and the test that fails then, with its arguments."""

    owner: type
    attribute: str
    instead: Any
    test: Callable[..., None]
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        return name_of(self)

    @property
    def kind(self) -> type[Watched]:
        """What puts a detector with this rule around an elector."""
        return WatchedByPhi if self.owner in {Phi, Rhythm} else Watched


# Every detector


def suspected_a_nanosecond_late(self: Detector, peer: NodeId, now_ns: int) -> bool:
    """After the instant that was promised, and not at it."""
    return now_ns > self.suspect_ns(peer)


def promises_the_last_instant(self: Detector, now_ns: int) -> int:
    """The driver sleeps while the first peer falls silent."""
    return max((at_ns for at_ns in self._suspect_ns.values() if at_ns > now_ns), default=NEVER_NS)


def watched_anew_when_watched_again(self: Detector, peer: NodeId, now_ns: int) -> None:
    """Who is watched already counts as heard."""
    self._begin(peer)
    self._count_from(peer, now_ns)


# Phi


def sample_kept_of_who_is_forgotten(self: Phi, peer: NodeId) -> None:
    """Each that was ever a member leaves its window behind."""
    Detector.forget(self, peer)


def every_interval_measured(self: Phi, peer: NodeId, now_ns: int, *, is_late: bool) -> None:
    """Those with a suspicion in them too."""
    del is_late
    rhythm = self._rhythms[peer]
    if rhythm.last_ns is not None:
        rhythm.add(now_ns - rhythm.last_ns)
    rhythm.last_ns = now_ns


def deaf_intervals_measured(self: Phi, peer: NodeId, deaf_ns: int) -> None:
    """Those in which nobody could be heard too."""
    Detector.excuse(self, peer, deaf_ns)


def any_mean_believed(self: Any) -> int:
    """Heartbeats out of a queue seem to have been sent that fast."""
    return int(self._sum // len(self._intervals_ns))


def any_deviation_believed(self: Any) -> int:
    """Who was regular by chance is expected to be so for ever."""
    count = len(self._intervals_ns)
    return max(math.isqrt(count * self._squares - self._sum**2) // count, 1)


def window_without_end(self: Any, interval_ns: int) -> None:
    """What was slow once counts for ever."""
    self._intervals_ns.append(interval_ns)
    self._sum += interval_ns
    self._squares += interval_ns * interval_ns


def pause_not_borne(self: Phi, peer: NodeId) -> int:
    """What no sample knows of makes a peer suspected."""
    rhythm = self._rhythms[peer]
    return rhythm.mean_ns + -(-self._billionths * rhythm.deviation_ns // 10**9)


# Around an elector


def own_pause_not_noticed(self: Watched, now_ns: int) -> None:
    """Who wakes up finds everybody dead."""
    del self, now_ns


def all_heard_after_an_own_pause(self: Watched, now_ns: int) -> None:
    """A whole time-out for everybody whenever this node was late: without end for one that always is."""
    if now_ns - self._rests_until_ns > self.detector.every_ns:
        for peer in self._peers():
            if peer not in self.suspects:
                self.detector.hear(peer, now_ns)


def pause_excused_for_each_event(self: Watched, now_ns: int) -> None:
    """Until it is woken, the pause counts again for whatever is handed over."""
    deaf_ns = now_ns - self.wake_ns
    if deaf_ns > self.detector.every_ns:
        for peer in self._peers():
            if peer not in self.suspects:
                self.detector.excuse(peer, deaf_ns)


def suspected_ones_trusted_after_a_pause(self: Watched, now_ns: int) -> None:
    """An excuse is taken for a sign of life."""
    deaf_ns = now_ns - self._rests_until_ns
    if deaf_ns > self.detector.every_ns:
        for peer in self._peers():
            self.detector.excuse(peer, deaf_ns)
        self.suspects.clear()


def any_lateness_excused(self: Watched, now_ns: int) -> None:
    """Each timer that is a little late puts everything off."""
    for peer in self._peers():
        if peer not in self.suspects and now_ns > self._rests_until_ns:
            self.detector.excuse(peer, now_ns - self._rests_until_ns)


def looked_while_heartbeats_wait(self: Watched, sender: NodeId, now_ns: int) -> None:
    """At all others, when one is heard."""
    _hear(self, sender, now_ns)
    self._look(now_ns)


def never_trusted_again(self: Watched, sender: NodeId, now_ns: int) -> None:
    """Once suspected, always suspected."""
    if sender in self.members - self.suspects:
        _hear(self, sender, now_ns)


def strangers_watched(self: Watched, sender: NodeId, now_ns: int) -> None:
    """Whoever sends a heartbeat is one of us."""
    self._join(sender, now_ns)
    _hear(self, sender, now_ns)


def kept_who_has_left(self: Watched, peer: NodeId) -> None:
    """Its silence is still counted, and told."""
    del self, peer


def heartbeats_made_up_for(self: Watched, now_ns: int) -> None:
    """One for each that a pause has swallowed."""
    while now_ns >= self._beat_ns:
        self._beat_ns += self.detector.every_ns
        self._effects += [Send(peer, Heartbeat()) for peer in self._peers()]


def first_heartbeat_a_period_late(self: Watched, now_ns: int) -> None:
    """Who has just come back is silent at first."""
    for peer in self._peers():
        self._watch(peer, now_ns)
    self._beat_ns = now_ns + self.detector.every_ns


def others_opinions_passed_on(self: Watched, event: Event, now_ns: int) -> Sequence[Effect]:
    """The driver's detector speaks past the elector's own."""
    if isinstance(event, Suspected | Trusted):
        return self._tell_inner(event, now_ns)
    return _handle(self, event, now_ns)


def told_as_often_as_it_is_noticed(self: Watched, peer: NodeId, now_ns: int) -> None:
    """What is no news is told all the same."""
    if peer in self._peers():
        self.suspects.add(peer)
        self._pass(Suspected(peer), now_ns)


def changed_before_it_was_refused(self: Watched, event: Event, now_ns: int) -> None:
    """The pause is dealt with before the inner elector has said whether it takes the event."""
    self._excuse(now_ns)
    self._effects += self._tell_inner(event, now_ns)


FIXED: dict[str, Any] = {"kind": Watched}
ANY: dict[str, Any] = {"make": Phi}
NO_NEWS = test_watched.test_the_driver_changes_nothing_by_what_is_no_news
LATE = test_watched.test_a_heartbeat_at_the_last_instant_is_in_time
SILENT = test_watched.test_who_falls_silent_is_suspected_at_the_promised_instant_and_trusted_when_heard
DEAF = test_phi.test_an_interval_in_which_this_node_was_deaf_is_not_measured
BEATS = test_watched.test_heartbeats_leave_at_once_and_then_in_every_period
MEMBERS = test_watched.test_none_but_members_are_suspected_and_all_are_trusted_at_first
QUEUE = {"distribution": phi.Distribution.NORMAL}
MUTANTS = (
    Mutant(Detector, "is_suspected", suspected_a_nanosecond_late, SILENT, FIXED),
    Mutant(Detector, "next_ns", promises_the_last_instant, test_detectors.test_peers_are_judged_apart, ANY),
    Mutant(Detector, "watch", watched_anew_when_watched_again, test_detectors.test_who_is_forgotten_is_forgotten, ANY),
    Mutant(Phi, "forget", sample_kept_of_who_is_forgotten, test_detectors.test_who_is_forgotten_is_forgotten, ANY),
    Mutant(
        Phi, "_measure", every_interval_measured, test_phi.test_an_interval_with_a_suspicion_in_it_is_not_measured, {}
    ),
    Mutant(Phi, "excuse", deaf_intervals_measured, DEAF, {}),
    Mutant(
        Rhythm,
        "mean_ns",
        property(any_mean_believed),
        test_phi.test_a_queue_that_is_emptied_at_once_makes_nobody_suspected,
        QUEUE,
    ),
    Mutant(
        Rhythm,
        "deviation_ns",
        property(any_deviation_believed),
        test_phi.test_a_deviation_too_small_to_be_true_is_not_believed,
        {},
    ),
    Mutant(Rhythm, "add", window_without_end, test_phi.test_the_window_forgets, {}),
    Mutant(
        Phi, "_patience_ns", pause_not_borne, test_phi.test_before_heartbeats_have_come_an_estimate_stands_for_them, {}
    ),
    Mutant(
        Watched,
        "_excuse",
        own_pause_not_noticed,
        test_watched.test_who_was_paused_does_not_suspect_everybody,
        {**FIXED, "first": "woke", "pause_ms": 1_000},
    ),
    Mutant(
        Watched,
        "_excuse",
        all_heard_after_an_own_pause,
        test_watched.test_who_is_always_late_still_finds_out_who_is_dead,
        FIXED,
    ),
    Mutant(Watched, "_excuse", pause_excused_for_each_event, test_watched.test_a_pause_is_excused_once, {}),
    Mutant(
        Watched,
        "_excuse",
        suspected_ones_trusted_after_a_pause,
        test_watched.test_who_was_suspected_before_the_pause_stays_suspected,
        {},
    ),
    Mutant(Watched, "_excuse", any_lateness_excused, test_watched.test_ordinary_lateness_is_no_pause, {}),
    Mutant(Watched, "_hear", looked_while_heartbeats_wait, LATE, {}),
    Mutant(Watched, "_hear", never_trusted_again, SILENT, FIXED),
    Mutant(Watched, "_hear", strangers_watched, MEMBERS, FIXED),
    Mutant(Watched, "_leave", kept_who_has_left, MEMBERS, FIXED),
    Mutant(Watched, "_beat", heartbeats_made_up_for, test_watched.test_a_pause_makes_up_for_no_heartbeats, {}),
    Mutant(Watched, "_start", first_heartbeat_a_period_late, BEATS, {}),
    Mutant(Watched, "_suspect", told_as_often_as_it_is_noticed, NO_NEWS, {}),
    Mutant(Watched, "handle", others_opinions_passed_on, NO_NEWS, {}),
    Mutant(
        Watched,
        "_pass",
        changed_before_it_was_refused,
        test_watched.test_what_the_inner_elector_refuses_has_changed_nothing,
        {},
    ),
)
