"""What a node does itself for clients and operators, whether they ask it or another node that hands it on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from tenure.core.elector import WishRefused
from tenure.core.events import Answer, NodeId, Request
from tenure.runtime.operations import (
    AddNode,
    Denied,
    Done,
    Elsewhere,
    HandOver,
    LeaderIs,
    NotNow,
    Operation,
    RemoveNode,
    Result,
    RosterIs,
    StatusIs,
    TellLeader,
    TellRoster,
    TellStatus,
)
from tenure.runtime.way import NotAsked

if TYPE_CHECKING:
    from tenure.runtime.node import RuntimeNode

MOST_CHANGES = 16
"""Changes of members that wait at one node; one at a time is carried out."""


class Desk:
    """Of one node; what it is asked comes as futures, since some takes its time."""

    def __init__(self, node: RuntimeNode) -> None:
        self._node = node
        self._curious: list[tuple[TellLeader, asyncio.Future[Result]]] = []
        self._changes = set[asyncio.Task[Result]]()

    def ask(self, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        """What the algorithm answers."""
        node = self._node
        if node.takes_part:
            return node.driver.ask(kind, *fields)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_exception(NotAsked(f"{node.me.name} waits to be added to the cluster: ask a member"))
        return future

    def operate(self, operation: Operation) -> asyncio.Future[Result]:
        """What an operator asks."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        match operation:
            case AddNode() | RemoveNode():
                return self._change(operation)
            case TellRoster():
                future.set_result(self._roster(operation.id))
            case TellLeader():
                self._curious.append((operation, future))
                self.led_by(self._node.elector.leader)
            case HandOver(to=to):
                future.set_result(self._hand_over(operation.id, to))
            case TellStatus():
                future.set_result(self._status(operation.id))
            case _:
                future.set_result(Denied(operation.id, "this version knows no such operation: upgrade the node"))
        return future

    def led_by(self, leader: NodeId | None) -> None:
        """Tell those who wait to be told, and forget those who wait no more."""
        waiting, self._curious = self._curious, []
        for operation, future in waiting:
            if leader is not None and leader != operation.known and not future.done():
                future.set_result(LeaderIs(operation.id, leader, self._node.elector.term))
            elif not future.done():
                self._curious.append((operation, future))

    def stop(self) -> None:
        """Go on with nothing."""
        for task in self._changes:
            task.cancel()

    def _change(self, operation: AddNode | RemoveNode) -> asyncio.Future[Result]:
        loop = asyncio.get_running_loop()
        if len(self._changes) >= MOST_CHANGES:
            future: asyncio.Future[Result] = loop.create_future()
            future.set_result(NotNow(operation.id, f"{MOST_CHANGES} changes of members wait here already; ask again"))
            return future
        membership = self._node.membership
        change = membership.add(operation) if isinstance(operation, AddNode) else membership.remove(operation)
        task = loop.create_task(change, name="tenure changes members")
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return task

    def _roster(self, number: int) -> RosterIs:
        node = self._node
        roster = node.membership.roster
        return RosterIs(number, node.me.number, node.cluster, roster.founders, node.elector.name, roster.seats)

    def _status(self, number: int) -> StatusIs:
        from tenure.runtime.status import status  # it looks at nodes from above

        return StatusIs(number, msgspec.json.encode(status(self._node)))

    def _hand_over(self, number: int, to: int | None) -> Result:
        node = self._node
        if node.elector.leader != node.me.number:
            return Elsewhere(number, node.elector.leader)
        try:
            node.resign(to)
        except WishRefused as error:
            return Denied(number, str(error))
        return Done(number)
