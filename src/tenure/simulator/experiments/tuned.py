"""Time-outs that follow round trips, beside those that are configured (Shiozaki and Nakamura 2025)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tenure.algorithms.raft import Settings
from tenure.algorithms.raft.tuning import Tuning
from tenure.durations import NS_PER_S
from tenure.simulator.experiments.fail_over import WRITE_NS, WRITE_TAIL_NS, FailOver, Gap
from tenure.simulator.experiments.lines import Case, Experiment, mean_ms
from tenure.simulator.network import MS, Weather

FIXED, TUNED = "as configured", "tuned"
DETECTION, SERVICE, ACTS = "detection ms", "no leader ms", "may act ms"
LESS_DETECTION, LESS_SERVICE = "detection less %", "no leader less %"
TIME_OUTS, ELECTIONS, BEATS = "time-outs/min", "elections/min", "heartbeats/s"
STATISTICS = (DETECTION, LESS_DETECTION, SERVICE, LESS_SERVICE, ACTS, TIME_OUTS, ELECTIONS, BEATS)
PUBLISHED = {LESS_DETECTION: 80.0, LESS_SERVICE: 45.0}
"""Where all round trips take 100 ms."""
STEADY_S = 60


def _links(round_trip_ms: int, loss: float = 0.0) -> Weather:
    """One way takes half of it, up to a tenth more or less."""
    return Weather(least_ns=round_trip_ms * 45 * MS // 100, most_ns=round_trip_ms * 55 * MS // 100, loss=loss)


def _in_turn(weathers: Iterable[Weather]) -> tuple[tuple[int, Weather], ...]:
    """Each for as long as every other."""
    some = tuple(weathers)
    return tuple((at * STEADY_S * NS_PER_S // len(some), one) for at, one in enumerate(some))


UP_AND_DOWN_MS = (50, 75, 100, 150, 200, 250, 200, 150, 100, 100)
LOST_PERCENT = (0, 5, 10, 15, 20, 25, 20, 15, 10, 5)
WEATHERS = {
    "100 ms": _in_turn([_links(100)]),
    "10 ms": _in_turn([_links(10)]),
    "50 to 250 ms and back": _in_turn(map(_links, UP_AND_DOWN_MS)),
    "from 50 to 500 ms at once": _in_turn([_links(50), _links(500)]),
    "100 ms, up to 25 % lost": _in_turn(_links(100, percent / 100) for percent in LOST_PERCENT),
}
"""How links are in the minute before the crash, by the time of a round trip."""


def _case(name: str, variant: str) -> Case:
    configured = Settings()
    return Case(
        name=name,
        variant=variant,
        trials=60,
        fail_over=FailOver(
            settings=configured if variant == FIXED else Settings(tuning=Tuning()),
            beside=configured if variant == TUNED else None,
            least_ns=WEATHERS[name][0][1].least_ns,
            most_ns=WEATHERS[name][0][1].most_ns,
            write_ns=WRITE_NS,
            write_tail_ns=WRITE_TAIL_NS,
            steady_ns=STEADY_S * NS_PER_S,
            weathers=WEATHERS[name],
            until_acts=True,
        ),
        published=PUBLISHED if (name, variant) == ("100 ms", TUNED) else {},
    )


def _less(one: float | None, other: float | None) -> float | None:
    return 100 * (1 - one / other) if one is not None and other else None


def _measure(gaps: Sequence[Gap]) -> dict[str, float | None]:
    """Means; how much less than configured is known of those that were compared."""
    minutes = sum(gap.steady.lasted_ns for gap in gaps) / (60 * NS_PER_S)
    detection_ms, service_ms = mean_ms(gap.first_ns for gap in gaps), mean_ms(gap.gap_ns for gap in gaps)
    found = {
        DETECTION: detection_ms,
        SERVICE: service_ms,
        ACTS: mean_ms(gap.acts_ns for gap in gaps),
        TIME_OUTS: sum(gap.steady.time_outs for gap in gaps) / minutes,
        ELECTIONS: sum(gap.steady.elections for gap in gaps) / minutes,
        BEATS: sum(gap.steady.beats for gap in gaps) / minutes / 60,
    }
    others = [gap.beside for gap in gaps if gap.beside is not None]
    if others:
        found[LESS_DETECTION] = _less(detection_ms, mean_ms(gap.first_ns for gap in others))
        found[LESS_SERVICE] = _less(service_ms, mean_ms(gap.gap_ns for gap in others))
    return found


RAFT_TUNED = Experiment(
    name="raft-tuned",
    about="time-outs that follow measured round trips beside those that are configured (Dynatune, 2025)",
    notes=(
        """Five servers with the settings that ship, which are those of etcd that the paper compares with: time-outs of
        1 to 2 s, a heartbeat each 100 ms, pre-vote. They are left alone for a minute, then the leader crashes. One way
        takes half a round trip, give or take a tenth; a durable write takes 1.2 ms and an exponential time of mean
        2.8 ms.
        """,
        """Detection: from the crash until the first survivor loses patience. No leader: until the first heartbeat of
        the next one lands. May act: until its tenure opens; tenures are not tuned. All are means. "Less" compares with
        the very same trials as configured.
        """,
        """Time-outs and elections are those of the minute before, for which there was no cause; heartbeats are those of
        the leader to all four.
        """,
    ),
    statistics=STATISTICS,
    cases=tuple(_case(name, variant) for name in WEATHERS for variant in (FIXED, TUNED)),
    measure=_measure,
    x_label="milliseconds without a leader",
    y_label="% of trials that have a leader again",
    is_of_times=True,
)
