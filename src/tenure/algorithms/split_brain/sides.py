"""Which side of a group that has come apart may go on. All who know the same decide the same.

A *rule* says of some of the members whether they are enough to go on. What makes one safe is that two sets which are
both enough share a node: then of two sides that see nothing of one another at most one goes on. The two rules here are
those of Akka's Split Brain Resolver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from tenure.core.events import NodeId

Rule = Callable[[frozenset[NodeId]], bool]


def is_majority(members: AbstractSet[NodeId], side: AbstractSet[NodeId]) -> bool:
    """More than half of the members; of two halves the one that has the member of the lowest number."""
    return 2 * len(side) > len(members) or (2 * len(side) == len(members) and min(members) in side)


def is_quorum(members: AbstractSet[NodeId], side: AbstractSet[NodeId], size: int) -> bool:
    """So many members at least; never while there are so many members that two sides could have that many."""
    return len(side) >= size and len(members) <= most_members(size)


def most_members(size: int) -> int:
    """How many members a static quorum of this size allows: with one more there could be two quorums."""
    return 2 * size - 1


def side_that_stays(meets: Mapping[NodeId, AbstractSet[NodeId]], is_enough: Rule) -> frozenset[NodeId]:
    """The nodes that go on, all of which see one another; empty where no such set is enough.

    `meets` has for each node that is known the nodes that it sees and that see it, itself among them. Groups that come
    apart cleanly need no more than the rule. Where links are cut so that no clean sides remain (1 sees 2, 2 sees 3, and
    1 does not see 3), only those who meet enough are looked at; as long as two of them do not meet, the one that meets
    fewest of the rest goes, and of equals the greatest number.

    Any two who meet enough meet a node in common, so each of them knows whom the other meets as soon as every node
    tells that of those it meets: all look at the same nodes. The price: at times nobody goes on though some set of
    nodes would have been enough and all of it see one another, because to find the greatest such set is hard (it is
    the maximum clique), and because five nodes in a circle have none.
    """
    side = {node for node, met in meets.items() if is_enough(frozenset(met) | {node})}
    linked = {node: (side & meets[node]) | {node} for node in side}
    while any(linked[node] != side for node in side):
        goes = min(side, key=lambda node: (len(linked[node]), -node))
        side.discard(goes)
        del linked[goes]
        for met in linked.values():
            met.discard(goes)
    return frozenset(side) if is_enough(frozenset(side)) else frozenset()
