"""Who sees whom, as far as one node knows: from its own detector, and from what the others tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tenure.core.events import Message, NodeId


class View(Message, frozen=True):
    """To every member: what I see. Of two from one life of a node that with the greater number is the later one."""

    life: int
    number: int
    sees: tuple[NodeId, ...]
    """Whom my detector trusts; me among them, as below."""
    meets: tuple[NodeId, ...]
    """Whom I see, and who sees me."""
    hears: tuple[NodeId, ...]
    """Whose messages my inner elector is given; nobody's, not even mine, where I have stepped down."""
    leader: NodeId | None
    term: int
    met: tuple[tuple[NodeId, tuple[NodeId, ...]], ...]
    """Whom each of those that I meet told me that it meets."""


class Sight:
    """What one node knows of its group; its owner keeps `leader` and `term` up, which are what it recognises itself."""

    def __init__(self, me: NodeId, members: Iterable[NodeId]) -> None:
        self.me = me
        self.members = set(members)
        self.suspects = set[NodeId]()
        self.views = dict[NodeId, View]()
        """The last of each member that is not suspected."""
        self.leader: NodeId | None = None
        self.term = 0

    # What happened

    def suspect(self, peer: NodeId) -> None:
        """What it saw is out of date when it is trusted again. No detector suspects its own node."""
        if peer in self.members - {self.me}:
            self.suspects.add(peer)
            self.views.pop(peer, None)

    def trust(self, peer: NodeId) -> None:
        self.suspects.discard(peer)

    def leave(self, peer: NodeId) -> None:
        self.members.discard(peer)
        self.suspects.discard(peer)
        self.views.pop(peer, None)

    def hear(self, sender: NodeId, view: View) -> bool:
        """Note what a member sees; True if it is the first word of a life, or since the member was suspected."""
        if sender not in self.members - self.suspects:
            return False
        known = self.views.get(sender)
        if known is not None and known.life == view.life and known.number >= view.number:
            return False
        self.views[sender] = view
        return known is None or known.life != view.life

    # What follows from it

    @property
    def sees(self) -> frozenset[NodeId]:
        """Whom the detector trusts, and this node."""
        return frozenset(self.members - self.suspects)

    @property
    def meets(self) -> frozenset[NodeId]:
        """Whom this node sees, and who sees it."""
        return frozenset({self.me, *(peer for peer, view in self.views.items() if self.me in view.sees)})

    def known_meets(self) -> dict[NodeId, frozenset[NodeId]]:
        """Whom each known node meets: this one, those it meets, and those of whom they tell."""
        mine = self.meets
        rows = {node: row for peer in sorted(mine - {self.me}) for node, row in self.views[peer].met}
        rows |= {peer: self.views[peer].meets for peer in mine if peer != self.me}
        known = {node: frozenset(row) & self.members for node, row in rows.items() if node in self.members}
        return {**known, self.me: mine}

    def camps(self) -> dict[NodeId, frozenset[NodeId]]:
        """For each node that is heard those that recognise no other leader than it does."""
        leaders = {node: leader for node, leader, _ in self._recognised()}
        heard = {self.me, *self.views}
        return {
            node: frozenset(peer for peer in heard if leaders.get(peer, leader) == leader or leader is None)
            for node in heard
            for leader in [leaders.get(node)]
        }

    def trouble(self) -> str:
        """What is wrong with sight as far as this node knows, in a few words; empty where all see one another."""
        return next(self._troubles(), "")

    def _troubles(self) -> Iterator[str]:
        yield from (f"node {peer} is not seen" for peer in sorted(self.suspects))
        seen = sorted(self.views.items())
        yield from (f"node {peer} does not see this one" for peer, view in seen if self.me not in view.sees)
        for peer, view in seen:
            unseen = sorted(self.members.difference(view.sees))
            yield from (f"node {peer} does not see node {other}" for other in unseen)
        unheard = sorted(self.members - self.views.keys() - {self.me})
        yield from (f"node {peer} has not been heard" for peer in unheard)

    def conflict(self) -> str:
        """Two leaders, in one term (which no algorithm with terms has) or in two; empty where there are none."""
        recognised = self._recognised()
        for node, leader, term in recognised[1:]:
            first, its_leader, its_term = recognised[0]
            if leader != its_leader:
                terms = f"in term {term}" if term == its_term else f"in terms {its_term} and {term}"
                return f"two leaders {terms}: {its_leader} for node {first}, {leader} for node {node}"
        return ""

    def _recognised(self) -> list[tuple[NodeId, NodeId, int]]:
        """Who recognises whom in which term."""
        told = [(peer, view.leader, view.term) for peer, view in sorted(self.views.items())]
        all_told = [(self.me, self.leader, self.term), *told]
        return [(node, leader, term) for node, leader, term in all_told if leader is not None]

    def view(self, life: int, number: int, hears: frozenset[NodeId]) -> View:
        """What to tell the others."""
        meets = sorted(self.meets)
        return View(
            life,
            number,
            tuple(sorted(self.sees)),
            tuple(meets),
            tuple(sorted(hears)),
            self.leader,
            self.term,
            tuple((peer, self.views[peer].meets) for peer in meets if peer != self.me),
        )
