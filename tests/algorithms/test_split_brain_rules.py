"""Split brain, one rule at a time: a single node is given just what the rule is about."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import pytest

from tenure.algorithms.split_brain import KeepMajority, Role, Settings, SplitBrain, View
from tenure.core.effects import Deposed, Effect, Recognised, Send, Side
from tenure.core.events import Event, Joined, Left, Received, Started, Suspected, Trusted, Woke
from tests.algorithms.appointed import Appoint, Appointed, Licensed
from tests.algorithms.test_split_brain import sided, view, whole

ALL = (1, 2, 3)
STABLE_NS, ROUND_NS = Settings().stable_after_ns, Settings().tell_every_ns


def given(node: SplitBrain) -> list[Event]:
    """What the elector inside has been given; the list is emptied by `clear`."""
    assert isinstance(node.inner, Appointed)
    return node.inner.given


def tell(node: SplitBrain, peer: int, number: int, now_ns: int, leader: int | None = None) -> list[Effect]:
    """Node `peer`, which sees all and hears all, says whom it recognises."""
    return list(node.handle(Received(peer, View(peer, number, ALL, ALL, ALL, leader, 0, ())), now_ns))


# Whose word counts


def test_the_word_of_a_suspect_does_not_count() -> None:
    """Nobody is on one side with whom its detector does not trust, whatever still arrives from there."""
    node = whole()
    for event in (Suspected(1), Suspected(2)):
        node.handle(event, 2)
    for peer in (1, 2):
        tell(node, peer, 9, 3)
    effects = node.handle(Woke(), 3 + STABLE_NS)
    assert sided(effects) == [(Side.STEPS_DOWN, "1 of 3 members on this side: node 1 is not seen")]


def test_the_word_of_a_stranger_does_not_count() -> None:
    """It neither sees nor recognises anybody here."""
    assert sided(whole().handle(Received(9, view(9, (9,), leader=9, term=1)), 2)) == []


class NotingMajority(KeepMajority):
    """Keep-majority that notes what it was asked of."""

    name: ClassVar[str] = "noting-majority"

    def stays(self, side: frozenset[int]) -> bool:
        assert side <= self.members, "a strategy is asked of members"
        return super().stays(side)


def test_strangers_of_whom_others_tell_do_not_count() -> None:
    """1 and 2 meet 0 too, of which 3 was not told: as another member it would meet as many as 3, and drive 3 out."""
    node = NotingMajority.over(Appointed)(3, (1, 2, 3, 4), random.Random(1))
    for event in (Started(), Suspected(4)):
        node.handle(event, 0)
    seen, rows = (0, 1, 2, 3), ((0, (0, 1, 2)), (3, (1, 2, 3)))
    for peer in (1, 2):
        node.handle(Received(peer, View(peer, 1, seen, seen, (), None, 0, rows)), 1)
    effects = node.handle(Woke(), 1 + STABLE_NS)
    assert sided(effects) == [(Side.STAYS, "3 of 4 members on this side: node 4 is not seen")]


@pytest.mark.parametrize(
    "event",
    [Suspected(2), Received(2, view(2, (1, 2))), Received(2, view(2, ALL, leader=2, term=1))],
    ids=["unseen", "asymmetric", "leads too"],
)
def test_whatever_was_wrong_with_a_member_is_over_when_it_has_left(event: Suspected | Received) -> None:
    """Neither is it not seen, nor does what it told count."""
    node = whole()
    event = event if isinstance(event, Suspected) else Received(2, view_again(event))
    assert [side for side, _ in sided(node.handle(event, 2))] == [Side.UNDECIDED]
    assert [side for side, _ in sided(node.handle(Left(2), 3))] == [Side.WHOLE]


def view_again(received: Received) -> View:
    """The same view, as the latest word of its node."""
    assert isinstance(received.message, View)
    return msgspec.structs.replace(received.message, number=9)


def test_who_has_left_is_not_heard_in_the_elector() -> None:
    """Not even while nothing is decided."""
    node = whole()
    for event in (Suspected(1), Left(2)):
        node.handle(event, 2)
    given(node).clear()
    node.handle(Received(2, Appoint(2, 9)), 3)
    assert given(node) == []


def test_who_was_suspected_and_left_is_another_member_when_it_joins_again() -> None:
    """The elector inside is told that it has joined, and of no trust besides."""
    node = whole()
    given(node).clear()
    for event in (Suspected(2), Left(2), Joined(2)):
        node.handle(event, 2)
    tell(node, 2, 9, 3)
    assert given(node) == [Suspected(2), Left(2), Joined(2)]


# When it is decided


def test_a_camp_that_has_stepped_down_does_so_for_as_long_as_a_side_does() -> None:
    """All have seen one another all the while; what was decided holds until it has lasted."""
    node = whole()
    for peer in (1, 2):
        tell(node, peer, 9, 2, leader=2)
    at_ns = 2 + STABLE_NS
    sides = [side for side, _ in sided(node.handle(Woke(), at_ns))]
    assert (sides, node.role) == ([Side.STEPS_DOWN, Side.UNDECIDED], Role.STEPPED_DOWN)
    node.handle(Woke(), at_ns + STABLE_NS - 1)
    assert node.role is Role.STEPPED_DOWN
    node.handle(Woke(), at_ns + STABLE_NS)
    assert node.side is Side.WHOLE


def test_who_is_let_be_heard_has_as_long_to_agree_before_camps_are_sides() -> None:
    """The conflict is as old as the view when all are heard again, and only from then on can it be settled."""
    node = whole()
    node.handle(Suspected(2), 2)
    node.handle(Received(1, View(1, 9, (1, 3), (1, 3), (1, 3), 3, 1, ())), 2)
    assert [side for side, _ in sided(node.handle(Woke(), 2 + STABLE_NS))] == [Side.STAYS]
    mended_ns = 3 + STABLE_NS
    node.handle(Trusted(2), mended_ns)
    tell(node, 1, 10, mended_ns, leader=3)
    tell(node, 2, 1, mended_ns, leader=3)
    tell(node, 2, 2, mended_ns + 1, leader=2)

    for due_ns, sides in (
        (mended_ns + STABLE_NS, [Side.WHOLE, Side.UNDECIDED]),
        (mended_ns + 2 * STABLE_NS, [Side.STAYS, Side.UNDECIDED]),
    ):
        assert sided(node.handle(Woke(), due_ns - 1)) == []
        assert node.wake_ns == due_ns
        assert [side for side, _ in sided(node.handle(Woke(), due_ns))] == sides


@pytest.mark.parametrize("peer", [3, 9], ids=["itself", "stranger"])
def test_suspicion_of_whom_no_detector_watches_says_nothing(peer: int) -> None:
    """Of this node itself, or of one that is no member."""
    assert sided(whole().handle(Suspected(peer), 2)) == []


def test_a_cut_between_others_is_mended_when_that_has_lasted() -> None:
    """3 sees both all the while; 1 loses sight of 2, and finds it again when that has long been decided."""
    node = whole()
    node.handle(Received(1, View(1, 9, (1, 3), (1, 3), (1, 3), None, 0, ())), 2)
    assert [side for side, _ in sided(node.handle(Woke(), 2 + STABLE_NS))] == [Side.STAYS]
    mended_ns = 3 + 2 * STABLE_NS
    tell(node, 1, 10, mended_ns)
    assert sided(node.handle(Woke(), mended_ns + STABLE_NS - 1)) == []
    assert [side for side, _ in sided(node.handle(Woke(), mended_ns + STABLE_NS))] == [Side.WHOLE]


def test_a_change_of_members_is_a_change_of_the_picture() -> None:
    """Also where an unseen one leaves, and is not the only one: of how many a side needs to be the majority."""
    node = whole(members=(1, 2, 3, 4, 5))
    for event in (Suspected(4), Suspected(5)):
        node.handle(event, 2)
    for peer in (1, 2):
        tell(node, peer, 9, 2)
    node.handle(Left(5), 1 + STABLE_NS)
    assert sided(node.handle(Woke(), STABLE_NS + STABLE_NS)) == []
    assert [side for side, _ in sided(node.handle(Woke(), 1 + STABLE_NS + STABLE_NS))] == [Side.STAYS]


def test_who_starts_is_let_be_heard_before_camps_are_sides() -> None:
    """It has seen two leaders for long, without being heard; that it is comes first, and may end it."""
    node = KeepMajority.over(Appointed)(3, ALL, random.Random(1))
    node.handle(Started(), 0)
    for peer in (1, 2):
        node.handle(Received(peer, View(peer, 1, ALL, ALL, (1, 2), peer, 1, ())), 1)
    node.handle(Woke(), 2 + STABLE_NS)
    assert node.side is Side.UNDECIDED
    sides = [side for peer in (1, 2) for side, _ in sided(tell(node, peer, 2, 2 + STABLE_NS, leader=peer))]
    assert sides == [Side.WHOLE, Side.UNDECIDED]


def test_who_recognises_nobody_is_of_every_camp() -> None:
    """1 and 2 recognise 1, and 5 itself; 3 and 4, which wait for a leader, go on with the greater camp."""
    everybody = (1, 2, 3, 4, 5)
    node = KeepMajority.over(Appointed)(3, everybody, random.Random(1))
    node.handle(Started(), 0)
    for number, leaders in ((1, {}), (2, {1: 1, 2: 1, 5: 5})):
        for peer in (1, 2, 4, 5):
            message = View(peer, number, everybody, everybody, everybody, leaders.get(peer), 1, ())
            node.handle(Received(peer, message), number)
    side, why = sided(node.handle(Woke(), 2 + STABLE_NS))[0]
    assert (side, why[:12]) == (Side.STAYS, "4 of 5 membe")


# What the elector inside knows


def test_what_was_recognised_before_stepping_down_is_not_shown_until_the_others_agree() -> None:
    """The elector inside has heard nobody since, and those who led meanwhile are right."""
    node = whole()
    for event in (Suspected(1), Suspected(2)):
        node.handle(event, 2)
    node.handle(Woke(), 2 + STABLE_NS)
    assert (node.leader, node.inner.leader) == (None, 3)
    mended_ns = 3 + STABLE_NS
    for peer in (1, 2):
        node.handle(Trusted(peer), mended_ns)
        tell(node, peer, 9, mended_ns, leader=2)

    effects = node.handle(Woke(), mended_ns + STABLE_NS)
    assert (node.side, node.leader) == (Side.WHOLE, None)
    assert [effect for effect in effects if isinstance(effect, Recognised)] == []

    node.handle(Received(2, Appoint(2, 2)), mended_ns + STABLE_NS)
    assert node.leader == 2


def recognises_2() -> SplitBrain:
    """Node 3 of three, which recognises 2, as all do."""
    node = whole()
    node.handle(Received(2, Appoint(2, 2)), 2)
    for peer in (1, 2):
        tell(node, peer, 9, 2, leader=2)
    given(node).clear()
    return node


@pytest.mark.parametrize(
    ("leader", "made_to_look"), [(1, [Suspected(1), Trusted(1)]), (3, []), (9, [])], ids=["other", "itself", "stranger"]
)
def test_the_elector_looks_anew_at_a_member_that_others_recognise_for_two_rounds(
    leader: int, made_to_look: list[Event]
) -> None:
    """No sooner, for what was sent may be under way; never at its own node, which no detector suspects, nor at whom it
    does not know.
    """
    node = recognises_2()
    tell(node, 1, 10, 3, leader=leader)
    node.handle(Woke(), 2 + 2 * ROUND_NS)
    assert given(node) == []
    node.handle(Woke(), 3 + 2 * ROUND_NS)
    assert given(node) == made_to_look


# What is said


def told(effects: Sequence[Effect]) -> set[int]:
    """To whom it tells its view."""
    return {effect.to for effect in effects if isinstance(effect, Send) and isinstance(effect.message, View)}


def test_what_changes_is_told_at_once() -> None:
    """Whom this node sees, recognises, and hears, each while nothing is told for its time's sake."""
    node = whole()
    assert told(node.handle(Woke(), 2)) == set()
    assert told(node.handle(Received(2, Appoint(2, 2)), 2)) == {1, 2}
    assert told(node.handle(Suspected(2), 2)) == {1, 2}
    tell_without_2 = View(1, 9, (1, 3), (1, 3), (1, 3), None, 0, ())
    node.handle(Received(1, tell_without_2), 2)
    node.handle(Woke(), 1 + STABLE_NS)
    effects = node.handle(Woke(), 2 + STABLE_NS)
    assert ([side for side, _ in sided(effects)], told(effects)) == ([Side.STAYS], {1, 2})


def test_authority_that_is_over_is_not_given_up_again() -> None:
    """The elector inside has said so; there is nothing left when the side steps down."""
    node = whole(Licensed)
    node.handle(Received(2, Appoint(2, 2)), 2)
    for event in (Suspected(1), Suspected(2)):
        node.handle(event, 2)
    effects = node.handle(Woke(), 2 + STABLE_NS)
    assert node.side is Side.STEPS_DOWN
    assert [effect for effect in effects if isinstance(effect, Deposed)] == []
