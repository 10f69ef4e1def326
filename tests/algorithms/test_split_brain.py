"""Split brain: what is detected, who steps down and says so, and what comes of authority and of members."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest

from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.ring import Ring
from tenure.algorithms.split_brain import KeepMajority, QuorumSettings, Settings, SplitBrain, StaticQuorum, View
from tenure.core.effects import Authorised, Deposed, Divided, Effect, Recognised, Send, Side
from tenure.core.elector import Elector
from tenure.core.events import Asked, Joined, Left, Received, Started, Suspected, Trusted, Woke
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import simulate
from tenure.simulator.scenario import parse_script
from tests.algorithms import divided
from tests.algorithms.appointed import Appoint, Appointed, Licensed
from tests.algorithms.mutants_split_brain import MUTANTS, Mutant, applied

STABLE_NS = Settings().stable_after_ns


def view(of: int, sees: Sequence[int], *, leader: int | None = None, term: int = 0, hears: Sequence[int] = ()) -> View:
    """What node `of` tells, where all that it sees see it."""
    return View(of, int(term) + 1, tuple(sees), tuple(sees), tuple(hears), leader, term, ())


def whole(inner: type[Elector] = Appointed, me: int = 3, members: Sequence[int] = (1, 2, 3)) -> SplitBrain:
    """Node `me`, which has heard from all others and leads in term 1."""
    node = KeepMajority.over(inner)(me, members, random.Random(1))
    node.handle(Started(), 0)
    for peer in set(members) - {me}:
        node.handle(Received(peer, view(peer, members, hears=members)), 1)
    node.handle(Received(min(members), Appoint(me, 1)), 1)
    assert (node.side, node.leader) == (Side.WHOLE, me)
    return node


def sided(effects: Sequence[Effect]) -> list[tuple[Side, str]]:
    """What is said of sides."""
    return [(effect.side, effect.why) for effect in effects if isinstance(effect, Divided)]


@pytest.mark.parametrize("check", divided.CHECKS, ids=lambda check: check.__name__)
def test_check(check: Callable[[], str]) -> None:
    """Each of the named checks of `divided` holds."""
    assert check() == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.instead.__name__} -> {m.check.__name__}")
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    """Without the rule its check objects; with the rule it does not."""
    with applied(mutant):
        assert mutant.check()
    assert mutant.check() == ""


# Detection


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Suspected(2), "node 2 is not seen"),
        (Received(2, View(2, 9, (1, 2), (1, 2), (), None, 0, ())), "node 2 does not see this one"),
        (Received(2, View(2, 9, (2, 3), (2, 3), (), None, 0, ())), "node 2 does not see node 1"),
        (Received(2, view(2, (1, 2, 3), leader=2, term=1)), "two leaders in term 1: 3 for node 3, 2 for node 2"),
        (Received(2, view(2, (1, 2, 3), leader=2, term=7)), "two leaders in terms 1 and 7: 3 for node 3, 2 for node 2"),
        (Joined(4), "node 1 does not see node 4"),
    ],
    ids=["unseen", "asymmetric", "by another", "in one term", "in two terms", "new"],
)
def test_what_is_detected(event: Suspected | Received | Joined, why: str) -> None:
    """Who sees whom, two leaders, terms in conflict: each is said, and decides nothing yet."""
    node = whole(me=3)
    assert sided(node.handle(event, 2)) == [(Side.UNDECIDED, why)]
    assert node.leader == 3


def test_two_camps_that_see_one_another_are_sides_too() -> None:
    """A conflict that lasts as long as the view must be stable: the smaller camp steps down."""
    node = whole(me=3)
    for peer in (1, 2):
        node.handle(Received(peer, view(peer, (1, 2, 3), leader=2, term=1, hears=(1, 2, 3))), 2)
    effects = node.handle(Woke(), 2 + STABLE_NS)
    assert sided(effects)[0] == (
        Side.STEPS_DOWN,
        "1 of 3 members on this side: two leaders in term 1: 3 for node 3, 2 for node 1",
    )
    assert node.leader is None


def test_a_late_view_does_not_take_the_place_of_a_later_one() -> None:
    """Of one life that with the greater number counts; a new life counts at once, and is answered."""
    node = whole(me=3)
    node.handle(Received(2, View(2, 9, (1, 2, 3), (1, 2, 3), (1, 2, 3), None, 0, ())), 2)
    assert sided(node.handle(Received(2, View(2, 8, (2,), (2,), (), None, 0, ())), 3)) == []

    effects = node.handle(Received(2, View(77, 1, (1, 2, 3), (1, 2, 3), (), None, 0, ())), 4)

    assert 2 in [effect.to for effect in effects if isinstance(effect, Send) and isinstance(effect.message, View)]


# Stepping down, and authority


def test_who_steps_down_says_so_and_gives_up_its_authority() -> None:
    """Divided, Deposed and Recognised(None) in one step; the elector inside is asked to resign."""
    node = whole(Licensed)
    assert node.leader == 3
    for peer in (1, 2):
        node.handle(Suspected(peer), 2)

    effects = node.handle(Woke(), 2 + STABLE_NS)

    assert sided(effects) == [(Side.STEPS_DOWN, "1 of 3 members on this side: node 1 is not seen")]
    why = "1 of 3 members on this side: node 1 is not seen"
    assert [e for e in effects if isinstance(e, Deposed | Recognised)] == [Deposed(1, why), Recognised(None, 2)]
    assert isinstance(node.inner, Licensed)
    assert Asked() in node.inner.given


def test_authority_that_comes_to_who_stepped_down_is_not_passed_on() -> None:
    """Neither then nor later: the elector inside is asked to resign, and its next token is another."""
    node = whole(Licensed)
    for peer in (1, 2):
        node.handle(Suspected(peer), 2)
    node.handle(Woke(), 2 + STABLE_NS)
    assert isinstance(node.inner, Licensed)
    node.inner.given.clear()

    node.inner.pending = Appoint(3, 9)
    effects = node.handle(Asked(), 3 + STABLE_NS)

    assert not [effect for effect in effects if isinstance(effect, Authorised)]
    assert node.inner.given == [Asked(), Asked()]
    assert node.inner.leader != 3


def test_a_real_lease_is_given_up_on_the_losing_side() -> None:
    """Around bully with a majority lease: no two may act at one instant, and more than one node has held."""
    kind = KeepMajority.over(MajorityLease.over(Bully))
    run = simulate(kind, scenario=parse_script(divided.CLEAN), seed=3)
    assert run.violations == []
    assert run.measures.overlap_ns == 0
    assert run.measures.tenures >= 2


# How long there are two leaders


def test_there_are_two_leaders_until_the_view_is_stable_and_no_longer() -> None:
    """Inherent: from the election on the other side until the losing one decides. Bully alone has two to the end."""
    alone = divided.divided(Bully, divided.CLEAN).measures.two_leaders_ns
    resolved = divided.divided(KeepMajority.over(Bully), divided.CLEAN).measures.two_leaders_ns
    assert 0 < resolved < 2 * STABLE_NS < alone
    assert alone > 25 * NS_PER_S


@pytest.mark.parametrize("kind", [StaticQuorum.over(Bully), KeepMajority.over(Ring), StaticQuorum.over(Ring)])
def test_every_strategy_and_elector_has_one_side(kind: type[Elector]) -> None:
    """Three of five go on, two follow nobody."""
    then = divided.leaders_at(divided.divided(kind, divided.CLEAN), 39)
    assert len({then[node] for node in (1, 2, 3)}) == 1
    assert then[1] in {1, 2, 3}
    assert (then[4], then[5]) == (None, None)


@pytest.mark.parametrize("seed", range(6))
def test_storms_with_partitions_end_in_agreement(seed: int) -> None:
    """Crashes, joins, cuts of every shape: the majority that is mended agrees."""
    run = simulate(KeepMajority.over(Bully), nodes=3 + seed % 3, seed=seed, until=60, trace=False, detector="told")
    assert run.violations == []
    assert not run.is_void


# Strategies and members


class KeepReferee(SplitBrain):
    """A third party's strategy: the side with node 1."""

    name: ClassVar[str] = "keep-referee"

    def stays(self, side: frozenset[int]) -> bool:
        return 1 in side


