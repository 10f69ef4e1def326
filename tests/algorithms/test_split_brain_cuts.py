"""Split brain under cuts of every shape, in the laboratory: who leads while it lasts, and who when it is mended."""

from __future__ import annotations

import random

import pytest

from tenure import trace
from tenure.algorithms.bully import Bully
from tenure.algorithms.split_brain import KeepMajority, QuorumSettings, Settings, SplitBrain, StaticQuorum, View
from tenure.core.effects import Side
from tenure.core.events import Joined, Received, Started, Woke
from tenure.durations import NS_PER_S
from tenure.simulator import simulate
from tenure.simulator.scenario import parse_script
from tests.algorithms.appointed import Appointed
from tests.algorithms.divided import divided, leaders_at, records, said

MAJORITY, QUORUM = KeepMajority.over(Bully), StaticQuorum.over(Bully)
STABLE_NS = Settings().stable_after_ns


def script(*lines: str, nodes: int = 5, until: int = 60) -> str:
    """Nodes from 1 on; the world tells each whom it cannot hear."""
    numbers = " ".join(str(number) for number in range(1, nodes + 1))
    return "\n".join(["detector told", f"nodes {numbers}", f"until {until}s", *lines])


@pytest.mark.parametrize("kind", [MAJORITY, QUORUM])
def test_of_three_sides_none_stays_that_is_too_small(kind: type[SplitBrain]) -> None:
    """2 + 2 + 1 of five: nobody leads. 3 + 1 + 1: the three do. When it is mended one leads all."""
    small = divided(kind, script("at 10s partition 1 2 | 3 4 | 5", "at 30s heal"))
    assert leaders_at(small, 29) == dict.fromkeys(range(1, 6), None)
    assert leaders_at(small, 60) == dict.fromkeys(range(1, 6), 5)

    great = divided(kind, script("at 10s partition 1 2 3 | 4 | 5"))
    assert leaders_at(great, 29) == {1: 3, 2: 3, 3: 3, 4: None, 5: None}


@pytest.mark.parametrize(("kind", "leaders"), [(MAJORITY, {1: 2, 2: 2, 3: None, 4: None}), (QUORUM, {})])
def test_of_two_halves_that_with_the_lowest_number_stays_by_majority_and_none_by_quorum(
    kind: type[SplitBrain], leaders: dict[int, int | None]
) -> None:
    """Three of four are a quorum."""
    run = divided(kind, script("at 10s partition 1 2 | 3 4", nodes=4))
    assert leaders_at(run, 40) == (leaders or dict.fromkeys(range(1, 5), None))


@pytest.mark.parametrize("kind", [MAJORITY, QUORUM])
def test_a_node_that_is_heard_and_hears_nobody_steps_down(kind: type[SplitBrain]) -> None:
    """All links to node 5 are cut in one direction: the others see it, and it does not see them."""
    deaf = [f"at 10s cut {node} -> 5" for node in range(1, 5)]
    run = divided(kind, script(*deaf))
    assert leaders_at(run, 40) == {1: 4, 2: 4, 3: 4, 4: 4, 5: None}
    assert "steps down" in said(run, 5)


@pytest.mark.parametrize("kind", [MAJORITY, QUORUM])
def test_a_single_link_that_is_cut_in_one_direction_costs_one_node(kind: type[SplitBrain]) -> None:
    """1 does not hear 5; 5 hears 1. The greater of them goes, and the other four agree."""
    run = divided(kind, script("at 10s cut 5 -> 1"))
    assert leaders_at(run, 40) == {1: 4, 2: 4, 3: 4, 4: 4, 5: None}


def test_a_view_that_never_settles_is_never_decided() -> None:
    """The link to 4 and 5 is cut and mended every three seconds: nobody steps down, and all are whole once it ends."""
    flaps = [
        line for at_s in range(10, 40, 6) for line in (f"at {at_s}s partition 1 2 3 | 4 5", f"at {at_s + 3}s heal")
    ]
    run = divided(MAJORITY, script(*flaps))
    decided = {"stays", "steps down"}
    assert [node for node in range(1, 6) if decided & set(said(run, node))] == []
    assert [said(run, node)[-1] for node in range(1, 6)] == ["whole"] * 5
    assert leaders_at(run, 60) == dict.fromkeys(range(1, 6), 5)


def test_what_was_decided_last_holds_while_the_view_does_not_settle() -> None:
    """4 and 5 have stepped down; then the cut is mended for three seconds again and again: they lead nobody."""
    flaps = [
        line for at_s in range(25, 50, 6) for line in (f"at {at_s}s heal", f"at {at_s + 3}s partition 1 2 3 | 4 5")
    ]
    run = divided(MAJORITY, script("at 10s partition 1 2 3 | 4 5", *flaps))
    late = [one for one in records(run) if isinstance(one, trace.Became) and one.at_ns > 24 * NS_PER_S]
    assert {one.leader for one in late if one.node in {4, 5}} <= {None}
    assert leaders_at(run, 54) == {1: 3, 2: 3, 3: 3, 4: None, 5: None}


def test_fewer_than_the_quorum_follow_nobody_though_all_others_are_dead() -> None:
    """So a static quorum promises nothing about the end, and nothing is violated."""
    crashes = [f"at {at_s}s crash {node}" for at_s, node in ((10, 3), (11, 4), (12, 5))]
    run = simulate(QUORUM, scenario=parse_script(script(*crashes, "converge 1 2 from 20s")), seed=1)
    assert ({node: leaders_at(run, 60)[node] for node in (1, 2)}, run.violations) == ({1: None, 2: None}, [])


@pytest.mark.parametrize(("size", "side"), [(3, Side.STEPS_DOWN), (4, Side.STAYS)])
def test_a_quorum_for_more_members_than_there_were_outlasts_a_join(size: int, side: Side) -> None:
    """A sixth joins five: of six no three are a quorum, though four are seen. Where four are asked for they stay."""
    node = StaticQuorum.over(Appointed)(1, range(1, 6), random.Random(1), QuorumSettings(size=size))
    node.handle(Started(), 0)
    seen = (1, 2, 3, 4)
    node.handle(Joined(6), 1)
    for peer in seen[1:]:
        node.handle(Received(peer, View(peer, 1, seen, seen, seen, None, 0, ())), 2)
    node.handle(Woke(), 3 + STABLE_NS)
    assert node.side is side
