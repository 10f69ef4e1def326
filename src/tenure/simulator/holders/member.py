"""A node's own elector as the service that its holder asks: each token's authority is one grant.

A grant is vouched for until the deadline that the elector gave when it was last asked. A holder that asks no more loses
it then, as at every service: the elector goes on by itself, and is told to step down.
"""

from __future__ import annotations

from tenure.core.events import Asked, NodeId
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.holding.budget import Budget
from tenure.holding.events import Granted
from tenure.simulator.node import SimulatedNode
from tenure.simulator.world import World

AGAIN_NS = NS_PER_S
"""An elector that would not step down, since nobody else is seen, is asked again after so long."""


class Member:
    """The grants of one life of a node."""

    def __init__(self, world: World, node: SimulatedNode) -> None:
        self._world, self._node = world, node
        self.token = 0
        """Of the last grant; the next has a greater one."""
        self.ends_ns = NEVER_NS
        """When the elector is to step down, on the node's clock."""

    def gives(self, token: int) -> bool:
        """Whether this grant is still backed by authority."""
        return self._node.held is not None and self._node.held[0] == token

    def grant(self, budget: Budget, now_ns: int) -> Granted | None:
        """A new grant, where there is authority that was not granted before, and enough is left of it for the budget;
        too little is not refused for good, since the elector may renew it.
        """
        if self._node.held is None:
            return None
        token, deadline_ns = self._node.held
        if token <= self.token or not budget.fits(deadline_ns - now_ns):
            return None
        self.token, self.ends_ns = token, deadline_ns
        return Granted(token=token, sent_ns=now_ns, lease_ns=deadline_ns - now_ns)

    def renew(self, token: int, now_ns: int) -> int | None:
        """How long from now the elector vouches for the grant; None where it is gone."""
        held = self._node.held
        if held is None or held[0] != token or now_ns >= held[1]:
            return None
        self.ends_ns = held[1]
        return held[1] - now_ns

    def release(self, token: int, to: NodeId | None, now_ns: int) -> bool:
        """Step down, in favour of `to` if that can take over; whether the grant is gone."""
        for wish in dict.fromkeys((to, None)):
            if self.gives(token):
                self._world.give(self._node, Asked(wish))
        self.ends_ns = now_ns + AGAIN_NS if self.gives(token) else NEVER_NS
        return self.ends_ns == NEVER_NS
