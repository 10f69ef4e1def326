"""Detectors in the laboratory: under drawn faults nothing is violated, and in a script each sees what it has to."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import pytest

from tenure.core.events import NodeId
from tenure.detectors.watched import Watched
from tenure.simulator import simulate
from tenure.simulator.expectations import Expectation
from tenure.simulator.faults import Stroke, parse
from tenure.simulator.scenario import Scenario

S = 1_000_000_000
every_detector = pytest.mark.parametrize("detector", ["heartbeat", "phi"])
every_algorithm = pytest.mark.parametrize("algorithm", ["bully", "ring"])
STROKES = {
    11: "crash 5",
    21: "restart 5",
    31: "partition 1 2 | 3 4 5",
    41: "heal",
    51: "pause 5 for 4s",
}
EXPECTED = (
    Expectation(10 * S, "leader", (5,)),
    Expectation(20 * S, "leader", (4,)),
    Expectation(30 * S, "leader", (5,)),
    Expectation(40 * S, "leaders", (2, 5)),
    Expectation(50 * S, "leader", (5,)),
    Expectation(54 * S, "leaders", (4, 5)),
    Expectation(60 * S, "leader", (5,)),
)
SCENARIO = Scenario(
    algorithm="bully",
    until_ns=61 * S,
    strokes=tuple(Stroke(at_s * S, parse(words)) for at_s, words in STROKES.items()),
    expectations=EXPECTED,
)


@every_detector
@every_algorithm
def test_nothing_is_violated_where_heartbeats_tell_who_lives(algorithm: str, detector: str) -> None:
    """Six drawn runs of a minute each, in which nodes crash and come back and leaders change."""
    struck, became_leader = Counter[str](), 0
    for seed in range(6):
        run = simulate(algorithm, nodes=5, seed=seed, until=60, detector=detector)
        assert run.violations == [], run.setup.again
        struck += run.struck
        became_leader += run.measures.became_leader
    assert struck["crash"] > 3
    assert became_leader > 10


def violated(detector: str) -> list[str]:
    """What of the script did not come true."""
    run = simulate(scenario=SCENARIO, detector=detector, seed=1, check=())
    return [str(violation) for violation in run.violations]


@every_detector
def test_a_crash_a_return_a_partition_and_a_pause_are_seen(detector: str) -> None:
    """A paused leader believes that it leads all the time, and is followed again when it wakes."""
    assert violated(detector) == []


def nobody_suspected(self: Watched, peer: NodeId, now_ns: int) -> None:
    """What the detector says is not passed on."""
    del self, peer, now_ns


@every_detector
def test_without_suspicions_the_script_does_not_come_true(detector: str) -> None:
    """So it is the detector that sees the crash: nobody replaces the leader."""
    with patch.object(Watched, "_suspect", nobody_suspected):
        assert any("leader 4" in violation for violation in violated(detector))
