"""Bully: counted messages, and what its paper and its textbooks say of it.

What is quoted stands in the abstract of Garcia-Molina 1982, or in the description that textbooks share.
"""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import msgspec
import pytest

from tenure.algorithms.bully import Answer, Bully, Coordinator, Election, Settings
from tenure.core.effects import Recognised, Send
from tenure.core.events import Joined, Left, Received, Started, Suspected, Trusted
from tenure.durations import NEVER_NS
from tenure.simulator import simulate
from tenure.simulator.network import MS
from tenure.simulator.scenario import parse_script
from tenure.simulator.surroundings import Surroundings
from tests.algorithms.group import DELAY_MS, TOLD, UNTOLD, Group

SETTINGS = Settings(delay_ns=DELAY_MS * MS)


def group(n: int, surroundings: Surroundings = TOLD) -> Group:
    """Nodes 1..n which have elected n; every message takes the same time."""
    g = Group(Bully, range(1, n + 1), SETTINGS, surroundings)
    g.world.start()
    g.run(1_000)
    assert g.agreed == n
    g.forget()
    return g


def elect(g: Group, starter: int, dead: int) -> None:
    """One notices a death at once, and holds an election; the others do when it is over."""
    g.give(starter, Suspected(dead))
    g.run(5 * DELAY_MS)
    for node in g.leaders:
        if node != starter:
            g.give(node, Suspected(dead))
    g.run(3_000)


CASES = [(n, r) for n in range(2, 13) for r in range(1, n)]


