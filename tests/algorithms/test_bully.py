"""Bully: counted messages, and what its paper and its textbooks say of it.

What is quoted stands in the abstract of Garcia-Molina 1982, or in the description that textbooks share.
"""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from tenure.algorithms.bully import Bully, Coordinator, Settings
from tenure.core.events import Received, Suspected, Trusted, Woke
from tests.algorithms.network import MS, Network, World

DELAY_MS = 10
SETTINGS = Settings(delay_ns=DELAY_MS * MS)
NOBODY_NOTICES = (10**6, 10**6)


def group(n: int, **world: object) -> Network:
    """Nodes 1..n which have elected n; every message takes the same time unless `world` says otherwise."""
    net = Network(Bully, range(1, n + 1), settings=SETTINGS, world=World(**world))  # type: ignore[arg-type]  # World checks them
    net.start()
    net.run(1_000)
    assert set(net.leaders.values()) == {n}
    net.sent.clear()
    net.history.clear()
    return net


CASES = [(n, r) for n in range(2, 13) for r in range(1, n)]


@pytest.mark.parametrize(("n", "r"), CASES)
def test_messages_when_the_coordinator_has_died_and_one_starts(n: int, r: int) -> None:
    """(n-r)^2 + n - 2 in all. Counted: every message sent, also those to the dead node n, until all is silent."""
    net = group(n, detect_ms=NOBODY_NOTICES)
    net.crash(n)

    net.give(r, Suspected(n))
    net.run(3_000)

    assert set(net.leaders.values()) == {n - 1}
    counts = {"Election": (n - r) * (n - r + 1) // 2, "Answer": (n - r) * (n - r - 1) // 2, "Coordinator": n - 2}
    assert net.sent == Counter(counts)
    assert net.sent.total() == (n - r) ** 2 + n - 2


@pytest.mark.parametrize("n", range(2, 13))
def test_worst_and_mean_when_the_coordinator_has_died(n: int) -> None:
    """n^2 - n - 1 at worst, which is r = 1. Counted as above; the mean over all living r, which the worst bounds."""
    totals = []
    for r in range(1, n):
        net = group(n, detect_ms=NOBODY_NOTICES)
        net.crash(n)
        net.give(r, Suspected(n))
        net.run(3_000)
        totals.append(net.sent.total())

    assert max(totals) == totals[0] == n * n - n - 1
    assert 6 * sum(totals) == (n - 1) * (n * (2 * n - 1) + 6 * (n - 2))


@pytest.mark.parametrize(("n", "r"), [*CASES, *((n, n) for n in range(2, 13))])
def test_messages_when_a_node_recovers_before_it_is_missed(n: int, r: int) -> None:
    """(n-r+1)(n-r) + n - 1 in all, n^2 - 1 at worst. Counted: every message sent until all is silent."""
    net = group(n, detect_ms=NOBODY_NOTICES)
    net.crash(r)

    net.start(r)
    net.run(3_000)

    assert set(net.leaders.values()) == {n}
    pairs = (n - r) * (n - r + 1) // 2
    assert net.sent == Counter({"Election": pairs, "Answer": pairs, "Coordinator": n - 1})
    assert net.sent.total() == (n - r + 1) * (n - r) + n - 1 <= n * n - 1


@pytest.mark.parametrize(("n", "r"), CASES)
def test_messages_after_a_false_alarm(n: int, r: int) -> None:
    """The same as for a recovery. The alarm ends as soon as it was given."""
    net = group(n)

    net.give(r, Suspected(n))
    net.give(r, Trusted(n))
    net.run(3_000)

    assert set(net.leaders.values()) == {n}
    assert net.sent.total() == (n - r + 1) * (n - r) + n - 1


@pytest.mark.parametrize(("n", "r"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_count_after_a_death_does_not_hang_on_the_delays(n: int, r: int, seed: int) -> None:
    """Whatever time each message takes within the bound: all who ask ask before the winner announces itself."""
    net = Network(Bully, range(1, n + 1), settings=SETTINGS, world=World((0, DELAY_MS), NOBODY_NOTICES), seed=seed)
    net.start()
    net.run(1_000)
    net.sent.clear()
    net.crash(n)

    net.give(r, Suspected(n))
    net.run(3_000)

    assert net.sent.total() == (n - r) ** 2 + n - 2


def test_after_a_failure_a_coordinator_is_elected() -> None:
    """The abstract:

    "After a failure occurs in a distributed computing system, it is often necessary to reorganize the active nodes so
    that they can continue to perform a useful task. The first step in such a reorganization or reconfiguration is to
    elect a coordinator node to manage the operation."
    """  # noqa: D415  a quotation follows
    net = group(5)

    net.crash(5)
    net.run(3_000)

    assert net.leaders == dict.fromkeys(range(1, 5), 4)


def test_the_greatest_that_lives_leads_whoever_has_died() -> None:
    """The greatest number of those that live wins, also when several have died at once."""
    net = group(7)

    for node in (7, 5, 6, 2):
        net.crash(node)
    net.run(3_000)

    assert net.leaders == dict.fromkeys((1, 3, 4), 4)


def test_a_greater_node_that_answers_and_then_dies_is_not_awaited_for_ever() -> None:
    """Who was answered and hears of no leader within three delays more begins again."""
    net = group(3, detect_ms=NOBODY_NOTICES)
    net.crash(3)
    net.give(1, Suspected(3))
    net.run(1_000 + 2 * DELAY_MS)  # 2 has answered
    assert net.living[1].role == "answered"

    net.crash(2)
    net.run(3_000)

    assert net.leaders == {1: 1}


def test_leaderless_time_after_a_death_is_bounded() -> None:
    """A death that is noticed is over in four delays: asked, unanswered for two, announced."""
    net = group(9, detect_ms=(50, 50))
    net.crash(9)

    net.run(3_000)

    assert max(at for at, _, leader in net.history if leader == 8) <= 1_000 * MS + (50 + 4 * DELAY_MS) * MS + 2


def test_a_greater_node_that_comes_back_takes_over() -> None:
    """A recovered node that is greater than the coordinator bullies it out."""
    net = group(5)
    net.crash(5)
    net.run(3_000)
    assert net.leaders[1] == 4

    net.start(5)
    net.run(6_000)

    assert set(net.leaders.values()) == {5}


def test_a_smaller_node_that_comes_back_changes_nothing() -> None:
    """It is told who leads, and the others recognise nobody else meanwhile but for asking again."""
    net = group(5)
    net.crash(2)
    net.run(2_000)

    net.start(2)
    net.run(6_000)

    assert set(net.leaders.values()) == {5}
    assert {leader for _, _, leader in net.history} <= {5, None}


@pytest.mark.parametrize(("newcomer", "leader"), [(9, 9), (4, 5)])
def test_a_node_that_joins_takes_over_or_follows(newcomer: int, leader: int) -> None:
    """As one that comes back: the greater one leads, the smaller one is told."""
    net = Network(Bully, (1, 2, 3, 5), settings=SETTINGS)
    net.start()
    net.run(1_000)

    net.join(newcomer)
    net.run(4_000)

    assert set(net.leaders.values()) == {leader}
    assert len(net.leaders) == 5


def test_a_leader_that_leaves_is_followed_by_the_next() -> None:
    """Nobody needs to suspect it: its leaving is known."""
    net = group(4)

    net.leave(4)
    net.run(3_000)

    assert net.leaders == dict.fromkeys((1, 2, 3), 3)


def test_an_announcement_that_lands_late_is_made_up_for() -> None:
    """4 has announced itself when 5 comes up and announces itself faster: 4, which is told of 5, asks again later."""
    four = Network(Bully, (1, 4, 5), settings=SETTINGS, world=World(detect_ms=NOBODY_NOTICES))
    four.start(1, 4)
    four.run(41)  # quiet for one delay, asked for two, announced just now
    assert four.leaders[4] == 4
    one, old = four.living[1], four.living[4]
    four.give(4, Received(5, Coordinator()))
    four.give(1, Received(5, Coordinator()))
    four.give(1, Received(4, Coordinator()))
    assert (one.leader, old.leader) == (4, 5)

    four.give(4, Woke())
    assert old.leader == 5, "not yet: its announcement may still be under way"
    four.start(5)
    four.run(3_000)
    assert set(four.leaders.values()) == {5}


def test_the_last_words_of_a_leader_that_died_are_not_believed_for_ever() -> None:
    """3 announced itself and died; 1 hears of the death first, of the announcement then: it looks again."""
    net = group(3, detect_ms=NOBODY_NOTICES)
    net.crash(3)

    for node in (1, 2):
        net.give(node, Suspected(3))
        net.give(node, Received(3, Coordinator()))
    assert net.leaders == {1: 3, 2: 3}
    net.run(3_000)

    assert net.leaders == {1: 2, 2: 2}


# Outside its model


def test_C25_a_partition_gives_two_leaders_for_as_long_as_it_lasts() -> None:
    """Silence is taken for death, so each side elects: nothing in bully is authority to act."""
    net = group(5)

    net.partition((1, 2, 5), (3, 4))
    net.run(60_000)
    assert net.leaders == {1: 5, 2: 5, 3: 4, 4: 4, 5: 5}

    net.partition()
    net.run(70_000)
    assert set(net.leaders.values()) == {5}


def test_C25_each_return_of_the_greatest_deposes_a_healthy_leader() -> None:
    """Ten returns, ten depositions of 4, which was never ill: take-over is what the algorithm is for."""
    net = group(5)
    for _ in range(10):
        net.crash(5)
        net.run(net.now_ns // MS + 1_000)
        net.start(5)
        net.run(net.now_ns // MS + 1_000)

    led_by = [leader for _, node, leader in net.history if node == 4 and leader is not None]
    assert [leader for leader, _ in itertools.groupby(led_by)] == [4, 5] * 10


def test_messages_slower_than_the_bound_give_two_leaders_for_a_while() -> None:
    """The bound is trusted: answers that come later than it find the asker leading beside a leader that lives."""
    net = group(3, detect_ms=NOBODY_NOTICES)
    net.world = net.world._replace(delay_ms=(5 * DELAY_MS, 5 * DELAY_MS))

    net.give(2, Suspected(3))
    net.run(1_000 + 4 * DELAY_MS)

    assert (net.leaders[2], net.leaders[3]) == (2, 3)
