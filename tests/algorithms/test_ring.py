"""Ring: counted messages, and what its paper says of it; then the failures that the paper leaves out.

What is quoted stands in the abstract of Chang and Roberts 1979.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from math import log

import pytest

from tenure.algorithms.ring import Elected, Election, Ring, Settings
from tenure.core.effects import Send
from tenure.core.events import Received, Started, Suspected, Trusted
from tests.algorithms.network import MS, Network, World

FIFO = World(fifo=True)
NOBODY_NOTICES = World(fifo=True, detect_ms=(10**6, 10**6))


def ring(order: tuple[int, ...], world: World = FIFO) -> Network:
    """Nodes in this order, which have all started at once and elected the greatest."""
    net = Network(Ring, order, settings=Settings(order=order, hop_ns=20 * MS), world=world)
    net.start()
    net.run(10_000)
    assert set(net.leaders.values()) == {max(order)}
    return net


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
        net = ring((n, *order))
        net.sent.clear()

        net.give(order[0], Suspected(n))
        net.give(order[0], Trusted(n))
        net.run(30_000)

        assert net.sent == Counter({"Election": 2 * n - 1, "Elected": n})
        assert set(net.leaders.values()) == {n}


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
    net = ring((5, 1, 3))
    net.sent.clear()

    effects = net.living[3].handle(Received(1, Election(9, 1)), net.now_ns)

    assert Send(5, Election(9, 3)) in effects


# Failures, which the paper leaves out


def test_a_successor_that_dies_with_the_token_is_gone_round() -> None:
    """What it held is sent again, to the next: no time-out is needed."""
    net = ring((1, 2, 3, 4, 5), World(fifo=True, detect_ms=(30, 30)))
    net.crash(5)
    net.run(10_035)
    holder = next(node for node in (2, 3) if net.living[node].role == "electing")
    net.crash(holder)
    net.run(10_000 + 3 * 5 * 20 - 1)  # before anybody's time is out

    assert set(net.leaders.values()) == {4}


def test_C26_a_number_of_a_dead_starter_does_not_circle_for_ever() -> None:
    """It goes round once, and where it comes by again it ends."""
    net = ring((1, 2, 3), NOBODY_NOTICES)
    net.sent.clear()

    net.give(1, Received(3, Election(7, 9)))  # sent by a node 9 that is no more
    net.run(10_000 + 100)
    assert net.sent == Counter({"Election": 3})
    net.run(20_000)

    assert set(net.leaders.values()) == {3}


def test_C26_a_lost_token_is_made_up_for_by_a_new_round() -> None:
    """Three times round the ring without a result, and the election is begun again."""
    net = Network(Ring, range(1, 6), settings=Settings(hop_ns=20 * MS), world=World(fifo=True, loss=0.999))
    net.start()
    net.run(100)
    assert not any(leader == 5 for leader in net.leaders.values())

    net.world = FIFO
    net.run(5_000)

    assert set(net.leaders.values()) == {5}
    assert net.living[1].term > 1


@pytest.mark.parametrize("seed", range(50))
def test_C26_with_losses_all_agree_in_the_end(seed: int) -> None:
    """Nodes that stay up agree once losses end, whatever was lost: each that takes part has a time-out of its own."""
    net = Network(Ring, range(1, 8), settings=Settings(hop_ns=20 * MS), world=World((0, 10), loss=0.3), seed=seed)
    net.start()
    net.run(2_000)
    net.world = World((0, 10))
    net.run(20_000)

    assert set(net.leaders.values()) == {7}


@pytest.mark.parametrize("seed", range(50))
def test_C26_copies_end(seed: int) -> None:
    """Every message twice, in any order: the same leader, and silence."""
    net = Network(Ring, range(1, 8), settings=Settings(hop_ns=20 * MS), world=World((0, 10), duplicates=1.0), seed=seed)
    net.start()
    net.run(20_000)

    assert set(net.leaders.values()) == {7}
    assert net.sent.total() <= 3 * 7 * 7


def test_a_late_announcement_of_an_earlier_round_changes_nothing() -> None:
    """It is answered with what is current."""
    net = ring((1, 2, 3))
    net.crash(3)
    net.run(20_000)
    assert net.leaders == {1: 2, 2: 2}
    one = net.living[1]

    assert one.handle(Received(2, Elected(1, 3)), net.now_ns) == [Send(2, Elected(one.term, 2))]


@pytest.mark.parametrize("newcomer", [9, 4])
def test_who_joins_is_told_and_deposes_nobody(newcomer: int) -> None:
    """A healthy leader stays, also when the newcomer is greater."""
    net = ring((1, 2, 3, 5))

    net.join(newcomer)
    net.run(20_000)

    assert set(net.leaders.values()) == {5}
    assert len(net.leaders) == 5


def test_the_greatest_may_flap_and_deposes_nobody() -> None:
    """Unlike bully: who comes back has an outdated round, and is told of the present one."""
    net = ring((1, 2, 3, 4, 5))
    net.crash(5)
    net.run(20_000)
    net.history.clear()
    for _ in range(10):
        net.start(5)
        net.run(net.now_ns // MS + 2_000)
        net.crash(5)
        net.run(net.now_ns // MS + 2_000)

    assert {node for _, node, _ in net.history} == {5}
    assert {leader for _, _, leader in net.history} == {4}


def test_a_leader_that_leaves_is_followed_by_another() -> None:
    """The rest elect."""
    net = ring((1, 2, 3, 4))

    net.leave(4)
    net.run(20_000)

    assert net.leaders == dict.fromkeys((1, 2, 3), 3)


def test_who_is_alone_leads() -> None:
    """With nobody to send to, nothing is sent."""
    net = ring((1, 2))
    net.crash(2)
    net.run(20_000)

    assert net.leaders == {1: 1}


def test_a_partition_gives_two_leaders_for_as_long_as_it_lasts() -> None:
    """Outside the model: each side repairs its own ring and elects; healed, they agree on one."""
    net = ring((1, 2, 3, 4, 5))

    net.partition((1, 5, 3), (2, 4))
    net.run(60_000)
    assert net.leaders == {1: 5, 2: 4, 3: 5, 4: 4, 5: 5}

    net.partition()
    net.run(70_000)
    assert len(set(net.leaders.values())) == 1


def test_an_order_that_names_a_node_twice_is_refused() -> None:
    """Each has one place."""
    with pytest.raises(ValueError, match="twice"):
        Settings(order=(1, 2, 1))