def test_a_strategy_is_a_subclass_with_one_method() -> None:
    """Here the smaller side goes on."""
    script = divided.CLEAN.replace("1 2 3 | 4 5", "1 2 | 3 4 5")
    run = divided.divided(KeepReferee.over(Bully), script)
    assert divided.leaders_at(run, 39) == {1: 2, 2: 2, 3: None, 4: None, 5: None}
    assert KeepReferee.over(Bully).name == "bully+keep-referee"


def test_a_quorum_that_two_sides_could_have_is_refused() -> None:
    """More members than 2 * size - 1."""
    with pytest.raises(ConfigurationError, match="both sides could have that many; name 5 members at most"):
        StaticQuorum.over(Bully)(1, range(1, 7), random.Random(1), QuorumSettings(size=3))


def test_a_quorum_that_has_become_too_small_keeps_nobody_and_says_why() -> None:
    """A fourth member joins a quorum of two."""
    node = StaticQuorum.over(Appointed)(3, (1, 2, 3), random.Random(1), QuorumSettings(size=2))
    node.handle(Started(), 0)
    for event in (Joined(4), Suspected(4)):
        node.handle(event, 1)
    for peer in (1, 2):
        node.handle(Received(peer, view(peer, (1, 2, 3))), 2)

    effects = node.handle(Woke(), 2 + STABLE_NS)

    assert sided(effects) == [
        (Side.STEPS_DOWN, "4 members are too many for a quorum of 2: node 4 is not seen"),
    ]


