"""A crowd of clients whose requests reach a node together, at one instant: a batch of everything that can be asked.

It gathers around whatever goes wrong, and asks for the changes of voters that are wished for amid its other requests. A
member asks again and again for what it has not been told, at several nodes perhaps; what it is told is history as that
of all clients.
"""

from __future__ import annotations

from random import Random

import msgspec

from tenure.algorithms.raft import messages as raft
from tenure.core.events import NodeId, Reconfigure, Request
from tenure.machines import kv
from tenure.simulator.clients import CLIENTS, MEMBERS, MOST_TRIES, Client, Clients
from tenure.simulator.network import MS
from tenure.simulator.node import SimulatedNode

KEYS = ("c", "d")
"""Its own, so that histories of one key stay short."""
SOON_NS = 200 * MS
NOBODY = 10**9
"""The number of no session."""
NEVER_WRITTEN = b"-1"
"""By a command of no session: whoever reads it has found out a machine that applied it."""


class Member(Client):
    """Wants something only when the crowd gathers, or while it waits to be told of it."""

    _is_idle = True
    _commands: tuple[raft.Execute, ...] = ()
    """The last two that it asked for when all were there."""

    def begin(self) -> None:
        """Wait for the others."""
        self._is_idle = True

    def gathered(self, node: NodeId) -> Request | None:
        """What it asks this node for now, if anything."""
        if self.is_done or self._tries == MOST_TRIES:
            return None
        if self._is_idle:
            self._is_idle = False
            self._want()
        self._tries += 1
        self._node = node
        request = self._asking()
        if isinstance(request, raft.Execute):
            self._commands = (*self._commands, request)[-2:]
        return request

    def repeated(self) -> Request | None:
        """A command again, whatever it has asked for since, as by a message that was late."""
        return msgspec.structs.replace(self._commands[0], id=self._clients.register()) if self._commands else None


class Crowd:
    """All members."""

    def __init__(self, clients: Clients) -> None:
        self._clients, self._world = clients, clients.world
        numbers = range(CLIENTS + 1, CLIENTS + MEMBERS + 1)
        self._members = [Member(clients, number, KEYS) for number in numbers]
        for member in self._members:
            clients.join(member)

    def gather_soon(self) -> None:
        """Something has happened: be there, perhaps, before it is over."""
        chance = self._chance("soon")
        if chance.random() < 0.5:  # noqa: PLR2004  a fair coin
            at_ns = self._world.now_ns + int(chance.random() * SOON_NS)
            self._world.call_at(at_ns, self._gather, None)

    def _gather(self, _: None) -> None:
        """Mostly around who leads."""
        chance = self._chance("where")
        nodes = [node for _, node in sorted(self._world.nodes.items())]
        leading = [node for node in nodes if node.leads]
        chosen = leading if leading and chance.random() < 0.7 else nodes  # noqa: PLR2004  in most cases
        self._hand_over(chosen[int(chance.random() * len(chosen))], None, chance)

    def change(self, node: SimulatedNode, voters: tuple[NodeId, ...]) -> None:
        """Tell the node who is to vote: as its operator does, or in the middle of a batch."""
        chance = self._chance(f"change at {node.number}")
        if node.leads and not node.paused_until_ns and chance.random() < 0.7:  # noqa: PLR2004  in most cases
            self._hand_over(node, raft.ChangeVoters(self._clients.register(), voters), chance)
        else:
            self._world.give(node, Reconfigure(voters))

    def _hand_over(self, node: SimulatedNode, change: raft.ChangeVoters | None, chance: Random) -> None:
        said = [member.gathered(node.number) for member in self._members if chance.random() < 0.8]  # noqa: PLR2004  four of five
        said += [member.repeated() for member in self._members if chance.random() < 0.2]  # noqa: PLR2004  one of five
        requests = [request for request in said if request is not None]
        if chance.random() < 0.3:  # noqa: PLR2004  now and then
            order = kv.encode(kv.Put(KEYS[0], NEVER_WRITTEN))
            requests.append(raft.Execute(self._clients.register(), NOBODY, 1, order))
        requests.sort(key=lambda _: chance.random())
        if change is not None:
            requests.insert((len(requests) + 1) // 2, change)
        self._clients.hand_over(node.number, tuple(requests))

    def _chance(self, what: str) -> Random:
        """Of this instant, so that it is the same whatever else happens before."""
        return Random(f"{self._world.seed}/crowd/{self._world.now_ns}/{what}")
