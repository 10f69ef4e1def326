"""A partition in words: "1 2 | 3 4 5" where the group is cut into sides, "3 → 1 cut" where single links are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tenure.core.events import NodeId

Link = tuple[NodeId, NodeId]
Groups = list[list[NodeId]]

MOST_LINKS = 4
"""As many single links are named; of more their number is told."""


def groups(links: Collection[Link], nodes: Collection[NodeId]) -> Groups:
    """The sides into which just these cuts divide the nodes, the greatest first; empty if they do not do just that."""
    cut = set(links)
    sides: Groups = []
    left = sorted(nodes)
    while left:
        side = [left.pop(0)]
        for one in side:  # grows while it is gone through
            near = [other for other in left if (one, other) not in cut and (other, one) not in cut]
            side += near
            left = [other for other in left if other not in near]
        sides.append(sorted(side))
    across = {(a, b) for side in sides for a in side for other in sides if other is not side for b in other}
    if len(sides) == 1 or {link for link in cut if set(link) <= set(nodes)} != across:
        return []
    return sorted(sides, key=lambda side: (-len(side), side))


def describe(links: Sequence[Link], nodes: Collection[NodeId]) -> str:
    """Who is cut from whom; "" if nobody is."""
    if not links:
        return ""
    sides = groups(links, nodes)
    if sides:
        return " | ".join(" ".join(map(str, side)) for side in sorted(sides))
    cut = dict.fromkeys(links)
    parts: list[str] = []
    told = set[Link]()
    for sender in sorted({sender for sender, _ in cut}):
        ways: dict[str, list[NodeId]] = {"↔": [], "→": []}
        for to in sorted(to for one, to in cut if one == sender):
            if (sender, to) not in told:
                both = (to, sender) in cut
                ways["↔" if both else "→"].append(to)
                told |= {(sender, to), (to, sender)} if both else {(sender, to)}
        parts += [f"{sender} {way} {', '.join(map(str, peers))}" for way, peers in ways.items() if peers]
    more = len(parts) - MOST_LINKS
    return "; ".join(parts[:MOST_LINKS]) + (f"; and {more} more" if more > 0 else "") + " cut"
