"""Who votes for a majority lease, and how that changes: numbered configurations, joint majorities, no gossip."""

from __future__ import annotations

import random

import pytest

from tenure.algorithms.majority_lease import (
    Configuration,
    Refused,
)
from tenure.core.effects import Persist, Send
from tenure.core.elector import WishRefused
from tenure.core.events import Asked, Joined, Left, Received, Reconfigure, Started, Trusted
from tests.algorithms.lease_schedules import KIND, SETTINGS
from tests.algorithms.lease_scripts import held_by_1


def test_voters_change_through_a_joint_configuration() -> None:
    """Each is numbered, named by the token of who proposed it, and durable at a majority before the next."""
    script = held_by_1(5)
    script.give(1, Reconfigure((3, 4, 5, 5)))
    script.calm(300)
    elector = script.cells[1].elector
    assert elector is not None
    assert elector.configuration == Configuration(3, 1, (3, 4, 5))
    script.crash(1)
    script.crash(2)
    for number in (3, 4, 5):
        script.give(number, Trusted(4))
    script.calm(8_000, frozenset({3, 4, 5}))
    assert script.holders() == [4]


@pytest.mark.parametrize("cut_ns", range(0, 200, 20))
def test_the_next_holder_ends_a_change_that_was_begun(cut_ns: int) -> None:
    """Whenever the holder crashes: the voters are the old ones or the new ones in the end, never both by halves."""
    script = held_by_1(5)
    script.give(1, Reconfigure((1, 2, 3)))
    script.calm(cut_ns)
    script.crash(1)
    for number in (2, 3, 4, 5):
        script.give(number, Trusted(2))
    script.calm(6_000, frozenset({2, 3, 4, 5}))
    elector = script.cells[2].elector
    assert elector is not None
    assert script.holders() == [2]
    assert elector.configuration.old == ()
    assert elector.configuration.voters in {(1, 2, 3, 4, 5), (1, 2, 3)}


def test_C30_gossip_about_members_changes_no_denominator() -> None:
    """Whoever joins or leaves: the same voters."""
    script = held_by_1()
    for number in script.cells:
        script.give(number, Joined(8))
        script.give(number, Left(1 + number % 3))
    for cell in script.cells.values():
        assert cell.elector is not None
        assert cell.elector.configuration.voters == (1, 2, 3)


def test_C30_a_first_configuration_is_kept_whatever_members_there_are_later() -> None:
    """A node that crashes before it has granted anything, and comes back to a larger group, knows its voters."""
    first = KIND(1, (1, 2, 3), random.Random(1), SETTINGS)
    (persist,) = [one for one in first.handle(Started(), 0) if isinstance(one, Persist)]
    second = KIND(1, (1, 2, 3, 4, 5), random.Random(2), SETTINGS)
    second.handle(Started((persist.record,)), 0)
    assert second.configuration.voters == (1, 2, 3)


def test_who_joins_learns_who_votes_and_may_hold() -> None:
    """Its guess at the voters, itself among them, is refused."""
    script = held_by_1()
    joiner = KIND(4, (1, 2, 3, 4), random.Random(4), SETTINGS)
    joiner.handle(Started(), 0)
    known = script.cells[2].elector
    assert known is not None
    joiner.handle(Received(2, Refused(1, 1, known.configuration, 0)), 1)
    effects = joiner.handle(Trusted(4), 2)
    assert {effect.to for effect in effects if isinstance(effect, Send)} == {1, 2, 3}


@pytest.mark.parametrize(
    ("event", "number", "help_"),
    [
        (Reconfigure((1, 2)), 2, "ask node 1"),
        (Reconfigure(()), 1, "name some nodes"),
        (Asked(1), 1, "name another member"),
        (Asked(9), 1, "name another member"),
    ],
)
def test_a_wish_that_cannot_be_honoured_is_refused_with_what_helps(
    event: Asked | Reconfigure, number: int, help_: str
) -> None:
    """Nothing changes."""
    script = held_by_1()
    elector = script.cells[number].elector
    assert elector is not None
    with pytest.raises(WishRefused, match=help_):
        elector.handle(event, script.cells[number].clock(script.now_ns))
    assert script.holders() == [1]


def test_a_second_change_of_voters_waits_for_the_first() -> None:
    """While the joint configuration is under way."""
    script = held_by_1(5)
    script.give(1, Reconfigure((1, 4, 5)))
    script.calm(100, frozenset({1, 4}))
    elector = script.cells[1].elector
    assert elector is not None
    assert elector.configuration.old
    with pytest.raises(WishRefused, match="another change"):
        elector.handle(Reconfigure((1, 2, 3)), script.cells[1].clock(script.now_ns))
