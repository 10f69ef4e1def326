"""What each fault does to a world; what finds nothing to strike says so and changes nothing."""

from __future__ import annotations

import pytest

from tenure import trace
from tenure.core.effects import Persist
from tenure.core.events import Asked, Event, Joined, Left, Reconfigure, Started, Suspected, Trusted
from tenure.detectors.watched import Watched
from tenure.simulator.faults import AnyFault, parse
from tenure.simulator.network import MS
from tests.simulator.probe import Kept, Probe, Scene, Script

NOTHING = [
    "crash 9",
    "crash leader for 1s",
    "restart 9",
    "pause 9 for 1s",
    "drift 9 +1ppm",
    "disk 9 stalls",
    "disk 9 is wiped",
    "leave 9",
    "ask 9",
    "suspect 1 at 9",
    "join 1",
    "crash 3",
    "pause 3 for 1s",
    "ask 3",
    "mend 1 -> 2",
    "partition 1 2 3",
    "lose 0%",
    "duplicate 0%",
    "latency 1ms to 10ms",
    "suspect 9 at 1",
    "suspect 1 at 1",
    "trust 2 at 1",
]


@pytest.mark.parametrize("words", NOTHING)
def test_what_finds_nothing_to_strike_counts_for_nothing(words: str) -> None:
    """Who is not there, or down; what is so already. Node 3 is down."""
    scene = Scene(Script())
    scene.let("crash 3")
    scene.world.struck.clear()
    assert scene.let(words) is False
    assert scene.world.struck == {}


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("ask 1 to 2", Asked(2)),
        ("voters 1 2 by 1", Reconfigure((1, 2))),
        ("suspect 2 at 1", Suspected(2)),
        ("leave 1", Left(1)),
    ],
)
def test_a_word_to_one_node_is_given_to_it_alone(words: str, event: object) -> None:
    """At once."""
    script = Script()
    scene = Scene(script)
    assert scene.let(words) is True
    assert script.events(1) == [Started(), event]
    assert script.events(2) == [Started()]


@pytest.mark.parametrize(
    ("words", "cut"),
    [
        (["cut 1 -> 2"], {(1, 2)}),
        (["cut 1 -- 2"], {(1, 2), (2, 1)}),
        (["cut 1 -- 2", "mend 1 -> 2"], {(2, 1)}),
        (["cut 1 -- 2", "mend 2 -- 1"], set()),
        (["partition 1 | 2"], {(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)}),
        (["cut 1 -> 2", "partition 3"], {(1, 3), (3, 1), (2, 3), (3, 2)}),
        (["partition 1", "heal"], set()),
        (["partition 3", "join 4"], {(1, 3), (3, 1), (2, 3), (3, 2), (4, 3), (3, 4)}),
    ],
)
def test_links_are_cut_as_it_is_said(words: list[str], cut: set[tuple[int, int]]) -> None:
    """And each change is told."""
    scene = Scene(Script())
    for one in words:
        assert scene.let(one)
    assert scene.world.network.cut == cut
    assert set(scene.told(trace.Cut)[-1].links) == cut - {(4, 3), (3, 4)}


def test_the_weather_changes_until_it_is_healed() -> None:
    """Each fault changes its own part."""
    scene = Scene(Script())
    for words in ("lose 10%", "duplicate 20%", "latency 5ms to 6ms"):
        assert scene.let(words) is True
    weather = scene.world.network.weather
    assert (weather.loss, weather.duplicates, weather.least_ns, weather.most_ns) == (0.1, 0.2, 5 * MS, 6 * MS)
    scene.let("heal")
    assert scene.world.network.weather == scene.world.fair_weather()


def test_who_runs_and_is_restarted_crashes_first() -> None:
    """A blink: too short for anybody to notice."""
    script = Script()
    scene = Scene(script)
    scene.let("restart 2")
    assert scene.world.nodes[2].life == 2
    assert [record.node for record in scene.told(trace.Crashed)] == [2]
    assert script.events(2, life=2) == [Started()]


def test_who_is_wiped_begins_again_under_its_number_with_nothing() -> None:
    """Also one that is down; one that has left does not."""
    script = Script(lambda _, event, __: [Persist(1, Kept(7))] if isinstance(event, Started) else [])
    scene = Scene(script)
    scene.run(10)
    scene.let("restart 2")
    assert script.events(2, life=2) == [Started((Kept(7),))]
    scene.run(20)
    for words in ("disk 2 is wiped", "crash 2", "disk 2 is wiped"):
        assert scene.let(words)
    assert script.events(2, life=3) == script.events(2, life=4) == [Started()]
    assert scene.let("leave 3")
    assert not scene.let("disk 3 is wiped")


