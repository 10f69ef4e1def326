"""Which side stays: for every cut of small groups, and for partitions with holes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

import pytest

from tenure.algorithms.split_brain import sides
from tenure.algorithms.split_brain.sides import Rule, is_majority, is_quorum, most_members

Links = frozenset[frozenset[int]]
NODES = range(1, 6)


def partitions(nodes: tuple[int, ...], most: int) -> Iterator[list[list[int]]]:
    """Every way to cut these nodes into `most` groups at most."""
    if not nodes:
        yield []
        return
    first, rest = nodes[0], nodes[1:]
    for groups in partitions(rest, most):
        for place in range(len(groups)):
            yield [*groups[:place], [first, *groups[place]], *groups[place + 1 :]]
        if len(groups) < most:
            yield [[first], *groups]


def meets_in(groups: Iterable[Iterable[int]]) -> dict[int, frozenset[int]]:
    """Whom each node meets where all of a group do."""
    return {node: frozenset(group) for group in map(list, groups) for node in group}


def graph(nodes: Iterable[int], links: Iterable[Iterable[int]]) -> dict[int, frozenset[int]]:
    """Whom each node meets over these links."""
    pairs = [frozenset(link) for link in links]
    return {node: frozenset({node}.union(*(pair for pair in pairs if node in pair))) for node in nodes}


def decisions(meets: dict[int, frozenset[int]], rule: Rule) -> dict[int, frozenset[int]]:
    """What each node decides with what it knows: whom those that it meets meet."""
    return {
        node: sides.side_that_stays(
            {p: meets[p] for m in meets[node] for p in meets[m] if m != node or p == node}, rule
        )
        for node in meets
    }


def stayers(meets: dict[int, frozenset[int]], rule: Rule) -> frozenset[int]:
    """Who stays, each by its own decision."""
    return frozenset(node for node, side in decisions(meets, rule).items() if node in side)


def rules(members: frozenset[int]) -> list[Rule]:
    """Keep-majority, and every static quorum that this membership allows."""
    sizes = [size for size in range(1, len(members) + 1) if len(members) <= most_members(size)]
    quorums: list[Rule] = [lambda side, size=size: is_quorum(members, side, size) for size in sizes]  # type: ignore[misc]  # mypy has no words for a lambda with a default
    return [lambda side: is_majority(members, side), *quorums]


def all_stay_on_one_side(meets: dict[int, frozenset[int]], rule: Rule) -> str:
    """The property: those that stay see one another, are enough, and have decided on the same side."""
    stay, decided = stayers(meets, rule), decisions(meets, rule)
    apart = [(one, other) for one, other in itertools.combinations(sorted(stay), 2) if other not in meets[one]]
    if apart:
        return f"both stay and do not see one another: {apart}"
    return "" if all(decided[node] == stay for node in stay) else f"they decide differently: {decided}"


@pytest.mark.parametrize("n", range(2, 8))
def test_no_two_sides_both_stay_whatever_the_cut(n: int) -> None:
    """Every partition of up to seven nodes into two or three groups, under every rule: one group stays, or none."""
    members = frozenset(range(1, n + 1))
    tried = 0
    for groups in partitions(tuple(sorted(members)), 3):
        for rule in rules(members):
            stay = stayers(meets_in(groups), rule)
            assert stay == frozenset() or sorted(stay) in [sorted(group) for group in groups]
            tried += 1
    assert tried >= (3 ** (n - 1) + 1) // 2


@pytest.mark.parametrize("n", range(2, 8))
def test_keep_majority_keeps_a_side_of_every_clean_cut_in_two(n: int) -> None:
    """A majority or, of two halves, that with the lowest number: so of two groups one always stays."""
    members = frozenset(range(1, n + 1))
    for groups in partitions(tuple(sorted(members)), 2):
        stay = stayers(meets_in(groups), lambda side: is_majority(members, side))
        kept = max(groups, key=lambda group: (len(group), 1 in group))
        assert stay == frozenset(kept)


@pytest.mark.parametrize("n", range(2, 6))
def test_whatever_links_are_cut_those_that_stay_all_see_one_another(n: int) -> None:
    """Every graph of up to five nodes, with what each node can know of it."""
    members = frozenset(range(1, n + 1))
    pairs = list(itertools.combinations(sorted(members), 2))
    for links in itertools.chain.from_iterable(itertools.combinations(pairs, k) for k in range(len(pairs) + 1)):
        for rule in rules(members):
            assert all_stay_on_one_side(graph(members, links), rule) == "", links


@pytest.mark.parametrize("n", [6, 7, 9])
def test_the_same_for_random_graphs_of_more_nodes(n: int) -> None:
    """Two thousand of each size, from sparse to dense."""
    chance, members = random.Random(n), frozenset(range(1, n + 1))
    pairs, somebody = list(itertools.combinations(sorted(members), 2)), 0
    for _ in range(2_000):
        density = chance.random()
        meets = graph(members, [pair for pair in pairs if chance.random() < density])
        for rule in rules(members)[:2]:
            assert all_stay_on_one_side(meets, rule) == ""
            somebody += bool(stayers(meets, rule))
    assert somebody > 500


def test_five_nodes_with_a_clique_of_three() -> None:
    """1, 2 and 3 see one another, 4 sees only 2, and 5 sees only 3: hazard C17. The three go on."""
    meets = graph(NODES, [(1, 2), (1, 3), (2, 3), (4, 2), (5, 3)])
    assert stayers(meets, lambda side: is_majority(frozenset(NODES), side)) == {1, 2, 3}


def test_one_link_of_three_nodes_is_cut() -> None:
    """Of the two ends, the one with the greater number goes."""
    meets = graph((1, 2, 3), [(1, 2), (2, 3)])
    assert stayers(meets, lambda side: is_majority(frozenset({1, 2, 3}), side)) == {1, 2}


def test_five_nodes_in_a_circle_have_no_side_that_is_enough() -> None:
    """Each meets three of five, and no three meet one another: nobody stays."""
    meets = graph(NODES, [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1)])
    assert stayers(meets, lambda side: is_majority(frozenset(NODES), side)) == frozenset()


def test_two_who_were_told_of_different_members_may_both_have_a_majority() -> None:
    """Hazard C30: the rule is only as good as its denominator, which no rule can know."""
    assert is_majority(frozenset({1, 2, 3}), frozenset({1, 2}))
    assert is_majority(frozenset({1, 2, 3, 4, 5, 6, 7}), frozenset({3, 4, 5, 6, 7}))
    assert {1, 2}.isdisjoint({3, 4, 5, 6, 7})


@pytest.mark.parametrize(("members", "stays"), [(5, True), (6, False)])
def test_a_static_quorum_stays_no_more_where_two_could(members: int, stays: bool) -> None:
    """Three of six could be on both sides."""
    assert is_quorum(frozenset(range(members)), frozenset(range(3)), 3) is stays
