"""What a seed draws: inside the model, the same each time, and calm in the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.core.elector import Elector
from tenure.core.model import Links, Synchrony
from tenure.core.quorum import majority_of
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import faults, names
from tenure.simulator.drawing import KINDS
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.news import News
from tenure.simulator.plan import Plan, draw, kinds_beyond, kinds_within
from tenure.simulator.scenario import Scenario, parse_script, refuse_what_cannot_happen
from tenure.simulator.surroundings import Surroundings
from tenure.simulator.world import World
from tests.simulator.probe import Probe, Script

UNTIL_NS = 60 * NS_PER_S
EVERY = [*map(names.algorithm, names.COMPARED), Probe]
every_kind = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
STORM = tuple(kind for kind in KINDS if kind != "lying-disk")
ENDS = {faults.Restart, faults.Heal, faults.MendLink, faults.MendDisk, faults.AllClear, faults.Latency}
ENDS |= {faults.Lose, faults.Duplicate}


@every_kind
def test_only_kinds_inside_the_model_are_drawn(kind: type[Elector]) -> None:
    """And each of those some time; what the model excludes never."""
    model, within = kind.assumes, set(kinds_within(kind))
    struck = {type(stroke.fault) for seed in range(300) for stroke in draw(kind, range(1, 6), seed, UNTIL_NS).strokes}
    assert {KINDS[name].begins for name in within} - struck == set()
    allowed = {KINDS[name].begins for name in within} | ENDS | ({faults.Partition} if model.partitions else set())
    assert struck <= allowed
    assert "lying-disk" not in within
    assert within.isdisjoint({"partition", "one-way", "partial"}) or model.partitions
    assert within.isdisjoint({"loss", "duplicate"}) or model.links is Links.LOSSY
    assert "drift" not in within or model.clock_drift
    assert within.isdisjoint({"pause", "latency", "slow-disk"}) or model.synchrony is not Synchrony.SYNCHRONOUS


def test_a_loss_in_a_model_without_any_is_named() -> None:
    """So that a scenario outside the model is known for one."""
    bully = names.algorithm("bully")
    strokes = [*draw(bully, (1, 2, 3), 1, UNTIL_NS, ("loss", "pause")).strokes]
    assert set(kinds_beyond(bully, strokes)) >= {"loss", "pause"} & {
        name for name, kind in KINDS.items() if kind.begins in {type(stroke.fault) for stroke in strokes}
    }
    assert kinds_beyond(Probe, strokes) == ()


@settings(deadline=None, database=None)
@given(seed=st.integers(), nodes=st.integers(1, 9), until_s=st.integers(1, 120))
def test_the_same_seed_draws_the_same_in_order_of_time(seed: int, nodes: int, until_s: int) -> None:
    """Whatever is drawn happens before the calm, and then only what mends it."""
    group, until_ns = range(1, nodes + 1), until_s * NS_PER_S
    plan = draw(Probe, group, seed, until_ns, STORM)
    assert plan == draw(Probe, group, seed, until_ns, STORM)
    assert plan.healed_ns == until_ns * 2 // 3
    assert [stroke.at_ns for stroke in plan.strokes] == sorted(stroke.at_ns for stroke in plan.strokes)
    assert all(0 <= stroke.at_ns <= plan.healed_ns for stroke in plan.strokes)
    for stroke in plan.strokes:
        if isinstance(stroke.fault, faults.Pause):
            assert stroke.at_ns + stroke.fault.for_ns <= plan.healed_ns


@settings(deadline=None, database=None)
@given(seed=st.integers(), nodes=st.integers(2, 9))
def test_who_joins_and_leaves_are_nodes_that_may(seed: int, nodes: int) -> None:
    """New ones have new numbers, and a majority of the first stays."""
    plan = draw(Probe, range(1, nodes + 1), seed, UNTIL_NS, ("join", "leave"))
    joined = [stroke.fault.node for stroke in plan.strokes if isinstance(stroke.fault, faults.Join)]
    left = {stroke.fault.node for stroke in plan.strokes if isinstance(stroke.fault, faults.Leave)}
    assert sorted(joined) == list(range(nodes + 1, nodes + 1 + len(joined)))
    assert left <= set(range(1, nodes + 1))
    assert nodes - len(left) >= majority_of(nodes)
    assert set(plan.converging) <= {*range(1, nodes + 1), *joined} - left


@settings(deadline=None, database=None)
@given(seed=st.integers(), nodes=st.integers(2, 9))
def test_whoever_is_wished_for_keeps_a_majority_that_is_never_gone(seed: int, nodes: int) -> None:
    """Newcomers replace nodes that are lost for good, under numbers that were never used."""
    plan = draw(names.algorithm("raft"), range(1, nodes + 1), seed, UNTIL_NS, ("newcomer", "replace", "voters"))
    struck = [stroke.fault for stroke in plan.strokes]
    gone = {fault.node for fault in struck if isinstance(fault, faults.Leave)}
    wished = [set(fault.voters) for fault in struck if isinstance(fault, faults.SetVoters)]
    assert all(len(voters - gone) >= majority_of(len(voters)) for voters in [set(range(1, nodes + 1)), *wished])
    joined = [fault.node for fault in struck if isinstance(fault, faults.Join)]
    assert min(joined, default=nodes + 1) > nodes
    assert len(set(joined)) == len(joined)
    assert gone.isdisjoint(plan.converging)


@every_kind
def test_what_is_drawn_can_be_said_in_a_script(kind: type[Elector]) -> None:
    """It names nobody who never is: a script that does is refused, and shrinking takes no step to such a one."""
    group = tuple(range(1, 6))
    for seed in range(300):
        plan = draw(kind, group, seed, UNTIL_NS)
        scenario = Scenario(nodes=group, until_ns=UNTIL_NS, strokes=plan.strokes)
        refuse_what_cannot_happen(scenario, group, UNTIL_NS)
        assert parse_script(scenario.script()).strokes == plan.strokes


@pytest.mark.parametrize("seed", range(100))
def test_calm_heals_all_that_must_converge(seed: int) -> None:
    """All of them live, reach one another, and stand still no more; disks work, links are fair; clocks may drift on."""
    world, plan = struck(seed)
    world.run(UNTIL_NS)
    converging = set(plan.converging)
    assert len(converging & set(range(1, 6))) >= majority_of(5)
    assert converging <= world.electors.keys()
    assert not any({one, other} <= converging for one, other in world.network.cut)
    assert world.network.weather == world.fair_weather()
    fair = world.surroundings
    for number in converging:
        node = world.nodes[number]
        assert node.paused_until_ns == 0
        assert not node.disk.is_stalled
        assert not node.disk.is_lying
        assert (node.disk.least_ns, node.disk.most_ns) == (fair.disk_least_ns, fair.disk_most_ns)
        assert node.believed_dead.isdisjoint(converging)
        assert node.known >= converging


def test_calm_leaves_a_minority_cut_off_now_and_then() -> None:
    """Any minority, where the model knows partitions; elsewhere nobody."""
    alone = {
        frozenset(range(1, 6)) - set(draw(Probe, range(1, 6), s, UNTIL_NS, ("pause",)).converging) for s in range(300)
    }
    assert {len(nodes) for nodes in alone} == {0, 1, 2}
    assert {node for nodes in alone for node in nodes} == set(range(1, 6))
    bully = names.algorithm("bully")
    assert all(draw(bully, range(1, 6), seed, UNTIL_NS).converging for seed in range(100))


def test_a_kind_that_there_is_not_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigurationError, match="there are: crash, blink"):
        draw(Probe, (1, 2), 0, UNTIL_NS, ("meteor",))


def struck(seed: int) -> tuple[World, Plan]:
    """Five probes under all kinds of faults but lies, told of deaths by the world."""
    plan = draw(Probe, range(1, 6), seed, UNTIL_NS, STORM)
    world = World(Probe, range(1, 6), seed=seed, settings=Script(), surroundings=Surroundings(is_told=True))
    nemesis = Nemesis(world, News(world))
    world.start()
    for stroke in plan.strokes:
        nemesis.at(stroke.at_ns, stroke.fault)
    return world, plan