def test_who_left_comes_back_under_no_number_of_old() -> None:
    """And the last one cannot leave."""
    scene = Scene(Script(), nodes=2)
    assert scene.let("leave 1")
    assert not scene.let("restart 1")
    assert not scene.let("join 1")
    assert not scene.let("leave 2")
    assert scene.world.members == [2]


def test_members_hear_of_one_another_each_late_and_in_order() -> None:
    """The newcomer knows all from the beginning; who begins anew meanwhile hears nothing twice."""
    script = Script()
    scene = Scene(script, news_least_ns=10 * MS, news_most_ns=500 * MS)
    scene.let("join 4")
    scene.let("leave 2")
    scene.run(5)
    scene.let("restart 3")
    scene.run(1_000)
    assert script.events(1) == [Started(), Joined(4), Left(2)]
    assert script.events(3, life=2) == [Started()]
    assert script.events(4) == [Started(), Left(2)]
    assert scene.world.nodes[3].known == {1, 3, 4}


def test_duty_8_alarms_are_about_known_members_and_said_once() -> None:
    """What is no news is not repeated."""
    script = Script()
    scene = Scene(script)
    assert scene.let("suspect 2 at 1")
    assert not scene.let("suspect 2 at 1")
    assert scene.let("trust 2 at 1")
    assert not scene.let("trust 2 at 1")
    assert script.events(1) == [Started(), Suspected(2), Trusted(2)]
    assert [record.trusts for record in scene.told(trace.Suspects)] == [False, True]


def test_what_a_detector_of_its_own_thinks_is_told() -> None:
    """Of a death that it found out, a return, and a false alarm, which ends with the next heartbeat."""
    scene = Scene(nodes=2, kind=Watched.over(Probe, Script()))
    scene.let("crash 2")
    scene.run(10_000)
    scene.let("restart 2")
    scene.run(20_000)
    assert scene.let("suspect 2 at 1")
    assert not scene.let("suspect 2 at 1")
    scene.run(30_000)
    told = [(record.node, record.peer, record.trusts) for record in scene.told(trace.Suspects)]
    assert told == [(1, 2, False), (1, 2, True)] * 2


def takes_itself_for_leader(probe: Probe, event: Event, now_ns: int) -> None:
    """Nodes 1 and 2 do, the second in a later term."""
    del event, now_ns
    if probe.me < 3:
        probe.leader, probe.term = probe.me, probe.me


def test_who_leads_in_the_latest_term_dies_and_comes_back() -> None:
    """Whoever it is; or somebody brings it back before."""
    scene = Scene(Script(takes_itself_for_leader))
    assert scene.let("crash leader for 2s")
    assert sorted(scene.world.electors) == [1, 3]
    scene.run(1_999)
    assert sorted(scene.world.electors) == [1, 3]
    scene.run(2_000)
    assert sorted(scene.world.electors) == [1, 2, 3]
    scene.let("crash leader for 2s")
    scene.let("restart 2")
    scene.run(5_000)
    assert scene.world.nodes[2].life == 3


def test_every_fault_is_carried_out() -> None:
    """None is forgotten: each strikes something in one world or another."""
    words = [
        "pause 1 for 1s",
        "drift 1 +5ppm",
        "disk 1 takes 1ms to 2s",
        "disk 1 stalls",
        "disk 1 lies",
        "disk 1 is wiped",
        "disk 1 works",
        "cut 1 -> 2",
        "mend 1 -> 2",
        "partition 1",
        "heal",
        "lose 5%",
        "duplicate 5%",
        "latency 0s to 1s",
        "join 7",
        "ask 1",
        "voters 1 2 by 1",
        "suspect 2 at 1",
        "trust 2 at 1",
        "leave 3",
        "crash 1",
        "restart 1",
        "crash leader for 1s",
    ]
    scene = Scene(Script(takes_itself_for_leader))
    assert [one for one in words if not scene.let(one)] == []
    assert {type(parse(one)) for one in words} == set(AnyFault.__args__)
    assert [record.text for record in scene.told(trace.Struck)] == words
