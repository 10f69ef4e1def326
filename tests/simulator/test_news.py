"""Who is told of deaths where no detector finds out: everybody, in time, and the truth in the end."""

from __future__ import annotations

import pytest

from tenure.core.events import Event, Joined, Started, Suspected, Trusted
from tenure.simulator.network import MS
from tests.simulator.probe import Scene, Script


def told(script: Script, node: int, life: int = 1) -> list[Event]:
    """What this node was told, but that it starts."""
    return [event for event in script.events(node, life) if not isinstance(event, Started)]


def scene(script: Script, **surroundings: int) -> Scene:
    """Three probes whom the world tells who is dead, after 100 to 300 ms."""
    return Scene(script, is_told=True, **surroundings)  # type: ignore[arg-type]  # its surroundings


def test_a_death_and_a_return_are_told_to_each_within_the_bounds() -> None:
    """And nobody is told what it knows."""
    script = Script()
    s = scene(script)
    s.run(1_000)
    s.let("crash 3")
    s.run(1_099)
    assert told(script, 1) == told(script, 2) == []
    s.run(1_301)
    assert told(script, 1) == told(script, 2) == [Suspected(3)]
    s.let("restart 3")
    s.run(2_000)
    assert told(script, 1) == told(script, 2) == [Suspected(3), Trusted(3)]
    assert told(script, 3, life=2) == []


def test_what_is_over_before_it_is_noticed_is_not_told() -> None:
    """A blink."""
    script = Script()
    s = scene(script, detect_least_ns=100 * MS, detect_most_ns=100 * MS)
    s.let("crash 3")
    s.run(99)
    s.let("restart 3")
    s.run(1_000)
    assert told(script, 1) == []


def test_who_is_not_heard_is_suspected_and_who_does_not_hear_suspects() -> None:
    """A link that is cut in one direction makes the one at its end suspicious."""
    script = Script()
    s = scene(script)
    s.let("cut 3 -> 1")
    s.run(1_000)
    assert (told(script, 1), told(script, 2), told(script, 3)) == ([Suspected(3)], [], [])
    s.let("heal")
    s.run(2_000)
    assert told(script, 1) == [Suspected(3), Trusted(3)]


def test_who_comes_back_or_joins_is_told_who_is_dead() -> None:
    """It began by trusting all."""
    script = Script()
    s = scene(script)
    s.let("crash 3")
    s.let("restart 2")
    s.let("join 4")
    s.run(2_000)
    assert told(script, 2, life=2)[-1] == Suspected(3)
    assert told(script, 4) == [Suspected(3)]


@pytest.mark.parametrize("seed", range(10))
def test_a_newcomer_that_died_before_it_was_known_is_suspected_when_it_is(seed: int) -> None:
    """Duty 8: none is suspected that is not known as a member."""
    script = Script()
    s = scene(script, seed=seed, news_least_ns=1_000 * MS, news_most_ns=1_000 * MS)
    s.let("join 4")
    s.let("crash 4")
    s.run(3_000)
    assert told(script, 1) == [Joined(4), Suspected(4)]


def test_an_all_clear_about_the_dead_is_taken_back() -> None:
    """A detector may be wrong for a while, and not for ever: who has died is suspected in the end."""
    script = Script()
    s = scene(script)
    s.let("suspect 3 at 1")
    s.let("crash 3")
    s.run(1_000)
    s.let("trust 3 at 1")
    s.run(2_000)
    assert told(script, 1) == [Suspected(3), Trusted(3), Suspected(3)]


def test_where_detectors_find_out_the_world_is_silent() -> None:
    """Nobody is told of a death."""
    script = Script()
    s = Scene(script)
    s.let("crash 3")
    s.run(2_000)
    assert told(script, 1) == []
