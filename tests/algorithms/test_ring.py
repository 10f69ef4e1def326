"""Ring: counted messages, and what its paper says of it; then the failures that the paper leaves out.

What is quoted stands in the abstract of Chang and Roberts 1979.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from math import log

import msgspec
import pytest

from tenure.algorithms.ring import Elected, Election, Ring, Settings
from tenure.core.effects import Send
from tenure.core.events import Joined, Left, Received, Started, Suspected, Trusted
from tenure.durations import NEVER_NS
from tenure.simulator.network import MS
from tenure.simulator.surroundings import Surroundings
from tests.algorithms.group import DELAY_MS, TOLD, UNTOLD, Group
from tests.algorithms.storms import OnAnyLinks

SETTINGS = Settings(hop_ns=20 * MS)
ANY_DELAY = Surroundings(least_ns=0, most_ns=10 * MS)


def ring(order: tuple[int, ...], surroundings: Surroundings = TOLD) -> Group:
    """Nodes in this order, which have all started at once and elected the greatest."""
    g = Group(Ring, order, Settings(order=order, hop_ns=20 * MS), surroundings)
    g.world.start()
    g.run(10_000)
    assert g.agreed == max(order)
    g.forget()
    return g


def counted(order: tuple[int, ...]) -> Counter[str]:
    """Messages by kind when all of this ring start at once, each message as fast as the other: no clock, one queue."""
    settings = Settings(order=order)
    nodes = {node: Ring(node, order, random.Random(node), settings) for node in order}
    sent, queue = Counter[str](), deque[tuple[int, Send]]()
    for node in order:
        queue.extend((node, effect) for effect in nodes[node].handle(Started(), 0) if isinstance(effect, Send))
    while queue:
        sender, send = queue.popleft()
        sent[type(send.message).__name__] += 1
        effects = nodes[send.to].handle(Received(sender, send.message), 0)
        queue.extend((send.to, effect) for effect in effects if isinstance(effect, Send))
    assert {elector.leader for elector in nodes.values()} == {max(order)}
    return sent


@pytest.mark.parametrize("n", range(2, 13))
def test_worst_case(n: int) -> None:
    """n(n+1)/2 when the numbers fall along the ring and all start; n more to announce. Counted: each hop of each."""
    assert counted(tuple(range(n, 0, -1))) == Counter({"Election": n * (n + 1) // 2, "Elected": n})


@pytest.mark.parametrize("n", range(2, 13))
def test_best_case(n: int) -> None:
    """2n - 1 when the numbers rise along the ring and all start; n more to announce. Counted as above."""
    assert counted(tuple(range(1, n + 1))) == Counter({"Election": 2 * n - 1, "Elected": n})


@pytest.mark.parametrize("n", range(3, 13))
def test_one_starter_just_after_the_greatest(n: int) -> None:
    """3n - 1 with the announcement, whatever the order. Counted as above; the starter had a false alarm that ended."""
    for seed in range(5):
        order = tuple(sorted(range(1, n), key=lambda node: random.Random(f"{seed}/{node}").random()))
        g = ring((n, *order))

        g.give(order[0], Suspected(n))
        g.give(order[0], Trusted(n))
        g.run(30_000)

        assert g.sent == Counter({"Election": 2 * n - 1, "Elected": n})
        assert g.agreed == n


@pytest.mark.parametrize(("n", "published"), [(8, 21.7), (16, 54.1), (32, 130), (64, 304)])
def test_mean_of_random_rings(n: int, published: float) -> None:
    """n H_n on average over 4,000 random rings, within 2 %, and n more to announce. Counted: each hop of each number.

    "an average number of message passes of order (n log n) rather than O(n2)" (abstract)
    """
    chance = random.Random(n)
    total = Counter[str]()
    for _ in range(4_000):
        total += counted(tuple(sorted(range(1, n + 1), key=lambda _: chance.random())))

    assert total["Election"] / 4_000 == pytest.approx(published, rel=0.02)
    assert total["Election"] / 4_000 == pytest.approx(n * sum(1 / k for k in range(1, n + 1)), rel=0.02)
    assert total["Election"] / 4_000 < n * (1 + log(n))
    assert total["Elected"] == 4_000 * n


def test_the_largest_of_uniquely_numbered_processes_is_found() -> None:
    """Whatever their order.

    "finding the largest (or smallest) of a set of uniquely numbered processes arranged in a circle, in which no
    central controller exists and the number of processes is not known a priori" (abstract)
    """
    assert set(ring((3, 9, 4, 1, 7)).leaders.values()) == {9}


def test_selective_extinction() -> None:
    """What is smaller than what a node has sent ends there: "selective message extinction" (abstract)."""
    node = Ring(5, (3, 5, 7), random.Random(1))
    node.handle(Started(), 0)

    assert node.handle(Received(3, Election(1, 3)), 0) == []
    assert node.handle(Received(3, Election(1, 7)), 0) == [Send(7, Election(1, 7))]
    assert node.handle(Received(3, Election(1, 6)), 0) == []


def test_a_node_that_takes_part_puts_its_own_number_in_the_place_of_a_smaller_one() -> None:
    """Who had not started starts by passing."""
    g = ring((5, 1, 3))

    effects = g.answer(3, Received(1, Election(9, 1)))

    assert Send(5, Election(9, 3)) in effects


# Failures, which the paper leaves out


def test_a_successor_that_dies_with_the_token_is_gone_round() -> None:
    """What it held is sent again, to the next: no time-out is needed."""
    g = ring((1, 2, 3, 4, 5), msgspec.structs.replace(TOLD, detect_least_ns=30 * MS, detect_most_ns=30 * MS))
    g.let("crash 5")
    g.run(35)
    holder = next(node for node in (2, 3) if g[node].role == "electing")
    g.let(f"crash {holder}")
    g.run(3 * 5 * 20 - 36)  # before anybody's time is out

    assert g.agreed == 4


def test_a_candidate_that_dies_is_missed_before_the_time_is_out() -> None:
    """Who last passed its number begins a new round as soon as it hears of the death."""
    g = ring((1, 2, 3, 4, 5), msgspec.structs.replace(TOLD, detect_least_ns=30 * MS, detect_most_ns=30 * MS))
    g.let("crash 5")
    g.run(30 + 3.5 * DELAY_MS)  # 4 has put its number in the place of a smaller one, and it is not home
    assert g[1].role == "electing"
    assert g.leaders[4] is None

    g.let("crash 4")
    g.run(3 * 5 * 20 - 80)  # before anybody's time is out

    assert g.agreed == 3


def missed_by(returning: int, order: tuple[int, ...]) -> Group:
    """A ring whose last nodes know a later result than this one, which was down when it passed, and the next.

    The result is given to the last node, as if the one before had won, and had been back before it was missed.
    """
    g = ring(order, UNTOLD)
    for node in order[1 : order.index(returning)]:
        g.let(f"crash {node}")
        g.give(order[0], Suspected(node))
    g.run(5 * DELAY_MS)
    g.let(f"crash {returning}")
    g.give(order[-1], Received(order[-2], Elected(9, order[-2])))
    g.run(5 * DELAY_MS)
    g.let(f"restart {returning}")
    g.run(10 * DELAY_MS)
    return g


def test_who_is_back_before_it_is_missed_hears_what_it_missed() -> None:
    """Its successor knows an earlier result only; its predecessor has said the later one, and says it again."""
    g = missed_by(2, (1, 2, 3, 4))

    assert g.agreed == 3


def test_who_is_back_asks_further_when_its_predecessor_turns_out_to_be_dead() -> None:
    """It takes all for living in the beginning, and the dead tell nothing."""
    g = missed_by(3, (1, 2, 3, 4, 5))
    assert g.leaders == {1: 4, 3: 5, 4: 5, 5: 4}

    g.give(3, Suspected(2))
    g.run(5 * DELAY_MS)

    assert g.agreed == 4


def test_C26_a_number_of_a_dead_starter_does_not_circle_for_ever() -> None:
    """It goes round once, and where it comes by again it ends."""
    g = ring((1, 2, 3), UNTOLD)

    g.give(1, Received(3, Election(7, 9)))  # sent by a node 9 that is no more
    g.run(100)
    assert g.sent == Counter({"Election": 3})
    g.run(20_000)

    assert g.agreed == 3


def test_C26_a_lost_token_is_made_up_for_by_a_new_round() -> None:
    """Three times round the ring without a result, and the election is begun again."""
    g = Group(Ring, range(1, 6), SETTINGS)
    g.let("lose 99.9%")
    g.world.start()
    g.run(100)
    assert not any(leader == 5 for leader in g.leaders.values())

    g.let("heal")
    g.run(5_000)

    assert g.agreed == 5
    assert g[1].term > 1


@pytest.mark.parametrize("seed", range(50))
def test_C26_with_losses_all_agree_in_the_end(seed: int) -> None:
    """Nodes that stay up agree once losses end, whatever was lost: each that takes part has a time-out of its own."""
    g = Group(OnAnyLinks, range(1, 8), SETTINGS, ANY_DELAY, seed=seed)
    g.let("lose 30%")
    g.world.start()
    g.run(2_000)
    g.let("heal")
    g.run(20_000)

    assert g.agreed == 7


@pytest.mark.parametrize("seed", range(50))
def test_C26_copies_end(seed: int) -> None:
    """Every message twice, in any order: the same leader, and silence."""
    g = Group(OnAnyLinks, range(1, 8), SETTINGS, ANY_DELAY, seed=seed)
    g.let("duplicate 100%")
    g.world.start()
    g.run(20_000)

    assert g.agreed == 7
    assert g.sent.total() <= 3 * 7 * 7


def test_a_late_announcement_of_an_earlier_round_changes_nothing() -> None:
    """It is answered with what is current."""
    g = ring((1, 2, 3))
    g.let("crash 3")
    g.run(20_000)
    assert g.leaders == {1: 2, 2: 2}

    assert g.answer(1, Received(2, Elected(1, 3))) == [Send(2, Elected(g[1].term, 2))]


def test_who_sends_a_number_of_an_earlier_round_is_told_of_the_present_one() -> None:
    """So who is back takes part at once, and need not wait for a token to come by, or for its own time-out."""
    node = Ring(5, (3, 5, 7), random.Random(1))
    node.handle(Started(), 0)
    node.handle(Received(3, Election(4, 7)), 0)

    assert node.handle(Received(3, Election(1, 3)), 0) == [Send(3, Election(4, 7))]
    assert node.handle(Received(3, Election(4, 3)), 0) == [], "it has been told, or is being told, in this round"


def test_of_two_results_of_one_round_the_greater_counts_and_whoever_sends_the_other_is_told() -> None:
    """Two halves of a ring may number their rounds alike; the later one to arrive must not win."""
    node = Ring(5, (3, 5, 7), random.Random(1))
    node.handle(Started(), 0)
    node.handle(Received(3, Elected(4, 7)), 0)

    assert node.handle(Received(3, Elected(4, 3)), 0) == [Send(3, Elected(4, 7))]
    assert node.leader == 7


def test_halves_that_elect_in_rounds_of_one_number_agree_when_they_meet() -> None:
    """Outside the model; 5 is dead, and each half elects once."""
    g = ring((1, 2, 3, 4, 5))
    g.let("crash 5", "partition 1 3 | 2 4")
    g.run(20_000)
    assert g.leaders == {1: 3, 2: 4, 3: 3, 4: 4}
    assert len({g[node].term for node in (1, 2, 3, 4)}) == 1

    g.let("heal")
    g.run(20_000)

    assert g.agreed == 4


def test_a_number_that_was_suspected_when_it_left_is_believed_when_it_joins_again() -> None:
    """Suspicion ends with membership: it is the successor again, and its results are not doubted."""
    node = Ring(1, (1, 2, 3), random.Random(1))
    for event in (Started(), Suspected(2), Left(2)):
        node.handle(event, 0)
    assert (node.successor, node.suspects) == (3, set())

    node.handle(Joined(2), 0)
    node.handle(Received(3, Elected(4, 2)), 0)

    assert (node.successor, node.leader, node.wake_ns) == (2, 2, NEVER_NS)


@pytest.mark.parametrize("newcomer", [9, 4])
def test_who_joins_is_told_and_deposes_nobody(newcomer: int) -> None:
    """A healthy leader stays, also when the newcomer is greater."""
    g = ring((1, 2, 3, 5))

    g.let(f"join {newcomer}")
    g.run(20_000)

    assert g.agreed == 5
    assert len(g.leaders) == 5


def test_the_greatest_may_flap_and_deposes_nobody() -> None:
    """Unlike bully: who comes back has an outdated round, and is told of the present one."""
    g = ring((1, 2, 3, 4, 5))
    g.let("crash 5")
    g.run(20_000)
    g.history.clear()
    for _ in range(10):
        g.let("restart 5")
        g.run(2_000)
        g.let("crash 5")
        g.run(2_000)

    assert {node for _, node, _ in g.history} == {5}
    assert {leader for _, _, leader in g.history} == {4}


def test_a_leader_that_leaves_is_followed_by_another() -> None:
    """The rest elect."""
    g = ring((1, 2, 3, 4))

    g.let("leave 4")
    g.run(20_000)

    assert g.leaders == dict.fromkeys((1, 2, 3), 3)


def test_who_is_alone_leads() -> None:
    """With nobody to send to, nothing is sent."""
    g = ring((1, 2))
    g.let("crash 2")
    g.run(20_000)

    assert g.leaders == {1: 1}


def test_a_partition_gives_two_leaders_for_as_long_as_it_lasts() -> None:
    """Outside the model: each side repairs its own ring and elects; healed, they agree on one."""
    g = ring((1, 2, 3, 4, 5))

    g.let("partition 1 5 3 | 2 4")
    g.run(60_000)
    assert g.leaders == {1: 5, 2: 4, 3: 5, 4: 4, 5: 5}

    g.let("heal")
    g.run(70_000)
    assert g.agreed is not None


def test_halves_that_miss_each_others_results_when_they_meet_stay_apart_until_a_neighbour_changes() -> None:
    """Outside the model, twice: what they tell each other then is said once, and here it is lost."""
    g = ring((1, 2, 3, 4, 5))
    g.let("partition 1 2 3 | 4 5")
    g.run(20_000)
    g.let("heal", "lose 100%")
    g.run(1_000)  # all trust one another again
    g.let("heal")
    g.run(60_000)
    assert g.leaders == {1: 3, 2: 3, 3: 3, 4: 5, 5: 5}

    g.give(3, Suspected(4))
    g.give(3, Trusted(4))
    g.give(5, Suspected(1))
    g.give(5, Trusted(1))
    g.run(20_000)

    assert g.agreed == 3


def test_an_order_that_names_a_node_twice_is_refused() -> None:
    """Each has one place."""
    with pytest.raises(ValueError, match="twice"):
        Settings(order=(1, 2, 1))