def test_the_elector_inside_is_told_of_a_new_member_when_both_hear_one_another() -> None:
    """Before, it would speak to the deaf; who leaves before is never mentioned to it."""
    node = whole()
    assert isinstance(node.inner, Appointed)
    node.inner.given.clear()
    node.handle(Joined(4), 2)
    node.handle(Joined(5), 2)
    node.handle(Left(5), 3)
    assert node.inner.given == []

    node.handle(Received(4, view(4, (1, 2, 3, 4), hears=(1, 2, 3, 4))), 4)

    assert node.inner.given == [Joined(4)]


def test_who_comes_back_is_heard_when_that_has_lasted() -> None:
    """Trusted at once by the detector, and by the elector inside only when the view was stable: hazard C25."""
    node = whole()
    assert isinstance(node.inner, Appointed)
    node.handle(Suspected(2), 2)
    node.handle(Received(1, View(1, 9, (1, 3), (1, 3), (1, 3), None, 0, ())), 2)
    assert [side for side, _ in sided(node.handle(Woke(), 2 + STABLE_NS))] == [Side.STAYS]
    node.inner.given.clear()

    node.handle(Trusted(2), 3 + STABLE_NS)
    node.handle(Received(2, view(2, (1, 2, 3))), 3 + STABLE_NS)
    node.handle(Received(1, View(1, 10, (1, 2, 3), (1, 2, 3), (1, 2, 3), None, 0, ())), 3 + STABLE_NS)
    node.handle(Received(2, Appoint(2, 9)), 4 + STABLE_NS)
    assert node.inner.given == []

    assert [side for side, _ in sided(node.handle(Woke(), 3 + 2 * STABLE_NS))] == [Side.WHOLE]
    node.handle(Received(2, View(2, 9, (1, 2, 3), (1, 2, 3), (1, 2, 3), None, 0, ())), 4 + 2 * STABLE_NS)
    assert node.inner.given == [Trusted(2)]


def test_different_members_may_give_two_sides() -> None:
    """Hazard C30, shown on purpose: 1 and 2 were told of three members, the others of seven, and both sides stay."""
    small = KeepMajority.over(Appointed)(1, (1, 2, 3), random.Random(1))
    great = KeepMajority.over(Appointed)(4, range(1, 8), random.Random(1))
    for node, side in ((small, (1, 2)), (great, (3, 4, 5, 6, 7))):
        node.handle(Started(), 0)
        for peer in set(node.members) - set(side):
            node.handle(Suspected(peer), 1)
        for peer in set(side) - {node.me}:
            node.handle(Received(peer, view(peer, side)), 2)
        node.handle(Woke(), 2 + STABLE_NS)
    assert (small.side, great.side) == (Side.STAYS, Side.STAYS)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Settings(tell_every_ns=0), "one nanosecond apart at least"),
        (lambda: Settings(stable_after_ns=2, tell_every_ns=1), "so make it 3"),
        (lambda: QuorumSettings(size=0), "one node at least"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Callable[[], Settings], why: str) -> None:
    """With what to do about it."""
    with pytest.raises(ValueError, match=why):
        make()


def test_who_does_not_hear_the_leader_is_let_hear_it_once_all_see_one_another() -> None:
    """Without waiting until they agree: such nodes ask for a leader again and again, and so never do."""
    assert simulate("bully+keep-majority", seed=2611, detector="told", trace=False).violations == []
