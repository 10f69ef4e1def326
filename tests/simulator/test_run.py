"""Whole runs: repeatable, the same whether they are watched or not, and judged by what they show.

Every algorithm is run over some dozens of seeds under all faults of its model: a table of what struck, which roles were
entered and which rules fired has no empty row, so that no run proves nothing.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Iterable

import pytest

from tenure import trace
from tenure.core.effects import Authorised, Effect, Persist, Recognised
from tenure.core.events import Event, Started
from tenure.core.model import Guarantee
from tenure.core.words import kind_of
from tenure.errors import ConfigurationError
from tenure.simulator import names, simulate
from tenure.simulator.drawing import KINDS
from tenure.simulator.plan import kinds_within
from tenure.simulator.run import Run
from tenure.simulator.scenario import parse_script
from tests.simulator.probe import Kept, Probe, Script

SEEDS = 40
SPLIT = parse_script("nodes 1 2 3 4 5\nuntil 40s\nat 10s partition 1 2 | 3 4 5\nat 25s heal\n")
every_algorithm = pytest.mark.parametrize("name", names.COMPARED)


@every_algorithm
def test_the_same_seed_gives_the_same_run_watched_or_not(name: str) -> None:
    """Record by record; without a trace the violations, counts and measures are the same; another seed is another."""
    first, again, other = (simulate(name, seed=seed, until=20) for seed in (5, 5, 6))
    assert first.digest() == again.digest() != other.digest()
    unwatched = simulate(name, seed=5, until=20, trace=False)
    assert shown(unwatched) == shown(first)
    assert unwatched.trace is None
    with pytest.raises(ConfigurationError, match="trace=True"):
        unwatched.digest()


def test_violations_are_the_same_watched_or_not() -> None:
    """Where there are some."""
    runs = [
        simulate("bully", seed=seed, faults=("partition",), check=("one-leader",), trace=kept)
        for seed in range(8)
        for kept in (True, False)
    ]
    assert any(run.violations for run in runs)
    for watched, unwatched in zip(runs[::2], runs[1::2], strict=True):
        assert shown(watched) == shown(unwatched)
        assert watched.trace is not None
        told = [record for record in watched.trace.records if isinstance(record, trace.Violated)]
        assert [record.at_ns for record in told] == [violation.at_ns for violation in watched.violations]


def test_what_a_run_counts_is_what_its_trace_shows() -> None:
    """Each message once when it left, and each copy that arrived."""
    run = simulate("bully+lease", seed=4, until=30, faults=("loss", "duplicate", "crash", "partition"))
    assert run.trace is not None
    kinds = Counter(type(record) for record in run.trace.records)
    sent = Counter(record.kind for record in run.trace.records if isinstance(record, trace.Sent))
    assert run.sent == sent
    assert run.delivered == kinds[trace.Arrived]
    assert min(kinds[trace.Arrived], kinds[trace.Dropped], kinds[trace.Wrote]) > 0
    assert kinds[trace.Arrived] + kinds[trace.Dropped] != kinds[trace.Sent], "copies were made"
    assert [record.at_ns for record in run.trace.records] == sorted(record.at_ns for record in run.trace.records)


@functools.cache
def runs(name: str) -> tuple[Run, ...]:
    """Some dozens, under the faults of its model; told of deaths by the world, which takes a tenth of the time."""
    return tuple(simulate(name, seed=seed, detector="told", trace=False) for seed in range(SEEDS))


@every_algorithm
def test_no_run_within_the_model_violates_anything(name: str) -> None:
    """Of those below."""
    assert [(run.setup.seed, str(violation)) for run in runs(name) for violation in run.violations] == []


@every_algorithm
def test_somebody_is_elected_in_every_run(name: str) -> None:
    """One in which nobody is shows nothing; and where there is authority, somebody holds it."""
    assert [run.setup.seed for run in runs(name) if run.is_void] == []
    if Guarantee.ONE_AT_A_TIME in names.algorithm(name).guarantees:
        assert [run.setup.seed for run in runs(name) if run.measures.tenures == 0] == []


@every_algorithm
def test_every_fault_of_its_model_strikes(name: str) -> None:
    """The table of what fired has no empty row."""
    struck = sum((run.struck for run in runs(name)), Counter[str]())
    wanted = {KINDS[kind].counted_as or kind for kind in kinds_within(names.algorithm(name))}
    assert {fault: struck[fault] for fault in wanted if struck[fault] == 0} == {}


@every_algorithm
def test_every_role_is_entered(name: str) -> None:
    """Those of the outermost elector, but for the one of who has left, which is gone with it."""
    entered = {change.partition(" -> ")[2] for run in runs(name) for change in run.measures.roles}
    roles = {role for run in runs(name) for role in run.roles}
    assert roles - entered <= {"gone"}
    assert len(entered) >= 3


@every_algorithm
def test_every_message_is_sent_and_every_record_written(name: str) -> None:
    """Each type that the algorithm declares."""
    kind = names.algorithm(name)
    sent = {one for run in runs(name) for one in run.sent}
    wrote = {rule for run in runs(name) for rule in run.measures.rules if rule.startswith("wrote ")}
    assert sent == {kind_of(message) for message in kind.messages}
    assert wrote == {f"wrote {kind_of(record)}" for record in kind.records}


@every_algorithm
def test_a_change_of_leader_takes_time(name: str) -> None:
    """The third misconception: in every run in which the leader crashes there is a gap without one."""
    for seed in range(5):
        calm = simulate(name, seed=seed, until=20, faults=())
        assert calm.trace is not None
        became = [record for record in calm.trace.records if isinstance(record, trace.Became)]
        leader = [record.node for record in became if record.node == record.leader][-1]
        crashed = simulate(name, seed=seed, scenario=parse_script(f"until 20s\nat 8s crash {leader}\n"))
        assert crashed.measures.became_leader > calm.measures.became_leader
        assert crashed.measures.leaderless_ns > calm.measures.leaderless_ns


@pytest.mark.parametrize("seed", range(10))
def test_without_a_lease_a_partition_gives_two_leaders_and_with_one_never_two_that_may_act(seed: int) -> None:
    """The second misconception: bully alone has two leaders while the group is apart; leased, one at most may act."""
    alone = simulate("bully", seed=seed, scenario=SPLIT, check=("one-leader",))
    assert "one-leader" in {violation.checker for violation in alone.violations}
    assert alone.measures.two_leaders_ns > 0
    leased = simulate("bully+lease", seed=seed, scenario=SPLIT)
    assert leased.violations == []
    assert leased.measures.tenures > 0
    assert leased.measures.overlap_ns == 0


def test_by_fault_partition_bully_alone_is_seen_to_have_two_leaders() -> None:
    """As the command line draws them."""
    found = [simulate("bully", seed=s, faults=("partition",), check=("one-leader",), trace=False) for s in range(10)]
    assert sum(bool(run.violations) for run in found) >= 5
    leased = [simulate("bully+lease", seed=s, faults=("partition",), trace=False) for s in range(10)]
    assert [violation for run in leased for violation in run.violations] == []


def test_an_elector_that_raises_is_a_violation_with_its_place() -> None:
    """Its seed is told like that of any other."""

    def does(_: Probe, event: Event, __: int) -> Iterable[Effect]:
        raise AssertionError(f"no {type(event).__name__}")

    run = simulate(Probe, settings=Script(does), detector="told", faults=())
    assert [violation.checker for violation in run.violations] == ["no-exception", "agreement", "termination"]
    assert "no Started (test_run.py:" in run.violations[0].text


def test_two_that_may_act_at_once_are_a_violation() -> None:
    """Through the whole of a run, not only on paper."""

    def does(probe: Probe, event: Event, now_ns: int) -> Iterable[Effect]:
        if isinstance(event, Started):
            probe.leader = probe.me
            return [Recognised(probe.me, 0), Authorised(probe.me, now_ns + 10**9)]
        return []

    run = simulate(Probe, nodes=2, settings=Script(does), detector="told", faults=(), check=("one-at-a-time",), until=5)
    assert [violation.checker for violation in run.violations] == ["one-at-a-time"]
    assert run.measures.overlap_ns == 10**9


def test_a_trace_that_grows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do: it is no fault of the algorithm."""
    monkeypatch.setattr(sys.modules[Run.__module__], "LIMIT_RECORDS", 100)  # simulator.run is the function
    with pytest.raises(ConfigurationError, match="without a trace"):
        simulate("bully", until=20)
    assert simulate("bully", until=20, trace=False).violations == []


