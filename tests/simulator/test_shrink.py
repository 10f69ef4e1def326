"""A shrunk schedule is small, shows the same objection again, and blames an algorithm for its own defects alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from tenure.simulator import Scenario, plan, simulate
from tenure.simulator import shrink as shrinking
from tenure.simulator.checkers import Violation
from tenure.simulator.faults import Ask, Crash, Duplicate, Heal, Latency, Lose, Partition, Pause, SetVoters, Stroke
from tenure.simulator.hunt import Job, hunt
from tenure.simulator.plan import Plan
from tenure.simulator.scenario import parse_script
from tenure.simulator.shrink import objection, shrink
from tests.algorithms.mutants import MUTANTS, Mutant
from tests.mutation import applied

DIVIDED = Job("bully", faults=("partition", "crash", "loss", "ask"), check=("one-leader",))
"""Most seeds violate this, with some forty strokes."""
SLEEPY = next(mutant for mutant in MUTANTS if mutant.name == "answered_waits_for_ever")
"""Of bully: who was answered waits for ever for somebody to announce itself."""
OF_THE_SIMULATOR = [
    SLEEPY,
    next(mutant for mutant in MUTANTS if mutant.name == "successor_never_repaired"),
]


def violated(job: Job) -> Scenario:
    """The first seed's schedule that violates what the job checks."""
    assert job.check is not None
    return next(scenario for seed in range(50) if objection(scenario := job.scenario(seed), job.check[0]))


def test_a_violation_is_shrunk_to_what_it_takes() -> None:
    """Forty strokes among five nodes come down to one partition of two."""
    scenario = violated(DIVIDED)
    assert len(scenario.strokes) > 10

    found = shrink(scenario, "one-leader")

    assert found is not None
    assert found.scenario.nodes is not None
    assert len(found.scenario.nodes) == 2
    assert [type(stroke.fault) for stroke in found.scenario.strokes] == [Partition]
    assert found.scenario.until_ns is not None
    assert found.scenario.until_ns < 10 * 10**9
    assert found.violation.checker == "one-leader"


def test_what_was_shrunk_shows_it_again_from_its_script() -> None:
    """Written down, read and run like any scenario: the same objection, at the same instant."""
    found = shrink(violated(DIVIDED), "one-leader")
    assert found is not None
    run = simulate(scenario=parse_script(found.scenario.script()), check=["one-leader"])
    assert run.violations[0] == found.violation


@pytest.mark.parametrize("seed", range(6))
def test_a_drawn_plan_survives_its_script(seed: int) -> None:
    """What a seed draws and what its scenario says are the same run, to the last message."""
    job = Job("bully+lease", nodes=3, until_ns=30 * 10**9)
    scenario = parse_script(job.scenario(seed).script())
    drawn = simulate("bully+lease", nodes=3, until=30, seed=seed)
    assert simulate(scenario=scenario).digest() == drawn.digest()


def test_no_stroke_can_be_left_out() -> None:
    """Without any one of them the checker has nothing to object to, in a case that takes several."""
    text = "algorithm bully\nnodes 1 2 3 4\nseed 3\nuntil 30s\ndetector told\n" + "".join(
        f"at {second}s {words}\n"
        for second, words in enumerate(
            ("crash 4", "pause 1 for 100ms", "ask 3", "partition 3 | 1 2 4", "restart 4", "lose 5%", "restart 1"),
            start=2,
        )
    )
    checker = "expectation"
    scenario = parse_script(f"{text}at 28s expect one leader\n")
    found = shrink(scenario, checker)
    assert found is not None
    strokes = found.scenario.strokes
    assert 1 <= len(strokes) < 7
    for place in range(len(strokes)):
        without = msgspec.structs.replace(found.scenario, strokes=strokes[:place] + strokes[place + 1 :])
        assert objection(without, checker) is None, f"{strokes[place]} was not needed"


@pytest.mark.parametrize("mutant", OF_THE_SIMULATOR, ids=lambda mutant: mutant.name)
def test_a_schedule_shrunk_from_a_mutant_is_clean_with_the_rule(mutant: Mutant) -> None:
    """It shows the defect, and nothing that every algorithm would be blamed for: the calm at its end has stayed."""
    algorithm = "ring" if "ring" in mutant.storm else "bully"
    with applied(mutant), ThreadPoolExecutor(1) as executor:
        done = hunt(algorithm, 100, until=60, executor=executor, workers=1)
    assert done.found is not None
    assert done.smallest is not None
    checker = done.smallest.violation.checker
    assert checker in {"agreement", "greatest-leads", "termination"}
    scenario = parse_script(done.smallest.scenario.script())
    assert len(scenario.strokes) < len(done.job.scenario(done.found.seed).strokes)
    with applied(mutant):
        assert objection(scenario, checker)
    assert objection(scenario, checker) is None


def test_nothing_is_shrunk_where_nothing_is_violated() -> None:
    """There is no smallest schedule of what does not happen."""
    assert shrink(Job("bully", until_ns=5 * 10**9).scenario(0), "agreement") is None