@pytest.mark.parametrize(("n", "r"), CASES)
def test_messages_when_the_coordinator_has_died_and_one_starts(n: int, r: int) -> None:
    """(n-r)^2 + n - 2 in all. Counted: every message sent, also those to the dead node n, until all is silent."""
    g = group(n, UNTOLD)
    g.let(f"crash {n}")

    elect(g, r, n)

    assert g.agreed == n - 1
    counts = {"Election": (n - r) * (n - r + 1) // 2, "Answer": (n - r) * (n - r - 1) // 2, "Coordinator": n - 2}
    assert g.sent == Counter(counts)
    assert g.sent.total() == (n - r) ** 2 + n - 2


@pytest.mark.parametrize("n", range(2, 13))
def test_worst_and_mean_when_the_coordinator_has_died(n: int) -> None:
    """n^2 - n - 1 at worst, which is r = 1. Counted as above; the mean over all living r, which the worst bounds."""
    totals = []
    for r in range(1, n):
        g = group(n, UNTOLD)
        g.let(f"crash {n}")
        elect(g, r, n)
        totals.append(g.sent.total())

    assert max(totals) == totals[0] == n * n - n - 1
    assert 6 * sum(totals) == (n - 1) * (n * (2 * n - 1) + 6 * (n - 2))


@pytest.mark.parametrize(("n", "r"), [*CASES, *((n, n) for n in range(2, 13))])
def test_messages_when_a_node_recovers_before_it_is_missed(n: int, r: int) -> None:
    """(n-r+1)(n-r) + n - 1 in all, n^2 - 1 at worst. Counted: every message sent until all is silent."""
    g = group(n, UNTOLD)
    g.let(f"crash {r}")

    g.let(f"restart {r}")
    g.run(3_000)

    assert g.agreed == n
    pairs = (n - r) * (n - r + 1) // 2
    assert g.sent == Counter({"Election": pairs, "Answer": pairs, "Coordinator": n - 1})
    assert g.sent.total() == (n - r + 1) * (n - r) + n - 1 <= n * n - 1


@pytest.mark.parametrize(("n", "r"), CASES)
def test_messages_after_a_false_alarm(n: int, r: int) -> None:
    """The same as for a recovery. The alarm ends as soon as it was given."""
    g = group(n)

    g.give(r, Suspected(n))
    g.give(r, Trusted(n))
    g.run(3_000)

    assert g.agreed == n
    assert g.sent.total() == (n - r + 1) * (n - r) + n - 1


@pytest.mark.parametrize(("n", "r"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_count_after_a_death_does_not_hang_on_the_delays(n: int, r: int, seed: int) -> None:
    """Whatever time each message takes within the bound: all who ask ask before the winner announces itself."""
    g = Group(Bully, range(1, n + 1), SETTINGS, Surroundings(least_ns=0, most_ns=DELAY_MS * MS), seed=seed)
    g.world.start()
    g.run(1_000)
    g.forget()
    g.let(f"crash {n}")

    elect(g, r, n)

    assert g.sent.total() == (n - r) ** 2 + n - 2


def test_after_a_failure_a_coordinator_is_elected() -> None:
    """The abstract:

    "After a failure occurs in a distributed computing system, it is often necessary to reorganize the active nodes so
    that they can continue to perform a useful task. The first step in such a reorganization or reconfiguration is to
    elect a coordinator node to manage the operation."
    """  # noqa: D415  a quotation follows
    g = group(5)

    g.let("crash 5")
    g.run(3_000)

    assert g.leaders == dict.fromkeys(range(1, 5), 4)


def test_the_greatest_that_lives_leads_whoever_has_died() -> None:
    """The greatest number of those that live wins, also when several have died at once."""
    g = group(7)

    for node in (7, 5, 6, 2):
        g.let(f"crash {node}")
    g.run(3_000)

    assert g.leaders == dict.fromkeys((1, 3, 4), 4)


def test_a_greater_node_that_answers_and_then_dies_is_not_awaited_for_ever() -> None:
    """Who was answered and hears of no leader within three delays more begins again."""
    g = group(3, UNTOLD)
    g.let("crash 3")
    g.give(1, Suspected(3))
    g.run(2 * DELAY_MS)  # 2 has answered
    assert g[1].role == "answered"

    g.let("crash 2")
    g.run(3_000)

    assert g.leaders == {1: 1}


def test_leaderless_time_after_a_death_is_bounded() -> None:
    """A death that is noticed is over in four delays: asked, unanswered for two, announced."""
    g = group(9, msgspec.structs.replace(TOLD, detect_least_ns=50 * MS, detect_most_ns=50 * MS))
    g.let("crash 9")

    g.run(3_000)

    assert max(at for at, _, leader in g.history if leader == 8) <= 1_000 * MS + (50 + 4 * DELAY_MS) * MS + 2


def test_a_greater_node_that_comes_back_takes_over() -> None:
    """A recovered node that is greater than the coordinator bullies it out."""
    g = group(5)
    g.let("crash 5")
    g.run(3_000)
    assert g.leaders[1] == 4

    g.let("restart 5")
    g.run(6_000)

    assert g.agreed == 5


def test_a_smaller_node_that_comes_back_changes_nothing() -> None:
    """It is told who leads, and the others recognise nobody else meanwhile but for asking again."""
    g = group(5)
    g.let("crash 2")
    g.run(2_000)

    g.let("restart 2")
    g.run(6_000)

    assert g.agreed == 5
    assert {leader for _, _, leader in g.history} <= {5, None}


@pytest.mark.parametrize(("newcomer", "leader"), [(9, 9), (4, 5)])
def test_a_node_that_joins_takes_over_or_follows(newcomer: int, leader: int) -> None:
    """As one that comes back: the greater one leads, the smaller one is told."""
    g = Group(Bully, (1, 2, 3, 5), SETTINGS)
    g.world.start()
    g.run(1_000)

    g.let(f"join {newcomer}")
    g.run(4_000)

    assert g.agreed == leader
    assert len(g.leaders) == 5


def test_a_leader_that_leaves_is_followed_by_the_next() -> None:
    """Nobody needs to suspect it: its leaving is known."""
    g = group(4)

    g.let("leave 4")
    g.run(3_000)

    assert g.leaders == dict.fromkeys((1, 2, 3), 3)


def test_an_announcement_that_lands_late_is_made_up_for() -> None:
    """4 announced itself just before 5 came back, and is overtaken on the way to 1, which trusts 5: it looks again."""
    g = group(5)
    g.give(1, Received(4, Coordinator()))
    assert g.leaders == {1: 4, 2: 5, 3: 5, 4: 5, 5: 5}

    g.run(5 * DELAY_MS)
    assert g.leaders[1] == 4, "not yet: its news of 5 may be out of date"
    g.run(5 * DELAY_MS)

    assert g.agreed == 5


def test_who_is_told_of_a_smaller_leader_before_it_misses_the_greater_looks_again_only_if_it_does_not_miss_it() -> None:
    """Detectors are not equally fast; in five delays all but the slowest have noticed."""
    g = group(5, UNTOLD)
    g.let("crash 5")

    elect(g, 4, 5)

    assert g.sent == Counter({"Election": 1, "Coordinator": 3})


def test_the_last_words_of_a_leader_that_died_are_not_believed_for_ever() -> None:
    """3 announced itself and died; 1 hears of the death first, of the announcement then: it looks again."""
    g = group(3, UNTOLD)
    g.let("crash 3")

    for node in (1, 2):
        g.give(node, Suspected(3))
        g.give(node, Received(3, Coordinator()))
    assert g.leaders == {1: 3, 2: 3}
    g.run(3_000)

    assert g.leaders == {1: 2, 2: 2}


def test_who_has_just_heard_of_the_leader_answers_only() -> None:
    """The announcement is under way to the asker too; two delays later it is not, and an election is held."""
    g = group(3)
    g.give(2, Received(3, Coordinator()))

    assert g.answer(2, Received(1, Election())) == [Send(1, Answer())]
    g.run(2 * DELAY_MS + 1)
    assert g.answer(2, Received(1, Election())) == [Send(1, Answer()), Recognised(None, 0), Send(3, Election())]


def started_one_by_one(n: int, seed: int) -> int:
    """Messages until all is silent, of nodes that start at any instants of six delays, on links as slow as allowed."""
    g = Group(Bully, range(1, n + 1), SETTINGS, Surroundings(least_ns=0, most_ns=DELAY_MS * MS), seed=seed)
    g.world.start()
    for node in range(1, n + 1):
        g.let(f"crash {node}")
    g.run(1_000)
    g.forget()
    chance = Random(seed)
    passed_ms = 0
    for at_ms, node in sorted((int(chance.random() * 6 * DELAY_MS), node) for node in range(1, n + 1)):
        g.run(at_ms - passed_ms)
        passed_ms = at_ms
        g.let(f"restart {node}")
    g.run(3_000)
    assert g.agreed == n
    return g.sent.total()


def test_many_that_hold_elections_at_once_do_not_keep_one_another_at_it() -> None:
    """Nine that start one by one: 2 n^2 messages at most on average over 50 seeds, and 3 n^2 in any of them.

    Counted: every message sent until all is silent. It would be more than that if who has just heard of the leader
    began an election for each that asks.
    """
    sent = [started_one_by_one(9, seed) for seed in range(50)]

    assert sum(sent) / len(sent) < 2 * 9**2
    assert max(sent) < 3 * 9**2


def test_a_number_that_was_suspected_when_it_left_is_believed_when_it_joins_again() -> None:
    """Suspicion ends with membership: who follows it need not look again, and again."""
    elector = Bully(1, (1, 2, 3), Random(1), SETTINGS)
    for event in (Started(), Suspected(3), Left(3), Joined(3), Received(3, Coordinator())):
        elector.handle(event, 0)

    assert (elector.leader, elector.wake_ns) == (3, NEVER_NS)


# Outside its model


def test_C25_a_partition_gives_two_leaders_for_as_long_as_it_lasts() -> None:
    """Silence is taken for death, so each side elects: nothing in bully is authority to act."""
    g = group(5)

    g.let("partition 1 2 5 | 3 4")
    g.run(60_000)
    assert g.leaders == {1: 5, 2: 5, 3: 4, 4: 4, 5: 5}

    g.let("heal")
    g.run(70_000)
    assert g.agreed == 5


def test_who_leads_because_its_questions_were_lost_does_so_until_it_has_news_of_a_greater_one() -> None:
    """It trusts greater nodes all the while, and does not wonder: only who follows does."""
    g = group(3)
    g.let("lose 100%", "restart 1")
    g.run(3 * DELAY_MS)
    g.let("heal")
    g.run(60_000)
    assert g.leaders == {1: 1, 2: 3, 3: 3}

    g.give(1, Trusted(3))
    g.run(5 * DELAY_MS)

    assert g.agreed == 3


@pytest.mark.parametrize(("lost_ms", "agreed"), [(200, False), (3_000, True)])
def test_a_loss_that_a_detector_notices_is_made_up_for(lost_ms: int, agreed: bool) -> None:
    """Being heard again is news; who was never missed is none."""
    script = f"nodes 1 2 3\nuntil 60s\nat 10s lose 100%\nat 10s restart 1\nat {10_000 + lost_ms}ms heal\n"
    run = simulate("bully", scenario=parse_script(f"{script}converge 1 2 3 from 20s"), detector="heartbeat")

    assert [violation.checker for violation in run.violations] == ([] if agreed else ["agreement", "greatest-leads"])


def test_C25_each_return_of_the_greatest_deposes_a_healthy_leader() -> None:
    """Ten returns, ten depositions of 4, which was never ill: take-over is what the algorithm is for."""
    g = group(5)
    for _ in range(10):
        g.let("crash 5")
        g.run(1_000)
        g.let("restart 5")
        g.run(1_000)

    led_by = [leader for _, node, leader in g.history if node == 4 and leader is not None]
    assert [leader for leader, _ in itertools.groupby(led_by)] == [4, 5] * 10


def test_messages_slower_than_the_bound_give_two_leaders_for_a_while() -> None:
    """The bound is trusted: answers that come later than it find the asker leading beside a leader that lives."""
    g = group(3, UNTOLD)
    g.let(f"latency {5 * DELAY_MS}ms to {5 * DELAY_MS}ms")

    g.give(2, Suspected(3))
    g.run(4 * DELAY_MS)

    assert (g.leaders[2], g.leaders[3]) == (2, 3)