def test_a_void_run_is_known_for_one() -> None:
    """Nobody was elected."""
    run = simulate(Probe, settings=Script(lambda *_: [Persist(1, Kept(1))]), detector="told", until=1, faults=())
    assert run.is_void
    assert run.violations == []  # too short to be judged for an end


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"algorithm": None}, "such as bully"),
        ({"algorithm": "cowboy"}, "there are: bully"),
        ({"nodes": 0}, "different numbers from 1 on"),
        ({"nodes": (1, 1)}, "different numbers from 1 on"),
        ({"until": 0}, "give seconds"),
        ({"faults": ("meteor",)}, "there are: crash"),
        ({"detector": "crystal ball"}, "there are: heartbeat"),
        ({"check": ("happiness",)}, "there are: one-at-a-time"),
    ],
)
def test_what_cannot_be_run_is_refused_with_what_can(arguments: dict[str, object], says: str) -> None:
    """By ConfigurationError."""
    with pytest.raises(ConfigurationError, match=says):
        simulate(**{"algorithm": "bully", **arguments})  # type: ignore[arg-type]  # wrong on purpose


def shown(run: Run) -> tuple[object, ...]:
    """All that a run tells without its trace."""
    return (run.violations, run.sent, run.delivered, run.struck, run.refused, vars(run.measures))


@pytest.mark.parametrize("what", ["faults", "check"])
def test_one_text_is_no_list_of_names(what: str) -> None:
    """It would be taken for its letters."""
    with pytest.raises(ConfigurationError, match=f"{what} takes names"):
        simulate("bully", until=1, **{what: "crash"})  # type: ignore[arg-type]  # what a caller may write by mistake