def test_runs_are_bounded() -> None:
    """What was found until then is the answer, and it shows the objection."""
    found = shrink(violated(DIVIDED), "one-leader", most_runs=7)
    assert found is not None
    assert found.runs <= 7
    assert objection(found.scenario, "one-leader")


# Mutants of the shrinker itself, each with what sees it


def test_a_shrinker_that_takes_every_step_loses_the_violation() -> None:
    """The rule taken away: a step is taken though nothing is violated any more."""

    def takes(self: Any, case: Any) -> bool:
        self.runs += 1
        changed = case != self.best
        self.best = case
        return bool(changed)

    with patch.object(shrinking._Search, "takes", takes):  # noqa: SLF001  a mutant of it
        found = shrink(violated(DIVIDED), "one-leader", most_runs=50)
    assert found is not None
    assert objection(found.scenario, "one-leader") is None


@pytest.mark.parametrize("checker", ["agreement", "greatest-leads"])
def test_a_shrinker_without_a_calm_blames_every_algorithm(checker: str) -> None:
    """The rule taken away: the group is still cut when it is judged, and nobody could agree. With it, it is whole."""

    def no_calm(strokes: Sequence[Stroke], nodes: Sequence[int], healed_ns: int, *_: object, **__: object) -> Plan:
        return Plan(tuple(strokes), healed_ns, tuple(nodes))

    scenario = violated(Job("bully", faults=("partition",), check=(checker,), until_ns=40 * 10**9))
    calmed = shrink(scenario, checker)
    with patch.object(plan, "with_calm", no_calm):
        uncalmed = shrink(scenario, checker)
    assert calmed is not None
    assert uncalmed is not None
    assert isinstance(calmed.scenario.strokes[-1].fault, Heal)
    assert [type(stroke.fault) for stroke in uncalmed.scenario.strokes] == [Partition]


def test_a_shrinker_that_takes_any_objection_ends_with_another() -> None:
    """The rule taken away: it looks for agreement, and comes back with two leaders."""

    def any_objection(scenario: Scenario, checker: str) -> Any:
        del checker
        run = simulate(scenario=scenario, check=["one-leader", "agreement"], trace=False)
        return run.violations[0] if run.violations else None

    job = Job("bully", faults=("partition",), check=("agreement",), until_ns=40 * 10**9)
    scenario = violated(job)
    with patch.object(shrinking, "objection", any_objection):
        found = shrink(scenario, "agreement", most_runs=60)
    assert found is not None
    assert found.violation.checker != "agreement"


# Steps


def test_what_was_shrunk_speaks_of_nobody_who_never_is() -> None:
    """Node 4 joins and votes; an objection to its vote alone must leave it its joining, or no script could say so."""
    script = "algorithm raft\nnodes 1 2 3\nuntil 9s\ndetector told\nat 1s join 4\nat 2s voters 1 2 4 by 1\n"
    seen = Violation("no-exception", 2_000_000_000, "node 4 votes")

    def objects(scenario: Scenario, checker: str) -> Violation | None:
        votes = any(isinstance(one.fault, SetVoters) and 4 in one.fault.voters for one in scenario.strokes)
        return seen if votes and checker == seen.checker else None

    with patch.object(shrinking, "objection", objects):
        found = shrink(parse_script(script), seen.checker)

    assert found is not None
    assert parse_script(found.scenario.script()).strokes == found.scenario.strokes


def test_what_happens_to_a_node_goes_with_it() -> None:
    """Strokes that name it are dropped; groups and voters lose it."""
    strokes = [
        Stroke(1, Crash(2)),
        Stroke(2, Ask(1, 2)),
        Stroke(3, Partition(((1, 2), (3,)))),
        Stroke(4, Partition(((2,),))),
        Stroke(5, SetVoters(1, (1, 2))),
        Stroke(6, Crash(3)),
    ]
    assert list(shrinking._without(strokes, 2)) == [  # noqa: SLF001  a step of the search
        Stroke(3, Partition(((1,), (3,)))),
        Stroke(5, SetVoters(1, (1,))),
        Stroke(6, Crash(3)),
    ]


@pytest.mark.parametrize(
    ("fault", "simplest"),
    [
        (Pause(1, 1_234_567_890), Pause(1, 10 * 10**9)),
        (Latency(0, 1_234_567_890), Latency(0, 0)),
        (Lose(0.123), Lose(1.0)),
        (Duplicate(0.123), Duplicate(1.0)),
        (Ask(1, 2), Ask(1)),
    ],
    ids=str,
)
def test_faults_become_simpler(fault: Any, simplest: Any) -> None:
    """The simplest is tried first."""
    assert next(shrinking._simpler_faults(Stroke(5, fault))) == Stroke(5, simplest)  # noqa: SLF001  a step of the search


def test_round_numbers_stay() -> None:
    """There is nothing to round in them, and so no run is spent on it."""
    assert list(shrinking._rounder(20 * 10**9)) == []  # noqa: SLF001  a step of the search
